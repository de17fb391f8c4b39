//! What a config's version folders do not give although somebody who reads the config would think so: a folder that is
//! not there, compiled scripts without their source. Alembic passes over the first in silence and runs the second.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::sys::alembic_ini::AlembicConfig;

/// The version folders that the config names and that are not there.
pub fn missing(config: &AlembicConfig) -> Vec<&Path> {
    config.version_locations.iter().map(PathBuf::as_path).filter(|folder| !folder.is_dir()).collect()
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
