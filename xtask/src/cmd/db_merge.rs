//! `db-merge`: resolves a merge in one command: git merge, then db-status, db-rebase, db-roundtrip, db-migrate and
//! db-status for every component. `preflight.rs` refuses before anything is changed; `run.rs` runs the steps under a
//! journal, `flow.rs` holds what they work on; `components.rs` does a step for each component, `git.rs` does git's
//! part; `record.rs` is what the journal keeps; `abort.rs` takes everything back, `undo.rs` does so after the end;
//! `dry_run.rs` only looks, `show.rs` reports.

mod abort;
mod components;
mod dry_run;
mod flow;
mod git;
mod preflight;
mod record;
mod run;
mod show;
mod undo;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::flags::DbMerge;

pub use record::check_nothing_pending;
pub use undo::undo;

/// Runs the command.
///
/// # Errors
/// A refusal (exit 3) before anything was changed; a failure (exit 1; 4 where a round trip has found something) with what
/// was changed, how to go on and how to go back.
pub fn run(ctx: &Ctx, flags: &DbMerge) -> Result<Exit> {
    match flags {
        DbMerge::Begin(flags) => run::begin(ctx, flags),
        DbMerge::DryRun(flags) => dry_run::run(ctx, flags),
        DbMerge::Continue(flags) => run::go_on(ctx, flags),
        DbMerge::Abort { keep_database } => abort::run(ctx, *keep_database),
        DbMerge::Forget => abort::forget(ctx),
    }
}
