//! `db-rebase`: diverged heads made one again. `facts.rs` gathers what is known (`released.rs` asks git which revisions are
//! released), `model/rebase` decides, `prepare.rs` works everything out before the first write: `files.rs` every edit,
//! `database.rs` what the database goes through; whether it can stay as it is, is tried by `work/proof.rs`. `steps.rs` does it all under the
//! journal and takes it back, `show.rs` reports.

mod as_step;
mod database;
mod ends;
mod facts;
mod files;
mod prepare;
mod record;
mod released;
mod show;
mod steps;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, refuse};
use crate::flags::{DbRebase, Rebase};
use crate::model::rebase::{self, Change};
use crate::sys::journal::Journal;
pub use ends::Ends;
use record::journal_folder;

pub use as_step::{Foretold, Kept, check_can_be_taken_back, foretell, kept, resume, run_as_part, take_back};
pub use database::claim;

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) before anything was changed; a failure (exit 1) with what was changed and how to go on.
pub fn run(ctx: &Ctx, flags: &DbRebase) -> Result<Exit> {
    match flags {
        DbRebase::Begin(flags) => begin(ctx, flags, &Ends::default()),
        DbRebase::Resume => steps::resume(ctx),
        DbRebase::Abort { keep_database } => steps::abort(ctx, &journal_folder(ctx)?, *keep_database),
        DbRebase::Forget => steps::forget(ctx),
    }
}

fn begin(ctx: &Ctx, flags: &Rebase, ends: &Ends) -> Result<Exit> {
    check_nothing_pending(ctx)?;
    let component = ctx.component()?;
    let config = ctx.config(component).map_err(refuse)?;
    let graph = ctx.history(&config).map_err(refuse)?;
    if graph.heads().len() < 2 && flags.onto.is_none() {
        return show::nothing(ctx, component, &graph);
    }
    let facts = facts::gather(ctx, flags, component, config, graph).map_err(refuse)?;
    let plan = rebase::plan(&facts.graph, &facts.whose.released, &facts.wish);
    let plan = plan.map_err(|refusal| facts::refused(&refusal, &facts.flag))?;
    if plan.change == Change::Nothing {
        return show::nothing(ctx, component, &facts.graph);
    }
    let prepared = prepare::prepare(ctx, flags, &facts, plan).map_err(refuse)?;
    if flags.dry_run {
        return show::dry_run(ctx, &facts, &prepared);
    }
    show::before(ctx, &facts, &prepared);
    prepare::agree(ctx, flags, &facts, &prepared, ends)?;
    steps::begin(ctx, &facts, &prepared, ends)
}

/// Refuses what must not happen before a rebase that did not end has ended, one way or the other.
///
/// # Errors
/// `already-running`.
pub fn check_nothing_pending(ctx: &Ctx) -> Result<()> {
    // What is wrong with the project itself is for the command to say.
    let Ok(folder) = journal_folder(ctx) else { return Ok(()) };
    match Journal::pending(&folder).map_err(refuse)? {
        Some(journal) => Err(journal.unfinished().into()),
        None => Ok(()),
    }
}

/// Whether a rebase did not end.
///
/// # Errors
/// `already-running` where it is at it just now.
pub fn is_pending(ctx: &Ctx) -> Result<bool> {
    Ok(Journal::pending(&journal_folder(ctx)?)?.is_some())
}
