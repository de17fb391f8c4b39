//! Everything that is checked before a migration begins. Nothing in here changes the component's database; whatever
//! it finds refuses with exit 3.

use anyhow::{Context, Result};

use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Fail, Kind};
use crate::flags::{DbMigrate, Show, Way};
use crate::model::graph::Graph;
use crate::model::status::{Revision, Standing};
use crate::model::target::{self, Direction, Step, Target};
use crate::sys::alembic::{self, Launch};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg::{Db, MigrationLock, VersionTable, application_name};
use crate::sys::project::Component;
use crate::work::ledger::Book;
use crate::work::skipped::{self, Implied};
use crate::work::{advice, driver};

/// How many other sessions an error lists before it only counts them.
const LISTED: usize = 5;

const COMMAND: &str = "db-migrate";
const NOT_THERE: &str = "the component's database is not there yet";

/// What is known before anything is decided.
pub struct Facts<'a> {
    pub component: &'a Component,
    pub config: AlembicConfig,
    pub graph: Graph,
    pub database: Database,
    /// What the version table holds.
    pub applied: Vec<String>,
    /// `--component=…` for printed commands, empty for the default one.
    pub flag: String,
    /// What it counts as having run and never ran.
    implied: Implied,
    /// The version table where it was found.
    table: VersionTable,
    db: Option<Db>,
}

/// What is to be done.
pub struct Plan {
    pub component: String,
    pub way: Way,
    pub target: String,
    pub steps: Vec<Step>,
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// Revisions to revert that never ran: there is nothing of them to undo.
    unrun: Vec<String>,
    names: Vec<(Revision, Vec<String>)>,
}

/// Facts and plan, with nobody else able to migrate the database as long as the lock lives.
pub struct Guarded<'a> {
    pub facts: Facts<'a>,
    pub plan: Plan,
    pub lock: MigrationLock,
}

impl Facts<'_> {
    /// The connection.
    pub fn db(&mut self) -> Result<&mut Db> {
        self.db.as_mut().context(NOT_THERE)
    }

    /// Connects anew and reads the version table.
    pub fn read_again(&mut self) -> Result<Vec<String>> {
        self.db = Some(Db::connect(&self.database.url, &application_name(COMMAND))?);
        self.read()
    }

    /// What the driver needs to work on just this database.
    pub fn launch(&mut self, ctx: &Ctx) -> Result<Launch> {
        let db = self.db.as_mut().context(NOT_THERE)?;
        driver::launch(ctx, &self.config, db, COMMAND)
    }

    /// The ledger before a walk; the lock has to be held.
    pub fn open_ledger(&mut self) -> Result<Book> {
        let (db, table) = (self.db.as_mut().context(NOT_THERE)?, &self.table);
        Ok(Book::open(db, table, COMMAND, &self.graph, &self.applied))
    }

    /// Both at once, for whoever writes down what was done.
    pub fn graph_and_db(&mut self) -> (&Graph, Option<&mut Db>) {
        (&self.graph, self.db.as_mut())
    }

    fn read(&mut self) -> Result<Vec<String>> {
        let table = version_table(self.component);
        let applied = self.db()?.applied(&table)?;
        self.table = table.found(&applied);
        Ok(applied.revisions)
    }

    fn find_implied(&mut self, ctx: &Ctx) {
        let Some(db) = &mut self.db else { return };
        let ledger = db.ledger(&self.table);
        self.implied = skipped::find(ctx, &self.graph, db, ledger.as_ref(), &self.applied);
    }
}

/// Files, connection, version table.
pub fn gather<'a>(ctx: &'a Ctx, flags: &DbMigrate) -> Result<Facts<'a>> {
    let component = ctx.component()?;
    let config = ctx.config(component)?;
    let graph = ctx.history(&config)?;
    let database = ctx.database(&config)?;
    let flag = ctx.component_flag(component);
    // The SQL is written by a driver that has to know its database; an empty one on our own server harms nobody.
    if flags.show != Some(Show::Plan) {
        ctx.ensure_database(&database)?;
    }
    let table = version_table(component);
    let implied = Implied::default();
    let mut facts = Facts { component, config, graph, database, applied: Vec::new(), flag, implied, table, db: None };
    match Db::connect(&facts.database.url, &application_name(COMMAND)) {
        // A look (dry run, SQL) at an embedded database that is not made yet finds it empty.
        Err(error) if facts.database.embedded && advice::is_database_missing(&error) => {}
        Err(error) => return Err(error),
        Ok(db) => {
            facts.db = Some(db);
            facts.applied = facts.read()?;
        }
    }
    Ok(facts)
}

/// Takes the target to steps, and asks the database what it never ran: a step down through that must not undo what was
/// never done, and whoever goes up, or finds nothing to do, is told.
pub fn plan(ctx: &Ctx, facts: &mut Facts, flags: &DbMigrate) -> Result<Plan> {
    let mut plan = steps(ctx, facts, flags)?;
    facts.find_implied(ctx);
    let never = facts.implied.ids();
    if plan.is_downgrade() {
        plan.unrun = plan.steps.iter().map(|step| step.revision.clone()).filter(|id| never.contains(id)).collect();
    } else if !never.is_empty() {
        let advice = facts.implied.advice(&ctx.alembic(facts.component), &facts.flag).join("\n  ");
        ctx.ui.warn(format!("The database counts as having run {}, and never did.\n  {advice}", never.join(", ")));
    }
    Ok(plan)
}

fn steps(ctx: &Ctx, facts: &Facts, flags: &DbMigrate) -> Result<Plan> {
    let standing = Standing::new(&facts.graph, &facts.applied);
    if !standing.unknown.is_empty() {
        return Err(advice::unknown_in_database(&standing.unknown, &facts.flag).into());
    }
    if let Some(fail) = advice::overlapping(&standing, &ctx.alembic(facts.component), &facts.flag) {
        return Err(fail.into());
    }
    let text = flags.target.clone().unwrap_or_else(|| "head".to_owned());
    let direction = match flags.way {
        Way::Upgrade => Direction::Up,
        Way::Downgrade => Direction::Down,
    };
    let steps = Target::parse(&text)
        .and_then(|target| target::resolve(&facts.graph, direction, &facts.applied, &target))
        .map_err(|error| advice::target(ctx, &error, &text, facts.component, &facts.flag))?
        .steps;
    let name = |step: &Step| {
        let parents = facts.graph.parents(&step.revision).into_iter().map(str::to_owned).collect();
        (Revision::of(&facts.graph, &step.revision), parents)
    };
    Ok(Plan {
        component: facts.component.name.clone(),
        way: flags.way,
        target: text,
        names: steps.iter().map(name).collect(),
        after: heads_after(&facts.graph, &facts.applied, &steps)?,
        steps,
        before: facts.applied.clone(),
        unrun: Vec::new(),
    })
}

fn heads_after(graph: &Graph, before: &[String], steps: &[Step]) -> Result<Vec<String>> {
    let mut heads = before.to_vec();
    for step in steps {
        heads = graph.heads_after(&heads, step).with_context(|| format!("planning {}", step.revision))?;
    }
    Ok(heads)
}

/// The checks that only a real run needs: this machine, nobody else at work, Python with Alembic.
pub fn guard<'a>(ctx: &Ctx, flags: &DbMigrate, mut facts: Facts<'a>, mut plan: Plan) -> Result<Guarded<'a>> {
    if !facts.database.url.is_local() && !flags.allow_remote {
        return Err(remote(&facts, &plan).into());
    }
    let lock = MigrationLock::take(&facts.database.url, COMMAND)?;
    let applied = facts.read()?;
    if applied != facts.applied {
        facts.applied = applied;
        plan = self::plan(ctx, &mut facts, flags)?;
    }
    if plan.is_downgrade() && !flags.allow_connections {
        nobody_connected(&mut facts, &plan, &lock)?;
    }
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    Ok(Guarded { facts, plan, lock })
}

fn remote(facts: &Facts, plan: &Plan) -> Fail {
    Fail::new(Kind::RemoteDatabase, "The database is not on this machine")
        .details(facts.database.place())
        .details("A migration of a database that others use should be meant, not slipped into")
        .action(format!("Look first: {} --dry-run", plan.command(&facts.flag)))
        .action(format!("If it is meant: {} --allow-remote", plan.command(&facts.flag)))
        .related("cargo xtask db-status")
}

fn nobody_connected(facts: &mut Facts, plan: &Plan, lock: &MigrationLock) -> Result<()> {
    let own = [lock.backend_pid()];
    let others = facts.db()?.other_sessions(&own, &[&application_name(COMMAND)])?;
    if others.is_empty() {
        return Ok(());
    }
    let mut fail = Fail::new(Kind::ActiveConnections, "Other sessions are connected to the database")
        .details("A downgrade takes tables and columns away under them");
    for session in others.iter().take(LISTED) {
        fail = fail.details(driver::session_line(session));
    }
    if others.len() > LISTED {
        fail = fail.details(format!("… and {} more", others.len() - LISTED));
    }
    let services = &facts.component.services;
    let stop = if services.is_empty() { String::new() } else { format!(": {}", services.join(", ")) };
    Err(fail
        .action(format!("Stop the services that use it{stop}"))
        .action(format!("Retry: {}", plan.command(&facts.flag)))
        .action(format!("Or go on all the same: {} --allow-connections", plan.command(&facts.flag)))
        .related("cargo xtask db-status")
        .into())
}

impl Plan {
    /// Whether revisions are taken back.
    pub fn is_downgrade(&self) -> bool {
        self.way == Way::Downgrade
    }

    /// `applied` or `reverted`, as JSON and people say it.
    pub fn verb(&self) -> &'static str {
        if self.is_downgrade() { "reverted" } else { "applied" }
    }

    /// The command line of this plan.
    pub fn command(&self, flag: &str) -> String {
        let mut line = format!("cargo xtask db-migrate{flag}");
        if self.is_downgrade() {
            line.push_str(" --direction=downgrade");
        }
        if self.is_downgrade() || self.target != "head" {
            line.push_str(&format!(" --target={}", self.target));
        }
        line
    }

    /// What the driver is to do.
    pub fn for_driver(&self) -> alembic::Plan {
        alembic::Plan {
            steps: self.steps.clone(),
            before: Some(self.before.clone()),
            target: self.target.clone(),
            unrun: self.unrun.clone(),
        }
    }

    /// Every step in a line.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.names.iter().map(|(revision, parents)| self.arrow(revision, parents))
    }

    /// One step, by its revision.
    pub fn line(&self, id: &str) -> String {
        let named = self.names.iter().find(|(revision, _)| revision.id == id);
        named.map_or_else(|| id.to_owned(), |(revision, parents)| self.arrow(revision, parents))
    }

    /// The revisions, in the order of the steps.
    pub fn revisions(&self) -> impl Iterator<Item = &Revision> {
        self.names.iter().map(|(revision, _)| revision)
    }

    /// Which of the `begun` steps are done, by what the version table holds now: the first ones, up to where they lead to
    /// just that. None where no number of steps does.
    pub fn done(&self, graph: &Graph, after: &[String], begun: usize) -> Vec<Revision> {
        let goal = sorted(after);
        let leads_there = |count: &usize| {
            heads_after(graph, &self.before, &self.steps[..*count]).is_ok_and(|heads| sorted(&heads) == goal)
        };
        let done = (0..=begun.min(self.steps.len())).find(leads_there).unwrap_or(0);
        self.revisions().take(done).cloned().collect()
    }

    /// `a → b: Add a column`, downwards `b → a: Add a column`.
    fn arrow(&self, revision: &Revision, parents: &[String]) -> String {
        let below = if parents.is_empty() { "<base>".to_owned() } else { parents.join(" + ") };
        let message = if revision.message.is_empty() { String::new() } else { format!(": {}", revision.message) };
        if self.is_downgrade() {
            let unrun = if self.unrun.contains(&revision.id) { " (never ran: there is nothing to undo)" } else { "" };
            format!("{} → {below}{message}{unrun}", revision.id)
        } else {
            format!("{below} → {}{message}", revision.id)
        }
    }
}

/// The version table has no order.
pub fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
