//! Searches all of history: for the branch or the stash that has a missing script, for the release tags that have a
//! file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::answer::path_of;
use super::{File, Oid, Repo, parse};

/// How many commits are looked into; the newest ones say enough.
const SIGHTINGS: &str = "3";
/// Marks the beginning of a commit among the names of files.
const COMMIT: u8 = 1;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needle<'a> {
    /// A file at this path.
    Path(&'a Path),
    /// A file in a folder that has this text in it, for instance `revision = "ab12"`.
    Text(&'a str, &'a Path),
}

/// A commit that added what was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub commit: Oid,
    /// The first line of its message.
    pub subject: String,
    /// The files that were added, relative to the root.
    pub paths: Vec<PathBuf>,
    /// The branches and tags that have it, short (`feature`, `origin/main`).
    pub refs: Vec<String>,
    /// The stash that has it, for instance `stash@{1}`.
    pub stash: Option<String>,
}

/// A tag that has a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The tag, short.
    pub tag: String,
    /// The file, relative to the root.
    pub path: PathBuf,
    /// Its content there.
    pub blob: Oid,
}

impl Repo {
    /// The newest commits, on any branch, tag or stash, that added something.
    pub fn sightings(&self, needle: Needle<'_>) -> Result<Vec<Sighting>> {
        let stashes = self.stashes()?;
        // The full history, or git would not look behind a merge that has no such file: a stash is one, and its parents
        // hold what was staged and what was untracked.
        let args =
            ["log", "--all", "--source", "--full-history", "--no-renames", "--diff-filter=A", "--name-only", "-z"];
        let mut question = self.git.ask(args).args(["-n", SIGHTINGS, "--format=%x01%H%x00%S%x00%s"]);
        let folder = match needle {
            Needle::Path(path) => path,
            Needle::Text(text, folder) => {
                question = question.arg(format!("-S{text}"));
                folder
            }
        };
        // Only the newest stash is a reference; the others are named one by one.
        question = stashes.iter().fold(question, |question, stash| question.arg(stash.commit.as_str()));
        let mut sightings = log(&question.paths(&self.pathspecs(&[folder])?).run()?.ok()?)?;
        for sighting in &mut sightings {
            // The source is the stash's commit, or `refs/stash` for the newest one.
            let source = sighting.stash.take();
            let names = |stash: &&Stash| source.as_deref() == Some(stash.commit.as_str());
            let newest = stashes.first().filter(|_| source.as_deref() == Some("refs/stash"));
            sighting.stash = stashes.iter().find(names).or(newest).map(|stash| stash.name.clone());
            sighting.refs = self.refs_with(&sighting.commit)?;
        }
        Ok(sightings)
    }

    /// The newest commit of what is checked out that took a file with this text in it away.
    pub fn deletion<P: AsRef<Path>>(&self, text: &str, folders: &[P]) -> Result<Option<Oid>> {
        let args = ["log", "-1", "--format=%H", "--no-renames", "--diff-filter=D"];
        let question = self.git.ask(args).arg(format!("-S{text}")).paths(&self.relative_all(folders)?);
        let answer = String::from_utf8_lossy(&question.run()?.ok()?).trim().to_owned();
        Ok(Oid::parse(&answer))
    }

    /// The newest commit before the one of what is checked out that brought a file, under whatever content; `None` where
    /// no commit has it, or the first one of all brought it.
    pub fn before_addition(&self, path: &Path) -> Result<Option<Oid>> {
        let args = ["log", "-1", "--format=%P", "--no-renames", "--diff-filter=A"];
        let answer = self.git.ask(args).paths(&self.relative_all(&[path])?).run()?.ok()?;
        let parents = String::from_utf8_lossy(&answer).trim().to_owned();
        Ok(parents.split(' ').next().and_then(Oid::parse))
    }

    /// The versions of files under some folders in commits that are not below another one (the main branch's tip): in
    /// the present branch, and in commits that were checked out or rebased away and are still in the reflog (git keeps
    /// these for 30 days).
    pub fn versions_off<P: AsRef<Path>>(&self, commit: &Oid, folders: &[P]) -> Result<Vec<File>> {
        let args = ["log", "--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=AM", "--format="];
        let question = self.git.ask(args).args(["--reflog", "HEAD", "--not", commit.as_str()]);
        let raw = parse::raw(&question.paths(&self.pathspecs(folders)?).run()?.ok()?)?;
        let file = |it: parse::Raw| Some(File { path: it.path, blob: it.new?, mode: it.mode });
        Ok(raw.into_iter().filter_map(file).collect())
    }

    /// The tags that have any of some files, in the order of the tags' names. `pattern` narrows the tags down, as in
    /// `v*`.
    pub fn tags_with<P: AsRef<Path>>(&self, paths: &[P], pattern: Option<&str>) -> Result<Vec<Tagged>> {
        let pattern = pattern.map_or("refs/tags".to_owned(), |pattern| format!("refs/tags/{pattern}"));
        let output = self.git.ask(["for-each-ref", "--format=%(refname:lstrip=2)", &pattern]).run()?.ok()?;
        let tags: Vec<String> = parse::lines(&output).map(|tag| String::from_utf8_lossy(tag).into_owned()).collect();
        let paths = self.relative_all(paths)?;
        let pairs: Vec<(&String, &PathBuf)> =
            tags.iter().flat_map(|tag| paths.iter().map(move |path| (tag, path))).collect();
        let specs: Vec<Vec<u8>> = pairs.iter().map(|(tag, path)| in_tag(tag, path)).collect();
        let specs: Vec<&[u8]> = specs.iter().map(Vec::as_slice).collect();
        let found = pairs.iter().zip(self.look_up(&specs)?);
        let tagged = |((tag, path), blob): (&(&String, &PathBuf), Option<Oid>)| {
            Some(Tagged { tag: (*tag).clone(), path: (*path).clone(), blob: blob? })
        };
        Ok(found.filter_map(tagged).collect())
    }

    /// The branches and tags from which a commit can be reached.
    pub(super) fn refs_with(&self, commit: &Oid) -> Result<Vec<String>> {
        let args = ["for-each-ref", "--format=%(refname:short)", "--contains", commit.as_str()];
        let output = self.git.ask(args).args(["refs/heads", "refs/remotes", "refs/tags"]).run()?.ok()?;
        Ok(parse::lines(&output).map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    pub(super) fn stashes(&self) -> Result<Vec<Stash>> {
        stash_list(&self.git.ask(["stash", "list", "--format=%gd %H"]).run()?.ok()?)
    }
}

fn in_tag(tag: &str, path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    [b"refs/tags/", tag.as_bytes(), b":", path.as_os_str().as_bytes()].concat()
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stash {
    pub(super) name: String,
    commit: Oid,
}

/// `stash@{0} f06c68789042bd9b6857f1c4843fb2a623a6d1fe`.
fn stash_list(output: &[u8]) -> Result<Vec<Stash>> {
    let stash = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        match text.rsplit_once(' ').map(|(name, id)| (name, Oid::parse(id))) {
            Some((name, Some(commit))) => Ok(Stash { name: name.to_owned(), commit }),
            _ => parse::unknown("stash list", line),
        }
    };
    parse::lines(output).map(stash).collect()
}

/// `␁d579cd95927778c56eb7b9e68265d6eb8647007d␀refs/heads/main␀add n␀⏎v/e.py␀v/n.py␀`. Where it was reached from is
/// kept in the field for the stash.
fn log(output: &[u8]) -> Result<Vec<Sighting>> {
    let mut records = parse::records(output);
    let mut sightings: Vec<Sighting> = Vec::new();
    while let Some(record) = records.next() {
        if let Some(digits) = record.strip_prefix(&[COMMIT]) {
            let mut text = || records.next().map(|text| String::from_utf8_lossy(text).into_owned());
            let (Some(source), Some(subject)) = (text(), text()) else { return parse::unknown("log", record) };
            let commit = parse::id("log", digits)?;
            sightings.push(Sighting { commit, subject, paths: Vec::new(), refs: Vec::new(), stash: Some(source) });
            continue;
        }
        let sighting = sightings.last_mut().context("`git log` names a file before a commit")?;
        // A line break stands before the first name only; there it is not the name's own.
        let name = if sighting.paths.is_empty() { record.strip_prefix(b"\n").unwrap_or(record) } else { record };
        sighting.paths.push(path_of(name));
    }
    Ok(sightings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "d579cd95927778c56eb7b9e68265d6eb8647007d";

    #[test]
    fn a_log_of_two_commits() {
        let output = format!("\u{1}{ID}\0refs/heads/main\0add n\0\nv/e.py\0\nodd\0\u{1}{ID}\0refs/stash\0wip\0\nz\0");
        let sightings = log(output.as_bytes()).unwrap();
        assert_eq!(sightings.len(), 2);
        assert_eq!(sightings[0].paths, [PathBuf::from("v/e.py"), PathBuf::from("\nodd")]);
        assert_eq!((sightings[1].subject.as_str(), sightings[1].stash.as_deref()), ("wip", Some("refs/stash")));
        assert_eq!(log(b"").unwrap(), []);
    }

    #[test]
    fn what_is_no_log_is_shown() {
        assert!(log(b"\x01nonsense\0a\0b\0").unwrap_err().to_string().contains("nonsense"));
        assert!(log(b"v/e.py\0").is_err());
        assert!(stash_list(b"what is this\n").unwrap_err().to_string().contains("what is this"));
    }

    #[test]
    fn a_list_of_stashes() {
        let expected = Stash { name: "stash@{0}".to_owned(), commit: Oid::parse(ID).unwrap() };
        assert_eq!(stash_list(format!("stash@{{0}} {ID}\n").as_bytes()).unwrap(), [expected]);
        assert_eq!(stash_list(b"").unwrap(), []);
    }
}
