//! Finds every version of a file that has a text in it and that git can still reach: on a branch or a tag, in the
//! stash, in the reflog alone; also in other work trees, where a file may never have been committed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::answer::path_of;
use super::{Oid, Repo, parse};

/// A commit that brought a text into files, or changed how often it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The commit.
    pub commit: Oid,
    /// Who wrote it.
    pub author: String,
    /// The files as they are in it: where, and what.
    pub files: Vec<(PathBuf, Oid)>,
}

/// By what a commit can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReachedBy {
    /// Branches and tags, short; one's own branches first.
    Refs(Vec<String>),
    /// A stash, for instance `stash@{1}`.
    Stash(String),
    /// Nothing but the reflog: a branch that was deleted, a commit that was amended or reset away.
    Reflog,
}

/// Another work tree of the same repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkTree {
    /// Its top folder.
    pub root: PathBuf,
    /// The branch that is checked out there, short.
    pub branch: Option<String>,
}

impl Repo {
    /// The commits on any branch, tag, stash or reflog that have a text in files under some folders (anywhere for none),
    /// the newest first.
    pub fn mentions<P: AsRef<Path>>(&self, text: &str, folders: &[P]) -> Result<Vec<Mention>> {
        // Merge commits are looked into as well: a merge revision is mostly made in one.
        let args = ["log", "--all", "--reflog", "--full-history", "--no-renames", "-m", "--diff-filter=AM", "--raw"];
        let question =
            self.git.ask(args).args(["-z", "--no-abbrev", "--format=%x01%H%x00%an"]).arg(format!("-S{text}"));
        log(&question.paths(&self.pathspecs(folders)?).run()?.ok()?)
    }

    /// By what a commit can be reached.
    pub fn reached_by(&self, commit: &Oid) -> Result<ReachedBy> {
        let refs = self.refs_with(commit)?;
        if !refs.is_empty() {
            return Ok(ReachedBy::Refs(refs));
        }
        let stashes = self.stashes()?;
        // What was staged and what was untracked are parents of the stash's own commit.
        let parts = |stash: &str| ["", "^2", "^3"].map(|part| format!("{stash}{part}"));
        let names: Vec<String> = stashes.iter().flat_map(|stash| parts(&stash.name)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let at = self.commits(&names)?.into_iter().position(|found| found.as_ref() == Some(commit));
        Ok(at.map_or(ReachedBy::Reflog, |at| ReachedBy::Stash(stashes[at / 3].name.clone())))
    }

    /// The other work trees that are there.
    pub fn other_work_trees(&self) -> Result<Vec<WorkTree>> {
        let output = self.git.ask(["worktree", "list", "--porcelain"]).run()?.ok()?;
        let mut all = work_trees(&output);
        all.retain(|tree| tree.root != self.root && tree.root.is_dir());
        Ok(all)
    }
}

/// `␁ID␀Ada␀⏎:000000 100644 000… 870… A␀v/b.py␀`; a merge commit comes once for each parent.
fn log(output: &[u8]) -> Result<Vec<Mention>> {
    let mut records = parse::records(output);
    let mut mentions: Vec<Mention> = Vec::new();
    while let Some(record) = records.next() {
        if let Some(digits) = record.strip_prefix(b"\x01") {
            let author = String::from_utf8_lossy(records.next().unwrap_or_default()).into_owned();
            mentions.push(Mention { commit: parse::id("log", digits)?, author, files: Vec::new() });
            continue;
        }
        let mention = mentions.last_mut().context("`git log` names a file before a commit")?;
        let facts = record.strip_prefix(b"\n").unwrap_or(record);
        let blob = facts.split(|byte| *byte == b' ').nth(3).map_or(Ok(None), |id| parse::id("log", id).map(Some))?;
        let (Some(blob), Some(path)) = (blob, records.next()) else { return parse::unknown("log", record) };
        mention.files.push((path_of(path), blob));
    }
    mentions.dedup();
    Ok(mentions)
}

/// `worktree /path⏎HEAD ID⏎branch refs/heads/main⏎⏎`.
fn work_trees(output: &[u8]) -> Vec<WorkTree> {
    let mut trees: Vec<WorkTree> = Vec::new();
    for line in parse::lines(output) {
        if let Some(path) = line.strip_prefix(b"worktree ") {
            trees.push(WorkTree { root: path_of(path), branch: None });
        }
        let branch = line.strip_prefix(b"branch refs/heads/");
        if let (Some(tree), Some(branch)) = (trees.last_mut(), branch) {
            tree.branch = Some(String::from_utf8_lossy(branch).into_owned());
        }
    }
    trees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_with_blobs() {
        let (id, blob) = ("d".repeat(40), "8".repeat(40));
        let one = format!("\u{1}{id}\0Ada\0\n:000000 100644 {} {blob} A\0v/b.py\0", "0".repeat(40));
        let mentions = log(one.repeat(2).as_bytes()).unwrap();
        assert_eq!(mentions.len(), 1, "a merge commit comes once for each parent");
        assert_eq!((mentions[0].author.as_str(), mentions[0].files[0].1.as_str()), ("Ada", blob.as_str()));
        assert!(log(b"").unwrap().is_empty() && log(b"x\0").is_err());
    }

    #[test]
    fn a_list_of_work_trees() {
        let trees = work_trees(b"worktree /a\nHEAD 1\nbranch refs/heads/main\n\nworktree /b c\nHEAD 1\ndetached\n\n");
        let names: Vec<_> = trees.iter().map(|tree| (tree.root.to_str().unwrap(), tree.branch.as_deref())).collect();
        assert_eq!(names, [("/a", Some("main")), ("/b c", None)]);
    }
}
