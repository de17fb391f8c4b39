//! Asks what is in git's trees, in the index and in the work tree: files with their blobs, contents, states, conflicts.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Conflict, File, Oid, Repo, State, parse};

/// The git that brought `merge-tree --write-tree` (October 2022).
const MERGE_TREE: (u32, u32) = (2, 38);

/// What would be committed now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The files. One that was only announced (`git add --intent-to-add`) is not among them.
    pub files: Vec<File>,
    /// Files in conflict: git commits nothing before they are resolved.
    pub unmerged: Vec<PathBuf>,
}

/// The states of files; what is not listed is clean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// By path relative to the root.
    pub files: BTreeMap<PathBuf, State>,
}

/// What a merge would give, told without touching index and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialMerge {
    /// This git (its version) cannot tell.
    Unknown(String),
    /// The tree that it would leave, and the files in it that would be in conflict.
    Tree {
        /// For [`Repo::files_at`].
        tree: Oid,
        /// Relative to the root.
        conflicts: Vec<PathBuf>,
    },
}

impl Status {
    /// Files that git knows and that are not as committed, conflicts among them.
    pub fn changed(&self) -> impl Iterator<Item = &Path> {
        let is_changed = |state: &State| matches!(state, State::Changed { .. } | State::Conflicted);
        self.files.iter().filter(move |(_, state)| is_changed(state)).map(|(path, _)| path.as_path())
    }

    /// The state of one file.
    pub fn of(&self, path: &Path) -> State {
        self.files.get(path).copied().unwrap_or(State::Clean)
    }
}

impl Repo {
    /// The files of a commit under some folders (all of them for none).
    pub fn files_at<P: AsRef<Path>>(&self, commit: &Oid, folders: &[P]) -> Result<Vec<File>> {
        let folders = self.relative_all(folders)?;
        let question = self.git.ask(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]);
        // No folders are the whole tree for git as well; the root itself (``) has to be asked for in that way.
        let folders: &[PathBuf] = if folders.iter().any(is_root) { &[] } else { &folders };
        parse::ls_tree(&question.paths(folders).run()?.ok()?)
    }

    /// What a commit made now would hold under some folders (all of it for none).
    pub fn index<P: AsRef<Path>>(&self, folders: &[P]) -> Result<Index> {
        // Compared with nothing, everything in the index is new. `ls-files` would list announced files as empty ones.
        let args = ["diff-index", "--cached", "--ita-invisible-in-index", "--no-renames", "-z", "--no-abbrev"];
        let question = self.git.ask(args).arg(self.empty_tree.as_str()).paths(&self.pathspecs(folders)?);
        let mut index = Index::default();
        for entry in parse::raw(&question.run()?.ok()?)? {
            match (entry.letter, entry.new) {
                (b'A', Some(blob)) if entry.mode != 0o160_000 => {
                    index.files.push(File { path: entry.path, blob, mode: entry.mode });
                }
                (b'U', _) => index.unmerged.push(entry.path),
                // Submodules.
                _ => {}
            }
        }
        // A conflict has an entry for each of its sides besides.
        index.unmerged.dedup();
        let unmerged = &index.unmerged;
        index.files.retain(|file| !unmerged.contains(&file.path));
        Ok(index)
    }

    /// The contents of many blobs by one process; `None` for one that the repository does not hold.
    pub fn blobs(&self, ids: &[Oid]) -> Result<HashMap<Oid, Option<Vec<u8>>>> {
        let mut asked = ids.to_vec();
        asked.sort();
        asked.dedup();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let input: String = asked.iter().map(|id| format!("{id}\n")).collect();
        let output = self.git.ask(["cat-file", "--batch", "--buffer"]).stdin(input.into_bytes()).run()?.ok()?;
        let contents = parse::batch(&output, &asked)?;
        Ok(asked.into_iter().zip(contents).collect())
    }

    /// The states of files, given one by one or as folders (all of them for none). A renamed file is one that went and
    /// one that came.
    pub fn status<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Status> {
        let args = ["status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=all", "--ignored=traditional"];
        // A submodule with work in it has a state of its own; asking for it would start git in each.
        let question = self.git.ask(args).arg("--ignore-submodules=all").paths(&self.pathspecs(paths)?);
        Ok(Status { files: parse::status(&question.run()?.ok()?)?.into_iter().collect() })
    }

    /// The folders below `folder` that are ignored as a whole, absolute. What is in them is not gone through.
    pub fn ignored_folders(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        Ok(self.ignored(folder)?.into_iter().filter(|path| path.is_dir()).collect())
    }

    /// What is ignored below `folder`, absolute: files, and folders that are ignored as a whole.
    pub fn ignored(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
        let answer = self.git.ask(args).paths(&self.pathspecs(&[folder])?).run()?;
        // git breaks off where the folder itself is ignored.
        if answer.code() == Some(128) && !self.would_ignore(&[folder.to_owned()])?.is_empty() {
            return Ok(vec![folder.to_owned()]);
        }
        let output = answer.ok()?;
        let names = output.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let path = |name: &[u8]| self.root().join(std::ffi::OsStr::from_bytes(name.strip_suffix(b"/").unwrap_or(name)));
        Ok(names.map(path).collect())
    }

    /// Which of these files the patterns of the checkout leave out, known to git or not, there or not yet.
    pub fn would_ignore(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let mut input = Vec::new();
        for path in self.relative_all(paths)? {
            input.extend(path.as_os_str().as_bytes());
            input.push(0);
        }
        // Not as a question: this one takes no literal pathspecs.
        let answer = self.git.act(["check-ignore", "--no-index", "--stdin", "-z"]).stdin(input).run()?;
        // 1: none of them.
        let output = if answer.code() == Some(1) { Vec::new() } else { answer.ok()? };
        let names = output.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| self.root().join(std::ffi::OsStr::from_bytes(name))).collect())
    }

    /// The files in conflict.
    pub fn conflicts(&self) -> Result<Vec<Conflict>> {
        parse::unmerged(&self.git.ask(["ls-files", "--unmerged", "-z"]).run()?.ok()?)
    }

    /// What a merge of a commit into the head would give. git writes the tree into its object store, where nothing
    /// refers to it, and touches nothing else.
    pub fn trial_merge(&self, commit: &Oid) -> Result<TrialMerge> {
        let (version, number) = parse::version(&self.git.ask(["version"]).run()?.ok()?)?;
        if number < MERGE_TREE {
            return Ok(TrialMerge::Unknown(version));
        }
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "HEAD", commit.as_str()];
        let answer = self.git.ask(args).run()?;
        let output = if answer.code() == Some(1) { answer.stdout } else { answer.ok()? };
        let (tree, conflicts) = parse::merge_tree(&output)?;
        Ok(TrialMerge::Tree { tree, conflicts })
    }

    /// Paths as literal pathspecs; the root is `.`, since an empty one is refused.
    pub(super) fn pathspecs<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Vec<PathBuf>> {
        let mut specs = self.relative_all(paths)?;
        specs.iter_mut().filter(|spec| is_root(spec)).for_each(|spec| *spec = PathBuf::from("."));
        Ok(specs)
    }
}

fn is_root(path: &PathBuf) -> bool {
    path.as_os_str().is_empty() || path == Path::new(".")
}
