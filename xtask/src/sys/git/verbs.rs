//! Tells git to do something: add, merge, commit, take a merge back, switch. A refusal keeps git's own words and names
//! the files.

use std::path::Path;

use anyhow::Result;

use super::operation::Progress;
use super::process::Answer;
use super::{Conflict, Oid, Place, Repo, no_option, parse};
use crate::fail::{Fail, Kind};
use crate::model::action::{git, program};

/// Tells our own hooks that the databases are about to be switched as well, so that they say nothing yet.
pub const SWITCHING: &str = "XTASK_SWITCHING";

/// Whether a merge is committed when it has no conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithCommit {
    /// As git does it.
    Yes,
    /// It stays in progress, for the migrations to become part of it. A fast-forward makes no commit and is done as ever.
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

    /// Makes the index hold these files as they are in the work tree; one that is missing there is removed from the
    /// index, too.
    pub fn record<P: AsRef<Path>>(&self, paths: &[P]) -> Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let paths = self.relative_all(paths)?;
        let input: Vec<u8> = paths.iter().flat_map(|path| [path.as_os_str().as_bytes(), b"\0"].concat()).collect();
        self.git.act(["update-index", "--add", "--remove", "-z", "--stdin"]).stdin(input).run()?.ok().map(drop)
    }

    /// Commits what is in the index: the merge in progress with the message that git prepared for it, anything else with
    /// this one.
    pub fn commit_index(&self, message: Option<&str>) -> Result<()> {
        let act = self.git.act(["commit", "--quiet"]);
        let act = match message {
            Some(message) => act.arg("--message").arg(message),
            None => act.arg("--no-edit"),
        };
        let answer = act.run()?;
        if answer.code() == Some(0) { Ok(()) } else { Err(self.refusal("commit", &answer)) }
    }

    /// Takes the branch, the index and the files back to a commit. What was changed in files since is kept, or, where it
    /// would be lost, nothing is done.
    ///
    /// # Errors
    /// git's own words where it will not.
    pub fn reset_keep(&self, commit: &Oid) -> Result<()> {
        let answer = self.git.act(["reset", "--quiet", "--keep", commit.as_str()]).run()?;
        if answer.code() == Some(0) { Ok(()) } else { Err(self.refusal("take the branch back", &answer)) }
    }

    /// The same where the files to be taken back are in the index as they lie there: what is in the index goes.
    ///
    /// # Errors
    /// As there.
    pub fn reset_merge(&self, commit: &Oid) -> Result<()> {
        let answer = self.git.act(["reset", "--quiet", "--merge", commit.as_str()]).run()?;
        if answer.code() == Some(0) { Ok(()) } else { Err(self.refusal("take the branch back", &answer)) }
    }

    /// Whether a branch of a server has a commit: others may have it, too.
    ///
    /// # Errors
    /// git's own words.
    pub fn is_published(&self, commit: &Oid) -> Result<bool> {
        let args = ["for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit.as_str(), "refs/remotes"];
        Ok(!self.git.ask(args).run()?.ok()?.is_empty())
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
            WithCommit::No => act.arg("--no-commit"),
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

    /// Pulls, as the user's own settings say.
    ///
    /// # Errors
    /// As [`Repo::merge`]; git's own words where it will not.
    pub fn pull(&self) -> Result<Merged> {
        let before = self.progress()?.head;
        let answer = self.git.act(["pull"]).run()?;
        if answer.code() != Some(0) {
            let refusal = self.refusal("pull", &answer);
            let is_plain = refusal.downcast_ref::<Fail>().is_none();
            return Err(if is_plain { cannot_pull(&answer).into() } else { refusal });
        }
        Ok(match self.progress()?.head {
            Some(head) if Some(&head) != before.as_ref() => Merged::Moved(head),
            _ => Merged::UpToDate,
        })
    }

    /// Takes the merge in progress back: files and index are as they were before.
    pub fn merge_abort(&self) -> Result<()> {
        let answer = self.git.act(["merge", "--abort"]).run()?;
        if answer.code() == Some(0) { Ok(()) } else { Err(self.refusal("take the merge back", &answer)) }
    }

    /// The same, but for files that are staged and not the merge's: they lie there afterwards as they do now, and are staged
    /// again.
    pub fn merge_abort_but<P: AsRef<Path>>(&self, others: &[P]) -> Result<()> {
        use std::os::unix::ffi::OsStrExt;
        if others.is_empty() {
            return self.merge_abort();
        }
        // What differs from the index alone is left alone by git's way back.
        let paths = self.relative_all(others)?;
        let input: Vec<u8> = paths.iter().flat_map(|path| [path.as_os_str().as_bytes(), b"\0"].concat()).collect();
        let words = ["--literal-pathspecs", "reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul"];
        self.git.act(words).stdin(input).run()?.ok()?;
        let done = self.merge_abort();
        self.record(others)?;
        done
    }

    /// Switches to a branch; one that only the server has is made, as git does it. A commit is checked out as it is.
    ///
    /// # Errors
    /// `dirty-work-tree` or `git-conflict` with the files named, a usage error for a branch that is not known; nothing
    /// was changed.
    pub fn switch(&self, place: &Place) -> Result<()> {
        let act = match place {
            Place::Branch(branch) => self.git.act(["switch", no_option(branch)?]),
            Place::Commit(commit) => self.git.act(["switch", "--detach", commit.as_str()]),
        };
        let answer = act.env(SWITCHING, "1").run()?;
        let branch = place.name();
        // `fatal: invalid reference: nosuch`
        if answer.stderr.contains("fatal: invalid reference: ") {
            let fail = Fail::new(Kind::Usage, format!("git knows no branch `{branch}`"));
            return Err(fail.details(answer.error().to_string()).action(git(["branch", "--all"])).into());
        }
        match (answer.code(), not_to_be_had(branch, &answer.stderr)) {
            (Some(0), _) => Ok(()),
            (_, Some(fail)) => Err(fail.into()),
            (_, None) => Err(self.refusal(&format!("switch to {branch}"), &answer)),
        }
    }

    /// Refuses to do something before every conflict is resolved.
    ///
    /// # Errors
    /// `git-conflict` with the files named.
    pub fn no_conflicts(&self, what: &str) -> Result<()> {
        match self.conflicts()? {
            conflicts if conflicts.is_empty() => Ok(()),
            conflicts => Err(conflict(&self.root, what, &conflicts).into()),
        }
    }

    /// Why git would not: a conflict, files in the way, or only its own words.
    fn refusal(&self, what: &str, answer: &Answer) -> anyhow::Error {
        let error = answer.error();
        let in_the_way = parse::in_the_way(&answer.stderr);
        if !in_the_way.is_empty() {
            return dirty(what, &in_the_way).details(error.to_string()).into();
        }
        match self.conflicts() {
            Ok(conflicts) if !conflicts.is_empty() => {
                conflict(&self.root, what, &conflicts).details(error.to_string()).into()
            }
            _ if answer.stderr.contains("fatal: cannot switch branch while ") => {
                let fail = Fail::new(Kind::DirtyWorkTree, format!("git cannot {what} in the middle of something else"));
                fail.details(error.to_string()).action(git(["status"])).into()
            }
            _ => error.into(),
        }
    }
}

/// No branch, no remote, nobody there, lines that have parted: git's own words are the reason.
fn cannot_pull(answer: &Answer) -> Fail {
    let reason = |line: &str| {
        let words = line.strip_prefix("fatal: ").or(line.strip_prefix("error: ")).unwrap_or(line);
        (!line.is_empty() && !line.starts_with("hint: ")).then(|| words.to_owned())
    };
    let reason = answer.stderr.lines().find_map(reason).unwrap_or_else(|| "git does not say why".to_owned());
    let fail = Fail::new(Kind::GitConflict, format!("git cannot pull: {reason}"));
    fail.details(answer.error().to_string())
        .run("See the branch and its remote", git(["status"]))
        .action(git(["remote", "--verbose"]))
}

fn conflict(root: &Path, what: &str, conflicts: &[Conflict]) -> Fail {
    let fail =
        Fail::new(Kind::GitConflict, format!("git cannot {what} by itself: {} in conflict", count(conflicts.len())));
    let fail =
        conflicts.iter().fold(fail, |fail, conflict| fail.details(format!("conflict: {}", conflict.path.display())));
    let paths = conflicts.iter().map(|conflict| conflict.path.display().to_string());
    fail.run("Resolve the files named above, which this shows", git(["status"]))
        .run("Tell git that they are resolved", git(["add", "--"]).words(paths).inside(root))
}

fn dirty(what: &str, files: &[String]) -> Fail {
    let summary = format!("git cannot {what}: {} in the way", count(files.len()));
    let fail = Fail::new(Kind::DirtyWorkTree, summary);
    let fail = files.iter().fold(fail, |fail, file| fail.details(format!("in the way: {file}")));
    fail.action(git(["stash", "--include-untracked"])).run("Or commit them", git(["commit", "--all"]))
}

fn count(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// git checks a branch out in one work tree only.
pub fn checked_out_elsewhere(branch: &str, place: &Path) -> Fail {
    let place = place.display().to_string();
    let fail = Fail::new(Kind::Usage, format!("{branch} is checked out in another work tree"));
    fail.details(&place).run("Work on it there", program(["cd", &place]))
}

/// A branch that is checked out in another work tree, or something that is no branch.
fn not_to_be_had(branch: &str, said: &str) -> Option<Fail> {
    let fatal = said.lines().find_map(|line| line.strip_prefix("fatal: "))?;
    let place = ["already used by worktree at '", "already checked out at '"]
        .iter()
        .find_map(|words| fatal.split(*words).nth(1));
    if let Some(place) = place {
        return Some(checked_out_elsewhere(branch, Path::new(place.trim_end_matches('\''))));
    }
    let is_other = fatal.starts_with("a branch is expected");
    is_other.then(|| {
        Fail::new(Kind::Usage, format!("{branch} is no branch")).details(fatal).action(git(["branch", "--all"]))
    })
}
