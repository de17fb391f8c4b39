//! A copy of a database by `pg_dump` and `pg_restore`, for where the server itself will not copy: somebody is connected,
//! or it is somebody else's.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Db, client_tool, database_argument, for_libpq};
use crate::model::url::DbUrl;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// Long enough for any database that somebody would clone.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// The slow copy, which disturbs nobody. The dump lies in a folder of ours alone, for as long as it takes.
pub(super) fn dump_and_restore(ui: &Ui, tools: &[PathBuf], owner: &Db, (from, to): (&DbUrl, &DbUrl)) -> Result<()> {
    let major = owner.server_version().major();
    let restore = client_tool(ui, "pg_restore", major, tools)?;
    let folder = Folder::new(&to.target().database)?;
    let file = folder.0.join("dump");
    dump_at(ui, tools, major, from, &file)?;
    // Owners and grants that we may not set would fail; the roles are the same server's.
    let restore = Cmd::new(restore, &folder.0)
        .args(["--no-password", "--exit-on-error", "--no-owner", "--no-subscriptions"])
        .limit(LONG);
    let restore = restore.arg(database_argument(&to.target().database)).arg(&file);
    for_libpq(restore, to.target()).read(ui).context("copying a database that is in use")?;
    Ok(())
}

/// A dump of a database, for a copy of it on another server. Its file is ours alone.
///
/// # Errors
/// `tool-missing`, and what connecting may meet.
pub fn dump_to(ui: &Ui, tools: &[PathBuf], from: &DbUrl, file: &Path) -> Result<()> {
    let major = Db::connect(from, &super::application_name("scratch"))?.server_version().major();
    dump_at(ui, tools, major, from, file)
}

fn dump_at(ui: &Ui, tools: &[PathBuf], major: u32, from: &DbUrl, file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let dump = Cmd::new(client_tool(ui, "pg_dump", major, tools)?, folder);
    let dump = dump.args(["-Fc", "-Z0", "--no-password", "-f"]).arg(file).limit(LONG);
    for_libpq(dump, from.target()).read(ui).context("dumping a database to copy it")?;
    Ok(())
}

/// Removes what a killed run has left of the dump that it made for this scratch database, if that was on this machine.
pub(super) fn remove_dump_of(database: &str) {
    drop(Folder(folder_of(database)));
}

fn folder_of(database: &str) -> PathBuf {
    std::env::temp_dir().join(database)
}

/// A folder of our own under the system's temporary one, which goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(database: &str) -> Result<Folder> {
        let path = folder_of(database);
        std::fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
