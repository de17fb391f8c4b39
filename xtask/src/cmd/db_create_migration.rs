//! `db-create-migration`: checks, compares, writes, reviews. Nothing is changed until Alembic has written the script;
//! after that the script stays, whatever the review finds, unless the user interrupts.

mod preflight;
mod show;
mod stakes;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cmd::{db_check, db_roundtrip};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::{DbCreateMigration, DbRoundtrip, Range};
use crate::model::action::own;
use crate::model::autogenerate::{self, Models, Operation, Rename, Unseen};
use crate::model::release_marker::{self, Habit};
use crate::model::rules::{Finding, Level};
use crate::model::target::{Direction, Step};
use crate::report::roundtrip::Report;
use crate::sys::alembic::{Draft, Driver, Stop, Written};
use crate::sys::pg::models::{Sides, sides};
use crate::sys::{files, interrupt};
use crate::work::driver::{self, Labels};
use crate::work::models::HeadDatabase;
use preflight::Facts;
use stakes::Stake;

/// The name in comments of scratch databases and in sessions.
const COMMAND: &str = "db-create-migration";

/// The rule that is silent here: what to do about it is among the next steps.
const NOT_IN_GIT: &str = "DB206";

/// What there is to say at the end.
#[derive(Default)]
struct Review {
    /// What the models were compared with; `None` where they were not.
    compared_with: Option<String>,
    written: Vec<Written>,
    operations: Vec<Operation>,
    renames: Vec<Rename>,
    unseen: Vec<Unseen>,
    /// What could not be compared, a line each.
    trouble: Vec<String>,
    /// What the script drops that holds something in the component's own database.
    stakes: Vec<Stake>,
    /// Why the new script does not run, and which of its two functions.
    problem: Option<(Direction, Box<Fail>)>,
    findings: Vec<(Finding, String)>,
    roundtrip: Option<Report>,
    is_added: bool,
}

impl Review {
    fn exit(&self) -> Exit {
        let is_wrong = self.findings.iter().any(|(finding, _)| finding.severity == Level::Error);
        let is_proven = self.roundtrip.as_ref().is_none_or(|report| report.exit() == Exit::Done);
        if self.problem.is_some() || is_wrong || !is_proven { Exit::Findings } else { Exit::Done }
    }
}

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) from the pre-flight; a failure (exit 1) of env.py, the models, or the writing.
pub fn run(ctx: &Ctx, flags: &DbCreateMigration) -> Result<Exit> {
    let facts = preflight::gather(ctx, flags).map_err(refuse)?;
    let draft = Draft {
        message: Some(flags.message.clone()),
        rev_id: flags.rev_id.clone(),
        head: flags.head.clone(),
        splice: flags.splice,
        depends_on: flags.depends_on.clone(),
        autogenerate: !flags.empty,
        run_env: facts.runs_env,
    };
    let mut review = match facts.database {
        Some(_) => on_head_database(ctx, &facts, &draft)?,
        None => alone(ctx, &facts, &draft)?,
    };
    if !review.written.is_empty() {
        finish(ctx, flags, &facts, &mut review).map_err(|error| after_writing(error, &review.written))?;
    }
    show::report(ctx, &facts, &review);
    Ok(review.exit())
}

/// With a database: what autogenerate takes, or an empty revision of a project whose env.py has a say in it.
fn on_head_database(ctx: &Ctx, facts: &Facts, draft: &Draft) -> Result<Review> {
    let database = facts.database.as_ref().context("asked for only with a database")?;
    let mut at_head = HeadDatabase::make(ctx, &facts.subject, database, COMMAND)?;
    let compared = at_head.compare(ctx, draft)?;
    if draft.autogenerate {
        stakes::check_models(ctx, facts, &compared)?;
    }
    let mut review = Review {
        compared_with: draft.autogenerate.then(|| at_head.words.clone()),
        stakes: stakes::of(database, &compared.operations)?,
        renames: autogenerate::renames(&compared.operations),
        operations: compared.operations,
        ..Review::default()
    };
    if !(review.operations.is_empty() && draft.autogenerate) {
        let written = write(ctx, at_head.driver(), facts);
        review.written = written.map_err(|stop| cannot_write(at_head.stopped(stop), facts))?;
    }
    let looked = look(ctx, draft, &mut at_head, &compared.models, &mut review);
    looked.map_err(|error| after_writing(error, &review.written))?;
    at_head.end(ctx).map_err(|error| after_writing(error, &review.written))?;
    Ok(review)
}

/// What the throwaway database can tell: whether the new script runs there and back, and what differs still.
fn look(ctx: &Ctx, draft: &Draft, at_head: &mut HeadDatabase, models: &Models, review: &mut Review) -> Result<()> {
    let _task = ctx.ui.task("Looking at what autogenerate does not see");
    interrupt::check()?;
    if !draft.autogenerate {
        return Ok(());
    }
    let steps: Vec<Step> = review.written.iter().map(|script| Step::up(&script.revision)).collect();
    review.problem = try_out(at_head, &steps)?;
    if review.problem.is_some() {
        return Ok(());
    }
    let Sides { models, database, trouble } = sides(at_head.db(), models)?;
    review.unseen = autogenerate::unseen(&models, &database);
    review.trouble = trouble;
    let back: Vec<Step> = review.written.iter().rev().map(|script| Step::down(&script.revision)).collect();
    review.problem = try_out(at_head, &back)?;
    Ok(())
}

/// Runs steps on the throwaway database; the first that fails. Ctrl-C is no finding.
fn try_out(at_head: &mut HeadDatabase, steps: &[Step]) -> Result<Option<(Direction, Box<Fail>)>> {
    for step in steps {
        match at_head.apply(step.clone()) {
            Ok(()) => {}
            Err(fail) if fail.kind == Kind::Interrupted => return Err((*fail).into()),
            Err(fail) => return Ok(Some((step.direction, fail))),
        }
    }
    Ok(None)
}

/// Without any database: env.py is not run.
fn alone(ctx: &Ctx, facts: &Facts, draft: &Draft) -> Result<Review> {
    let labels = Labels::new(ctx, facts.subject.component)?;
    let launch = driver::launch_without(ctx, &facts.subject.config, COMMAND)?;
    let mut driver = Driver::start(&ctx.ui, &launch)?;
    let _task = ctx.ui.task("Starting Alembic");
    driver.compare(draft).map_err(|stop| stop.into_error(&labels.names()))?;
    let written = write(ctx, &mut driver, facts);
    let written = written.map_err(|stop| cannot_write(stop.into_error(&labels.names()), facts))?;
    driver.stop();
    Ok(Review { written, ..Review::default() })
}

/// Ctrl-C waits until the file is whole and known, so that it can be taken away again.
fn write(ctx: &Ctx, driver: &mut Driver, facts: &Facts) -> Result<Vec<Written>, Stop> {
    let written = interrupt::shielded(|| driver.write())?;
    mark(ctx, facts, &written)?;
    if written.is_empty() {
        let config = facts.subject.config.path.display();
        return Err(Stop::Error(
            Fail::new(Kind::ConfigInvalid, "A hook of the project has dropped the revision")
                .details("process_revision_directives left nothing to be written")
                .action(format!("Look at process_revision_directives in the env.py of {config}"))
                .related(own("doctor"))
                .into(),
        ));
    }
    Ok(written)
}

/// Says of the new scripts that they are part of the coming release, where the newest ones do.
fn mark(ctx: &Ctx, facts: &Facts, written: &[Written]) -> Result<()> {
    let root = &ctx.project()?.root;
    let newest = facts.subject.graph.scripts().filter_map(|script| files::read_script(&root.join(&script.path)).ok());
    let newest: Vec<String> = newest.take(release_marker::NEWEST).collect();
    let Some(line) = Habit::of(newest.iter().map(String::as_str)).line() else { return Ok(()) };
    for script in written {
        let text = files::read_script(&script.path)?;
        let marked = release_marker::marked(&text, &line);
        if marked != text {
            files::write_atomic(&script.path, marked.as_bytes())?;
        }
    }
    Ok(())
}

fn cannot_write(error: anyhow::Error, facts: &Facts) -> anyhow::Error {
    let mut fail = from_anyhow(&error);
    // Alembic renders the template outside of any revision, which looks like env.py's fault.
    if matches!(fail.kind, Kind::MigrationRaised | Kind::EnvFailed) {
        fail.kind = Kind::MigrationRaised;
        let config = &facts.subject.config;
        fail.summary = "Alembic could not write the script".to_owned();
        fail.actions = vec![
            format!("Look at the template: {}", config.script_location.join("script.py.mako").display()).into(),
            format!("Look at file_template and [post_write_hooks] in {}", config.path.display()).into(),
        ];
        fail = fail.details("Nothing was left behind");
    }
    fail.into()
}

/// The rest of the review, for which the throwaway database is not needed.
fn finish(ctx: &Ctx, flags: &DbCreateMigration, facts: &Facts, review: &mut Review) -> Result<()> {
    interrupt::check()?;
    let paths: Vec<PathBuf> = review.written.iter().map(|script| script.path.clone()).collect();
    review.findings = db_check::review(ctx, facts.subject.component, &paths)?;
    review.findings.retain(|(finding, _)| finding.code != NOT_IN_GIT);
    if flags.roundtrip
        && review.problem.is_none()
        && let Some(first) = review.written.first()
    {
        let flags = DbRoundtrip { range: Range::From(first.revision.clone()), ..DbRoundtrip::default() };
        review.roundtrip = Some(db_roundtrip::prove(ctx, &flags)?);
    }
    if let Some(repo) = &facts.repo {
        repo.add(&paths)?;
        review.is_added = true;
    }
    Ok(())
}

/// A script is there and something went wrong after it: it stays, unless the user has changed their mind.
fn after_writing(error: anyhow::Error, written: &[Written]) -> anyhow::Error {
    let mut fail = from_anyhow(&error);
    for script in written {
        let path = script.path.display();
        if fail.kind != Kind::Interrupted {
            fail = fail.details(format!("The script is written and stays: {path}; only its review did not end"));
            continue;
        }
        files::remove(&script.path);
        let is_gone = if script.path.exists() { "could not be taken away again" } else { "was taken away again" };
        fail = fail.details(format!("The script {is_gone}: {path}"));
    }
    fail.into()
}
