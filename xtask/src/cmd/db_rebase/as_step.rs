//! Runs a rebase as a step of db-merge: its journal is put away instead of removed, so that the merge can still take
//! the rebase back. Also says what a rebase would do after a git merge that is not made yet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use super::ends::Ends;
use super::facts::refused;
use super::record::Work;
use super::released::{self, Scripts};
use super::rows::Rows;
use super::steps::{self, BACKUP, END, PUT_BACK};
use super::{begin, database};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow};
use crate::flags::Rebase;
use crate::model::graph::{Graph, Links};
use crate::model::rebase::{self, Change, Moved, Plan, Trip, Wish};
use crate::model::step::Direction;
use crate::report::moved::MovedRevision;
use crate::sys::git::Repo;
use crate::sys::journal::Journal;
use crate::sys::project::Component;
use crate::work::at_stake::{self, AtStake};
use crate::work::own_database::OwnDatabase;
use crate::work::put_back::Report;

/// Runs one as a part of something larger.
///
/// # Errors
/// As [`super::run`].
pub fn run_as_part(ctx: &Ctx, flags: &Rebase, ends: &Ends) -> Result<Exit> {
    begin(ctx, flags, ends)
}

/// Goes on with one that did not end.
///
/// # Errors
/// As [`super::run`].
pub fn resume(ctx: &Ctx) -> Result<Exit> {
    steps::resume(ctx)
}

/// Takes back one that was put away.
///
/// # Errors
/// As [`super::run`].
pub fn take_back(ctx: &Ctx, folder: &Path, keep_database: bool) -> Result<Exit> {
    steps::abort(ctx, folder, keep_database)
}

/// Writes down, in one that was put away, the transaction with which the larger thing ended.
///
/// # Errors
/// When the journal there cannot be written.
pub fn note_end(folder: &Path, end: u64) -> Result<()> {
    Journal::pending(folder)?.map_or(Ok(()), |mut journal| journal.note(END, serde_json::json!(end)))
}

/// Refuses to take back one that was put away where somebody has changed its files since.
///
/// # Errors
/// `dirty-work-tree`.
pub fn check_can_be_taken_back(folder: &Path) -> Result<()> {
    Journal::pending(folder)?.map_or(Ok(()), |journal| journal.check_restorable())
}

/// A rebase that has ended and was put away.
pub struct Kept {
    /// The revisions whose parents it changed.
    pub moved: Vec<MovedRevision>,
    /// The merge revision that it made instead.
    pub merge: Option<String>,
    /// The files that it wrote, absolute.
    pub files: Vec<PathBuf>,
    /// The backup that it took before it turned to the database.
    pub backup: Option<PathBuf>,
    /// Where its database is, and what that held before; `None` where it was not touched.
    pub database: Option<(String, Vec<String>)>,
    /// The revisions that run their way down when it is taken back.
    pub way_back_runs: Vec<String>,
    /// What became of the database's rows; `None` where no database was concerned.
    pub rows: Option<Rows>,
    /// What was put back out of the backup.
    pub put_back: Option<Report>,
}

/// What was put away in a folder.
///
/// # Errors
/// When the journal there cannot be read.
pub fn kept(folder: &Path) -> Result<Option<Kept>> {
    let Some(journal) = Journal::pending(folder)? else { return Ok(None) };
    let work = Work::from_note(|name| journal.noted(name).cloned())?;
    Ok(Some(Kept {
        moved: work.moved.clone(),
        merge: work.merge.clone(),
        files: journal.files().map(Path::to_owned).collect(),
        backup: journal.noted(BACKUP).and_then(Value::as_str).map(PathBuf::from),
        database: work.place.clone().map(|place| (place, work.trip.before.clone())),
        way_back_runs: work.way_back_runs(),
        rows: if work.trip.is_empty() { None } else { work.rows },
        put_back: journal.noted(PUT_BACK).map(Report::from_json).transpose()?,
    }))
}

/// What a rebase would do.
pub struct AfterMerge {
    /// In the files.
    pub plan: Plan,
    /// With the database; `None` where it cannot be asked, or holds what no file will have.
    pub trip: Option<Trip>,
    /// What would go, and be put back, where the database has to go down and up.
    pub at_stake: Vec<AtStake>,
}

impl AfterMerge {
    /// The revisions that would get other parents.
    pub fn moved(&self) -> &[Moved] {
        match &self.plan.change {
            Change::Move(moved) => moved,
            Change::Nothing | Change::Merge { .. } => &[],
        }
    }
}

/// Plans with scripts that lie in no work tree: `texts` by the paths in the history, `repo` as it answers after the
/// merge. Nothing is touched. The database is asked where it stands unless `no_db`; skipped revisions cannot be found
/// with scripts that do not exist yet.
///
/// # Errors
/// As the rebase itself would be refused.
pub fn after_merge(
    ctx: &Ctx,
    component: &Component,
    repo: &Repo,
    graph: &Graph,
    texts: &HashMap<PathBuf, Vec<u8>>,
    no_db: bool,
) -> Result<AfterMerge> {
    let scripts = Scripts { graph, root: &ctx.project()?.root, texts: Some(texts) };
    let about = |fail: Fail| fail.about(&component.name).refused();
    let released = released::by_git(ctx, repo, &scripts, None).map_err(|error| about(from_anyhow(&error)))?;
    let plan = rebase::plan(graph, &released.ids, &Wish::Usual).map_err(|refusal| about(refused(&refusal)))?;
    let found = AfterMerge { plan, trip: None, at_stake: Vec::new() };
    if no_db {
        return Ok(found);
    }
    let applied = match database::applied(ctx, component) {
        Ok(applied) if graph.unknown(&applied).is_empty() => applied,
        Err(error) if from_anyhow(&error).kind == Kind::Interrupted => return Err(error),
        _ => return Ok(found),
    };
    let after = rebase::applied(graph, &found.plan.change)?;
    let trip = rebase::trip(graph, &after, found.moved(), &applied)?;
    let at_stake = match trip.down.is_empty() {
        true => Vec::new(),
        false => at_stake::find(
            ctx,
            graph,
            OwnDatabase::connect(ctx, component, "db-rebase")?.db(),
            Direction::Down,
            &trip.down,
        )?,
    };
    Ok(AfterMerge { trip: Some(trip), at_stake, ..found })
}

impl Kept {
    /// The ids of the moved revisions.
    pub fn ids(&self) -> Vec<&str> {
        self.moved.iter().map(MovedRevision::id).collect()
    }

    /// The moved revisions and all that stands on them: what now runs after something else than before.
    pub fn affected(&self, graph: &Graph) -> Vec<String> {
        graph.descendants(&self.ids(), Links::WithDependencies).into_iter().map(str::to_owned).collect()
    }
}
