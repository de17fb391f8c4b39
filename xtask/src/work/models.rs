//! Makes the database that models are compared with: a throwaway one at the head of the migrations, and the driver on
//! it. The migrations make it from empty, so that nothing done by hand to the component's own database counts; where
//! the history does not run from empty, it is a clone of the component's. The baseline command never makes it: that
//! command uses the models, and models compared with themselves never differ.

use anyhow::Result;

use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Fail, Kind, from_anyhow, refuse};
use crate::model::action::own;
use crate::model::graph::Graph;
use crate::model::target::Step;
use crate::sys::alembic::{Compared, Draft, Driver, Fault, Plan, Stop, Trouble};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg::{self, Db, Scratch, application_name};
use crate::sys::project::{Baseline, Component};
use crate::work::bystander::Bystanders;
use crate::work::driver::{self, Labels};
use crate::work::past::{Base, Past};
use crate::work::{advice, baseline_command};

/// A component, and everything about it that is known from its files.
pub struct Subject<'a> {
    /// Whose models and migrations.
    pub component: &'a Component,
    pub config: AlembicConfig,
    /// Its history.
    pub graph: Graph,
}

impl<'a> Subject<'a> {
    /// Reads config and history; the history must not be diverged.
    ///
    /// # Errors
    /// `multiple-heads`, and what reading them may meet.
    pub fn gather(ctx: &Ctx, component: &'a Component) -> Result<Subject<'a>> {
        let subject = Subject::with_all_heads(ctx, component)?;
        let heads = subject.graph.heads();
        if subject.graph.is_diverged() {
            return Err(Fail::new(Kind::MultipleHeads, "Multiple heads detected")
                .details(format!("The scripts of {} have {} heads: {}", component.name, heads.len(), heads.join(", ")))
                .details("Models can be compared with one history only, and a new revision needs one to follow")
                .run("Make them one", advice::one_head_again())
                .run("Look at them", own("db-status"))
                .related(advice::one_head_again())
                .into());
        }
        Ok(subject)
    }

    /// The same, however many heads there are.
    ///
    /// # Errors
    /// What reading config and history may meet.
    pub fn with_all_heads(ctx: &Ctx, component: &'a Component) -> Result<Subject<'a>> {
        let config = ctx.config(component)?;
        let graph = ctx.history(&config)?;
        Ok(Subject { component, config, graph })
    }
}

/// The database at the head, with the driver on it. Both go with the value.
pub struct HeadDatabase {
    /// How the database came to be, for the report.
    pub words: String,
    /// Whether it holds what the component's own database held, however that came to be.
    pub is_clone: bool,
    driver: Driver,
    db: Db,
    labels: Labels,
    scratch: Scratch,
    /// The component's own database, in case that a script or the models reach it.
    own: Bystanders,
}

/// How a database at the head is made.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// The migrations, from the first one.
    Empty,
    /// A clone of the component's own, upgraded.
    Clone,
    /// The baseline command (these words) as it was in the past, upgraded.
    Past(&'a Past, &'a Base, &'a [String]),
}

impl HeadDatabase {
    /// Makes it.
    ///
    /// # Errors
    /// What connecting may meet; what a migration or env.py may meet, where there is no other way.
    pub fn make(ctx: &Ctx, subject: &Subject, database: &Database, command: &str) -> Result<HeadDatabase> {
        for name in pg::sweep(&database.url).unwrap_or_default() {
            ctx.ui.status(format!("Swept what a run that was killed left behind: {name}"));
        }
        let can_clone = can_clone(subject, database, command)?;
        // A baseline command says that the history does not run from empty: trying would only take time.
        if can_clone && subject.component.baseline.is_some() {
            return HeadDatabase::by(ctx, subject, database, command, Way::Clone)?
                .map_err(|stopped| stopped.fail.into());
        }
        match HeadDatabase::by(ctx, subject, database, command, Way::Empty)? {
            Ok(head) => Ok(head),
            Err(stopped) if can_clone && stopped.in_step => {
                ctx.ui.warn(format!(
                    "The history does not run from empty ({}), so a clone of {} is taken",
                    stopped.fail.summary,
                    database.place()
                ));
                HeadDatabase::by(ctx, subject, database, command, Way::Clone)?.map_err(|stopped| stopped.fail.into())
            }
            Err(stopped) => Err(stopped.hopeless().into()),
        }
    }

    /// Makes it so that a migration that lacks is seen, where databases of the component are made by a command: that may
    /// take the models, so it is run as it was before the models changed.
    ///
    /// # Errors
    /// As [`HeadDatabase::make`]; what git and the baseline command may meet.
    pub fn before_the_change(
        ctx: &Ctx,
        subject: &Subject,
        database: &Database,
        command: &str,
        reference: Option<&str>,
    ) -> Result<HeadDatabase> {
        let Some(Baseline::Command { words, .. }) = &subject.component.baseline else {
            return HeadDatabase::make(ctx, subject, database, command);
        };
        match Base::of(ctx, reference)? {
            Ok(base) => {
                let past = Past::lay_out(ctx, &base)?;
                HeadDatabase::by(ctx, subject, database, command, Way::Past(&past, &base, words))?
                    .map_err(|stopped| stopped.fail.into())
            }
            Err(why) => {
                let hint = if reference.is_none() { "; name what to compare with: --base HEAD~1" } else { "" };
                ctx.ui.not_looked_at(format!("changes of the models: {why}{hint}"));
                HeadDatabase::make(ctx, subject, database, command)
            }
        }
    }

    fn by(
        ctx: &Ctx,
        subject: &Subject,
        database: &Database,
        command: &str,
        way: Way<'_>,
    ) -> Result<Result<HeadDatabase, Stopped>> {
        let making = database.making(&ctx.ui, command);
        let name = &database.url.target().database;
        let (scratch, words) = match way {
            Way::Empty => {
                (Scratch::empty(&database.url, &making)?, "a database made from empty by the migrations".to_owned())
            }
            Way::Clone => {
                let scratch = Scratch::clone_of(&database.url, name, &making)?;
                (scratch, format!("a clone of {}, upgraded to the head", database.place()))
            }
            Way::Past(past, base, baseline) => {
                let scratch = Scratch::empty(&database.url, &making)?;
                let _task = ctx.ui.task("Making a database as it was before the change");
                baseline_command::run(ctx, &subject.config, baseline, scratch.url(), Some(&past.project))?;
                let made = format!("a database made by `{}` at {}", baseline.join(" "), base.words);
                (scratch, format!("{made}, upgraded to the head"))
            }
        };
        let own = Bystanders::look(ctx, &subject.config, database.embedded, command);
        let mut db = Db::connect(scratch.url(), &application_name(command))?;
        let applied = db.applied(&version_table(subject.component))?.revisions;
        let steps: Vec<Step> = subject.graph.pending(&applied).into_iter().map(Step::up).collect();
        let launch = driver::launch_throwaway(ctx, &subject.config, &mut db, command)?;
        let driver = Driver::start(&ctx.ui, &launch)?;
        let labels = Labels::new(ctx, subject.component)?;
        let mut head = HeadDatabase { words, is_clone: matches!(way, Way::Clone), driver, db, labels, scratch, own };
        if steps.is_empty() {
            return Ok(Ok(head));
        }
        let count = if steps.len() == 1 { "1 migration".to_owned() } else { format!("{} migrations", steps.len()) };
        let _task = ctx.ui.task(format!("Making a throwaway database: {count}"));
        match head.walk(steps) {
            Ok(()) => Ok(Ok(head)),
            Err(Stop::Error(error)) => {
                driver::end_sessions(&mut head.db, &head.driver);
                Err(error)
            }
            Err(Stop::Trouble(trouble)) => {
                let in_step = trouble.fault() == Fault::Revision;
                Ok(Err(Stopped { fail: head.explain(&trouble), in_step }))
            }
        }
    }

    /// Asks Alembic what the models want.
    ///
    /// # Errors
    /// What env.py and the models may meet.
    pub fn compare(&mut self, ctx: &Ctx, draft: &Draft) -> Result<Compared> {
        let _task = ctx.ui.task("Comparing the models with it");
        self.driver.compare(draft).map_err(|stop| self.stopped(stop))
    }

    /// The driver, for what is written by it.
    pub fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// The connection to the throwaway database.
    pub fn db(&mut self) -> &mut Db {
        &mut self.db
    }

    /// Runs one function of a revision that was just written.
    pub fn apply(&mut self, step: Step) -> Result<(), Box<Fail>> {
        let done = self.walk(vec![step]);
        done.map_err(|stop| Box::new(from_anyhow(&self.stopped(stop))))
    }

    /// Puts everything away, and says if that fails.
    pub fn end(self, ctx: &Ctx) -> Result<()> {
        self.driver.stop();
        self.own.warn(ctx);
        drop(self.db);
        self.scratch.remove()
    }

    fn walk(&mut self, steps: Vec<Step>) -> Result<(), Stop> {
        let plan = Plan { steps, before: None, target: "heads".to_owned(), skipped: Vec::new() };
        self.driver.migrate(&plan, None, &mut |_| {}).map(|_| ())
    }

    /// A stop as an error to end with.
    pub fn stopped(&mut self, stop: Stop) -> anyhow::Error {
        match stop {
            Stop::Trouble(trouble) => self.explain(&trouble).into(),
            Stop::Error(error) => {
                driver::end_sessions(&mut self.db, &self.driver);
                error
            }
        }
    }

    fn explain(&mut self, trouble: &Trouble) -> Fail {
        let fail = driver::to_fail(trouble, &self.labels, &mut self.db, &self.driver);
        explain(trouble, &self.labels, fail)
    }
}

/// Why a way did not lead to the head.
struct Stopped {
    fail: Fail,
    /// A migration failed, not env.py or the models: another way may lead there.
    in_step: bool,
}

impl Stopped {
    fn hopeless(self) -> Fail {
        let fail = self.fail.details("This happened on a throwaway database; your own was not touched");
        if !self.in_step {
            return fail;
        }
        fail.details("The history does not run from empty, and there is no database of the component to clone")
            .run("Bring the component's database to the head first", own("db-migrate"))
    }
}

/// What went wrong outside of a migration is mostly in the models, whose place Alembic's own frames hide.
fn explain(trouble: &Trouble, labels: &Labels, mut fail: Fail) -> Fail {
    let Some(last) = trouble.traceback.last().filter(|_| trouble.fault() != Fault::Revision) else { return fail };
    let last = &labels.shortened(last);
    let place = last.split(" in ").next().unwrap_or(last);
    if !fail.details.contains(place) {
        fail = fail.details(format!("Raised in {last}"));
        if matches!(fail.kind, Kind::MigrationRaised | Kind::EnvFailed) {
            fail.actions = vec![format!("Look at {place}").into()];
            fail = fail.run("Check the whole set-up", own("doctor"));
        }
    }
    fail
}

/// Whether the component's database is there and at a revision that this checkout knows.
fn can_clone(subject: &Subject, database: &Database, command: &str) -> Result<bool> {
    match Db::connect(&database.url, &application_name(command)) {
        Err(error) if advice::is_database_missing(&error) => Ok(false),
        Err(error) => Err(refuse(error)),
        Ok(mut db) => {
            let applied = db.applied(&version_table(subject.component)).map_err(refuse)?.revisions;
            Ok(!applied.is_empty() && subject.graph.unknown(&applied).is_empty())
        }
    }
}
