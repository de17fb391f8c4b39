//! Makes all checks before a migration begins. Nothing in here changes the component's database, and a check that fails
//! refuses with exit 3.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::ctx::{Ctx, Database};
use crate::flags::{DbMigrate, Show, Way};
use crate::model::action::{Action, Own, own};
use crate::model::graph::Graph;
use crate::model::ledger::Ledger;
use crate::model::status::{Revision, Standing};
use crate::model::target::{self, Direction, Target};
use crate::sys::pg::InvalidIndex;
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::at_stake::{self, AtStake, LargeWork};
use crate::work::last_change::{Walked, What};
use crate::work::migrate::{Walk, verb};
use crate::work::own_database::{OwnDatabase, Refusal, Remote};
use crate::work::skipped::{self, AllSkipped};

pub const COMMAND: &str = "db-migrate";
pub const NOT_THERE: &str = "the component's database is not there yet";

/// What is known before anything is decided.
pub struct Facts<'a> {
    pub component: &'a Component,
    pub graph: Graph,
    pub database: Database,
    /// What the version table holds.
    pub applied: Vec<String>,
    /// As it was then.
    ledger: Option<Ledger>,
    /// None where it is not made yet, and only looked at.
    pub own: Option<OwnDatabase<'a>>,
    /// What it counts as having run and never ran.
    skipped: AllSkipped,
    /// What failed builds have left.
    pub invalid: Vec<InvalidIndex>,
}

/// What is to be done.
pub struct Plan {
    pub component: String,
    pub way: Way,
    pub walk: Walk,
    /// What the version table will hold.
    pub after: Vec<String>,
    /// The revisions, in the order of the steps.
    pub revisions: Vec<Revision>,
    /// What it takes away.
    pub at_stake: Vec<AtStake>,
    /// What it does to large tables.
    pub large: Vec<LargeWork>,
}

/// Files, connection, version table.
pub fn gather<'a>(ctx: &'a Ctx, flags: &DbMigrate) -> Result<Facts<'a>> {
    let component = ctx.component()?;
    let config = ctx.config(component)?;
    let graph = ctx.history(&config)?;
    let database = ctx.database(&config)?;
    // The SQL is written by a driver that has to know its database; an empty one on our own server harms nobody.
    if flags.show != Some(Show::Plan) {
        ctx.ensure_database(&database)?;
    }
    let (skipped, own) = (AllSkipped::default(), None);
    let mut facts =
        Facts { component, graph, database, applied: Vec::new(), ledger: None, own, skipped, invalid: Vec::new() };
    match OwnDatabase::connect_to(component, config, facts.database.clone(), COMMAND) {
        // A look (dry run, SQL) at an embedded database that is not made yet finds it empty.
        Err(error) if facts.database.embedded && advice::is_database_missing(&error) => {}
        Err(error) => return Err(error),
        Ok(mut own) => {
            (facts.applied, facts.ledger) = own.applied_and_ledger()?;
            facts.own = Some(own);
        }
    }
    Ok(facts)
}

/// Takes the target to steps, and asks the database what it never ran: a step down through that must not undo what was
/// never done, and whoever goes up, or finds nothing to do, is told.
pub fn plan(ctx: &Ctx, facts: &mut Facts, flags: &DbMigrate) -> Result<Plan> {
    let mut plan = steps(ctx, facts, flags)?;
    if let Some(own) = &mut facts.own {
        facts.skipped = skipped::find(ctx, &facts.graph, own.db(), facts.ledger.as_ref(), &facts.applied);
        facts.invalid = own.db().invalid_indexes()?;
        own.warn_of_invalid(ctx, &facts.invalid);
    }
    let never = facts.skipped.ids();
    if plan.is_downgrade() {
        let steps = plan.walk.steps.iter().map(|step| step.revision.clone());
        plan.walk.skipped = steps.filter(|id| never.contains(id)).collect();
    } else if !facts.skipped.is_empty() {
        let advice = facts.skipped.advice(ctx, facts.component).join("\n  ");
        ctx.ui.warn(format!("The database counts as having run {}, and never did.\n  {advice}", never.join(", ")));
    }
    if let Some(own) = &mut facts.own {
        let ids = plan.walk.steps.iter().map(|step| step.revision.clone()).filter(|id| plan.walk.runs(id));
        let (ids, direction) = (ids.collect::<Vec<_>>(), plan.direction());
        plan.at_stake = at_stake::find(ctx, &facts.graph, own.db(), direction, &ids)?;
        plan.large = at_stake::on_large_tables(ctx, &facts.graph, own.db(), direction, &ids)?;
    }
    Ok(plan)
}

fn steps(ctx: &Ctx, facts: &Facts, flags: &DbMigrate) -> Result<Plan> {
    let standing = Standing::new(&facts.graph, &facts.applied);
    if !standing.unknown.is_empty() {
        return Err(advice::unknown_revisions(ctx, &standing.unknown, facts.component).into());
    }
    if let Some(fail) = advice::overlapping(ctx, &standing, facts.component) {
        return Err(fail.into());
    }
    let text = flags.target.clone().unwrap_or_else(|| facts.graph.usual_target().to_owned());
    let direction = match flags.way {
        Way::Upgrade => Direction::Up,
        Way::Downgrade => Direction::Down,
    };
    let steps = Target::parse(&text)
        .and_then(|target| target::resolve(&facts.graph, direction, &facts.applied, &target))
        .map_err(|error| advice::target(ctx, &error, &text, facts.component))?
        .steps;
    let revisions = steps.iter().map(|step| Revision::of(&facts.graph, &step.revision)).collect();
    let walk = Walk { steps, before: facts.applied.clone(), target: text, ..Walk::default() };
    Ok(Plan {
        component: facts.component.name.clone(),
        way: flags.way,
        after: walk.after(&facts.graph, walk.steps.len())?,
        walk,
        revisions,
        at_stake: Vec::new(),
        large: Vec::new(),
    })
}

/// A server that takes writes, on this machine or where the command line says.
///
/// # Errors
/// `read-only-server`, `remote-database`.
pub fn require_right(ctx: &Ctx, flags: &DbMigrate, own: &mut OwnDatabase<'_>, plan: &Plan) -> Result<()> {
    let refusal = Refusal {
        why: "A migration of a database that others use should be meant, not slipped into",
        instead: vec![Action::run("Look first", plan.command().word("--dry-run"))],
    };
    let remote = Remote { command: plan.command(), allowed: flags.allow_remote.as_deref() };
    own.require_right(ctx, refusal, Some(remote))
}

/// The checks that only a real run needs: this machine, nobody else at work, Python with Alembic.
pub fn guard<'a>(ctx: &Ctx, flags: &DbMigrate, mut facts: Facts<'a>, mut plan: Plan) -> Result<(Facts<'a>, Plan)> {
    let mut own = facts.own.take().context(NOT_THERE)?;
    require_right(ctx, flags, &mut own, &plan)?;
    own.lock(ctx, flags.wait)?;
    let (applied, ledger) = own.applied_and_ledger()?;
    if applied == facts.applied {
        facts.own = Some(own);
    } else {
        facts = Facts { applied, ledger, own: Some(own), ..facts };
        plan = self::plan(ctx, &mut facts, flags)?;
    }
    let own = facts.own.as_mut().context(NOT_THERE)?;
    if plan.is_downgrade() && !flags.allow_connections {
        own.require_alone(
            ctx,
            Refusal {
                why: "A downgrade takes tables and columns away under them",
                instead: vec![
                    Action::run("Retry", plan.command()),
                    Action::run("Or go on all the same", plan.command().word("--allow-connections")),
                ],
            },
        )?;
    }
    if plan.is_downgrade() {
        own.require_meant(ctx)?;
    } else if !plan.walk.steps.is_empty() {
        own.warn_of_others(ctx)?;
    }
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    Ok((facts, plan))
}

impl Plan {
    /// Whether revisions are taken back.
    pub fn is_downgrade(&self) -> bool {
        self.way == Way::Downgrade
    }

    /// The tables that rows or values go with, as far as the scripts tell.
    pub fn loses_rows_of(&self) -> Vec<String> {
        self.at_stake.iter().filter(|it| it.is_loss()).filter_map(AtStake::table).collect()
    }

    /// Whether rows or values go, or are written over, of a table that a script names.
    pub fn changes_named_rows(&self) -> bool {
        self.at_stake.iter().any(|it| it.changes_rows() && it.table().is_some())
    }

    /// Whether rows may go besides of which no script names the table.
    pub fn loses_unnamed_rows(&self) -> bool {
        self.at_stake.iter().any(|it| it.is_loss() && it.table().is_none())
    }

    /// What db-undo has to know.
    pub fn change(&self, backup: Option<PathBuf>) -> What {
        let ids = self.walk.steps.iter().map(|step| step.revision.clone()).collect();
        What::Walk(Walked { direction: self.direction(), start: self.walk.before.clone(), ids, backup })
    }

    /// `applied` or `reverted`, as JSON and people say it.
    pub fn verb(&self) -> &'static str {
        verb(self.direction())
    }

    fn direction(&self) -> Direction {
        if self.is_downgrade() { Direction::Down } else { Direction::Up }
    }

    /// The command line of this plan.
    pub fn command(&self) -> Own {
        let command = own(COMMAND).of(&self.component);
        let command = if self.is_downgrade() { command.flag("--direction", "downgrade") } else { command };
        match self.walk.target.as_str() {
            "head" if !self.is_downgrade() => command,
            target => command.flag("--target", target),
        }
    }

    /// Every step in a line.
    pub fn lines(&self, graph: &Graph) -> impl Iterator<Item = String> {
        self.walk.steps.iter().map(|step| self.walk.line(graph, &step.revision))
    }
}
