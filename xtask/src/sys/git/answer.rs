//! git's answers as values: commits, what is checked out, files in a tree, conflicts, states of files, changes.
//! `parse.rs` makes them from git's output.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An object's id: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(String);

impl Oid {
    /// The id in a text that is nothing else.
    pub fn parse(text: &str) -> Option<Oid> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && matches!(text.len(), 40 | 64)).then(|| Oid(text.to_owned()))
    }

    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, for a person.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }

    /// Zeros stand for "no object" in git's output.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The branch's short name; `None` when the head is detached (in the middle of a rebase, too).
    pub branch: Option<String>,
    /// The commit; `None` before the first one.
    pub commit: Option<Oid>,
}

/// What a work tree can be at: a branch, or a commit of none (a detached head).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A branch's short name.
    Branch(String),
    /// A commit.
    Commit(Oid),
}

impl Place {
    /// The branch, or the commit's short id.
    pub fn name(&self) -> &str {
        match self {
            Place::Branch(branch) => branch,
            Place::Commit(commit) => commit.short(),
        }
    }

    /// What `git switch` and `db-switch` are told, to get there.
    pub fn words(&self) -> Vec<&str> {
        match self {
            Place::Branch(branch) => vec![branch],
            Place::Commit(commit) => vec!["--detach", commit.short()],
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Head {
    /// Where that is; `None` before a branch's first commit has been made on nothing.
    pub fn place(self) -> Option<Place> {
        self.branch.map(Place::Branch).or(self.commit.map(Place::Commit))
    }
}

/// A file in a commit or in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the root.
    pub path: PathBuf,
    /// Its content; see [`Repo::blobs`].
    pub blob: Oid,
    /// `0o100644`, `0o100755`, or `0o120000` for a symlink.
    pub mode: u32,
}

/// A file in conflict, with the blobs that are to be made one; `None` where a side has no such file.
///
/// In a rebase "ours" is not one's own work: see [`super::Operation::ours`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Relative to the root.
    pub path: PathBuf,
    /// The common ancestor's.
    pub base: Option<Oid>,
    /// Stage 2.
    pub ours: Option<Oid>,
    /// Stage 3.
    pub theirs: Option<Oid>,
}

/// A file's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As committed (or not there at all).
    Clean,
    /// Not known to git.
    Untracked,
    /// Not known to git and meant to be so.
    Ignored,
    Conflicted,
    /// Known and not as committed; deletion counts.
    Changed {
        /// The index differs from the last commit.
        staged: bool,
        /// The work tree differs from the index.
        unstaged: bool,
    },
}

/// A file that differs between two states. A blob is `None` where git has not stored the content (in the work tree).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Only the later state has it.
    Added { path: PathBuf, blob: Option<Oid> },
    /// Only the earlier state has it.
    Deleted { path: PathBuf, blob: Oid },
    /// Both have it, not alike.
    Modified { path: PathBuf, before: Oid, after: Option<Oid> },
    /// It moved, and perhaps changed a little.
    Renamed { from: PathBuf, path: PathBuf, before: Oid, after: Option<Oid> },
    /// It is in conflict; said of the index only, in the work tree the file counts as it lies there.
    Unmerged { path: PathBuf },
}

impl Changed {
    /// Where the file is, or was, if it is no more.
    pub fn path(&self) -> &Path {
        match self {
            Changed::Added { path, .. }
            | Changed::Deleted { path, .. }
            | Changed::Modified { path, .. }
            | Changed::Renamed { path, .. }
            | Changed::Unmerged { path } => path,
        }
    }

    /// What the earlier and the later state have in it, as far as git has stored it.
    pub fn blobs(&self) -> (Option<&Oid>, Option<&Oid>) {
        match self {
            Changed::Added { blob, .. } => (None, blob.as_ref()),
            Changed::Deleted { blob, .. } => (Some(blob), None),
            Changed::Modified { before, after, .. } | Changed::Renamed { before, after, .. } => {
                (Some(before), after.as_ref())
            }
            Changed::Unmerged { .. } => (None, None),
        }
    }

    /// Where it was, if it moved.
    pub fn before(&self) -> Option<&Path> {
        if let Changed::Renamed { from, .. } = self { Some(from) } else { None }
    }
}

/// git's bytes for a path.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
