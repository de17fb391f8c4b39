//! Finds what git is in the middle of: a merge, a rebase, a cherry-pick, a revert, a series of patches. It looks where
//! git itself does (its `wt-status.c`): files in the git folder show the kind, references the commits.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::{Oid, Repo};

/// What git is in the middle of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `git merge`.
    Merge {
        /// What is being merged into the current branch; several in an octopus merge.
        heads: Vec<Oid>,
    },
    /// `git rebase`; the head is detached meanwhile.
    Rebase {
        /// The branch that is being rebased, short; `None` when it was started on a detached head.
        branch: Option<String>,
        /// What it is being rebased onto.
        onto: Option<Oid>,
        /// The commit at which it stopped.
        stopped_at: Option<Oid>,
    },
    /// `git cherry-pick`.
    CherryPick {
        /// The commit that is being picked; `None` between two of a series.
        commit: Option<Oid>,
    },
    /// `git revert`.
    Revert {
        /// The commit that is being reverted; `None` between two of a series.
        commit: Option<Oid>,
    },
    /// `git am`.
    Am,
}

/// Whose work the second stage of a conflict ("ours", `git checkout --ours`) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// The current branch's: one's own.
    CurrentBranch,
    /// That of what one's own commits are being put on; they themselves are "theirs".
    RebasedOnto,
}

impl Operation {
    /// The command that it is, for instance `rebase`: `git rebase --continue` goes on, `git rebase --abort` gives up.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Merge { .. } => "merge",
            Operation::Rebase { .. } => "rebase",
            Operation::CherryPick { .. } => "cherry-pick",
            Operation::Revert { .. } => "revert",
            Operation::Am => "am",
        }
    }

    /// Whose side is "ours".
    pub fn ours(&self) -> Ours {
        match self {
            Operation::Rebase { .. } => Ours::RebasedOnto,
            _ => Ours::CurrentBranch,
        }
    }
}

/// The names by which git keeps what it is in the middle of.
pub(super) const PROGRESS: [&str; 5] = ["HEAD", "MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"];

/// What was found, before it is weighed.
pub(super) struct Progress {
    /// The head's commit.
    pub(super) head: Option<Oid>,
    /// What is going on.
    pub(super) operation: Option<Operation>,
    /// Commits besides the head whose work is in the tree, or is about to be.
    pub(super) incoming: Vec<Oid>,
}

impl Repo {
    /// What git is in the middle of, if anything.
    pub fn operation(&self) -> Result<Option<Operation>> {
        Ok(self.progress()?.operation)
    }

    /// Whether git is taking the work tree from commit to commit by itself, in a rebase, a series of patches or a
    /// bisect: nobody has chosen what is checked out meanwhile.
    pub fn is_stepping(&self) -> bool {
        ["rebase-merge", "rebase-apply", "BISECT_LOG"].iter().any(|name| self.git_dir.join(name).exists())
    }

    pub(super) fn progress(&self) -> Result<Progress> {
        self.progress_of(&self.commits(&PROGRESS)?)
    }

    /// As [`Repo::progress`], with the commits of [`PROGRESS`] looked up already.
    pub(super) fn progress_of(&self, commits: &[Option<Oid>]) -> Result<Progress> {
        let [head, merge, rebase, pick, revert] = commits else {
            anyhow::bail!("git answered fewer questions than were asked");
        };
        let merging = self.merge_heads(merge);
        // A reference of this name stays behind when some versions of git end a rebase.
        let stopped_at = rebase.clone().filter(|_| self.rebase_folder().is_some());
        let incoming = merging.iter().chain(&stopped_at).chain(pick).chain(&self.to_merge).cloned().collect();
        let operation = if let Some(folder) = self.rebase_folder() {
            Some(rebasing(&self.git_dir.join(folder), stopped_at))
        } else if self.git_dir.join("rebase-apply/applying").exists() {
            Some(Operation::Am)
        } else if !merging.is_empty() {
            Some(Operation::Merge { heads: merging })
        } else if pick.is_some() || self.is_series("pick") {
            Some(Operation::CherryPick { commit: pick.clone() })
        } else if revert.is_some() || self.is_series("revert") {
            Some(Operation::Revert { commit: revert.clone() })
        } else {
            None
        };
        Ok(Progress { head: head.clone(), operation, incoming })
    }

    /// An octopus merge has a head to a line. git reads only the first; the file is one in every kind of repository.
    fn merge_heads(&self, first: &Option<Oid>) -> Vec<Oid> {
        let text = fs::read_to_string(self.git_dir.join("MERGE_HEAD")).unwrap_or_default();
        let listed: Vec<Oid> = text.lines().filter_map(Oid::parse).collect();
        if listed.is_empty() { first.iter().cloned().collect() } else { listed }
    }

    /// `rebase-apply` is the older way to rebase, and `git am`'s folder too, which then has a file `applying`.
    fn rebase_folder(&self) -> Option<&'static str> {
        let is_rebase = |folder: &&str| {
            let path = self.git_dir.join(folder);
            path.is_dir() && !path.join("applying").exists()
        };
        ["rebase-merge", "rebase-apply"].into_iter().find(is_rebase)
    }

    /// Between two commits of a series only its list of things to do says what is going on: `pick 51a8df3 add users`.
    fn is_series(&self, command: &str) -> bool {
        let todo = fs::read_to_string(self.git_dir.join("sequencer/todo")).unwrap_or_default();
        todo.split_whitespace().next() == Some(command)
    }
}

fn rebasing(folder: &Path, stopped_at: Option<Oid>) -> Operation {
    let line = |name: &str| fs::read_to_string(folder.join(name)).map(|text| text.trim_end().to_owned()).ok();
    // `detached HEAD` where there was no branch.
    let branch = line("head-name").and_then(|name| Some(name.strip_prefix("refs/heads/")?.to_owned()));
    Operation::Rebase { branch, onto: line("onto").as_deref().and_then(Oid::parse), stopped_at }
}
