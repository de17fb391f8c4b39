//! `db-migrate`: pre-flight, upgrade or downgrade, verify, report. Everything before the driver is told to begin may
//! refuse (exit 3, nothing was changed); everything after says what was changed.

mod preflight;
mod show;

use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::{DbMigrate, Show};
use crate::model::status::{Revision, Standing};
use crate::model::target::Direction;
use crate::report::json::revisions;
use crate::sys::alembic::{Driver, Event, Stop};
use crate::sys::interrupt;
use crate::work::driver::{self, Labels};
use crate::work::ledger::{Book, Walk};
use preflight::{Facts, Plan, sorted};

/// How long a statement waits for a lock unless told otherwise: long enough for a busy server, short enough to notice.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// What a run has done, for the report.
struct Outcome {
    before: Vec<String>,
    /// What the version table holds now; `None` where that could not be asked.
    after: Option<Vec<String>>,
    /// How many steps the driver began.
    begun: usize,
    done: Vec<Revision>,
    backup: Option<PathBuf>,
    seconds: f64,
}

impl Outcome {
    /// Of a run that has done nothing (yet).
    fn unchanged(plan: &Plan, took: Duration) -> Outcome {
        Outcome {
            before: plan.before.clone(),
            after: Some(plan.before.clone()),
            begun: 0,
            done: Vec::new(),
            backup: None,
            seconds: took.as_secs_f64(),
        }
    }
}

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) from the pre-flight, a failure (exit 1) from the migration itself with where the database stands.
pub fn run(ctx: &Ctx, flags: &DbMigrate) -> Result<Exit> {
    let started = Instant::now();
    let mut facts = preflight::gather(ctx, flags).map_err(refuse)?;
    let plan = preflight::plan(ctx, &mut facts, flags).map_err(refuse)?;
    if flags.show == Some(Show::Sql) {
        return show::sql(ctx, &mut facts, &plan).map_err(refuse);
    }
    if flags.show == Some(Show::Plan) {
        return show::dry_run(ctx, &facts, &plan);
    }
    if plan.steps.is_empty() {
        return show::nothing_to_do(ctx, &facts, &plan, started.elapsed());
    }
    let outcome = apply(ctx, flags, facts, plan, started);
    outcome.map(|()| Exit::Done)
}

fn apply(ctx: &Ctx, flags: &DbMigrate, facts: Facts<'_>, plan: Plan, started: Instant) -> Result<()> {
    let guarded = preflight::guard(ctx, flags, facts, plan).map_err(refuse)?;
    let (mut facts, plan, _lock) = (guarded.facts, guarded.plan, guarded.lock);
    if plan.steps.is_empty() {
        // Somebody else was quicker, between our first look and the lock.
        return show::nothing_to_do(ctx, &facts, &plan, started.elapsed()).map(|_| ());
    }
    let labels = Labels::new(ctx, facts.component).map_err(refuse)?;
    let mut launch = facts.launch(ctx).map_err(refuse)?;
    launch.lock_timeout = Some(flags.lock_timeout.unwrap_or(LOCK_TIMEOUT));
    // The imports take seconds; the backup is taken meanwhile.
    let mut driver = Driver::start(&ctx.ui, &launch).map_err(refuse)?;
    let backup = take_backup(ctx, flags, &mut facts, &plan).map_err(refuse)?;
    let begun = {
        let _task = ctx.ui.task("Starting Alembic");
        driver.ready()
    };
    begun.map_err(|stop| refuse(stop.into_error(&labels.names())))?;
    let book = facts.open_ledger().map_err(refuse)?;
    let mut outcome = Outcome { backup, ..Outcome::unchanged(&plan, started.elapsed()) };
    let sees_ledger = match migrate(ctx, flags, &plan, &mut driver, &mut outcome.begun) {
        Ok(sees_ledger) => sees_ledger,
        Err(stop) => {
            let error = broke_off(ctx, &labels, &mut facts, &plan, driver, stop, &mut outcome);
            write_ledger(ctx, &mut facts, &plan, &outcome, book, None);
            return Err(error);
        }
    };
    driver.stop();
    let after = facts.read_again()?;
    outcome.done = plan.done(&facts.graph, &after, outcome.begun);
    outcome.seconds = started.elapsed().as_secs_f64();
    let verified = verify(&facts, &plan, &after);
    outcome.after = Some(after);
    if verified.is_ok() {
        write_ledger(ctx, &mut facts, &plan, &outcome, book, Some(sees_ledger));
    }
    verified.inspect_err(|error| report_failure(ctx, &plan, &outcome, error))?;
    show::done(ctx, &facts, &plan, &outcome)
}

/// What was done goes into the ledger, where the database stands is known.
fn write_ledger(ctx: &Ctx, facts: &mut Facts, plan: &Plan, outcome: &Outcome, book: Book, sees_ledger: Option<bool>) {
    let Some(heads) = &outcome.after else { return };
    let done: Vec<String> = outcome.done.iter().map(|revision| revision.id.clone()).collect();
    let direction = if plan.is_downgrade() { Direction::Down } else { Direction::Up };
    let (graph, db) = facts.graph_and_db();
    if let Some(db) = db {
        book.close(ctx, db, graph, &Walk { direction, done: &done, heads, sees_ledger });
    }
}

fn take_backup(ctx: &Ctx, flags: &DbMigrate, facts: &mut Facts, plan: &Plan) -> Result<Option<PathBuf>> {
    if flags.no_backup || !plan.is_downgrade() {
        return Ok(None);
    }
    let (component, database) = (facts.component, facts.database.clone());
    let instead = "Take one by hand, then repeat the command with --no-backup";
    driver::backup(ctx, component, &database, facts.db()?, &plan.before, instead).map(Some)
}

/// Runs the steps; whether Alembic's autogenerate would see the ledger.
fn migrate(ctx: &Ctx, flags: &DbMigrate, plan: &Plan, driver: &mut Driver, begun: &mut usize) -> Result<bool, Stop> {
    let mut progress = ctx.ui.steps("Migrating", plan.steps.len());
    let migrated = driver.migrate(&plan.for_driver(), flags.step_timeout, &mut |event| {
        if let Event::Started(step) = event {
            *begun += 1;
            progress.next(plan.line(&step.revision));
        }
    });
    migrated.map(|migrated| migrated.sees_ledger)
}

/// The database must hold what the steps lead to; an env.py with ideas of its own could have worked elsewhere.
fn verify(facts: &Facts, plan: &Plan, after: &[String]) -> Result<()> {
    if sorted(after) == sorted(&plan.after) {
        return Ok(());
    }
    let words = |ids: &[String]| if ids.is_empty() { "(none)".to_owned() } else { ids.join(", ") };
    Err(Fail::new(Kind::WrongDatabase, "The database is not where it should be")
        .details(format!("Alembic ran every step, but {} holds {}", facts.database.place(), words(after)))
        .details(format!("It should hold {}", words(&plan.after)))
        .action("Look at env.py: does it migrate the database of `sqlalchemy.url`, with the usual version table?")
        .action(format!("Look again: cargo xtask db-status{}", facts.flag))
        .related("cargo xtask db-status")
        .into())
}

/// Puts the driver away after a failure or an interrupt, and says where the database stands now.
fn broke_off(
    ctx: &Ctx,
    labels: &Labels,
    facts: &mut Facts,
    plan: &Plan,
    driver: Driver,
    stop: Stop,
    outcome: &mut Outcome,
) -> anyhow::Error {
    let Ok(db) = facts.db() else { return stop.into_error(&labels.names()) };
    let mut fail = match &stop {
        Stop::Trouble(trouble) => driver::to_fail(trouble, labels, db, &driver),
        Stop::Error(error) => from_anyhow(error),
    };
    driver::end_sessions(db, &driver);
    drop(driver);
    // Asked on a fresh connection: the one we had may be what broke. Ctrl-C must not keep us from saying it.
    match interrupt::shielded(|| facts.read_again()) {
        Ok(after) => {
            outcome.done = plan.done(&facts.graph, &after, outcome.begun);
            fail = fail.details(standing_now(facts, plan, outcome, &after));
            outcome.after = Some(after);
        }
        Err(_) => {
            fail = fail.details("Where the database stands now could not be asked");
            outcome.after = None;
        }
    }
    if fail.kind == Kind::AlreadyRunning && outcome.begun == 0 {
        // Somebody else has moved the database; we have done nothing to it.
        fail = fail.refused();
    }
    if let Some(path) = &outcome.backup {
        fail = fail.details(format!("The backup taken before: {}", path.display()));
    }
    if fail.kind == Kind::Interrupted {
        fail = fail
            .action(format!("See where it stands: cargo xtask db-status{}", facts.flag))
            .action(format!("Go on: {}", plan.command(&facts.flag)));
    }
    let error = fail.into();
    report_failure(ctx, plan, outcome, &error);
    error
}

/// One sentence: what of this run stayed.
fn standing_now(facts: &Facts, plan: &Plan, outcome: &Outcome, after: &[String]) -> String {
    let at = Standing::new(&facts.graph, after).current;
    let at: Vec<String> = at.iter().map(Revision::with_message).collect();
    let at = if at.is_empty() { "at no revision".to_owned() } else { format!("at {}", at.join(", ")) };
    match (outcome.done.len(), plan.steps.len()) {
        (0, _) if sorted(after) != sorted(&plan.before) => {
            format!("This run has changed nothing, but the database has moved: it is {at}")
        }
        (0, _) => format!("Nothing of this run was kept: the database is still {at}"),
        (done, all) => format!("{done} of {all} revisions were {} and stay: the database is {at}", plan.verb()),
    }
}

/// The JSON of a run that failed half-way: what was changed is said there, too.
fn report_failure(ctx: &Ctx, plan: &Plan, outcome: &Outcome, error: &anyhow::Error) {
    let fail = from_anyhow(error);
    ctx.ui.json("db-migrate", fail.exit, outcome_json(plan, outcome), Some(&fail));
}

fn outcome_json(plan: &Plan, outcome: &Outcome) -> serde_json::Value {
    let mut fields = json!({
        "component": plan.component,
        "direction": plan.way.name(),
        "target": plan.target,
    });
    fields[plan.verb()] = revisions(&outcome.done);
    fields["before"] = json!(outcome.before);
    fields["after"] = json!(outcome.after);
    fields["backup"] = json!(outcome.backup.as_ref().map(|path| path.display().to_string()));
    fields["seconds"] = json!(outcome.seconds);
    fields
}
