//! The migration history of a config, from the files alone: every script is read and put into the graph. What Alembic
//! would only warn of, or answer with a bare KeyError, is a failure that names the files.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fail::{Fail, Kind};
use crate::model::graph::{Graph, Problem};
use crate::model::revision::{self, Script, Unreadable};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files;
use crate::sys::side_by_side::in_shares;

/// How many problems an error lists before it only counts them.
const LISTED: usize = 5;

/// A script, or why it cannot be read.
type Readable = Result<Script, Unreadable>;

/// Reads the history. Paths are relative to `root` where they are inside it.
///
/// # Errors
/// `migration-file-invalid` for a script that cannot be read statically, a duplicate id or a cycle;
/// `migration-file-missing` for a parent that no file holds.
pub fn read(root: &Path, config: &AlembicConfig) -> Result<Graph> {
    let mut scripts = Vec::new();
    let mut unreadable = Vec::new();
    let read = |part: &[PathBuf]| part.iter().map(|path| script(root, path)).collect();
    for script in in_shares(&files::scripts(config)?, read)? {
        match script {
            Ok(script) => scripts.push(script),
            Err(problem) => unreadable.push(problem),
        }
    }
    if !unreadable.is_empty() {
        return Err(cannot_read(&unreadable).into());
    }
    Graph::build(scripts).map_err(|problems| broken(&problems).into())
}

fn script(root: &Path, path: &Path) -> Result<Readable> {
    let shown = path.strip_prefix(root).unwrap_or(path);
    Ok(revision::read(shown, &files::read_script(path)?))
}

fn cannot_read(unreadable: &[Unreadable]) -> Fail {
    let first = &unreadable[0];
    let fail = Fail::new(Kind::MigrationFileInvalid, "A migration script cannot be read")
        .at(&first.path, first.line)
        .action(format!("Open {} and write the value as a plain string, tuple or None", place(first)))
        .action("See that Python reads it: python3 -m py_compile FILE")
        .action("A merge that was not finished? git status")
        .related("cargo xtask db-status");
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
            .action("Ensure you pulled the latest code: git pull")
            .action("Check whether the migration was committed, on any branch: git log --all --oneline -- '*.py'")
            .action("Verify the branch: git status")
    } else {
        Fail::new(Kind::MigrationFileInvalid, "The migration history is broken")
            .action("Correct the files named above; Alembic itself only warns and then sees wrong heads")
            .action("See what changed lately: git log --oneline -5 -- '*.py'")
    };
    if let Some(at) = first.place() {
        fail = fail.at(&at.path, Some(at.line)).revision(&at.id);
    }
    listed(fail, problems.iter().map(ToString::to_string)).related("cargo xtask db-status")
}

fn listed(mut fail: Fail, lines: impl ExactSizeIterator<Item = String>) -> Fail {
    let more = lines.len().saturating_sub(LISTED);
    for line in lines.take(LISTED) {
        fail = fail.details(line);
    }
    if more > 0 { fail.details(format!("… and {more} more")) } else { fail }
}
