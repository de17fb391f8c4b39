//! Alembic, through one Python process per workflow. The process (the package in `driver/`) imports the project once
//! and then runs the steps that it is told, in JSON lines over two pipes: `protocol.rs` is the language, `process.rs`
//! the process, `trouble.rs` an error as a value, `explain.rs` an error in words.
//!
//! Starting takes seconds (the application is imported), so [`Driver::start`] does not wait for it: start early, prepare
//! the database meanwhile. A driver that is dropped is killed with everything that it has started.

mod draft;
mod explain;
mod fields;
mod install;
mod isolation;
mod launch;
mod mask;
mod once;
mod patience;
mod process;
mod protocol;
mod template;
mod trouble;
mod wanted;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::model::target::Step;
use crate::sys::warm::{self, Warmth};
use crate::ui::Ui;

pub use draft::{Compared, Draft, Written};
pub use explain::Names;
pub use launch::{Database, Expect, IDENTITY_SQL, Launch, OwnDatabase};
pub use once::Asking;
pub use patience::{Patience, Waiting};
pub use protocol::{Done, Event, Versions};
pub use template::{NewRevision, Rendered, render};
pub use trouble::{Fault, Outcome, Phase, Stop, Swallowed, Trouble, TroubleKind};
pub use wanted::{Answer, Wanted, ask};

use process::Process;

pub use install::digest as driver_digest;

/// How long the imports of an application may take.
const START_LIMIT: Duration = Duration::from_secs(600);
/// What env.py may take before the first step, where steps have a limit.
const ENV_LIMIT: Duration = Duration::from_secs(60);
/// How long a look at the catalogs through the driver may take.
const LOOK_LIMIT: Duration = Duration::from_secs(20);
/// How long a driver may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// What [`Driver::migrate`] is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The heads that the database must have now; `None` does not check.
    pub before: Option<Vec<String>>,
    /// What the user asked for (`head`, `-1`, …); env.py can see it.
    pub target: String,
    /// Revisions among the steps that the database never ran, whatever its version table says: they are only taken out
    /// of it.
    pub skipped: Vec<String>,
}

/// A migration that went through.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// The heads in the version table at the end.
    pub heads: Vec<String>,
    /// Every step with its time.
    pub steps: Vec<Done>,
    /// Whether Alembic's autogenerate, as env.py configures it, would see the ledger and propose to drop it.
    pub sees_ledger: bool,
}

/// What is done between two steps.
pub type Between<'b> = &'b mut dyn FnMut(&mut Inside<'_>) -> Result<()>;

/// The transaction of a migration, between two steps.
pub struct Inside<'p> {
    process: &'p mut Process,
}

impl Inside<'_> {
    /// The rows of some queries that give one text each, as the migration's own session sees them; nothing where it is in
    /// no transaction, or cannot be asked.
    pub fn look(&mut self, queries: &[String]) -> Option<Vec<Vec<String>>> {
        self.process.send(&json!({"do": "look", "queries": queries}));
        match self.process.next_event(Some(Instant::now() + LOOK_LIMIT)) {
            Ok(Ok(Event::Seen(answers))) => answers,
            // Whatever it is, it shows again when the steps go on.
            _ => None,
        }
    }
}

/// A Python process with the project's Alembic environment in it.
pub struct Driver {
    process: Process,
    launch: Launch,
    versions: Option<Versions>,
    /// What kept it from starting: the answer to whatever it is asked.
    failed: Option<Box<Trouble>>,
    backends: Vec<i32>,
    /// Which step has opened which of them; those of env.py are not in it.
    opened: Vec<(i32, Step)>,
    hangs: bool,
    /// Between how many more steps it waits for us.
    pauses: usize,
    /// How many answers to what was asked before the process was ready are still to come.
    owed: usize,
}

impl Driver {
    /// Starts the process and returns at once; the first thing that it is asked to do waits until it is ready.
    ///
    /// # Errors
    /// `python-missing` when the interpreter cannot be started; plain errors when the state folder cannot be written.
    pub fn start(ui: &Ui, launch: &Launch) -> Result<Driver> {
        // A warm process outlives the project's own folders.
        let shared = if launch.warmth == Warmth::Cold { None } else { warm::folder() };
        let folder = install::driver(shared.as_ref().unwrap_or(&launch.state_dir))?;
        // It keeps bytecode there, and what processes of a script were refused.
        let state = &launch.state_dir;
        std::fs::create_dir_all(state).with_context(|| format!("creating {}", state.display()))?;
        let process = Process::spawn(ui, launch, &folder)?;
        let launch = launch.clone();
        let (backends, opened) = (Vec::new(), Vec::new());
        Ok(Driver { process, launch, versions: None, failed: None, backends, opened, hangs: false, pauses: 0, owed: 0 })
    }

    /// Waits until the project is imported.
    pub fn ready(&mut self) -> Outcome<Versions> {
        if let Some(versions) = &self.versions {
            return Ok(versions.clone());
        }
        if let Some(trouble) = &self.failed {
            return Err(Stop::Trouble(trouble.clone()));
        }
        match self.answer(Some(START_LIMIT), &mut |_| {}) {
            Ok(Event::Ready(versions)) => {
                self.versions = Some(versions.clone());
                for _ in 0..std::mem::take(&mut self.owed) {
                    self.answer_ok()?;
                }
                Ok(versions)
            }
            Ok(other) => Err(self.unexpected(&other)),
            Err(stop) => {
                if let Stop::Trouble(trouble) = &stop {
                    self.failed = Some(trouble.clone());
                }
                Err(stop)
            }
        }
    }

    /// Names the database to a driver that was started before there was one, and does not wait for it to be ready.
    pub fn aim(&mut self, database: &Database) {
        self.owed += 1;
        self.turn(database);
    }

    /// Runs steps in the project's own transaction mode, as `alembic upgrade` and `alembic downgrade` do.
    /// `patience` is for each step.
    pub fn migrate<'w>(
        &mut self,
        plan: &Plan,
        patience: impl Into<Patience<'w>>,
        on: &mut dyn FnMut(&Event),
    ) -> Outcome<Migrated> {
        self.migrate_with_pauses(plan, patience, on, None)
    }

    /// The same, but between two steps the driver waits until `between` has read the database. In the project's own
    /// mode, changes may not be committed by then and may hold locks: `between` must not wait for these. If it fails,
    /// the run ends, and the driver has to be dropped.
    pub fn migrate_with_pauses<'w>(
        &mut self,
        plan: &Plan,
        patience: impl Into<Patience<'w>>,
        on: &mut dyn FnMut(&Event),
        between: Option<Between<'_>>,
    ) -> Outcome<Migrated> {
        let steps: Vec<Value> = plan.steps.iter().map(|step| json!([step.direction.name(), step.revision])).collect();
        self.ask(&json!({
            "do": "migrate", "steps": steps, "before": plan.before, "target": plan.target,
            "skipped": plan.skipped, "pause": between.is_some(),
        }))?;
        let mut done = Vec::new();
        self.pauses = between.as_ref().map_or(0, |_| plan.steps.len().saturating_sub(1));
        let answer = self.answer_of_step(patience.into(), between, &mut |event| {
            if let Event::Done(step) = event {
                done.push(step.clone());
            }
            on(event);
        })?;
        match answer {
            Event::Migrated { heads, sees_ledger } => Ok(Migrated { heads, steps: done, sees_ledger }),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Runs one step and commits it. Steps that follow each other share one connection and one run of env.py, unless
    /// env.py opens the transaction itself; then each step is a run of its own.
    ///
    /// After an error the driver can go on, on a database that was put back: see [`Driver::use_database`]. After
    /// [`TroubleKind::Timeout`] the step still hangs: see [`Driver::settle`].
    pub fn step<'w>(&mut self, step: &Step, patience: impl Into<Patience<'w>>) -> Outcome<Done> {
        self.ask(&json!({"do": "step", "direction": step.direction.name(), "revision": step.revision}))?;
        match self.answer_of_step(patience.into(), None, &mut |_| {})? {
            Event::Done(done) => Ok(done),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Closes the walk's connection, so that the database can be copied or dropped. (An env.py that keeps an engine of
    /// its own may still hold one: end [`Driver::backends`] if the server says so.)
    pub fn release(&mut self) -> Outcome<()> {
        self.ask(&json!({"do": "release"}))?;
        self.answer_ok()
    }

    /// Goes on in a fresh process: what scripts have left in the old one is gone.
    pub fn fresh(&mut self) -> Outcome<()> {
        self.ask(&json!({"do": "fresh"}))?;
        self.answer_ok()
    }

    /// Whether the process can be asked something: it is there, and no step hangs in it.
    pub fn is_free(&mut self) -> bool {
        !self.hangs && self.process.is_alive()
    }

    /// Goes on with another database.
    pub fn use_database(&mut self, database: &Database) -> Outcome<()> {
        self.wait_until_free()?;
        self.turn(database);
        self.answer_ok()
    }

    fn turn(&mut self, database: &Database) {
        self.launch.database = database.clone();
        self.process.hide(database);
        self.backends.clear();
        self.opened.clear();
        let mut command = self.launch.to_json();
        command["do"] = "use".into();
        self.process.send(&command);
    }

    /// Alembic's offline SQL for a plan that begins at its `before` (none, or empty: at the base).
    pub fn offline_sql(&mut self, plan: &Plan) -> Outcome<String> {
        let steps: Vec<Value> = plan.steps.iter().map(|step| json!([step.direction.name(), step.revision])).collect();
        let start = plan.before.as_deref().unwrap_or_default();
        self.ask(&json!({
            "do": "sql", "steps": steps, "start": start, "target": plan.target, "skipped": plan.skipped,
        }))?;
        match self.answer(None, &mut |_| {})? {
            Event::Sql(text) => Ok(text),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Everything that `alembic revision` does but writing the file.
    pub fn compare(&mut self, draft: &Draft) -> Outcome<Compared> {
        self.ask(&json!({
            "do": "compare",
            "message": draft.message,
            "rev_id": draft.rev_id,
            "head": draft.head,
            "splice": draft.splice,
            "depends_on": draft.depends_on,
            "autogenerate": draft.autogenerate,
            "run_env": draft.autogenerate || draft.run_env,
        }))?;
        match self.answer(None, &mut |_| {})? {
            Event::Compared(compared) => Ok(*compared),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Writes what was compared last. After an error nothing is left of it.
    pub fn write(&mut self) -> Outcome<Vec<Written>> {
        self.ask(&json!({"do": "write"}))?;
        match self.answer(None, &mut |_| {})? {
            Event::Written(written) => Ok(written),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The heads of the scripts as Alembic itself sees them.
    pub fn heads(&mut self) -> Outcome<Vec<String>> {
        self.ask(&json!({"do": "heads"}))?;
        match self.answer(None, &mut |_| {})? {
            Event::Heads(heads) => Ok(heads),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Reads the migration scripts anew, after one came, went or got another parent. (What is in a script's functions is
    /// read before each step anyway.) After an error the driver knows the scripts as it knew them before.
    pub fn reload(&mut self) -> Outcome<()> {
        self.ask(&json!({"do": "reload"}))?;
        self.answer_ok()
    }

    /// The project's own files that the process was made from, as far as it has imported them by now, migration scripts
    /// and env.py left out. It is out of date when one of them changes.
    pub fn files(&mut self) -> Outcome<Vec<PathBuf>> {
        self.ask(&json!({"do": "files"}))?;
        match self.answer(None, &mut |_| {})? {
            Event::Files(files) => Ok(files),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The server processes of every connection that was opened since the start or the last [`Driver::use_database`],
    /// oldest first; those closed in the meantime included.
    pub fn backends(&self) -> &[i32] {
        &self.backends
    }

    /// The step whose script has opened the session of this server process.
    pub fn opener(&self, backend: i32) -> Option<&Step> {
        self.opened.iter().find(|(pid, _)| *pid == backend).map(|(_, step)| step)
    }

    /// After a timeout: waits until the hanging step ends after all, say because the caller has terminated
    /// [`Driver::backends`]. True if the driver can go on.
    pub fn settle(&mut self, limit: Duration) -> bool {
        match self.answer(Some(limit), &mut |_| {}) {
            Ok(_) => true,
            Err(Stop::Trouble(trouble)) => !matches!(trouble.kind, TroubleKind::Timeout | TroubleKind::Ended),
            Err(Stop::Error(_)) => false,
        }
    }

    /// The last lines that the scripts printed, passwords masked.
    pub fn last_lines(&self) -> String {
        self.process.last_lines()
    }

    /// Ends the process, politely first; whether that was enough.
    pub fn stop(mut self) -> bool {
        self.process.send(&json!({"do": "stop"}));
        self.process.end(STOP_LIMIT)
    }

    fn ask(&mut self, command: &Value) -> Outcome<()> {
        self.wait_until_free()?;
        self.process.send(command);
        Ok(())
    }

    /// Waits until the process can be asked something.
    fn wait_until_free(&mut self) -> Outcome<()> {
        self.ready()?;
        if self.hangs {
            // Its next answer would be that of the step which hangs.
            return Err(Stop::Trouble(Box::new(Trouble::new(TroubleKind::Timeout))));
        }
        Ok(())
    }

    fn answer_ok(&mut self) -> Outcome<()> {
        match self.answer(None, &mut |_| {})? {
            Event::Ok => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Reads events until the one that answers; `limit` starts anew with each event.
    fn answer(&mut self, limit: Option<Duration>, on: &mut dyn FnMut(&Event)) -> Outcome<Event> {
        self.answer_in(limit, limit.into(), None, on)
    }

    /// The same where the limit is a step's: what env.py does before the first one is not the step's time.
    fn answer_of_step(
        &mut self,
        patience: Patience<'_>,
        between: Option<Between<'_>>,
        on: &mut dyn FnMut(&Event),
    ) -> Outcome<Event> {
        self.answer_in(patience.limit.map(|limit| limit.max(ENV_LIMIT)), patience, between, on)
    }

    fn answer_in(
        &mut self,
        before: Option<Duration>,
        mut patience: Patience<'_>,
        mut between: Option<Between<'_>>,
        on: &mut dyn FnMut(&Event),
    ) -> Outcome<Event> {
        let mut running: Option<Step> = None;
        let mut ran_before = 0;
        loop {
            let waited = match &running {
                Some(step) => patience.next_event(&mut self.process, step, &self.backends)?,
                None => self.process.next_event(before.map(|limit| Instant::now() + limit))?,
            };
            let event = match waited {
                Ok(event) => event,
                Err(mut trouble) => {
                    self.hangs = trouble.kind == TroubleKind::Timeout;
                    if self.versions.is_some() {
                        // Python and Alembic did start: what ended or hangs is the project's.
                        trouble.phase = Phase::Env;
                    }
                    trouble.ran_before = ran_before;
                    return Err(Stop::Trouble(Box::new(trouble.during(running.as_ref()))));
                }
            };
            self.hangs = false;
            match event {
                Event::Connected(pid) => {
                    self.backends.push(pid);
                    self.opened.extend(running.clone().map(|step| (pid, step)));
                }
                Event::Started(ref step, count) => (running, ran_before) = (Some(step.clone()), count),
                Event::Failed(mut trouble) => {
                    if trouble.kind == TroubleKind::Ended {
                        trouble.printed = self.process.last_words();
                        *trouble = trouble.during(running.as_ref());
                    }
                    return Err(Stop::Trouble(trouble));
                }
                _ => {}
            }
            on(&event);
            let goes_on = matches!(event, Event::Connected(_) | Event::Started(..) | Event::Seen(_));
            // In `migrate` a `done` is one of several; the walk's step is answered by it.
            let part = matches!(event, Event::Done(_)) && self.process.is_migrating();
            if !goes_on && !part {
                return Ok(event);
            }
            if let Some(between) = between.as_mut().filter(|_| part && self.pauses > 0) {
                self.pauses -= 1;
                between(&mut Inside { process: &mut self.process })?;
                self.process.send(&json!({"do": "go"}));
            }
        }
    }

    fn unexpected(&self, event: &Event) -> Stop {
        Stop::Error(anyhow::anyhow!("the driver answered {event:?} to another question"))
    }
}
