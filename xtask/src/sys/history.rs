//! The migration history of a config, from the files alone: every script is read and put into the graph. What Alembic
//! would only warn of, or answer with a bare KeyError, is a failure that names the files.

mod headers;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fail::{Fail, Kind};
use crate::model::action::{git, own, program};
use crate::model::graph::{Graph, Problem};
use crate::model::revision::{self, Unreadable, is_script_name};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files;
use crate::sys::git::{Oid, Repo};

pub use headers::{Found, Headers};

/// How many problems an error lists before it only counts them.
const LISTED: usize = 5;

/// Reads the history. Paths are relative to `root` where they are inside it. What cannot be read without Python is asked
/// of it; without one, labels and dependencies may be missing.
///
/// # Errors
/// `migration-file-invalid` for a script that cannot be read statically, a duplicate id or a cycle;
/// `migration-file-missing` for a parent that no file holds.
pub fn read(root: &Path, config: &AlembicConfig, headers: &Headers<'_>) -> Result<Graph> {
    let scripts = files::side_by_side(&files::scripts(config)?, |path| script(root, path))?;
    build(scripts.into_iter().collect::<Result<_>>()?, headers)
}

/// The history as a tree of git's has it, with the scripts' contents by the paths in it.
///
/// # Errors
/// As [`read`].
pub fn at(
    root: &Path,
    config: &AlembicConfig,
    headers: &Headers<'_>,
    repo: &Repo,
    tree: &Oid,
) -> Result<(Graph, HashMap<PathBuf, Vec<u8>>)> {
    let folders: Vec<PathBuf> =
        config.version_locations.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let inside: Vec<PathBuf> = folders.iter().filter(|folder| folder.starts_with(repo.root())).cloned().collect();
    if inside.is_empty() {
        return Ok((read(root, config, headers)?, HashMap::new()));
    }
    // In Alembic's order: folder by folder as configured, by name.
    let place = |path: &Path| {
        let is_in = |folder: &PathBuf| match config.recursive {
            true => path.starts_with(folder),
            false => path.parent() == Some(folder),
        };
        let is_script = path.file_name().and_then(|name| name.to_str()).is_some_and(is_script_name);
        folders.iter().position(is_in).filter(|_| is_script)
    };
    let files = repo.files_at(tree, &inside)?.into_iter().map(|file| (repo.root().join(&file.path), file.blob));
    let mut files: Vec<(usize, PathBuf, Oid)> =
        files.filter_map(|(path, blob)| Some((place(&path)?, path, blob))).collect();
    files.sort();
    let blobs: Vec<Oid> = files.iter().map(|(.., blob)| blob.clone()).collect();
    let contents = repo.blobs(&blobs)?;
    let (mut scripts, mut texts) = (Vec::new(), HashMap::new());
    for (_, path, blob) in files {
        let shown = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let bytes = contents.get(&blob).cloned().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let header = revision::read(&shown, &text);
        scripts.push(Found::new(shown.clone(), text, header));
        texts.insert(shown, bytes);
    }
    Ok((build(scripts, headers)?, texts))
}

fn build(mut found: Vec<Found>, headers: &Headers<'_>) -> Result<Graph> {
    headers.complete(&mut found);
    let (mut scripts, mut unreadable) = (Vec::with_capacity(found.len()), Vec::new());
    for found in found {
        match found.header {
            Ok(script) => scripts.push(script),
            Err(problem) => unreadable.push(problem),
        }
    }
    if !unreadable.is_empty() {
        return Err(cannot_read(&unreadable).into());
    }
    Graph::build(scripts).map_err(|problems| broken(&problems).into())
}

fn script(root: &Path, path: &Path) -> Result<Found> {
    let shown = path.strip_prefix(root).unwrap_or(path);
    let text = files::read_script(path)?;
    let header = revision::read(shown, &text);
    Ok(Found::new(shown.to_owned(), text, header))
}

fn cannot_read(unreadable: &[Unreadable]) -> Fail {
    let first = &unreadable[0];
    let fail = Fail::new(Kind::MigrationFileInvalid, "A migration script cannot be read")
        .at(&first.path, first.line)
        .action(format!("Open {} and write the value as a plain string, tuple or None", place(first)))
        .run("See whether Python reads it", program(["python3", "-m", "py_compile"]).word(&first.path).at_root())
        .run("A merge that was not finished?", git(["status"]))
        .related(own("db-status"));
    listed(fail, unreadable.iter().map(|problem| format!("{}: {}", place(problem), problem.what)))
}

fn place(problem: &Unreadable) -> String {
    match problem.line {
        Some(line) => format!("{}:{line}", problem.path.display()),
        None => problem.path.display().to_string(),
    }
}

fn broken(problems: &[Problem]) -> Fail {
    let first = &problems[0];
    let missing = matches!(first, Problem::MissingParent { .. } | Problem::MissingDependency { .. });
    let mut fail = if missing {
        Fail::new(Kind::MigrationFileMissing, "Migration file not found")
            .run("Ensure you pulled the latest code", git(["pull"]))
            .run(
                "Check whether the migration was committed, on any branch",
                git(["log", "--all", "--oneline", "--", "*.py"]),
            )
            .run("Verify the branch", git(["status"]))
    } else {
        Fail::new(Kind::MigrationFileInvalid, "The migration history is broken")
            .action("Correct the files named above; Alembic itself only warns and then sees wrong heads")
            .run("See what changed lately", git(["log", "--oneline", "-5", "--", "*.py"]))
    };
    if let Some(at) = first.place() {
        fail = fail.at(&at.path, Some(at.line)).revision(&at.id);
    }
    listed(fail, problems.iter().map(ToString::to_string)).related(own("db-status"))
}

fn listed(mut fail: Fail, lines: impl ExactSizeIterator<Item = String>) -> Fail {
    let more = lines.len().saturating_sub(LISTED);
    for line in lines.take(LISTED) {
        fail = fail.details(line);
    }
    if more > 0 { fail.details(format!("… and {more} more")) } else { fail }
}
