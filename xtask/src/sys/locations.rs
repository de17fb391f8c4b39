//! Finds surprises in a config's version folders: a folder that does not exist, scripts in subfolders, compiled scripts
//! without their source. Alembic ignores the first two silently and runs the third.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::revision::is_script_name;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files::read_regular;

/// The version folders that the config names and that are not there.
pub fn missing(config: &AlembicConfig) -> Vec<&Path> {
    config.version_locations.iter().map(PathBuf::as_path).filter(|folder| !folder.is_dir()).collect()
}

/// The scripts that lie in subfolders, which Alembic does not look into.
pub fn passed_over(config: &AlembicConfig) -> Vec<PathBuf> {
    if config.recursive {
        return Vec::new();
    }
    let entries = |folder: &PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let folders = config.version_locations.iter().flat_map(entries).filter(is_folder).map(|entry| entry.path());
    let is_read = |folder: &PathBuf| config.version_locations.contains(folder) || folder.ends_with("__pycache__");
    let below: Vec<PathBuf> = folders.filter(|folder| !is_read(folder)).collect();
    let files = below.iter().flat_map(entries).map(|entry| entry.path());
    let mut scripts: Vec<PathBuf> = files.filter(|path| is_script(path)).collect();
    scripts.sort();
    scripts
}

/// Whether it is a migration script, and not a module beside them.
fn is_script(path: &Path) -> bool {
    let named = path.file_name().and_then(|name| name.to_str()).is_some_and(is_script_name);
    let text = || String::from_utf8_lossy(&read_regular(path).unwrap_or_default()).into_owned();
    named && ["\nrevision", "\ndown_revision"].iter().all(|start| text().contains(start))
}

/// Refuses a config whose `sourceless = true` makes Alembic run compiled scripts that have no source here: they cannot be
/// read, so the history would lack them.
///
/// # Errors
/// `migration-file-invalid`, with the first of them.
pub fn refuse_sourceless(config: &AlembicConfig) -> Result<()> {
    if config.option("sourceless")?.as_deref() != Some("true") {
        return Ok(());
    }
    let compiled: Vec<PathBuf> = config.version_locations.iter().flat_map(|folder| without_source(folder)).collect();
    let Some(first) = compiled.first() else { return Ok(()) };
    Err(Fail::new(Kind::MigrationFileInvalid, "Compiled migration scripts cannot be read")
        .details(format!("`sourceless = true` in {}: Alembic runs .pyc files that have no .py", config.path.display()))
        .details(format!("{} of them here, for instance {}", compiled.len(), first.display()))
        .at(first, None)
        .action("Put the scripts themselves (.py) there, or run this where they are")
        .related(own("db-status"))
        .refused()
        .into())
}

/// The bytecode that Alembic would take for a script: beside the scripts, and in `__pycache__`.
fn without_source(folder: &Path) -> Vec<PathBuf> {
    let files = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let beside = files(folder);
    let sources = beside.iter().filter(|path| path.extension().is_some_and(|it| it == "py"));
    let sources: HashSet<OsString> = sources.filter_map(|path| stem(path)).collect();
    let mut compiled: Vec<PathBuf> = beside.into_iter().chain(files(&folder.join("__pycache__"))).collect();
    compiled.retain(|path| {
        let name = stem(path).filter(|name| name != "__init__");
        path.extension().is_some_and(|it| it == "pyc") && name.is_some_and(|name| !sources.contains(&name))
    });
    compiled.sort();
    compiled
}

/// The name up to its first dot: `aa01_step` of `aa01_step.cpython-311.pyc`.
fn stem(path: &Path) -> Option<OsString> {
    let name = path.file_name()?.to_str()?;
    Some(name.split('.').next().unwrap_or(name).into())
}
