//! `db-rebase`: diverged heads made one again. `whose.rs` asks git which revisions are released, `model/rebase` decides,
//! `files.rs` computes every edit before the first is written, `database.rs` takes a database that holds a moved revision
//! down and up again, `steps.rs` does it all under the journal and takes it back, `show.rs` reports.

mod as_step;
mod database;
mod files;
mod record;
mod released;
mod show;
mod steps;

use std::path::PathBuf;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::flags::{DbRebase, Rebase};
use crate::model::graph::Graph;
use crate::model::rebase::{self, Both, Change, Plan, Refusal, Trip, Wish};
use crate::model::target::{self, Direction, Target, TargetError};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::git::Repo;
use crate::sys::journal::{self, Journal};
use crate::sys::project::Component;
use crate::work::advice;
use database::Found;
use files::Edit;
use record::Work;
use released::{Scripts, Whose};

pub use as_step::{Ends, Foretold, Kept, check_can_be_taken_back, foretell, kept, resume, run_as_part, take_back};
pub use database::claim;

/// What is known before anything is decided.
struct Facts<'a> {
    component: &'a Component,
    config: AlembicConfig,
    graph: Graph,
    repo: Option<Repo>,
    whose: Whose,
    wish: Wish,
    /// `--component=…` for printed commands, empty for the default one.
    flag: String,
}

/// What is to be done, in every detail.
struct Prepared {
    plan: Plan,
    edits: Vec<Edit>,
    /// What moved revisions and the ones that will be below them both touch.
    both: Vec<Both>,
    found: Found,
    trip: Trip,
    work: Work,
}

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) before anything was changed; a failure (exit 1) with what was changed and how to go on.
pub fn run(ctx: &Ctx, flags: &DbRebase) -> Result<Exit> {
    match flags {
        DbRebase::Begin(flags) => begin(ctx, flags, &Ends::default()),
        DbRebase::Resume => steps::resume(ctx),
        DbRebase::Abort => steps::abort(ctx, &journal_folder(ctx)?),
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
    let facts = gather(ctx, flags, component, config, graph).map_err(refuse)?;
    let plan = rebase::plan(&facts.graph, &facts.whose.released, &facts.wish);
    let plan = plan.map_err(|refusal| refused(&refusal, &facts.flag))?;
    if plan.change == Change::Nothing {
        return show::nothing(ctx, component, &facts.graph);
    }
    let prepared = prepare(ctx, flags, &facts, plan).map_err(refuse)?;
    if flags.dry_run {
        return show::dry_run(ctx, &facts, &prepared);
    }
    show::before(ctx, &facts, &prepared);
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

/// Where an operation that did not end is found.
fn journal_folder(ctx: &Ctx) -> Result<PathBuf> {
    Ok(journal::folder(&ctx.project()?.root, "db-rebase"))
}

fn gather<'a>(
    ctx: &'a Ctx,
    flags: &Rebase,
    component: &'a Component,
    config: AlembicConfig,
    graph: Graph,
) -> Result<Facts<'a>> {
    let flag = ctx.component_flag(component);
    let root = &ctx.project()?.root;
    let repo = released::checkout(&ctx.ui, root)?;
    let scripts = Scripts { graph: &graph, root, texts: None, flag: &flag };
    let mut wish = if flags.merge { Wish::Merge } else { Wish::Usual };
    let mut branch = None;
    if let Some(word) = &flags.onto {
        match revision(&graph, word) {
            Ok(id) => wish = Wish::Onto(id),
            Err(TargetError::UnknownRevision { .. } | TargetError::UnknownBranch { .. }) if is_commit(&repo, word)? => {
                branch = Some(word.as_str());
            }
            Err(error) => return Err(advice::target(ctx, &error, word, component, &flag).into()),
        }
    }
    let whose = match (&repo, &wish) {
        // A merge edits nobody's revision.
        (_, Wish::Merge) => released::by_text(&scripts)?,
        (Some(repo), Wish::Usual) => released::by_git(ctx, repo, &scripts, branch)?,
        (None, Wish::Usual) => return Err(released::no_checkout(root, &flag).into()),
        // The revision says it all; what git knows for sure is respected.
        (Some(repo), Wish::Onto(_)) => {
            released::by_git(ctx, repo, &scripts, None).or_else(|_| released::by_text(&scripts))?
        }
        (None, Wish::Onto(_)) => released::by_text(&scripts)?,
    };
    Ok(Facts { component, config, graph, repo, whose, wish, flag })
}

/// The one revision that a word names.
fn revision(graph: &Graph, word: &str) -> Result<String, TargetError> {
    let route = target::resolve(graph, Direction::Up, &[], &Target::parse(word)?)?;
    let unknown = || TargetError::UnknownRevision { id: word.to_owned(), nearest: Vec::new() };
    route.destination.into_iter().next().ok_or_else(unknown)
}

fn is_commit(repo: &Option<Repo>, word: &str) -> Result<bool> {
    let Some(repo) = repo else { return Ok(false) };
    Ok(repo.commits(&[word])?.pop().flatten().is_some())
}

fn refused(refusal: &Refusal, flag: &str) -> Fail {
    let kind = match refusal {
        Refusal::Unknown(_) => Kind::UnknownRevision,
        Refusal::Unsound(_) => Kind::MigrationFileInvalid,
        _ => Kind::MultipleHeads,
    };
    Fail::new(kind, "The heads cannot be made one in this way")
        .details(refusal.to_string())
        .action(format!("Join the heads without moving any revision: cargo xtask db-rebase{flag} --merge"))
        .action(format!("Or put everything else on another revision: cargo xtask db-rebase{flag} --onto REV"))
        .related("cargo xtask db-status")
        .refused()
}

/// Everything that is to be written, and everything that would stand in the way.
fn prepare(ctx: &Ctx, flags: &Rebase, facts: &Facts, plan: Plan) -> Result<Prepared> {
    let root = &ctx.project()?.root;
    let (edits, merge) = match &plan.change {
        Change::Move(moved) => (files::edits(root, &facts.graph, moved, &facts.flag)?, None),
        Change::Merge { parents, .. } => {
            let merge = files::merge(ctx, &facts.config, &facts.graph, parents)?;
            (vec![merge.edit], Some(merge.id))
        }
        Change::Nothing => (Vec::new(), None),
    };
    let moved = match &plan.change {
        Change::Move(moved) => moved.clone(),
        _ => Vec::new(),
    };
    if let (Some(repo), None) = (&facts.repo, &merge) {
        files::check_clean(repo, &edits, flags.allow_dirty, &facts.flag)?;
    }
    // A merge revision re-parents nothing: whatever the database holds stays right.
    let found = if flags.no_db || merge.is_some() {
        Found::NotAsked
    } else {
        database::look(ctx, facts.component, &facts.config, &facts.graph)?
    };
    let trip = match &found {
        Found::At { applied, place, skipped } => {
            database::check_nothing_skipped(facts, place, skipped)?;
            database::plan(facts, &plan.change, &moved, applied)?
        }
        Found::NotAsked | Found::Down(_) => Trip::default(),
    };
    let both = files::touched_on_both_sides(root, &facts.graph, &plan.change)?;
    let work = Work::new(facts.component, &facts.graph, moved, merge, &both, &trip, &found);
    Ok(Prepared { plan, edits, both, found, trip, work })
}
