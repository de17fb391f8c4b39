//! `db-rebase`: turns diverged heads into one. `facts.rs` gathers the facts (`released.rs` asks git which revisions are
//! released), `model/rebase` decides, `prepare.rs` works everything out before the first write: `files.rs` the edits,
//! `database.rs` the way of the database, `work/proof.rs` whether it can stay as it is, and `rows.rs` holds what
//! becomes of its rows. `steps.rs` runs the steps under the journal and takes them back, `show.rs` reports.

mod as_step;
mod database;
mod ends;
mod facts;
mod files;
mod prepare;
mod record;
mod released;
mod rows;
mod show;
mod steps;
mod undo;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, from_anyhow, refuse};
use crate::flags::{DbRebase, Rebase};
use crate::model::graph::Graph;
use crate::model::rebase::{self, Change, Trip};
use crate::report::drawing::Drawing;
use crate::report::moved::MovedRevision;
use crate::sys::files::write_atomic;
use crate::sys::journal::Journal;
use crate::sys::project::Component;
pub use ends::Ends;
use facts::Facts;
use prepare::Prepared;
use record::journal_folder;

pub use as_step::{
    AfterMerge, Kept, after_merge, check_can_be_taken_back, kept, note_end, resume, run_as_part, take_back,
};
pub use database::claim;
pub use rows::Rows;
pub use show::drawn;
pub use undo::undo;

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
    // As a step of a flow it is about one component of several: what it says to do names it.
    let about = |error: anyhow::Error| from_anyhow(&error).about(&component.name).into();
    rebase(ctx, component, flags, ends).map_err(about)
}

fn rebase(ctx: &Ctx, component: &Component, flags: &Rebase, ends: &Ends) -> Result<Exit> {
    let (facts, prepared) = match planned(ctx, component, flags)? {
        Planned::Nothing(graph) => return show::nothing(ctx, component, &graph),
        Planned::Rebase(rebase) => *rebase,
    };
    if let Some(path) = &flags.svg {
        write_atomic(path, Drawing::stacked(&histories(&facts, &prepared)?).as_bytes())?;
    }
    if flags.dry_run {
        return show::dry_run(ctx, &facts, &prepared);
    }
    show::before(ctx, &facts, &prepared);
    prepare::agree(ctx, flags, &facts, &prepared, ends)?;
    steps::begin(ctx, &facts, &prepared, ends)
}

/// What there is to do.
enum Planned<'a> {
    /// This history has one head.
    Nothing(Graph),
    Rebase(Box<(Facts<'a>, Prepared)>),
}

fn planned<'a>(ctx: &'a Ctx, component: &'a Component, flags: &Rebase) -> Result<Planned<'a>> {
    let config = ctx.config(component).map_err(refuse)?;
    let graph = ctx.history(&config).map_err(refuse)?;
    if (graph.heads().len() < 2 || !graph.is_diverged() && !flags.merge) && flags.onto.is_none() {
        return Ok(Planned::Nothing(graph));
    }
    let facts = facts::gather(ctx, flags, component, config, graph).map_err(refuse)?;
    let plan = rebase::plan(&facts.graph, &facts.released.ids, &facts.wish);
    let plan = plan.map_err(|refusal| facts::refused(&refusal))?;
    if plan.change == Change::Nothing {
        return Ok(Planned::Nothing(facts.graph));
    }
    let prepared = prepare::prepare(ctx, flags, &facts, plan).map_err(refuse)?;
    Ok(Planned::Rebase(Box::new((facts, prepared))))
}

fn histories(facts: &Facts, prepared: &Prepared) -> Result<[Drawing; 2]> {
    let (work, change) = (&prepared.work, &prepared.plan.change);
    show::drawn(&facts.graph, change, work.merge.as_deref(), &work.component)
}

/// What a rebase of the files as they are would do.
pub struct Preview {
    pub moved: Vec<MovedRevision>,
    /// The merge revision that it would make instead.
    pub merge: Option<String>,
    /// What the database would go through.
    pub trip: Trip,
    /// What would become of the rows.
    pub rows: Option<Rows>,
    /// The history as it is and as it would be.
    pub histories: [Drawing; 2],
    pub text: String,
}

/// Looks ahead: `None` where there is nothing to do. Nothing is changed and nothing is said.
///
/// # Errors
/// As the rebase itself would be refused.
pub fn preview(ctx: &Ctx, flags: &Rebase) -> Result<Option<Preview>> {
    check_nothing_pending(ctx)?;
    let component = ctx.component()?;
    let planned = planned(ctx, component, flags);
    match planned.map_err(|error| from_anyhow(&error).about(&component.name))? {
        Planned::Nothing(_) => Ok(None),
        Planned::Rebase(rebase) => {
            let (facts, prepared) = *rebase;
            let text = show::dry_run_text(ctx, &facts, &prepared);
            let histories = histories(&facts, &prepared)?;
            let Prepared { work, trip, .. } = prepared;
            Ok(Some(Preview { moved: work.moved, merge: work.merge, trip, rows: work.rows, histories, text }))
        }
    }
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
