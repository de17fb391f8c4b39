//! One walk of the component's own database, the only way in which any command migrates it: Alembic runs the steps in the
//! project's own transaction mode, what never ran is only taken out of the version table, the database has to be where
//! the steps lead, the ledger is written, and after a failure it is said what stayed.

mod looks;
mod stayed;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::advice;
use super::driver::{self, Labels};
use super::hangs::HangWatch;
use super::ledger::{self, Book};
use super::own_database::OwnDatabase;
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action;
use crate::model::catalog::Change;
use crate::model::graph::Graph;
use crate::model::rebase::ids;
use crate::model::status::Revision;
use crate::model::target::{Direction, Step};
use crate::sys::alembic::{self, Driver, Event, Inside, Launch, Migrated, Patience, Stop, Trouble, Waiting};
use crate::sys::interrupt;
use crate::sys::journal::crash_point;
use looks::Looks;

/// How long a statement waits for a lock unless told otherwise: whoever reads the table queues behind it meanwhile.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a walk that met a lock is begun again, as long as nothing of it was applied.
const RETRIES: u32 = 3;

/// The way to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// All in one direction, in this order.
    pub steps: Vec<Step>,
    /// What the version table holds before.
    pub before: Vec<String>,
    /// What was asked for (`head`, `-1`, …); env.py can see it.
    pub target: String,
    /// Revisions on a way down that never ran: there is nothing of them to undo.
    pub skipped: Vec<String>,
    /// Revisions that are only taken out of the version table, or put back: what they made is there and stays.
    pub kept: Vec<String>,
    /// How many steps of the same way were done before this walk began.
    pub earlier: usize,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// A statement's wait for a lock; none is the usual one.
    pub lock: Option<Duration>,
    /// One revision.
    pub step: Option<Duration>,
}

/// How far a walk has come.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// How many steps were begun.
    pub begun: usize,
    /// The revisions whose step is done for good.
    pub done: Vec<String>,
    /// What the version table holds now; `None` where that could not be asked.
    pub heads: Option<Vec<String>>,
    /// What the steps took.
    pub seconds: f64,
    /// The revision that failed half-way, and what stays of it.
    pub half_done: Option<(String, Vec<Change>)>,
    /// Tables with rows that were written and committed while it failed, in words.
    pub rows_stay: Vec<String>,
    /// Whether it was looked at that nothing stays of the step that failed.
    pub left_nothing: bool,
}

impl Walked {
    /// This one, which went on where an earlier one broke off.
    fn after(self, earlier: Walked) -> Walked {
        Walked {
            begun: earlier.done.len() + self.begun,
            seconds: earlier.seconds + self.seconds,
            done: [earlier.done, self.done].concat(),
            ..self
        }
    }
}

/// A walk that did not come to its end.
#[derive(Debug)]
pub struct BrokenOff {
    /// Why, and what stayed.
    pub fail: Fail,
    /// The same as structure, where a step or env.py is to blame.
    pub trouble: Option<Box<Trouble>>,
    /// How far it came.
    pub walked: Walked,
}

impl From<Box<BrokenOff>> for anyhow::Error {
    fn from(broken: Box<BrokenOff>) -> anyhow::Error {
        broken.fail.into()
    }
}

impl Walk {
    /// These revisions in a direction, from a database that holds `before`.
    pub fn new(direction: Direction, ids: &[String], before: Vec<String>) -> Walk {
        let steps = ids.iter().map(|id| Step { direction, revision: id.clone() }).collect();
        let target = ids.last().cloned().unwrap_or_default();
        Walk { steps, before, target, skipped: Vec::new(), kept: Vec::new(), earlier: 0 }
    }

    /// What is left of it after the first `done` steps.
    fn rest(&self, graph: &Graph, done: usize) -> Result<Walk> {
        let (before, steps) = (self.after(graph, done)?, self.steps[done..].to_vec());
        Ok(Walk { before, steps, earlier: self.earlier + done, ..self.clone() })
    }

    /// Which way; up where there is nothing to do.
    pub fn direction(&self) -> Direction {
        self.steps.first().map_or(Direction::Up, |step| step.direction)
    }

    /// What the version table holds after the first `count` steps.
    ///
    /// # Errors
    /// Where Alembic could not record a step.
    pub fn after(&self, graph: &Graph, count: usize) -> Result<Vec<String>> {
        let mut heads = self.before.clone();
        for step in &self.steps[..count] {
            heads = graph.heads_after(&heads, step).with_context(|| format!("planning {}", step.revision))?;
        }
        Ok(heads)
    }

    /// How many of the first `begun` steps are done, by what the version table holds; `None` where no number of steps
    /// leads there.
    pub fn done(&self, graph: &Graph, heads: &[String], begun: usize) -> Option<usize> {
        let heads = sorted(heads);
        let leads_there = |count: &usize| self.after(graph, *count).is_ok_and(|after| sorted(&after) == heads);
        (0..=begun.min(self.steps.len())).find(leads_there)
    }

    /// Whether a step runs its function.
    pub fn runs(&self, id: &str) -> bool {
        !self.skipped.iter().chain(&self.kept).any(|it| it == id)
    }

    /// `a → b: Add a column`, downwards `b → a: Add a column`.
    pub fn line(&self, graph: &Graph, id: &str) -> String {
        let parents: Vec<String> = graph.parents(id).into_iter().map(str::to_owned).collect();
        let below = ids(&parents);
        let message = Revision::of(graph, id).title();
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        let is_among = |ids: &[String]| ids.iter().any(|it| it == id);
        match self.direction() {
            Direction::Up if is_among(&self.kept) => format!("{below} → {id}{message} (is there, and stays)"),
            Direction::Down if is_among(&self.kept) => format!("{id} → {below}{message} (what it made stays)"),
            Direction::Up => format!("{below} → {id}{message}"),
            Direction::Down if is_among(&self.skipped) => {
                format!("{id} → {below}{message} (never ran: there is nothing to undo)")
            }
            Direction::Down => format!("{id} → {below}{message}"),
        }
    }

    /// What the driver is to do.
    pub fn for_driver(&self) -> alembic::Plan {
        alembic::Plan {
            steps: self.steps.clone(),
            before: Some(self.before.clone()),
            target: self.target.clone(),
            skipped: self.skipped.iter().chain(&self.kept).cloned().collect(),
        }
    }
}

/// `applied` or `reverted`.
pub fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "applied",
        Direction::Down => "reverted",
    }
}

/// The version table has no order.
pub fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

/// Walks a database that [`OwnDatabase`] has locked, as often as need be, with one driver.
pub struct Walker<'a> {
    ctx: &'a Ctx,
    labels: Labels,
    launch: Launch,
    limits: Limits,
    /// None after a failure: the next walk starts another one.
    driver: Option<Driver>,
}

impl<'a> Walker<'a> {
    /// Starts Alembic and does not wait for it: its imports take seconds, in which a backup can be taken. That there is a
    /// Python with Alembic is looked at by the command, before anything else.
    ///
    /// # Errors
    /// `python-missing`.
    pub fn start(ctx: &'a Ctx, own: &mut OwnDatabase<'_>, limits: Limits) -> Result<Walker<'a>> {
        Walker::start_with(ctx, own, limits, &[])
    }

    /// As [`Walker::start`], with the scripts that lie in these folders and not those on the disk.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        ctx: &'a Ctx,
        own: &mut OwnDatabase<'_>,
        limits: Limits,
        scripts: &[PathBuf],
    ) -> Result<Walker<'a>> {
        let labels = Labels::new(ctx, own.component)?;
        let mut launch = own.launch(ctx)?;
        launch.versions = scripts.to_vec();
        launch.lock_timeout = Some(limits.lock.unwrap_or(LOCK_TIMEOUT));
        let driver = Driver::start(&ctx.ui, &launch)?;
        Ok(Walker { ctx, labels, launch, limits, driver: Some(driver) })
    }

    /// Waits until the project is imported; nothing was changed by then.
    ///
    /// # Errors
    /// What imports may meet.
    pub fn ready(&mut self) -> Result<()> {
        let Some(driver) = &mut self.driver else { return Ok(()) };
        let _task = self.ctx.ui.task("Starting Alembic");
        driver.ready().map(|_| ()).map_err(|stop| stop.into_error(&self.labels.names()))
    }

    /// Goes all the way. `graph` has to be that of the files on the disk.
    ///
    /// # Errors
    /// [`BrokenOff`] with what stayed; also where every step ran and the database is not where they lead.
    pub fn go(&mut self, own: &mut OwnDatabase<'_>, graph: &Graph, walk: &Walk) -> Result<Walked, Box<BrokenOff>> {
        let mut rest = walk.clone();
        let mut earlier = Walked::default();
        let mut tried = 1;
        loop {
            let mut broken = match self.once(own, graph, &rest) {
                Ok(walked) => return Ok(walked.after(earlier)),
                Err(broken) => broken,
            };
            let is_met_again = broken.fail.kind == Kind::LockTimeout && broken.walked.left_nothing;
            let done = broken.walked.done.len();
            // Where steps were done, it is another one that meets a lock.
            tried = if done > 0 { 1 } else { tried };
            if !is_met_again || tried > RETRIES {
                if is_met_again {
                    broken.fail = broken.fail.details(format!("It was tried {tried} times"));
                }
                broken.walked = broken.walked.after(earlier);
                return Err(broken);
            }
            if !broken.walked.rows_stay.is_empty() {
                let rows = broken.walked.rows_stay.join(", ");
                self.ctx.ui.warn(format!("Rows were written meanwhile, by others as it seems: {rows}"));
            }
            if let Err(error) = self.pause(tried - 1) {
                let stands = broken.walked.heads.as_deref().map_or_else(String::new, ids);
                broken.fail = from_anyhow(&error).details(format!("The database is at {stands}, as it was looked at"));
                broken.walked = broken.walked.after(earlier);
                return Err(broken);
            }
            tried += 1;
            if done == 0 && rest.earlier == 0 {
                own.check_backup_again();
            }
            match rest.rest(graph, done) {
                Ok(left) => rest = left,
                Err(error) => return Err(Box::new(BrokenOff { fail: from_anyhow(&error), ..*broken })),
            }
            earlier = broken.walked.after(earlier);
        }
    }

    /// Gives whoever waits behind us for the same lock its turn: longer each time.
    fn pause(&self, retry: u32) -> Result<()> {
        let pause = (self.limits.lock.unwrap_or(LOCK_TIMEOUT) / 2) * 2u32.pow(retry);
        self.ctx.ui.status(format!("A lock was not to be had, and nothing of this step was kept: again in {pause:?}"));
        let until = Instant::now() + pause;
        while Instant::now() < until {
            interrupt::check()?;
            std::thread::sleep(Duration::from_millis(20).min(pause));
        }
        Ok(())
    }

    fn once(&mut self, own: &mut OwnDatabase<'_>, graph: &Graph, walk: &Walk) -> Result<Walked, Box<BrokenOff>> {
        let mut walked = Walked::default();
        if let Err(error) = own.check_backup(self.ctx) {
            return Err(Box::new(BrokenOff { fail: from_anyhow(&error), trouble: None, walked }));
        }
        let command = own.command();
        let (table, db) = own.table_and_db();
        let book = Book::open(db, table, command, graph, &walk.before);
        let mut driver = match self.driver() {
            Ok(driver) => driver,
            Err(error) => return Err(Box::new(BrokenOff { fail: from_anyhow(&error), trouble: None, walked })),
        };
        let mut looks = Looks::begin(self.ctx, own, graph, walk);
        crash_point();
        let migrated = self.run(&mut driver, own, graph, walk, (&mut walked, &mut looks));
        crash_point();
        let (broken, sees_ledger) = match migrated {
            Ok(migrated) => {
                walked.seconds = migrated.steps.iter().map(|step| step.seconds).sum();
                self.driver = Some(driver);
                let elsewhere = arrived(own, graph, walk, &mut walked).err();
                looks.at(own, walk.steps.len());
                (elsewhere.map(|fail| (fail, None)), Some(migrated.sees_ledger))
            }
            Err(stop) => (Some(self.broke_off(own, graph, walk, driver, stop, (&mut walked, &looks))), None),
        };
        // Where everything ran and the database is elsewhere, nobody knows what was done.
        let is_known = broken.is_none() || sees_ledger.is_none();
        if let Some(heads) = walked.heads.as_deref().filter(|_| is_known) {
            let (runs, scripts) = looks.runs(walk, walked.done.len());
            let (direction, done) = (walk.direction(), walked.done.as_slice());
            let change = ledger::Change { direction, done, heads, sees_ledger, runs: &runs, scripts: &scripts };
            book.close(self.ctx, own.db(), graph, &change);
        }
        match broken {
            Some((fail, trouble)) => Err(Box::new(BrokenOff { fail, trouble, walked })),
            None => Ok(walked),
        }
    }

    /// Ends Alembic.
    pub fn end(self) {
        if let Some(driver) = self.driver {
            driver.stop();
        }
    }

    fn driver(&mut self) -> Result<Driver> {
        self.driver.take().map_or_else(|| Driver::start(&self.ctx.ui, &self.launch), Ok)
    }

    fn run(
        &self,
        driver: &mut Driver,
        own: &mut OwnDatabase<'_>,
        graph: &Graph,
        walk: &Walk,
        (walked, looks): (&mut Walked, &mut Looks),
    ) -> Result<Migrated, Stop> {
        let own = RefCell::new(own);
        let begun = Cell::new(0);
        let mut progress = self.ctx.ui.steps("Migrating", walk.steps.len());
        let mut hang_watch = HangWatch::new(&self.ctx.ui);
        let mut watch = |waiting: &Waiting<'_>| hang_watch.look(own.borrow_mut().db(), false, waiting);
        let patience = Patience { limit: self.limits.step, watch: Some(&mut watch) };
        let mut between = |inside: &mut Inside<'_>| {
            let own = &mut **own.borrow_mut();
            looks.between(own, inside, graph, walk, begun.get());
            own.hold_lock()
        };
        let mut on = |event: &Event| {
            if let Event::Started(step, _) = event {
                begun.set(begun.get() + 1);
                progress.next(walk.line(graph, &step.revision));
            }
        };
        let migrated = driver.migrate_with_pauses(&walk.for_driver(), patience, &mut on, Some(&mut between));
        walked.begun = begun.get();
        migrated
    }

    /// Puts the driver away after a failure or an interrupt, and finds out where the database stands now.
    fn broke_off(
        &self,
        own: &mut OwnDatabase<'_>,
        graph: &Graph,
        walk: &Walk,
        driver: Driver,
        stop: Stop,
        (walked, looks): (&mut Walked, &Looks),
    ) -> (Fail, Option<Box<Trouble>>) {
        let (mut fail, trouble) = match stop {
            Stop::Trouble(trouble) => {
                let fail = driver::to_fail(&trouble, &self.labels, own.db(), &driver);
                (advice::commit_in_between(fail, graph, &own.component.name), Some(trouble))
            }
            Stop::Error(error) => (from_anyhow(&error), None),
        };
        if fail.kind == Kind::LockTimeout {
            let holders = own.lock_holders(&driver).into_iter();
            fail = holders.fold(fail, |fail, holder| fail.details(format!("Locks are held on {holder}")));
        }
        driver::end_sessions(own.db(), &driver);
        drop(driver);
        // Ctrl-C must not keep us from saying it.
        match interrupt::shielded(|| own.applied_anew()) {
            Ok(heads) => {
                let done = walk.done(graph, &heads, walked.begun).unwrap_or(0);
                walked.done = walk.steps[..done].iter().map(|step| step.revision.clone()).collect();
                walked.heads = Some(heads);
                fail = interrupt::shielded(|| stayed::say(fail, own, graph, walk, walked, looks));
            }
            Err(_) => fail = fail.details("Where the database stands now could not be asked"),
        }
        if fail.kind == Kind::AlreadyRunning && walked.begun == 0 {
            // Somebody else has moved the database; we have done nothing to it.
            fail = fail.refused();
        }
        (fail, trouble)
    }
}

/// A way that can be repeated after a crash at any point: how far it was gone is asked of the database, never remembered.
pub struct Way<'w> {
    /// What the version table held before the first step.
    pub start: &'w [String],
    /// Up or down.
    pub direction: Direction,
    /// The revisions, in this order.
    pub ids: &'w [String],
    /// Those that are only taken out of the version table and put back.
    pub kept: &'w [String],
}

impl Way<'_> {
    /// Goes it, as far as that is not done yet.
    ///
    /// # Errors
    /// `wrong-database` when the database is at none of the places on the way; whatever a migration may meet.
    pub fn go_on(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<()> {
        let graph = ctx.history(&own.config)?;
        let done = self.progress(ctx, own, &graph)?;
        self.by_itself(ctx, own, &graph, self.direction, &self.ids[done..])
    }

    /// Takes back whatever was done of it.
    ///
    /// # Errors
    /// As [`Way::go_on`].
    pub fn go_back(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<()> {
        let graph = ctx.history(&own.config)?;
        let done = self.progress(ctx, own, &graph)?;
        let back: Vec<String> = self.ids[..done].iter().rev().cloned().collect();
        self.by_itself(ctx, own, &graph, self.direction.opposite(), &back)
    }

    /// How many of the steps are done, by what the version table holds.
    fn progress(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>, graph: &Graph) -> Result<usize> {
        let heads = own.applied()?;
        let walk = Walk::new(self.direction, self.ids, self.start.to_vec());
        walk.done(graph, &heads, self.ids.len()).ok_or_else(|| {
            let heads = if heads.is_empty() { "no revision".to_owned() } else { heads.join(", ") };
            Fail::new(Kind::WrongDatabase, "Somebody else has migrated the database meanwhile")
                .details(format!("{} holds {heads}, which is no place on its way", own.place()))
                .action(format!(
                    "Bring it back to {} with Alembic itself (upgrade or downgrade), then repeat the command",
                    ids(self.start)
                ))
                .run("See how the revisions follow one another", ctx.alembic_by_hand(own.component).word("history"))
                .related(action::own("db-status"))
                .into()
        })
    }

    /// A walk with a driver of its own.
    fn by_itself(
        &self,
        ctx: &Ctx,
        own: &mut OwnDatabase<'_>,
        graph: &Graph,
        direction: Direction,
        ids: &[String],
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let walk = Walk { kept: self.kept.to_vec(), ..Walk::new(direction, ids, own.applied()?) };
        let mut walker = Walker::start(ctx, own, Limits::default())?;
        walker.go(own, graph, &walk).map_err(|mut broken| {
            // Whoever called does not see what stayed.
            if !broken.walked.rows_stay.is_empty() {
                broken.fail.kind = Kind::HalfDone;
            }
            broken
        })?;
        walker.end();
        Ok(())
    }
}

/// The database must hold what the steps lead to; an env.py with ideas of its own could have worked elsewhere.
fn arrived(own: &mut OwnDatabase<'_>, graph: &Graph, walk: &Walk, walked: &mut Walked) -> Result<(), Fail> {
    let expected = walk.after(graph, walk.steps.len()).map_err(|error| from_anyhow(&error))?;
    let heads = own.applied_anew().map_err(|error| from_anyhow(&error))?;
    let done = walk.done(graph, &heads, walked.begun).unwrap_or(0);
    walked.done = walk.steps[..done].iter().map(|step| step.revision.clone()).collect();
    walked.heads = Some(heads.clone());
    if sorted(&heads) == sorted(&expected) {
        return Ok(());
    }
    let words = |ids: &[String]| if ids.is_empty() { "(none)".to_owned() } else { ids.join(", ") };
    Err(Fail::new(Kind::WrongDatabase, "The database is not where it should be")
        .details(format!("Alembic ran every step, but {} holds {}", own.place(), words(&heads)))
        .details(format!("It should hold {}", words(&expected)))
        .action("Look at env.py: does it migrate the database of `sqlalchemy.url`, with the usual version table?")
        .related(action::own("db-status")))
}
