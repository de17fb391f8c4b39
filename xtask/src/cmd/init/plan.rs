//! Works out what `init` would change in a checkout, file by file, and what prevents it.

use std::path::Path;

use anyhow::Result;

use crate::fail::{Fail, Kind};
use crate::model::action::{git, own, program};
use crate::model::adopt::{Conflict, MEMBER, Shared};
use crate::sys::adoption::{self, Files, Record};
use crate::sys::files;
use crate::ui::Ui;

/// Cargo writes it anew whenever it wants; it is nobody's edit.
const LOCK: &str = "Cargo.lock";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Updated,
    Removed,
    /// Lines of a file that is the checkout's own.
    LinesAdded,
    LinesRemoved,
}

/// One file that is changed.
pub struct Step {
    /// From the checkout's root.
    pub path: String,
    pub change: Change,
    pub content: Option<Vec<u8>>,
}

pub struct Plan {
    pub steps: Vec<Step>,
    /// What is written down in the end; `None`: the record goes.
    pub record: Option<Record>,
    pub record_is_right: bool,
}

/// # Errors
/// A refusal where the checkout's files contradict, or the copy was edited.
pub fn putting_in(ui: &Ui, root: &Path) -> Result<Plan> {
    let old = adoption::record(root)?;
    let blocked = adoption::blocked(root);
    if !blocked.is_empty() {
        return Err(contradicts(&blocked).into());
    }
    let wanted = adoption::wanted(ui, root)?;
    let mut steps = files(root, &wanted, old.as_ref())?;
    let mut shared: Vec<Shared> = old.iter().flat_map(|old| old.shared.clone()).collect();
    let mut before = old.as_ref().map(|old| old.before.clone()).unwrap_or_default();
    let mut conflicts = Vec::new();
    if let Some(path) = adoption::old_cargo_config(root) {
        let what_to_do = "Rename it to config.toml, the name that cargo has for it now".to_owned();
        let why = "cargo reads it in the place of config.toml".to_owned();
        conflicts.push((path.display().to_string(), Conflict { why, what_to_do }));
    }
    for file in Shared::ALL {
        let text = adoption::shared_text(root, file)?;
        match file.put_in(&text) {
            Ok(None) => {}
            Ok(Some(new)) => {
                let change = if text.is_empty() { Change::Added } else { Change::LinesAdded };
                // With lines of an earlier version of ours it is not how it was before us.
                let has_ours = old.as_ref().is_some_and(|old| old.shared.contains(&file));
                if !has_ours && file.take_out(&new).as_ref() != Ok(&text) {
                    before.insert(file.path().to_owned(), text);
                }
                steps.push(Step { path: file.path().to_owned(), change, content: Some(new.into_bytes()) });
                shared.push(file);
            }
            Err(conflict) => conflicts.push((root.join(file.path()).display().to_string(), conflict)),
        }
    }
    if !conflicts.is_empty() {
        return Err(contradicts(&conflicts).into());
    }
    let in_order = Shared::ALL.into_iter().filter(|file| shared.contains(file)).collect();
    let record = Record { before, ..new_record(root, &wanted, old.as_ref(), in_order) };
    Ok(Plan { steps, record_is_right: old.as_ref() == Some(&record), record: Some(record) })
}

/// The files of the copy that differ, and those that it does not have any more.
fn files(root: &Path, wanted: &Files, old: Option<&Record>) -> Result<Vec<Step>> {
    let recorded = |path: &str| old.and_then(|old| old.files.get(path));
    let old_paths = old.iter().flat_map(|old| old.files.keys());
    let there = adoption::digests(root, wanted.keys().chain(old_paths.clone()))?;
    let mut steps = Vec::new();
    let mut edited = Vec::new();
    for (path, content) in wanted {
        let change = match there.get(path) {
            None => Change::Added,
            Some(digest) if *digest == adoption::digest(content) => continue,
            Some(digest) if recorded(path) == Some(digest) => Change::Updated,
            Some(_) if path == LOCK => continue,
            Some(_) => {
                edited.push(path.clone());
                continue;
            }
        };
        steps.push(Step { path: path.clone(), change, content: Some(content.clone()) });
    }
    for path in old_paths.filter(|path| !wanted.contains_key(*path) && *path != LOCK) {
        match there.get(path) {
            Some(digest) if recorded(path) == Some(digest) => {
                steps.push(Step { path: path.clone(), change: Change::Removed, content: None });
            }
            Some(_) => edited.push(path.clone()),
            None => {}
        }
    }
    match (edited.is_empty(), old) {
        (true, _) => Ok(steps),
        (false, Some(_)) => Err(was_edited(root, &edited).into()),
        (false, None) => Err(another_crate(root, &edited).into()),
    }
}

fn new_record(root: &Path, wanted: &Files, old: Option<&Record>, shared: Vec<Shared>) -> Record {
    let digest = |(path, content): (&String, &Vec<u8>)| (path.clone(), adoption::digest(content));
    let mut files: std::collections::BTreeMap<String, String> = wanted.iter().map(digest).collect();
    // A lock file that was there before us, or that cargo has changed, is the checkout's.
    let is_the_same = || files::read(&root.join(LOCK)).is_ok_and(|there| wanted.get(LOCK) == Some(&there));
    let is_ours = old.is_some_and(|old| old.files.contains_key(LOCK)) || !root.join(LOCK).is_file() || is_the_same();
    if !is_ours {
        files.remove(LOCK);
    }
    Record { version: env!("CARGO_PKG_VERSION").to_owned(), files, shared, ..Record::default() }
}

/// A file as it was before, where nothing was changed in it since; else without our lines.
fn taken_out(record: &Record, file: Shared, text: &str) -> Result<String, Conflict> {
    let before = record.before.get(file.path());
    let is_untouched = |before: &&String| file.put_in(before).is_ok_and(|new| new.as_deref() == Some(text));
    before.filter(is_untouched).map_or_else(|| file.take_out(text), |before| Ok(before.clone()))
}

/// # Errors
/// A refusal where nothing was put in, or the copy was edited.
pub fn taking_out(root: &Path) -> Result<Plan> {
    let record = adoption::record(root)?.ok_or_else(|| nothing_there(root))?;
    let there = adoption::digests(root, record.files.keys())?;
    let mut steps = Vec::new();
    for &file in &record.shared {
        let text = adoption::shared_text(root, file)?;
        let rest = taken_out(&record, file, &text)
            .map_err(|conflict| contradicts(&[(root.join(file.path()).display().to_string(), conflict)]))?;
        let (change, content) = match rest.is_empty() {
            true => (Change::Removed, None),
            false => (Change::LinesRemoved, Some(rest.clone().into_bytes())),
        };
        if rest != text {
            steps.push(Step { path: file.path().to_owned(), change, content });
        }
    }
    let manifest_goes = steps.iter().any(|step| step.path == Shared::Manifest.path() && step.content.is_none());
    let mut edited = Vec::new();
    for (path, digest) in &record.files {
        match there.get(path) {
            None => continue,
            Some(now) if now == digest || path == LOCK && manifest_goes => {}
            Some(_) if path == LOCK => continue,
            Some(_) => {
                edited.push(path.clone());
                continue;
            }
        }
        steps.push(Step { path: path.clone(), change: Change::Removed, content: None });
    }
    if !edited.is_empty() {
        return Err(was_edited(root, &edited).into());
    }
    Ok(Plan { steps, record: None, record_is_right: false })
}

fn contradicts(conflicts: &[(String, Conflict)]) -> Fail {
    let mut fail = Fail::new(Kind::ConfigInvalid, "A file of the checkout contradicts, so nothing was changed");
    for (path, conflict) in conflicts {
        fail = fail.details(format!("{path}: {}", conflict.why));
    }
    for (path, conflict) in conflicts {
        fail = fail.action(format!("{} ({path})", conflict.what_to_do));
    }
    without_a_copy(fail).related(own("init").word("--dry-run").plain()).refused()
}

fn without_a_copy(fail: Fail) -> Fail {
    let install = program(["cargo", "install", "--path"]).word(Path::new(env!("CARGO_MANIFEST_DIR")));
    fail.run("Or be without a copy: install the program, which works in any folder", install)
}

const SHOWN: usize = 5;

fn list(fail: Fail, root: &Path, paths: &[String]) -> Fail {
    let fail = paths.iter().take(SHOWN).fold(fail, |fail, path| fail.details(root.join(path).display().to_string()));
    if paths.len() > SHOWN { fail.details(format!("and {} more", paths.len() - SHOWN)) } else { fail }
}

fn was_edited(root: &Path, edited: &[String]) -> Fail {
    let fail = Fail::new(Kind::DirtyWorkTree, "The copy was edited, so nothing was changed");
    let first = edited.first().map(String::as_str).unwrap_or_default();
    list(fail, root, edited)
        .run("See who did what", git(["log", "--oneline", "--"]).word(first).inside(root))
        .run(
            "To give an edit up, remove the file: the next run puts it in anew",
            program(["rm"]).word(root.join(first)),
        )
        .related(own("init").word("--dry-run").plain())
        .refused()
}

fn another_crate(root: &Path, differing: &[String]) -> Fail {
    let folder = root.join(MEMBER);
    let fail = Fail::new(Kind::ConfigInvalid, format!("{} is there already, and not by `init`", folder.display()))
        .details(format!("{} of its files differ from this version's", differing.len()));
    let fail = list(fail, root, differing)
        .run("If it is an older copy, put there by hand, remove it first", git(["rm", "-r", MEMBER]).inside(root));
    without_a_copy(fail).related(own("init").word("--dry-run").plain()).refused()
}

fn nothing_there(root: &Path) -> Fail {
    Fail::new(Kind::Usage, "There is no copy that `init` has put in")
        .details(format!("{} has no {MEMBER}/init.json", root.display()))
        .action("Name the checkout's root: --into=DIR")
}
