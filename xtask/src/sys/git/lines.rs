//! Finds the branches beside main whose work is published: maintained lines (`release/1`, `26.4`, `stable/2.x`), and
//! the branch that is being merged, or was just merged, into one's own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::operation::Operation;
use super::{Head, MainBranch, Oid, Repo, parse};

/// The first part of a maintained line's name, where a number follows: `release/1`, `stable-2.x`.
const PREFIXES: [&str; 8] = ["release", "releases", "stable", "maint", "maintenance", "support", "lts", "branch"];
/// How many parents of a merge commit are looked at.
const PARENTS: [&str; 4] = ["HEAD^1", "HEAD^2", "HEAD^3", "HEAD^4"];

/// A branch as `for-each-ref` lists it.
struct Branch {
    /// Without `refs/heads/` or `refs/remotes/SERVER/`.
    name: String,
    commit: Oid,
    is_local: bool,
    /// The branch that a symbolic reference leads to.
    leads_to: Option<String>,
}

impl Repo {
    /// The tips of the branches besides `main` whose scripts are somebody else's.
    ///
    /// # Errors
    /// What git says.
    pub fn published_besides(&self, main: &MainBranch) -> Result<Vec<MainBranch>> {
        let branches = self.branches()?;
        let head = self.head()?;
        let parents: Vec<Oid> = self.commits(&PARENTS)?.into_iter().flatten().collect();
        let mut published: Vec<MainBranch> = Vec::new();
        for branch in branches.iter().filter(|branch| branch.leads_to.is_none() && is_line(&branch.name)) {
            let is_here = branch.is_local && head.branch.as_ref() == Some(&branch.name);
            let is_there = branches.iter().any(|other| !other.is_local && other.name == branch.name);
            let commit = match &parents[..] {
                // The rest of what is checked out may be one's own: the server's is the line, else what was before a merge.
                _ if is_here && is_there => continue,
                [before, _, ..] if is_here => before,
                _ => &branch.commit,
            };
            published.push(MainBranch { name: branch.name.clone(), commit: commit.clone() });
        }
        for commit in self.merged_into_own(main, &branches, &head, &parents)? {
            let name = branches.iter().find(|branch| branch.commit == commit);
            let name = name.map_or_else(|| commit.short().to_owned(), |branch| branch.name.clone());
            published.push(MainBranch { name, commit });
        }
        Ok(published)
    }

    /// Whether what is checked out is a maintained line: main is never merged into one.
    ///
    /// # Errors
    /// What git says.
    pub fn is_on_line(&self) -> Result<bool> {
        Ok(self.head()?.branch.as_deref().is_some_and(is_line))
    }

    /// Which of some files one of these commits has.
    pub fn files_in<P: AsRef<Path>>(&self, commits: &[MainBranch], paths: &[P]) -> Result<HashSet<PathBuf>> {
        let paths = self.relative_all(paths)?;
        let pairs: Vec<(&MainBranch, &PathBuf)> =
            commits.iter().flat_map(|commit| paths.iter().map(move |path| (commit, path))).collect();
        let specs: Vec<Vec<u8>> = pairs.iter().map(|(branch, path)| in_commit(&branch.commit, path)).collect();
        let specs: Vec<&[u8]> = specs.iter().map(Vec::as_slice).collect();
        let found = pairs.iter().zip(self.look_up(&specs)?);
        Ok(found.filter_map(|((_, path), blob)| blob.map(|_| (*path).clone())).collect())
    }

    /// What is being merged, or was merged last, into a branch of one's own. Into main, or into a maintained line, it is the
    /// other way round: what comes in is somebody's own work, and has to make room.
    fn merged_into_own(
        &self,
        main: &MainBranch,
        branches: &[Branch],
        head: &Head,
        parents: &[Oid],
    ) -> Result<Vec<Oid>> {
        let (first, incoming) = match (self.operation()?, &self.to_merge) {
            (Some(Operation::Merge { heads }), _) => (head.commit.clone(), heads),
            (None, Some(to_merge)) => (head.commit.clone(), vec![to_merge.clone()]),
            (None, None) => (parents.first().cloned(), parents.get(1..).unwrap_or_default().to_vec()),
            _ => return Ok(Vec::new()),
        };
        let is_public = |name: &String| is_line(name) || is_main(name, main, branches);
        let Some(first) = first.filter(|_| !incoming.is_empty() && !head.branch.as_ref().is_some_and(is_public)) else {
            return Ok(Vec::new());
        };
        // A branch without a commit of its own is where main is, or was.
        let has_own = !self.is_ancestor(first.as_str(), main.commit.as_str())?;
        Ok(if has_own { incoming } else { Vec::new() })
    }

    fn branches(&self) -> Result<Vec<Branch>> {
        let args = ["for-each-ref", "--format=%(objectname) %(refname) %(symref)", "refs/heads", "refs/remotes"];
        parse::lines(&self.git.ask(args).run()?.ok()?).map(branch).collect()
    }
}

/// `f06c68789042bd9b6857f1c4843fb2a623a6d1fe refs/remotes/origin/HEAD refs/remotes/origin/main`.
fn branch(line: &[u8]) -> Result<Branch> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split(' ');
    let (Some(commit), Some(name)) = (words.next().and_then(Oid::parse), words.next()) else {
        return parse::unknown("for-each-ref", line);
    };
    let leads_to = words.next().filter(|name| !name.is_empty()).map(|name| short(name).to_owned());
    Ok(Branch { name: short(name).to_owned(), commit, is_local: name.starts_with("refs/heads/"), leads_to })
}

fn short(name: &str) -> &str {
    match name.strip_prefix("refs/remotes/") {
        Some(name) => name.split_once('/').map_or(name, |(_, name)| name),
        None => name.strip_prefix("refs/heads/").unwrap_or(name),
    }
}

fn is_main(name: &str, main: &MainBranch, branches: &[Branch]) -> bool {
    let default = branches.iter().find(|branch| branch.name == "HEAD").and_then(|branch| branch.leads_to.as_deref());
    let bare = main.name.strip_prefix("origin/").unwrap_or(&main.name);
    name == main.name || name == bare || (bare == "HEAD" && default == Some(name))
}

/// Whether releases come from a branch of this name: a version alone (`26.4`, `v2`, `1.x`), or behind a word for it.
fn is_line(name: &str) -> bool {
    let after = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)?.strip_prefix(['/', '-', '_']));
    is_version(after.unwrap_or(name)) && (after.is_some() || name.contains('.') || name.starts_with('v'))
}

/// `1`, `26.4`, `v2`, `1.x`, `3.0.x`.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('.');
    parts.next().is_some_and(is_number) && parts.all(|part| part == "x" || is_number(part))
}

fn in_commit(commit: &Oid, path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    [commit.as_str().as_bytes(), b":", path.as_os_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_maintained_lines() {
        let lines = ["release/1", "release-1.x", "stable/26.4", "26.4", "v2", "1.x", "releases/3.0.1", "maint_2"];
        assert!(lines.iter().all(|name| is_line(name)));
        let others =
            ["main", "fix", "release/notes", "26.4-fix", "feature/1.2", "2", "vx", "v", "release", "hotfix/login"];
        assert!(!others.iter().any(|name| is_line(name)));
    }

    #[test]
    fn a_line_of_git() {
        let id = "d579cd95927778c56eb7b9e68265d6eb8647007d";
        let read = |text: String| branch(text.as_bytes()).unwrap();
        let head = read(format!("{id} refs/remotes/origin/HEAD refs/remotes/origin/trunk"));
        assert_eq!((head.name.as_str(), head.leads_to.as_deref()), ("HEAD", Some("trunk")));
        let line = read(format!("{id} refs/heads/release/1 "));
        assert!((line.name.as_str(), line.is_local, &line.leads_to) == ("release/1", true, &None));
        assert!(branch(b"nonsense").is_err());
        let main = MainBranch { name: "origin/HEAD".to_owned(), commit: Oid::parse(id).unwrap() };
        assert!(is_main("trunk", &main, &[head]) && !is_main("fix", &main, &[]));
    }
}
