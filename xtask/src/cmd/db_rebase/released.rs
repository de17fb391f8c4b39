//! Finds the released revisions, which are never edited. By git, a revision is released when its file is in the merge
//! base with the main branch (during a merge, rebase or cherry-pick, in what the work tree is about to become), in a
//! release tag, on a maintained branch, or on the branch that is merged into one's own. A script's own comment (`# Part
//! of: 25.1.0`) counts only where git is not asked, since many people write the coming version there. Where git has no
//! sure answer, the rebase is refused.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::graph::Graph;
use crate::model::revision::{self, Script, is_script_name};
use crate::sys::files::read_script;
use crate::sys::git::{MainBranch, Oid, Repo, Unclear};
use crate::ui::Ui;

pub struct Released {
    /// The revisions that are released.
    pub ids: HashSet<String>,
    /// How that is known, in words.
    pub how: String,
}

/// The scripts of a history and where they lie.
pub struct Scripts<'a> {
    pub graph: &'a Graph,
    /// What relative paths in it count from.
    pub root: &'a Path,
    /// The scripts' texts by their paths in the history, where they are not (yet) on the disk.
    pub texts: Option<&'a HashMap<PathBuf, Vec<u8>>>,
}

impl Scripts<'_> {
    fn all(&self) -> impl Iterator<Item = (&Script, PathBuf)> {
        self.graph.scripts().map(|script| (script, self.root.join(&script.path)))
    }

    fn text(&self, script: &Script, path: &Path) -> Result<Vec<u8>> {
        match self.texts {
            Some(texts) => Ok(texts.get(&script.path).cloned().unwrap_or_default()),
            None => read_script(path).map(String::into_bytes),
        }
    }
}

/// The checkout that the scripts are in.
pub fn checkout(ui: &Ui, root: &Path) -> Result<Option<Repo>> {
    Repo::find(ui, root)
}

/// Asks git. `branch` is the main branch where the command line names it.
///
/// # Errors
/// Why there is no sure answer, with what to do about it.
pub fn by_git(ctx: &Ctx, repo: &Repo, scripts: &Scripts<'_>, branch: Option<&str>) -> Result<Released> {
    let unclear = |error: anyhow::Error| match error.downcast_ref::<Unclear>() {
        Some(unclear) => ask_for_onto(unclear.fail()).into(),
        None => error,
    };
    let main = match branch {
        Some(branch) => repo.main_branch(Some(branch)),
        None => ctx.main_branch(repo),
    };
    let main = main.map_err(unclear)?;
    let base = repo.merge_base(main.commit.as_str()).map_err(unclear)?;
    let mut released = at_commit(repo, scripts, &base)?;
    released.extend(by_tags(repo, scripts, &released)?);
    let (besides, lines) = by_lines(repo, scripts, &main, &released)?;
    released.extend(besides);
    let lines = if lines.is_empty() { String::new() } else { format!(", and what {} has", lines.join(", ")) };
    Ok(Released { ids: released, how: format!("git: released is what {} has at {}{lines}", main.name, base.short()) })
}

/// By what the scripts say of themselves, where git is not asked.
pub fn by_text(scripts: &Scripts<'_>) -> Result<Released> {
    let released = by_themselves(scripts)?;
    Ok(Released { ids: released, how: "the scripts: released is what a comment (`# Part of:`) says to be".to_owned() })
}

/// The refusal where there is no git checkout.
pub fn no_checkout(root: &Path) -> Fail {
    ask_for_onto(
        Fail::new(Kind::ConfigInvalid, "Cannot tell your own revisions from released ones: this is no git checkout")
            .details(root.display().to_string())
            .refused(),
    )
}

fn ask_for_onto(fail: Fail) -> Fail {
    fail.details("Without a sure answer nobody knows which revisions are your own and may be moved")
        .run("Or name the revision that everything else goes on top of", own("db-rebase").flag("--onto", "REV"))
        .run("Or join the heads without moving any", own("db-rebase").word("--merge"))
        .related(own("db-status"))
}

/// Revisions whose file a commit has, at the same path or at another one.
fn at_commit(repo: &Repo, scripts: &Scripts<'_>, commit: &Oid) -> Result<HashSet<String>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut here: HashMap<PathBuf, &str> = HashMap::new();
    let mut released = HashSet::new();
    for (script, path) in scripts.all() {
        // What lies outside of the checkout is nobody's work on this branch.
        let Ok(path) = repo.relative(&path) else {
            released.insert(script.id.clone());
            continue;
        };
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        if !folders.contains(&folder) {
            folders.push(folder);
        }
        here.insert(path, &script.id);
    }
    if folders.is_empty() {
        return Ok(released);
    }
    let mut gone = Vec::new();
    for file in repo.files_at(commit, &folders)? {
        match here.get(&file.path) {
            Some(id) => _ = released.insert((*id).to_owned()),
            None => gone.push(file),
        }
    }
    // A file that was renamed since is found by its id.
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_script_name);
    gone.retain(|file| name(&file.path));
    let ids: Vec<Oid> = gone.iter().map(|file| file.blob.clone()).collect();
    let blobs = repo.blobs(&ids)?;
    for file in &gone {
        let text = blobs.get(&file.blob).cloned().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
        released.extend(text.and_then(|text| revision::read(&file.path, &text).ok()).map(|script| script.id));
    }
    Ok(released)
}

/// Revisions with a comment of the release that they are part of.
fn by_themselves(scripts: &Scripts<'_>) -> Result<HashSet<String>> {
    let mut released = HashSet::new();
    for (script, path) in scripts.all() {
        if String::from_utf8_lossy(&scripts.text(script, &path)?).lines().any(names_a_release) {
            released.insert(script.id.clone());
        }
    }
    Ok(released)
}

/// `# Part of: 25.1.0`; `# Part of: NEXT_RELEASE_VERSION` is not released yet.
fn names_a_release(line: &str) -> bool {
    let comment = line.trim_start().strip_prefix('#').map(str::trim_start);
    let version = comment.and_then(|comment| comment.strip_prefix("Part of:")).map(str::trim_start);
    version.is_some_and(|version| version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()))
}

/// Revisions whose file is on another published branch than the main one, and the names of the branches that were looked at.
fn by_lines(
    repo: &Repo,
    scripts: &Scripts<'_>,
    main: &MainBranch,
    known: &HashSet<String>,
) -> Result<(HashSet<String>, Vec<String>)> {
    let paths = unknown_paths(repo, scripts, known)?;
    let lines = if paths.is_empty() { Vec::new() } else { repo.published_besides(main)? };
    let list: Vec<&PathBuf> = paths.keys().collect();
    let found = repo.files_in(&lines, &list)?;
    let ids = found.iter().filter_map(|path| paths.get(path).map(|id| (*id).to_owned())).collect::<HashSet<_>>();
    let mut names: Vec<String> = lines.into_iter().map(|line| line.name).collect();
    names.sort();
    names.dedup();
    Ok(if ids.is_empty() { Default::default() } else { (ids, names) })
}

/// The files of the revisions that are not known to be released yet.
fn unknown_paths<'a>(
    repo: &Repo,
    scripts: &'a Scripts<'_>,
    known: &HashSet<String>,
) -> Result<HashMap<PathBuf, &'a str>> {
    let unknown = scripts.all().filter(|(script, _)| !known.contains(&script.id));
    unknown.map(|(script, path)| Ok((repo.relative(&path)?, script.id.as_str()))).collect()
}

/// Revisions whose file is in a tag that names a version.
fn by_tags(repo: &Repo, scripts: &Scripts<'_>, known: &HashSet<String>) -> Result<HashSet<String>> {
    let paths = unknown_paths(repo, scripts, known)?;
    if paths.is_empty() {
        return Ok(HashSet::new());
    }
    let list: Vec<&PathBuf> = paths.keys().collect();
    let tagged = repo.tags_with(&list, None)?.into_iter().filter(|tagged| names_a_version(&tagged.tag));
    Ok(tagged.filter_map(|tagged| paths.get(&tagged.path).map(|id| (*id).to_owned())).collect())
}

/// `26.9.6`, `v1.2`, `release-3.0rc1`: a number, a dot, a number.
fn names_a_version(tag: &str) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = tag.as_bytes();
    (1..bytes.len()).any(|at| bytes[at] == b'.' && digit(bytes.get(at - 1)) && digit(bytes.get(at + 1)))
}

#[cfg(test)]
mod tests {
    use super::{names_a_release, names_a_version};

    #[test]
    fn a_comment_that_names_a_release() {
        assert!(names_a_release("# Part of: 25.1.0") && names_a_release("#Part of: v3"));
        assert!(!names_a_release("# Part of: NEXT_RELEASE_VERSION") && !names_a_release("Part of: 1"));
    }

    #[test]
    fn a_tag_that_names_a_version() {
        assert!(["26.9.6", "v1.2", "release-3.0rc1"].iter().all(|tag| names_a_version(tag)));
        assert!(!["backup", "before-2024", "v1", "wip."].iter().any(|tag| names_a_version(tag)));
    }
}
