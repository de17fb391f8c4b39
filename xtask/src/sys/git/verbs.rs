//! What git is told to do: add, merge, take a merge back, switch. A refusal keeps git's own words and names the files.

use std::path::Path;

use anyhow::Result;

use super::operation::Progress;
use super::process::Answer;
use super::{Conflict, Oid, Repo, no_option, parse};
use crate::fail::{Fail, Kind};

/// Whether a merge is committed when it has no conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithCommit {
    /// As git does it.
    Yes,
    /// It stays in progress, for the migrations to become part of it. There is no fast-forward then.
    No,
}

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// Everything was here already.
    UpToDate,
    /// The branch moved to this commit: by a fast-forward, or by a merge commit.
    Moved(Oid),
    /// Everything fits; it waits for `git commit`.
    Uncommitted,
}

impl Repo {
    /// Puts files into the index.
    pub fn add<P: AsRef<Path>>(&self, paths: &[P]) -> Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let paths = self.relative_all(paths)?;
        let input: Vec<u8> = paths.iter().flat_map(|path| [path.as_os_str().as_bytes(), b"\0"].concat()).collect();
        // Names as they stand: `[a].py` is no pattern and `:(top)` no magic.
        let act = self.git.act(["--literal-pathspecs", "add", "--pathspec-from-file=-", "--pathspec-file-nul"]);
        act.stdin(input).run()?.ok().map(drop)
    }

    /// Merges a branch (or any commit) into the current one.
    ///
    /// # Errors
    /// `git-conflict` with the files named: the merge is then in progress. `dirty-work-tree`: nothing was changed.
    pub fn merge(&self, branch: &str, commit: WithCommit) -> Result<Merged> {
        let before = self.progress()?.head;
        let act = self.git.act(["merge", "--no-edit"]);
        let act = match commit {
            WithCommit::Yes => act,
            WithCommit::No => act.arg("--no-commit").arg("--no-ff"),
        };
        let answer = act.arg(no_option(branch)?).run()?;
        if answer.code() != Some(0) {
            return Err(self.refusal(&format!("merge {branch}"), &answer));
        }
        let Progress { head, operation, .. } = self.progress()?;
        Ok(match head {
            _ if operation.is_some() => Merged::Uncommitted,
            Some(head) if Some(&head) != before.as_ref() => Merged::Moved(head),
            _ => Merged::UpToDate,
        })
    }

    /// Takes the merge in progress back: files and index are as they were before.
    pub fn merge_abort(&self) -> Result<()> {
        let answer = self.git.act(["merge", "--abort"]).run()?;
        if answer.code() == Some(0) { Ok(()) } else { Err(self.refusal("take the merge back", &answer)) }
    }

    /// Switches to a branch; one that only the server has is made, as git does it.
    ///
    /// # Errors
    /// `dirty-work-tree` or `git-conflict` with the files named, a usage error for a branch that is not known; nothing
    /// was changed.
    pub fn switch(&self, branch: &str) -> Result<()> {
        let answer = self.git.act(["switch", no_option(branch)?]).run()?;
        // `fatal: invalid reference: nosuch`
        if answer.stderr.contains("fatal: invalid reference: ") {
            let fail = Fail::new(Kind::Usage, format!("git knows no branch `{branch}`"));
            return Err(fail.details(answer.error().to_string()).action("git branch --all").into());
        }
        if answer.code() == Some(0) { Ok(()) } else { Err(self.refusal(&format!("switch to {branch}"), &answer)) }
    }

    /// Why git would not: a conflict, files in the way, or only its own words.
    fn refusal(&self, what: &str, answer: &Answer) -> anyhow::Error {
        let error = answer.error();
        let in_the_way = parse::in_the_way(&answer.stderr);
        if !in_the_way.is_empty() {
            return dirty(what, &in_the_way).details(error.to_string()).into();
        }
        match self.conflicts() {
            Ok(conflicts) if !conflicts.is_empty() => conflict(what, &conflicts).details(error.to_string()).into(),
            _ if answer.stderr.contains("fatal: cannot switch branch while ") => {
                let fail = Fail::new(Kind::DirtyWorkTree, format!("git cannot {what} in the middle of something else"));
                fail.details(error.to_string()).action("git status").into()
            }
            _ => error.into(),
        }
    }
}

fn conflict(what: &str, conflicts: &[Conflict]) -> Fail {
    let fail =
        Fail::new(Kind::GitConflict, format!("git cannot {what} by itself: {} in conflict", count(conflicts.len())));
    let fail =
        conflicts.iter().fold(fail, |fail, conflict| fail.details(format!("conflict: {}", conflict.path.display())));
    fail.action("Resolve the files named above (git status shows them)").action("git add FILE…")
}

fn dirty(what: &str, files: &[String]) -> Fail {
    let summary = format!("git cannot {what}: {} in the way", count(files.len()));
    let fail = Fail::new(Kind::DirtyWorkTree, summary);
    let fail = files.iter().fold(fail, |fail, file| fail.details(format!("in the way: {file}")));
    fail.action("git stash --include-untracked").action("Or commit them: git commit --all")
}

fn count(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}
