//! Typed questions to git: where the checkout is, what is in its trees and its index, who merged what, what is going on
//! right now. Parsers of git's output are pure and total (`git/parse.rs`); what they do not know is an error that shows
//! it. Nothing in here decides what an answer means for a migration.
//!
//! What a question costs, in processes of about 3 ms: [`Repo::find`] 1 (2 where only `GIT_DIR` names the repository),
//! [`Repo::merge_bases`] 2, [`Repo::sightings`] 2 and one per commit found (at most 3), [`Repo::tags_with`] 2,
//! [`Repo::trial_merge`] 2, [`Repo::merge`] 3, [`Repo::reached_by`] 1 to 3, [`Repo::published_besides`] 3 to 5, every other one 1 (a refused act 1 more), whatever the number of files. What [`Repo::find`] found
//! (folders, shallow or not) costs nothing.

mod additions;
mod answer;
mod export;
mod find;
mod history;
mod lines;
mod main_line;
mod mentions;
mod operation;
mod parse;
mod process;
mod search;
mod tree;
mod verbs;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind};
use crate::model::action::git;

pub use additions::Addition;
pub use answer::{Changed, Conflict, File, Head, Oid, Place, State};
pub use find::{HookEnv, version};
pub use history::{MainBranch, To, Unclear};
pub use main_line::LineCommit;
pub use mentions::{Mention, ReachedBy, WorkTree};
pub use operation::{Operation, Ours};
pub use process::GitError;
pub use search::{Needle, Sighting, Tagged};
pub use tree::{Index, Status, TrialMerge};
pub use verbs::{Merged, SWITCHING, WithCommit, checked_out_elsewhere};

use process::Git;

/// A work tree and its repository. Paths that go in are absolute or relative to [`Repo::root`]; paths that come out are
/// relative to it.
pub struct Repo {
    git: Git,
    root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    hooks: PathBuf,
    is_shallow: bool,
    empty_tree: Oid,
    to_merge: Option<Oid>,
}

impl Repo {
    /// The top folder of the work tree, symlinks resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// This work tree's own git folder: `.git`, or `.git/worktrees/NAME` of a linked one.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git folder that all linked work trees share.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Where hooks are, `core.hooksPath` and linked work trees considered. It need not exist.
    pub fn hooks(&self) -> &Path {
        &self.hooks
    }

    /// Whether history was cut off (`git clone --depth`), so that questions about it have no sure answer.
    pub fn is_shallow(&self) -> bool {
        self.is_shallow
    }

    /// The same repository for a command that changes nothing in it: what was asked is not asked again.
    pub fn remembering(self) -> Repo {
        Repo { git: self.git.remembering(), ..self }
    }

    /// The same repository, answering what it would answer while this commit was being merged.
    pub fn as_if_merging(self, commit: Oid) -> Repo {
        Repo { to_merge: Some(commit), ..self }
    }

    /// What is checked out.
    pub fn head(&self) -> Result<Head> {
        let answer = self.git.ask(["status", "--porcelain=v2", "-z", "--branch", "--untracked-files=no"]);
        // A path that is not there: only the lines about the branch are wanted, and no file need be looked at.
        let output = answer.paths(&[Path::new(".git")]).run()?.ok()?;
        parse::head(&output)
    }

    /// The commits that names stand for, in their order; `None` for a name that git does not know or finds ambiguous.
    pub fn commits(&self, names: &[&str]) -> Result<Vec<Option<Oid>>> {
        let specs: Vec<String> = names.iter().map(|name| format!("{name}^{{commit}}")).collect();
        let specs: Vec<&[u8]> = specs.iter().map(String::as_bytes).collect();
        self.look_up(&specs)
    }

    /// The tips of branches; `None` for one that there is not, whatever tag has its name.
    pub fn branch_tips(&self, branches: &[&str]) -> Result<Vec<Option<Oid>>> {
        let names: Vec<String> = branches.iter().map(|branch| format!("refs/heads/{branch}")).collect();
        self.commits(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The tip of a branch, or of the one that `git switch` would make it of: that name at the only remote that has it.
    pub fn branch_to_be(&self, branch: &str) -> Result<Option<Oid>> {
        if let Some(tip) = self.branch_tips(&[branch])?.pop().flatten() {
            return Ok(Some(tip));
        }
        let pattern = format!("refs/remotes/*/{branch}");
        let said = self.git.ask(["for-each-ref", "--format=%(objectname)"]).arg(pattern).run()?.ok()?;
        let tips: Vec<Oid> = String::from_utf8_lossy(&said).lines().filter_map(Oid::parse).collect();
        Ok(if let [tip] = tips.as_slice() { Some(tip.clone()) } else { None })
    }

    /// Whether a local branch has a file of its own, which costs no start of git to see. Those that git has packed, or keeps
    /// otherwise, have none.
    pub fn has_loose_branch(&self, branch: &str) -> bool {
        self.common_dir.join("refs/heads").join(branch).is_file()
    }

    /// The names of all local branches.
    ///
    /// # Errors
    /// When git fails.
    pub fn branch_names(&self) -> Result<Vec<String>> {
        let said = self.git.ask(["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"]).run()?.ok()?;
        Ok(String::from_utf8_lossy(&said).lines().map(str::to_owned).collect())
    }

    /// What was checked out before, to which `git checkout -` goes back.
    ///
    /// # Errors
    /// When git does not start.
    pub fn place_before(&self) -> Result<Option<Place>> {
        let said = self.git.ask(["rev-parse", "--symbolic-full-name", "@{-1}"]).run()?.ok().unwrap_or_default();
        if let Some(branch) = String::from_utf8_lossy(&said).trim().strip_prefix("refs/heads/") {
            return Ok(Some(Place::Branch(branch.to_owned())));
        }
        Ok(self.commits(&["@{-1}"])?.pop().flatten().map(Place::Commit))
    }

    /// The commits of places by their names ([`Place::name`]): a branch's tip, else the commit whose id it is.
    pub fn commits_of_places(&self, names: &[&str]) -> Result<Vec<Option<Oid>>> {
        let is_id = |name: &&&str| name.len() >= 10 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ids: Vec<&str> = names.iter().filter(is_id).copied().collect();
        let branches = names.iter().map(|name| format!("refs/heads/{name}"));
        let all: Vec<String> = branches.chain(ids.iter().map(|&id| id.to_owned())).collect();
        let mut tips = self.commits(&all.iter().map(String::as_str).collect::<Vec<_>>())?;
        let mut by_id = tips.split_off(names.len()).into_iter();
        let commit = |(name, tip): (&&str, Option<Oid>)| {
            let by_id = if is_id(&name) { by_id.next().flatten() } else { None };
            tip.or(by_id)
        };
        Ok(names.iter().zip(tips).map(commit).collect())
    }

    /// The commits before and after the last pull, merge or rebase, where that is the last thing that moved `HEAD`.
    ///
    /// # Errors
    /// When git does not start.
    pub fn last_pull(&self) -> Result<Option<(Oid, Oid)>> {
        let said =
            self.git.ask(["log", "--walk-reflogs", "-1", "--format=%gs", "HEAD"]).run()?.ok().unwrap_or_default();
        let is_pull = ["pull", "merge ", "rebase (finish)"].iter().any(|word| said.starts_with(word.as_bytes()));
        if !is_pull {
            return Ok(None);
        }
        let mut both = self.commits(&["ORIG_HEAD", "HEAD"])?.into_iter().flatten();
        Ok(both.next().zip(both.next()))
    }

    /// The branches that were renamed, by their reflogs: the name before, and the branch that it is now; the last one first.
    pub fn renamed(&self) -> Result<Vec<(String, String)>> {
        // A repository without reflogs tells of none.
        let question = self.git.ask(["log", "--walk-reflogs", "--branches", "--format=%gD%x00%gs"]);
        let said = question.run()?.ok().unwrap_or_default();
        let renamed = |line: &str| {
            let (at, what) = line.split_once('\0')?;
            let (old, _) = what.strip_prefix("Branch: renamed refs/heads/")?.split_once(" to refs/heads/")?;
            Some((old.to_owned(), at.rsplit_once("@{")?.0.to_owned()))
        };
        Ok(String::from_utf8_lossy(&said).lines().filter_map(renamed).collect())
    }

    /// The commit that a name from the command line stands for.
    ///
    /// # Errors
    /// A usage error that names it when git does not know it.
    pub fn commit(&self, name: &str) -> Result<Oid> {
        let found = self.commits(&[name])?.pop().flatten();
        found.ok_or_else(|| {
            let fetch = match self.of_remote(name) {
                // A clone of a single branch fetches no other one unless it is named.
                Some((remote, branch)) => {
                    git(["fetch", remote]).word(format!("{branch}:refs/remotes/{remote}/{branch}"))
                }
                None => git(["fetch", "--all", "--tags"]),
            };
            Fail::new(Kind::Usage, format!("git knows no commit `{name}`"))
                .details(format!("in {}", self.root.display()))
                .action(git(["branch", "--all"]))
                .run("If it is on the server only", fetch)
                .into()
        })
    }

    /// `origin` and `main` of `origin/main`, where there is such a remote.
    fn of_remote<'n>(&self, name: &'n str) -> Option<(&'n str, &'n str)> {
        let (remote, branch) = name.split_once('/')?;
        // `main~2`, `main^`, `main@{1}`: the branch is what can be fetched.
        let branch = branch.split(['~', '^', '@']).next()?;
        let said = self.git.ask(["remote"]).run().ok()?.ok().ok()?;
        String::from_utf8_lossy(&said).lines().any(|line| line == remote).then_some((remote, branch))
    }

    /// A path as git names it here: relative to the root. Symlinks on the way to it are resolved, the last part is not.
    ///
    /// # Errors
    /// When it is outside of this work tree.
    pub fn relative(&self, path: &Path) -> Result<PathBuf> {
        if path.is_relative() {
            return Ok(path.to_owned());
        }
        if let Ok(inside) = path.strip_prefix(&self.root) {
            return Ok(inside.to_owned());
        }
        let resolved = match (path.parent().map(Path::canonicalize), path.file_name()) {
            (Some(Ok(parent)), Some(name)) => parent.join(name),
            _ => path.canonicalize().with_context(|| format!("resolving {}", path.display()))?,
        };
        let inside = resolved.strip_prefix(&self.root).map(Path::to_owned);
        inside.with_context(|| format!("{} is not in the work tree {}", path.display(), self.root.display()))
    }

    fn relative_all<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Vec<PathBuf>> {
        paths.iter().map(|path| self.relative(path.as_ref())).collect()
    }

    /// The objects that specifications (`HEAD`, `v1:path`) lead to, in their order.
    fn look_up(&self, specs: &[&[u8]]) -> Result<Vec<Option<Oid>>> {
        let mut input = Vec::new();
        for spec in specs {
            // One a line is all that git before 2.38 takes.
            anyhow::ensure!(!spec.contains(&b'\n'), "`{}` has a line break in it", String::from_utf8_lossy(spec));
            input.extend_from_slice(spec);
            input.push(b'\n');
        }
        let question = self.git.ask(["cat-file", "--batch-check=%(objectname) %(objecttype)"]).stdin(input);
        parse::batch_check(&question.run()?.ok()?, specs.len())
    }
}

/// A name that git cannot take for an option. No branch begins with a dash, and `--end-of-options` is not understood by
/// `switch` before git 2.43.
fn no_option(name: &str) -> Result<&str> {
    if !name.starts_with('-') {
        return Ok(name);
    }
    Err(Fail::new(Kind::Usage, format!("`{name}` is no branch and no commit")).action(git(["branch", "--all"])).into())
}
