//! The steps that git does: the merge, the index, the commit, and taking the merge back. Git is asked each time where
//! the merge is, since anybody may have resolved or committed it meanwhile.

use std::path::PathBuf;

use anyhow::Result;

use super::flow::{Done, Flow};
use super::preflight;
use super::record::{to_abort, to_continue};
use crate::cmd::db_rebase::Kept;
use crate::fail::{Fail, Kind};
use crate::model::action::git;
use crate::sys::git::{Merged, Oid, Operation, State, WithCommit};
use crate::sys::journal::crash_point;

/// How far the merge of this command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// This command makes no merge: no branch was named.
    NotOurs,
    /// It has not begun.
    Ahead,
    /// It is in progress, and not committed.
    InProgress,
    /// The branch was fast-forwarded to what was to be merged.
    Forwarded,
    /// Nothing was to be merged: the branch had everything already.
    UpToDate,
    /// Somebody has committed it.
    Committed,
}

impl Flow<'_> {
    /// Asks git how far the merge is.
    pub fn merge_is(&self) -> Result<Where> {
        let Some(target) = &self.record.target else { return Ok(Where::NotOurs) };
        match self.repo.operation()? {
            Some(Operation::Merge { heads }) if heads.contains(target) => return Ok(Where::InProgress),
            Some(other) => {
                let name = other.name();
                let fail = Fail::new(Kind::DirtyWorkTree, format!("git is in the middle of a {name} now"));
                let fail = fail.run("End it first", git([name, "--continue"]));
                return Err(fail.run("Or take it back first", git([name, "--abort"])).into());
            }
            None => {}
        }
        let head = self.repo.head()?.commit;
        Ok(match head {
            Some(head) if head == self.record.head => match self.repo.is_ancestor(target.as_str(), "HEAD")? {
                true => Where::UpToDate,
                false => Where::Ahead,
            },
            Some(head) if head == *target => Where::Forwarded,
            _ if self.repo.is_ancestor(target.as_str(), "HEAD")? => Where::Committed,
            _ => Where::Ahead,
        })
    }

    /// Does the merge.
    pub fn merge(&mut self) -> Result<Done> {
        let branch = self.record.flags.branch.clone().unwrap_or_default();
        Ok(match self.merge_is()? {
            Where::NotOurs => Done::skipped(match self.repo.operation()? {
                Some(operation) => format!("a {} is in progress", operation.name()),
                None => "no branch was named".to_owned(),
            }),
            Where::InProgress => {
                self.repo.no_conflicts(&format!("merge {branch}"))?;
                Done::ok(format!("{branch}: in progress"))
            }
            Where::Forwarded => Done::ok(format!("{branch}: fast-forward")),
            Where::UpToDate => Done::skipped(format!("everything of {branch} is here already")),
            Where::Committed => Done::ok(format!("{branch}: committed")),
            Where::Ahead => self.do_merge(&branch)?,
        })
    }

    fn do_merge(&mut self, branch: &str) -> Result<Done> {
        preflight::clean(&self.repo)?;
        // The branch is merged by its name, for git's message; by its commit, where the name means another commit by
        // now.
        let target = self.record.target.as_ref().map_or("", Oid::as_str);
        let is_same = self.repo.commits(&[branch])?.pop().flatten().is_some_and(|commit| commit.as_str() == target);
        crash_point();
        let merged = self.repo.merge(if is_same { branch } else { target }, WithCommit::No)?;
        crash_point();
        Ok(match merged {
            Merged::Uncommitted => Done::ok(format!("{branch}: in progress")),
            Merged::Moved(_) => Done::ok(format!("{branch}: fast-forward")),
            Merged::UpToDate => Done::skipped(format!("everything of {branch} is here already")),
        })
    }

    /// Puts the files that a rebase has written into the index, if git is in the middle of an operation: its next
    /// commit would otherwise lack them. Files that git did not know before stay unknown to it.
    pub fn stage(&mut self, kept: &Kept) -> Result<()> {
        if self.repo.operation()?.is_none() {
            return Ok(());
        }
        let inside = kept.files.iter().filter_map(|path| self.repo.relative(path).ok());
        let mut paths: Vec<PathBuf> = inside.collect();
        if kept.merge.is_none() {
            let status = self.repo.status(&paths)?;
            paths.retain(|path| !matches!(status.of(path), State::Untracked | State::Ignored));
        }
        if paths.is_empty() {
            return Ok(());
        }
        self.record
            .staged
            .extend(paths.iter().filter(|path| !self.record.staged.contains(path)).cloned().collect::<Vec<_>>());
        self.save()?;
        crash_point();
        self.repo.record(&paths)?;
        crash_point();
        Ok(())
    }

    /// Commits the merge, where `--commit` asked for it.
    pub fn commit(&mut self) -> Result<Done> {
        match self.repo.operation()? {
            Some(Operation::Merge { .. }) => self.repo.commit_index(None)?,
            Some(operation) => return Ok(Done::skipped(format!("a {} is in progress", operation.name()))),
            None => {
                let files: Vec<PathBuf> = self.kept_all()?.into_iter().flat_map(|(_, kept)| kept.files).collect();
                let inside: Vec<PathBuf> = files.iter().filter_map(|path| self.repo.relative(path).ok()).collect();
                let status = self.repo.status(&inside)?;
                if inside.iter().all(|path| status.of(path) == State::Clean) {
                    return Ok(Done::skipped("there is nothing to commit".to_owned()));
                }
                self.repo.record(&inside)?;
                self.repo.commit_index(Some("Make the heads of the migration history one again"))?;
            }
        }
        crash_point();
        let head = self.repo.head()?.commit;
        Ok(Done::ok(head.map(|head| head.short().to_owned()).unwrap_or_default()))
    }

    /// Refuses to work on another branch than the one that was checked out at the beginning. When a git rebase ends, it
    /// goes from a detached head to a branch; where the merge is not this command's, that is allowed.
    ///
    /// # Errors
    /// `dirty-work-tree`.
    pub fn check_branch(&self) -> Result<()> {
        let now = self.repo.head()?.branch;
        let then = &self.record.branch;
        if now == *then || (then.is_none() && self.record.target.is_none()) {
            return Ok(());
        }
        let name = |branch: &Option<String>| branch.clone().unwrap_or_else(|| "a detached head".to_owned());
        let back = match then {
            Some(branch) => git(["switch", branch]),
            None => git(["switch", "--detach", self.record.head.short()]),
        };
        let fail = Fail::new(Kind::DirtyWorkTree, "Another branch is checked out than when db-merge began");
        let fail = fail.details(format!("then {}, now {}", name(then), name(&now)));
        Err(fail.action(back).action("Then repeat the command").related(git(["status"])).into())
    }

    /// Refuses to take the merge back where commits were made on top of it.
    ///
    /// # Errors
    /// `dirty-work-tree`.
    pub fn check_head(&self) -> Result<()> {
        let head = self.repo.head()?;
        let is_known = |commit: &Oid| *commit == self.record.head || Some(commit) == self.record.target.as_ref();
        let (now, then) = (head.commit.as_ref(), self.record.head.short());
        if now.is_some_and(is_known) || self.record.is_undone && self.is_own_commit()? {
            return Ok(());
        }
        let now = now.map_or("no commit", Oid::short);
        let fail =
            Fail::new(Kind::DirtyWorkTree, "There are commits since db-merge began, and those are not thrown away");
        let fail = fail.details(format!("the head was {then} and is {now}"));
        Err(fail
            .run("Go on instead", to_continue())
            .run("Or take the commits back first", git(["reset", "--keep", then]))
            .run("and then", to_abort())
            .related(git(["log"]))
            .into())
    }

    /// Takes the merge back, if this command has made one. The files are as the merge left them by then.
    pub fn unmerge(&mut self) -> Result<()> {
        if !self.record.staged.is_empty() {
            crash_point();
            self.repo.record(&self.record.staged)?;
        }
        crash_point();
        match self.merge_is()? {
            Where::InProgress => self.repo.merge_abort_but(&self.staged_by_others()?)?,
            Where::Forwarded => self.repo.reset_keep(&self.record.head)?,
            // The index gets the files as they were before, so that git can compare them.
            Where::Committed if self.record.is_undone => self.repo.reset_merge(&self.record.head)?,
            Where::NotOurs | Where::Ahead | Where::UpToDate | Where::Committed => {}
        }
        crash_point();
        Ok(())
    }

    /// The staged files that are not the merge's own: a person's edits and new files.
    fn staged_by_others(&self) -> Result<Vec<PathBuf>> {
        let Some(target) = &self.record.target else { return Ok(Vec::new()) };
        let brought = self.repo.brought_by(target, &self.record.head)?;
        let staged = self.repo.staged::<PathBuf>(&[])?;
        Ok(staged.iter().map(|it| it.path().to_owned()).filter(|path| !brought.contains(path)).collect())
    }

    /// Whether the head is the commit of this merge alone, and no other branch or remote has it.
    pub fn is_own_commit(&self) -> Result<bool> {
        let (Some(target), Some(head)) = (&self.record.target, self.repo.head()?.commit) else { return Ok(false) };
        let parents = self.repo.commits(&["HEAD^1", "HEAD^2"])?;
        let is_it = parents == [Some(self.record.head.clone()), Some(target.clone())];
        Ok(is_it && !self.repo.is_published(&head)?)
    }
}
