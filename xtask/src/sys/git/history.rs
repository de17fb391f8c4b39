//! Questions about the history of commits: the main branch, merge bases (also in the middle of a merge, rebase or
//! cherry-pick), what changed between two states.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::operation::{PROGRESS, Progress};
use super::{Changed, Oid, Repo, no_option, parse};
use crate::fail::{Fail, Kind};
use crate::model::action::git;

/// Where released work is, in the order of trust. A clone knows the server's default branch as `origin/HEAD`; one made
/// by `git init` and `git fetch` does not. The server's state comes before one's own branch of the same name, which may
/// have commits that nobody else has seen.
const MAIN: [(&str, &str); 5] = [
    ("origin/HEAD", "refs/remotes/origin/HEAD"),
    ("origin/main", "refs/remotes/origin/main"),
    ("main", "refs/heads/main"),
    ("origin/master", "refs/remotes/origin/master"),
    ("master", "refs/heads/master"),
];

/// The branch that released revisions are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainBranch {
    /// The name by which it was found, for instance `origin/HEAD`.
    pub name: String,
    /// Its tip.
    pub commit: Oid,
}

/// Why history has no sure answer. In an `anyhow::Error` it travels together with its [`Unclear::fail`]: who can do
/// better asks `error.downcast_ref::<Unclear>()`, who cannot lets it pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// History was cut off.
    Shallow,
    /// None of the names leads to a commit.
    NoMain {
        /// The names that were tried.
        tried: Vec<String>,
    },
    /// There is no commit yet.
    NoCommit,
    /// The histories have nothing in common.
    Unrelated {
        /// The other side.
        with: String,
    },
    /// Criss-cross merges: several best common ancestors, and the answer depends on the one chosen.
    Several {
        /// The other side.
        with: String,
        /// The ancestors.
        bases: Vec<Oid>,
    },
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unclear::Shallow => f.write_str("The clone is shallow: git does not have the whole history"),
            Unclear::NoMain { .. } => f.write_str("No main branch was found"),
            Unclear::NoCommit => f.write_str("The repository has no commit yet"),
            Unclear::Unrelated { with } => write!(f, "HEAD and {with} have no commit in common"),
            Unclear::Several { with, .. } => write!(f, "HEAD and {with} have several merge bases"),
        }
    }
}

impl std::error::Error for Unclear {}

impl Unclear {
    fn raise(self) -> anyhow::Error {
        anyhow::Error::new(self.fail()).context(self)
    }

    /// For a person, as a refusal. What else than git can say where to begin (`--onto REV`) is the command's to add.
    pub fn fail(&self) -> Fail {
        // The contract has no kind for it; what cannot be used as it stands is the checkout.
        let fail = Fail::new(Kind::ConfigInvalid, self.to_string()).refused();
        match self {
            Unclear::Shallow => {
                fail.details("what is behind the cut cannot be told").action(git(["fetch", "--unshallow"]))
            }
            Unclear::NoMain { tried } => fail
                .details(format!("tried {}", tried.join(", ")))
                .run("If `origin` has one", git(["remote", "set-head", "origin", "--auto"]))
                .action("Or name it: `main = \"BRANCH\"` in [workspace.metadata.db] of Cargo.toml"),
            Unclear::NoCommit => fail.action(git(["commit", "--allow-empty", "--message", "First commit"])),
            Unclear::Unrelated { with } => fail
                .details(format!("`git merge-base HEAD {with}` finds nothing"))
                .action("Name the branch that this work started from"),
            Unclear::Several { with, bases } => {
                let bases: Vec<&str> = bases.iter().map(Oid::short).collect();
                fail.details(format!("merge bases: {}", bases.join(", ")))
                    .run("Make it one", git(["merge", with.as_str()]))
            }
        }
    }
}

/// What a state is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To<'a> {
    /// Another commit.
    Commit(&'a Oid),
    /// What would be committed.
    Index,
    /// The files as they lie there; untracked ones do not count.
    WorkTree,
}

impl Repo {
    /// The main branch: the configured name if there is one (and then no other), else the server's default branch, else
    /// `main` or `master`, the server's before one's own.
    ///
    /// # Errors
    /// [`Unclear::NoMain`].
    pub fn main_branch(&self, configured: Option<&str>) -> Result<MainBranch> {
        let candidates = candidates(configured);
        let refs: Vec<&str> = candidates.iter().map(|(_, name)| *name).collect();
        first_there(&candidates, self.commits(&refs)?)
    }

    /// The main branch and the best common ancestors with it: [`Repo::main_branch`] and [`Repo::merge_bases`], for the
    /// price of two processes.
    ///
    /// # Errors
    /// Those of both.
    pub fn parting(&self, configured: Option<&str>) -> Result<(MainBranch, Vec<Oid>)> {
        let candidates = candidates(configured);
        let names: Vec<&str> = PROGRESS.iter().copied().chain(candidates.iter().map(|(_, name)| *name)).collect();
        let mut commits = self.commits(&names)?;
        let mains = commits.split_off(PROGRESS.len());
        let main = first_there(&candidates, mains)?;
        let bases = self.bases(main.commit.as_str(), self.progress_of(&commits)?)?;
        Ok((main, bases))
    }

    /// The best common ancestors of `with` and what the work tree is about to become: the head together with
    /// `MERGE_HEAD`, `REBASE_HEAD` or `CHERRY_PICK_HEAD`. In the middle of a merge, the head alone would give the old
    /// base, as if the incoming commits were one's own.
    ///
    /// # Errors
    /// [`Unclear::Shallow`], [`Unclear::NoCommit`], [`Unclear::Unrelated`].
    pub fn merge_bases(&self, with: &str) -> Result<Vec<Oid>> {
        self.bases(with, self.progress()?)
    }

    fn bases(&self, with: &str, progress: Progress) -> Result<Vec<Oid>> {
        if self.is_shallow {
            return Err(Unclear::Shallow.raise());
        }
        let head = progress.head.ok_or_else(|| Unclear::NoCommit.raise())?;
        if head.as_str() == with && progress.incoming.is_empty() {
            return Ok(vec![head]);
        }
        // `merge-base A B C` is about A and a merge of B and C that need not exist: just what is wanted.
        let question = self.git.ask(["merge-base", "--all", no_option(with)?, head.as_str()]);
        let answer = progress.incoming.iter().fold(question, |question, commit| question.arg(commit.as_str())).run()?;
        if answer.yes()? {
            return parse::ids("merge-base", &answer.stdout);
        }
        Err(Unclear::Unrelated { with: with.to_owned() }.raise())
    }

    /// The one best common ancestor, as [`Repo::merge_bases`].
    ///
    /// # Errors
    /// Those, and [`Unclear::Several`].
    pub fn merge_base(&self, with: &str) -> Result<Oid> {
        let mut bases = self.merge_bases(with)?;
        match bases.pop() {
            Some(base) if bases.is_empty() => Ok(base),
            last => {
                bases.extend(last);
                Err(Unclear::Several { with: with.to_owned(), bases }.raise())
            }
        }
    }

    /// The files that a merge of a commit brings, or takes away: what was done on its side since the two parted.
    ///
    /// # Errors
    /// git's own words.
    pub fn brought_by(&self, commit: &Oid, into: &Oid) -> Result<HashSet<PathBuf>> {
        let answer = self.git.ask(["merge-base", "--all", into.as_str(), commit.as_str()]).run()?;
        let bases = if answer.yes()? { parse::ids("merge-base", &answer.stdout)? } else { Vec::new() };
        let mut files = HashSet::new();
        for base in bases {
            for changed in self.changed::<&Path>(&base, To::Commit(commit), &[])? {
                if let Changed::Renamed { from, .. } = &changed {
                    files.insert(from.clone());
                }
                files.insert(changed.path().to_owned());
            }
        }
        Ok(files)
    }

    /// Whether everything in `ancestor` is in `descendant`; a commit is its own ancestor.
    ///
    /// # Errors
    /// Also when one of them is not known, which is no "no".
    pub fn is_ancestor(&self, ancestor: &str, descendant: &str) -> Result<bool> {
        let question = self.git.ask(["merge-base", "--is-ancestor", no_option(ancestor)?, no_option(descendant)?]);
        question.run()?.yes()
    }

    /// How many commits the first has and the second lacks, and how many the other way round.
    pub fn apart(&self, one: &Oid, other: &Oid) -> Result<(u64, u64)> {
        let output = self.git.ask(["rev-list", "--left-right", "--count", &format!("{one}...{other}")]).run()?.ok()?;
        let text = String::from_utf8_lossy(&output).into_owned();
        let mut counts = text.split_whitespace().map(str::parse);
        match (counts.next(), counts.next()) {
            (Some(Ok(one)), Some(Ok(other))) => Ok((one, other)),
            _ => parse::unknown("rev-list", text.as_bytes()),
        }
    }

    /// What would be committed now, under some folders (all of them for none), compared with the last commit; before the
    /// first one, everything is added.
    pub fn staged<P: AsRef<Path>>(&self, folders: &[P]) -> Result<Vec<Changed>> {
        self.difference(&["--cached"], folders)
    }

    /// The files that differ between a commit and something later, under some folders (all of them for none), renames
    /// detected.
    pub fn changed<P: AsRef<Path>>(&self, from: &Oid, to: To<'_>, folders: &[P]) -> Result<Vec<Changed>> {
        match to {
            To::Commit(commit) => self.difference(&[from.as_str(), commit.as_str()], folders),
            To::Index => self.difference(&["--cached", from.as_str()], folders),
            To::WorkTree => self.difference(&[from.as_str()], folders),
        }
    }

    fn difference<P: AsRef<Path>>(&self, sides: &[&str], folders: &[P]) -> Result<Vec<Changed>> {
        let args = ["diff", "--raw", "-z", "--no-abbrev", "--find-renames", "--no-ext-diff", "--no-relative"];
        let question = self.git.ask(args).args(["--ita-invisible-in-index", "--ignore-submodules"]).args(sides);
        let output = question.paths(&self.pathspecs(folders)?).run()?.ok()?;
        parse::raw(&output)?.into_iter().map(parse::Raw::change).collect()
    }
}

/// What may be the main branch: for people, and as git is asked.
fn candidates(configured: Option<&str>) -> Vec<(&str, &str)> {
    configured.map_or_else(|| MAIN.to_vec(), |name| vec![(name, name)])
}

/// The first of the candidates that is a commit.
fn first_there(candidates: &[(&str, &str)], commits: Vec<Option<Oid>>) -> Result<MainBranch> {
    let mut found = candidates.iter().zip(commits);
    let main = found.find_map(|((name, _), commit)| Some(MainBranch { name: (*name).to_owned(), commit: commit? }));
    main.ok_or_else(|| {
        Unclear::NoMain { tried: candidates.iter().map(|(name, _)| (*name).to_owned()).collect() }.raise()
    })
}
