//! `db-merge`: the merge-resolution flow as one command: git merge, db-status, db-rebase, db-roundtrip, db-migrate,
//! db-status, for every component. `preflight.rs` refuses before anything is changed, `flow.rs` goes through the steps
//! under a journal (`record.rs`), `parts.rs` does a step for each component, `git.rs` git's part, `back.rs` takes it all
//! back, `foresee.rs` is the dry run, `show.rs` reports.

mod abort;
mod components;
mod dry_run;
mod flow;
mod git;
mod own_rows;
mod preflight;
mod record;
mod show;

use std::path::PathBuf;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, refuse};
use crate::flags::DbMerge;
use crate::sys::journal::Journal;
use crate::sys::project::Component;

const CONTINUE: &str = "cargo xtask db-merge --continue";
const ABORT: &str = "cargo xtask db-merge --abort";

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) before anything was changed; a failure (exit 1; 4 where a round trip has found something) with what
/// was changed, how to go on and how to go back.
pub fn run(ctx: &Ctx, flags: &DbMerge) -> Result<Exit> {
    match flags {
        DbMerge::Begin(flags) => flow::begin(ctx, flags),
        DbMerge::DryRun(flags) => dry_run::run(ctx, flags),
        DbMerge::Continue(flags) => flow::go_on(ctx, flags),
        DbMerge::Abort => abort::run(ctx),
    }
}

/// Refuses what must not happen before a merge that stopped has ended, one way or the other.
///
/// # Errors
/// `already-running`.
pub fn check_nothing_pending(ctx: &Ctx) -> Result<()> {
    // What is wrong with the project itself is for the command to say.
    let Ok(folder) = folder(ctx) else { return Ok(()) };
    match Journal::pending(&folder).map_err(refuse)? {
        Some(journal) => Err(journal.unfinished().into()),
        None => Ok(()),
    }
}

/// Where the journal is, and those of the rebases that were a part of it.
fn folder(ctx: &Ctx) -> Result<PathBuf> {
    Ok(ctx.project()?.state_dir.join("db-merge"))
}

/// The components that are meant: the one that was named, else every one.
fn components<'a>(ctx: &'a Ctx, named: Option<&str>) -> Result<Vec<&'a Component>> {
    let project = ctx.project()?;
    match named {
        Some(_) => Ok(vec![project.component(named)?]),
        None => Ok(project.all()?.iter().collect()),
    }
}
