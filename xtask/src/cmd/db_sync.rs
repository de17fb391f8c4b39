//! `db-sync`: does what is needed after pulling code, in one flow with one report: db-status of every component; a
//! database that ran something else than the files say is brought in line with them (`work/realign.rs`); db-migrate
//! where one is behind; a list of what to restart. A component that fails does not stop the others.

mod component;
mod show;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::DbSync;
use crate::model::action::git;
use crate::report::steps::{ComponentReport, Outcome, StepReport};
use crate::sys::git::{Merged, Repo};
use crate::work::differs::Differs;
use component::{Done, STEPS, Work, parts};

pub use component::{Part, Realigned};

/// Runs it.
///
/// # Errors
/// The first thing that stopped a component; a refusal where nothing was changed.
pub fn run(ctx: &Ctx, flags: &DbSync) -> Result<Exit> {
    if flags.dry_run {
        return show::dry_run(ctx, flags, &differs(ctx));
    }
    let mut steps = Vec::new();
    if flags.pull {
        steps.push(pull(ctx).map_err(refuse)?);
    }
    // The project may be another one after the pull.
    let ctx = &ctx.for_step(ctx.ui.clone(), None);
    warn_of_stepping(ctx)?;
    let mut parts = parts(ctx).map_err(refuse)?;
    steps.extend(bring_in_line(ctx, &mut parts));
    let differs = differs(ctx);
    show::report(ctx, &steps, &parts, &differs)
}

/// What else came with the pull. That it is not known keeps nobody from migrating.
fn differs(ctx: &Ctx) -> Differs {
    Differs::since_the_last_pull(ctx).unwrap_or_else(|error| {
        ctx.ui.warn(format!("What else the last pull has changed is not known: {error:#}"));
        Differs::default()
    })
}

/// In the middle of a rebase or a bisect the files are those of a moment.
fn warn_of_stepping(ctx: &Ctx) -> Result<()> {
    let repo = Repo::find(&ctx.ui, &ctx.project()?.root).unwrap_or_default();
    if repo.is_some_and(|repo| repo.is_stepping()) {
        ctx.ui.warn("git is in the middle of a rebase or a bisect: the files are those of a moment in it, and so will the database be");
    }
    Ok(())
}

/// Refuses what must not happen before a killed run has ended.
///
/// # Errors
/// `already-running`.
pub fn check_nothing_pending(ctx: &Ctx) -> Result<()> {
    // What is wrong with the project itself is for the command to say.
    let Ok(project) = ctx.project() else { return Ok(()) };
    project.components.iter().try_for_each(|component| component::check_nothing_open(ctx, component))
}

/// The steps of these components, also for a flow that has brought their databases here.
pub fn bring_in_line(ctx: &Ctx, parts: &mut [Part<'_>]) -> Vec<StepReport> {
    STEPS.into_iter().map(|(name, work)| step(ctx, name, work, parts)).collect()
}

fn pull(ctx: &Ctx) -> Result<StepReport> {
    let began = Instant::now();
    let root = &ctx.project()?.root;
    let repo = Repo::find(&ctx.ui, root)?.context("--pull needs a git checkout").map_err(|error| {
        Fail::new(Kind::Usage, format!("{error}"))
            .details(format!("{} is in none", root.display()))
            .action(git(["init"]))
    })?;
    let pulled = {
        let _task = ctx.ui.task("Pulling");
        repo.pull()
    };
    let pulled = pulled.map_err(|error| from_anyhow(&error).run("See what git says", git(["status"])))?;
    let (outcome, remark) = match pulled {
        Merged::UpToDate => (Outcome::Skipped, "nothing new".to_owned()),
        Merged::Moved(commit) => (Outcome::Ok, format!("now at {}", commit.short())),
        Merged::Uncommitted => (Outcome::Ok, "not committed".to_owned()),
    };
    let seconds = began.elapsed().as_secs_f64();
    Ok(StepReport { name: "git pull".to_owned(), outcome, seconds, remark, components: Vec::new() })
}

/// One step of every component that has not stopped.
fn step(ctx: &Ctx, name: &str, work: Work, parts: &mut [Part<'_>]) -> StepReport {
    let began = Instant::now();
    ctx.ui.status(format!("── {name} ──"));
    let mut components = Vec::new();
    for part in parts.iter_mut().filter(|part| part.fail.is_none()) {
        let began = Instant::now();
        // What a command prints as its answer is the report's to say.
        let step = ctx.for_step(ctx.ui.overheard(), Some(part.component));
        let done = work(&step, part).unwrap_or_else(|error| {
            let fail = from_anyhow(&error).about(&part.component.name);
            let remark = fail.summary.clone();
            part.fail = Some(fail);
            Done { outcome: Outcome::Failed, remark }
        });
        components.push(ComponentReport {
            component: part.component.name.clone(),
            outcome: done.outcome,
            seconds: began.elapsed().as_secs_f64(),
            remark: done.remark,
            results: None,
        });
    }
    let is = |outcome| components.iter().any(|it| it.outcome == outcome);
    let outcome = match () {
        () if is(Outcome::Failed) => Outcome::Failed,
        () if is(Outcome::Ok) => Outcome::Ok,
        () => Outcome::Skipped,
    };
    let remarks: Vec<String> = match components.as_slice() {
        [one] => vec![one.remark.clone()],
        several => several.iter().map(|it| format!("{}: {}", it.component, it.remark)).collect(),
    };
    let (seconds, remark) = (began.elapsed().as_secs_f64(), remarks.join("; "));
    StepReport { name: name.to_owned(), outcome, seconds, remark, components }
}
