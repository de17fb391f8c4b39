//! A merge under way: its steps, and the values that they share. `run.rs` runs them.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::preflight;
use super::record::{KEPT, Record, folder};
use crate::cmd::db_rebase::{self, Kept};
use crate::cmd::db_status::Report;
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, refuse};
use crate::flags::Merge;
use crate::model::action::own;
use crate::report::roundtrip::RevisionResult;
use crate::report::steps::{ComponentReport, Outcome};
use crate::sys::git::Repo;
use crate::sys::journal::{self, Journal};

/// The note's name in the journal.
pub const NOTE: &str = "merge";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Merge,
    Before,
    Rebase,
    Roundtrip,
    Migrate,
    After,
    Commit,
}

/// The outcome of a step, or of its part for one component.
pub struct Done {
    pub outcome: Outcome,
    pub remark: String,
    /// What a round trip found; `None` where none was run.
    pub results: Option<Vec<RevisionResult>>,
    /// The failure that stops the flow, if there is one.
    pub fail: Option<Fail>,
}

impl Done {
    /// It was done.
    pub fn ok(remark: String) -> Done {
        Done { outcome: Outcome::Ok, remark, results: None, fail: None }
    }

    /// It was not needed.
    pub fn skipped(remark: String) -> Done {
        Done { outcome: Outcome::Skipped, remark, results: None, fail: None }
    }

    /// It has found something that stops the flow.
    pub fn found(fail: Fail, results: Vec<RevisionResult>) -> Done {
        let results = Some(results);
        Done { outcome: Outcome::Failed, remark: fail.summary.clone(), results, fail: Some(fail) }
    }
}

impl Step {
    /// The steps of a merge, in their order.
    pub fn all(flags: &Merge) -> Vec<Step> {
        let mut steps = vec![Step::Merge, Step::Before, Step::Rebase, Step::Roundtrip, Step::Migrate, Step::After];
        if flags.commit {
            steps.push(Step::Commit);
        }
        steps
    }

    /// The command that the step runs.
    pub fn name(self) -> &'static str {
        match self {
            Step::Merge => "git merge",
            Step::Before | Step::After => "db-status",
            Step::Rebase => "db-rebase",
            Step::Roundtrip => "db-roundtrip",
            Step::Migrate => "db-migrate",
            Step::Commit => "git commit",
        }
    }
}

/// A merge under way.
pub struct Flow<'a> {
    pub ctx: &'a Ctx,
    pub repo: Repo,
    pub journal: Journal,
    pub record: Record,
    /// The parts of the present step that are done.
    pub done: Vec<ComponentReport>,
    /// Where the databases stood when they were looked at last.
    pub components: Vec<Report>,
}

/// The merge that stopped.
///
/// # Errors
/// A usage error where there is none.
pub fn pending(ctx: &Ctx) -> Result<Flow<'_>> {
    let nothing = || {
        Fail::new(Kind::Usage, "There is no db-merge that stopped")
            .run("To begin one", own("db-merge").word("BRANCH"))
            .run("In the middle of a merge, rebase or cherry-pick of git's", own("db-merge"))
    };
    let journal = Journal::pending(&folder(ctx)?).map_err(refuse)?.ok_or_else(nothing)?;
    let note = journal.noted(NOTE).cloned().unwrap_or_default();
    let record = Record::from_json(&note).context("reading the journal of db-merge").map_err(refuse)?;
    let repo = preflight::checkout(ctx).map_err(refuse)?;
    Ok(Flow::new(ctx, repo, journal, record))
}

impl<'a> Flow<'a> {
    pub fn new(ctx: &'a Ctx, repo: Repo, journal: Journal, record: Record) -> Flow<'a> {
        Flow { ctx, repo, journal, record, done: Vec::new(), components: Vec::new() }
    }

    /// Writes the record into the journal.
    pub fn save(&mut self) -> Result<()> {
        self.journal.note(NOTE, self.record.to_json(self.ctx.ui.around()))
    }

    /// Where a component's rebase is put away when it has ended.
    pub fn kept_folder(&self, component: &str) -> Result<PathBuf> {
        Ok(folder(self.ctx)?.join(KEPT).join(component.replace('/', "_")))
    }

    /// A component's rebase that has ended.
    pub fn kept(&self, component: &str) -> Result<Option<Kept>> {
        db_rebase::kept(&self.kept_folder(component)?)
    }

    /// All rebases that have ended, by component.
    pub fn kept_all(&self) -> Result<Vec<(String, Kept)>> {
        let ctx = self.ctx.for_step(self.ctx.ui.clone(), None);
        let mut all = Vec::new();
        for component in preflight::components(&ctx, self.record.component.as_deref())? {
            all.extend(self.kept(&component.name)?.map(|kept| (component.name.clone(), kept)));
        }
        Ok(all)
    }

    /// Removes the journal, and those of the rebases.
    pub fn finish(self) -> Result<()> {
        let kept = folder(self.ctx)?.join(KEPT);
        self.journal.finish()?;
        journal::remove_folder(&kept)
    }
}
