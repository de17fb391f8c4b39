//! The sandbox of a walk: the throwaway database, the driver, and the way back to the last good state. The way back is
//! a copy of the database (a save point), on which the steps since then are repeated. Copies are made only where the
//! walk has to turn back (`sandbox/restore.rs`), so that a walk without findings makes none.

mod copies;
mod other;
mod restore;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::baseline::Baseline;
use super::baseline::cache::Cache;
use super::facts::Facts;
use crate::ctx::{Ctx, version_table};
use crate::fail::{Fail, Kind};
use crate::model::catalog::Snapshot;
use crate::model::roundtrip::Point;
use crate::model::second_opinion::Dumped;
use crate::model::statement::Statement;
use crate::model::target::{Direction, Step};
use crate::sys::alembic::{Done, Driver, Event, Fault, Launch, Patience, Plan, Stop, Trouble, TroubleKind, Waiting};
use crate::sys::interrupt;
use crate::sys::pg::{
    Db, Kept, Look, OtherSession, SavePoint, Scratch, Seen, application_name, catalog, dumped, sql_fail,
};
use crate::work::driver::{self, Labels};
use crate::work::hangs::HangWatch;
use crate::work::ledger::{self, Edited};

/// How long a step that hangs has to notice that its session was ended.
const SETTLING: Duration = Duration::from_secs(5);

/// Said where the sandbox is the component's own database: a walk on it never turns back.
const OWN: &str = "there is no copy of the component's own database";

/// How steps are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One by one, each committed.
    Walk,
    /// Together, as `alembic` itself would.
    Own,
}

/// Something that was done to the database and can be repeated.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Revisions, in this order.
    Steps(Vec<Step>, Mode),
    /// Rows from a seed file.
    Seed(String),
    /// A revision is taken out of the version table, and its downgrade is not run.
    Stamp(String),
    /// Revisions upwards, together; this one of them only goes into the version table, as if it had been put in below later.
    Without(Vec<Step>, String),
}

impl Deed {
    /// Revisions in one direction; `ids` in the order of applying.
    pub fn steps(direction: Direction, ids: &[String], mode: Mode) -> Deed {
        let step = |id: &String| Step { direction, revision: id.clone() };
        let mut steps: Vec<Step> = ids.iter().map(step).collect();
        if direction == Direction::Down {
            steps.reverse();
        }
        Deed::Steps(steps, mode)
    }

    /// Revisions upwards, in this order, without running this one of them.
    pub fn without(ids: &[String], skipped: &str) -> Deed {
        let step = |id: &String| Step { direction: Direction::Up, revision: id.clone() };
        Deed::Without(ids.iter().map(step).collect(), skipped.to_owned())
    }
}

/// Why a step did not go through.
#[derive(Debug)]
pub struct Failure {
    /// For a person.
    pub fail: Fail,
    /// As structure.
    pub trouble: Trouble,
    /// The sessions that keep it waiting, where it hangs.
    pub blockers: Vec<OtherSession>,
    /// The earlier step whose script has opened the session that it waits for.
    pub opened_by: Option<Step>,
}

/// See the file's head.
pub struct Sandbox<'a> {
    ctx: &'a Ctx,
    facts: &'a Facts<'a>,
    labels: Labels,
    limit: Option<Duration>,
    hang_watch: HangWatch,
    launch: Launch,
    driver: Driver,
    db: Option<Db>,
    /// What earlier readings of the schema and the rows have found.
    look: Look,
    /// `None`: the component's own database, which has no way back but its backup.
    scratch: Option<Scratch>,
    from_empty: bool,
    cache: Cache,
    saved: Option<SavePoint>,
    /// What was done since `saved`, or since the database was made.
    since: Vec<Deed>,
    sessions_left: Vec<Step>,
    /// The statements of each step that passed, when it last ran.
    ran: HashMap<Step, Vec<Statement>>,
    /// The project's files in the traceback of the last trouble.
    troubled_files: Vec<PathBuf>,
}

fn options(facts: &Facts<'_>) -> catalog::Options {
    catalog::Options { version_tables: vec![version_table(facts.component).name] }
}

/// Whether it may have failed because of something that earlier steps left in the process.
pub fn may_pass_in_fresh_process(failure: &Failure) -> bool {
    failure.trouble.ran_before > 0 && !failure.trouble.is_declared()
}

impl<'a> Sandbox<'a> {
    /// Starts the driver on a database that was just made.
    pub fn new(ctx: &'a Ctx, facts: &'a Facts<'a>, limit: Option<Duration>, baseline: Baseline) -> Result<Sandbox<'a>> {
        let Baseline { from_empty, mut scratch, cache, driver, .. } = baseline;
        let db = scratch.session(&application_name("db-roundtrip"))?;
        let sandbox = Sandbox::with(ctx, facts, limit, db, driver)?;
        Ok(Sandbox { from_empty, scratch: Some(scratch), cache, ..sandbox })
    }

    fn with(
        ctx: &'a Ctx,
        facts: &'a Facts<'a>,
        limit: Option<Duration>,
        mut db: Db,
        driver: Option<Driver>,
    ) -> Result<Sandbox<'a>> {
        let launch = driver::launch_throwaway(ctx, &facts.config, &mut db, "db-roundtrip")?;
        let launch = Launch { effects: facts.effects, ..launch };
        let driver = match driver {
            Some(mut driver) => {
                driver.aim(&launch.database);
                driver
            }
            None => Driver::start(&ctx.ui, &launch)?,
        };
        Ok(Sandbox {
            ctx,
            facts,
            labels: Labels::new(ctx, facts.component)?,
            limit,
            hang_watch: HangWatch::new(&ctx.ui),
            driver,
            launch,
            db: Some(db),
            look: Look::new(options(facts)),
            scratch: None,
            from_empty: false,
            cache: Cache::default(),
            saved: None,
            since: Vec::new(),
            sessions_left: Vec::new(),
            ran: HashMap::new(),
            troubled_files: Vec::new(),
        })
    }

    /// Does a deed without remembering it, since the next one may undo it. Returns how many seconds it took, or why it
    /// failed.
    ///
    /// # Errors
    /// What is no defect of a revision: Ctrl-C, a defect of this tool, an env.py that connects to another database.
    pub fn attempt(&mut self, deed: &Deed) -> Result<Result<f64, Box<Failure>>> {
        let stop = match deed {
            Deed::Seed(sql) => return self.seed(sql).map(|()| Ok(0.0)),
            Deed::Stamp(id) => match self.stamp(id)? {
                Ok(()) => return Ok(Ok(0.0)),
                Err(stop) => stop,
            },
            Deed::Steps(steps, Mode::Own) => match self.together(steps, Vec::new())? {
                Ok(seconds) => return Ok(Ok(seconds)),
                Err(stop) => stop,
            },
            Deed::Without(steps, skipped) => match self.together(steps, vec![skipped.clone()])? {
                Ok(seconds) => return Ok(Ok(seconds)),
                Err(stop) => stop,
            },
            Deed::Steps(steps, Mode::Walk) => match self.walk(steps)? {
                Ok(seconds) => return Ok(Ok(seconds)),
                Err(stop) => stop,
            },
        };
        let failure = self.explain(stop)?;
        if self.is_of(&failure.trouble, deed) { Ok(Err(failure)) } else { Err(failure.fail.into()) }
    }

    /// The same, but a step that fails is tried once more in a fresh process, if other steps ran in this one before:
    /// what they left in it is not this step's fault.
    pub fn attempt_fairly(&mut self, deed: &Deed) -> Result<Result<f64, Box<Failure>>> {
        match self.attempt(deed)? {
            Err(failure) if may_pass_in_fresh_process(&failure) => {
                self.renew()?;
                self.attempt(deed)
            }
            done => Ok(done),
        }
    }

    /// Whether a trouble is about the revisions of a deed, and not about env.py, Alembic's version table, the server,
    /// or another script that cannot be loaded.
    fn is_of(&self, trouble: &Trouble, deed: &Deed) -> bool {
        let root = self.launch.project.canonicalize().unwrap_or_else(|_| self.launch.project.clone());
        let is_script_of = |id: &str| {
            let path = self.facts.graph.get(id).map(|script| root.join(&script.path));
            path.is_some() && path == trouble.file
        };
        match (trouble.fault(), deed) {
            (Fault::Revision, _) => true,
            (Fault::Script, Deed::Steps(steps, _) | Deed::Without(steps, _)) => {
                steps.iter().any(|step| is_script_of(&step.revision))
            }
            _ => false,
        }
    }

    /// The steps that have left a session open since the last call.
    pub fn sessions_left(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.sessions_left)
    }

    /// The statements that a revision's step sent to the server, if it passed here.
    pub fn ran(&self, direction: Direction, revision: &str) -> Option<Vec<Statement>> {
        self.ran.get(&Step { direction, revision: revision.to_owned() }).cloned()
    }

    /// The project's files in the traceback of the last trouble.
    pub fn troubled_files(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.troubled_files)
    }

    /// Remembers a deed, so that it is repeated whenever the last good state is put back.
    pub fn keep(&mut self, deed: Deed) {
        self.since.push(deed);
    }

    /// Forgets the last deed and returns it, if no copy was made since.
    pub fn take_back(&mut self) -> Option<Deed> {
        self.since.pop()
    }

    /// Reads the schema alone.
    pub fn schema(&mut self) -> Result<Snapshot> {
        self.db()?;
        let db = self.db.as_mut().context("connected just now")?;
        self.look.schema(db).context("reading the throwaway schema")
    }

    /// Reads the schema and the rows.
    pub fn point(&mut self) -> Result<Point> {
        self.db()?;
        let db = self.db.as_mut().context("connected just now")?;
        // Nobody else uses the embedded server.
        let is_shared = self.scratch.is_some() && !self.facts.database.embedded;
        let Seen { schema, rows, sequences, shared } =
            self.look.all(db, is_shared).context("looking at the throwaway database")?;
        let dumped = if self.facts.second_opinion { Some(self.dumped()?) } else { None };
        Ok(Point { schema, rows, sequences, shared, dumped })
    }

    fn dumped(&mut self) -> Result<Dumped> {
        let options = options(self.facts);
        let (ui, tools) = (&self.ctx.ui, &self.facts.database.tools);
        let db = self.db.as_ref().context("connected just now")?;
        dumped::take(ui, db, &options.version_tables, tools)
    }

    /// Reads the schema and every row once more, without using earlier readings.
    ///
    /// # Errors
    /// A defect of this tool, where an earlier reading does not agree with what is there.
    pub fn read_all_once_more(&mut self) -> Result<()> {
        self.db()?;
        let db = self.db.as_mut().context("connected just now")?;
        self.look.prove(db)
    }

    /// Whether the database holds just this schema and these rows.
    pub fn is_at(&mut self, point: &Point) -> Result<bool> {
        self.point().map(|now| now.schema == point.schema && now.rows == point.rows)
    }

    /// The schema below a revision as the ledger has it, if the schema at the revision is this one.
    pub fn recorded(&mut self, id: &str, upper: &Snapshot) -> Result<Option<Snapshot>> {
        let table = version_table(self.facts.component);
        Ok(ledger::recorded_below(self.db()?, &table, id, upper))
    }

    /// Which of its revisions the database ran as another text than their scripts have now.
    pub fn ran_another_text(&mut self, heads: &[String]) -> Result<Vec<Edited>> {
        let table = version_table(self.facts.component);
        let (ctx, graph) = (self.ctx, &self.facts.graph);
        let db = self.db()?;
        let texts = db.last_texts(&table)?;
        Ok(ledger::edited(ctx, graph, db, texts, heads))
    }

    /// Reads the version table.
    pub fn held(&mut self) -> Result<Vec<String>> {
        let table = version_table(self.facts.component);
        Ok(self.db()?.applied(&table)?.revisions)
    }

    /// What of the baseline is cached.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Ends the driver and puts the database away, or keeps it for the user.
    pub fn end(self, keep: bool) -> Result<Option<Kept>> {
        self.driver.stop();
        drop(self.db);
        match self.scratch {
            Some(scratch) if keep => scratch.keep().map(Some),
            Some(scratch) => scratch.remove().map(|()| None),
            None => Ok(None),
        }
    }

    fn db(&mut self) -> Result<&mut Db> {
        if self.db.is_none() {
            let url = self.scratch.as_ref().map_or(&self.facts.database.url, Scratch::url);
            self.db = Some(Db::connect(url, &application_name("db-roundtrip"))?);
        }
        self.db.as_mut().context("connected just now")
    }

    fn walk(&mut self, steps: &[Step]) -> Result<Result<f64, Stop>> {
        let mut seconds = 0.0;
        for step in steps {
            match self.watched(|driver, patience| driver.step(step, patience))? {
                Ok(done) => {
                    seconds += done.seconds;
                    self.passed(done);
                }
                Err(stop) => return Ok(Err(stop)),
            }
        }
        Ok(Ok(seconds))
    }

    /// Runs revisions as the project's own env.py does; those that are skipped only change the version table.
    fn together(&mut self, steps: &[Step], skipped: Vec<String>) -> Result<Result<f64, Stop>> {
        let target = steps.last().map(|step| step.revision.clone()).unwrap_or_default();
        let plan = Plan { steps: steps.to_vec(), before: None, target, skipped };
        let mut each = Vec::new();
        let mut on = |event: &Event| {
            if let Event::Done(done) = event {
                each.push(done.clone());
            }
        };
        let done = self.watched(|driver, patience| driver.migrate(&plan, patience, &mut on))?;
        each.into_iter().for_each(|done| self.passed(done));
        Ok(done.map(|done| done.steps.iter().map(|step| step.seconds).sum()))
    }

    fn passed(&mut self, done: Done) {
        self.sessions_left.extend((!done.left.is_empty()).then(|| done.step.clone()));
        self.ran.insert(done.step, done.statements);
    }

    /// Lets the driver do something while `hang_watch` looks for a step that waits for itself.
    fn watched<T>(&mut self, work: impl FnOnce(&mut Driver, Patience<'_>) -> T) -> Result<T> {
        self.db()?;
        let db = self.db.as_mut().context("connected just now")?;
        let (hang_watch, alone) = (&mut self.hang_watch, self.scratch.is_some());
        let mut watch = |waiting: &Waiting<'_>| hang_watch.look(db, alone, waiting);
        Ok(work(&mut self.driver, Patience { limit: self.limit, watch: Some(&mut watch) }))
    }

    fn stamp(&mut self, id: &str) -> Result<Result<(), Stop>> {
        let steps = vec![Step { direction: Direction::Down, revision: id.to_owned() }];
        let plan = Plan { steps, before: None, target: id.to_owned(), skipped: vec![id.to_owned()] };
        Ok(self.watched(|driver, patience| driver.migrate(&plan, patience, &mut |_| {}))?.map(|_| ()))
    }

    fn seed(&mut self, sql: &str) -> Result<()> {
        let done = self.db()?.run(sql)?;
        done.map_err(|error| sql_fail(&error, "putting the seed's rows into the throwaway database").into())
    }

    /// Makes a failure of a stop, with the driver ready for the next step.
    fn explain(&mut self, stop: Stop) -> Result<Box<Failure>> {
        self.db()?;
        let db = self.db.as_mut().context("connected just now")?;
        let trouble = match stop {
            Stop::Trouble(trouble) => *trouble,
            Stop::Error(error) => {
                interrupt::shielded(|| driver::end_sessions(db, &self.driver));
                return Err(error);
            }
        };
        self.troubled_files.clone_from(&trouble.files);
        let blockers = driver::blockers(db, &self.driver, &trouble);
        let fail = driver::to_fail_blocked(&trouble, &self.labels, &blockers);
        let opened_by = blockers.iter().find_map(|session| self.driver.opener(session.pid)).cloned();
        let hangs = trouble.kind == TroubleKind::Timeout;
        if hangs || trouble.kind == TroubleKind::Ended {
            // A session that is still at work would change the database during the next reading. Sessions that wait are
            // ended first: otherwise they would get their lock when the others end.
            for pid in &trouble.waits {
                let _ = db.terminate(*pid);
            }
            driver::end_sessions(db, &self.driver);
        }
        let is_usable = match trouble.kind {
            TroubleKind::Ended => self.driver.is_free(),
            TroubleKind::Timeout => self.driver.settle(SETTLING),
            _ => true,
        };
        if !is_usable {
            self.driver = Driver::start(&self.ctx.ui, &self.launch)?;
        }
        if fail.kind == Kind::WrongDatabase {
            return Err(fail.into());
        }
        Ok(Box::new(Failure { fail, trouble, blockers, opened_by }))
    }
}
