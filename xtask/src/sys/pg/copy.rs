//! Copies a database by `pg_dump` and `pg_restore`, where the server itself refuses to: somebody is connected, or the
//! database belongs to somebody else.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, test_kill_process};

use super::surroundings::application_name;
use super::{Db, catalog, client_tool, for_wrapper, ident};
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::own;
use crate::model::catalog::{Change, What, diff as catalog_diff};
use crate::model::url::DbUrl;
use crate::sys::files;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// Long enough for any database that somebody would clone.
const LONG: Duration = Duration::from_secs(24 * 3600);
/// How many differences are named.
const NAMED: usize = 3;

/// Makes the slow copy, which disturbs nobody. The dump is in a private folder meanwhile.
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
    let restore = for_wrapper(restore.ends_with_us(), to.target()).reads(&file);
    restore.read(ui).map_err(|error| cannot_copy(&error, from))?;
    Ok(())
}

/// Rights are what a dump lacks that a copy by the server would not have needed.
fn cannot_copy(error: &anyhow::Error, from: &DbUrl) -> anyhow::Error {
    if from_anyhow(error).kind == Kind::Interrupted {
        return from_anyhow(error).into();
    }
    let text = format!("{error:#}");
    let (kind, summary) = if text.contains("row-level security") {
        (Kind::PermissionDenied, "Row security keeps this user from copying the database")
    } else if text.contains("permission denied") {
        (Kind::PermissionDenied, "This user may not copy the whole database")
    } else {
        (Kind::SqlError, "The database cannot be copied by pg_dump and pg_restore")
    };
    let said = text.lines().find(|line| line.contains("error: ")).unwrap_or(&text);
    let fail = Fail::new(kind, summary).details(format!("{}: {}", from.target().database, said.trim()));
    let fail = match kind {
        Kind::PermissionDenied => fail.action(format!(
            "Let {} read everything, as a superuser in SQL: ALTER ROLE {} BYPASSRLS; GRANT pg_read_all_data TO {}",
            from.target().user,
            ident(&from.target().user),
            ident(&from.target().user)
        )),
        _ => fail,
    };
    fail.action("Or work on an own server, on a database made from empty: repeat the command with --server=embedded")
        .related(own("db-status"))
        .into()
}

/// What the copy has otherwise than the original, in words; not to whom things belong and what others may do with them.
/// A dump leaves out what has broken (an INVALID index) and makes extensions in their newest version.
pub(super) fn unlike(original: &DbUrl, copy: &DbUrl) -> Result<Option<String>> {
    let take = |url: &DbUrl| {
        let mut db = Db::connect(url, &application_name("scratch"))?;
        catalog::take(db.client(), &catalog::Options::default())
    };
    let is_of_roles = |name: &str| ["owner", "privileges"].contains(&name);
    let counts = |change: &Change| {
        change.what != What::Changed || change.attributes().iter().any(|attribute| !is_of_roles(&attribute.name))
    };
    let changes: Vec<Change> = catalog_diff(&take(original)?, &take(copy)?).into_iter().filter(counts).collect();
    let word = |change: &Change| match change.what {
        What::Removed => format!("{} is missing", change.object),
        What::Added => format!("{} is new", change.object),
        What::Changed => format!("{} is another one", change.object),
    };
    let mut words: Vec<String> = changes.iter().take(NAMED).map(word).collect();
    if changes.len() > NAMED {
        words.push(format!("{} more differ", changes.len() - NAMED));
    }
    Ok((!words.is_empty()).then(|| format!("in it {}", words.join(", "))))
}

/// Removes the dumps of a component (`NAME-PROCESS.dump`) that killed runs have left in a folder.
pub fn sweep_dumps(folder: &Path, component: &str) {
    for path in files::entries(folder) {
        let process = path.file_name().and_then(|name| {
            let name = name.to_str()?.strip_prefix(component)?.strip_prefix('-')?.strip_suffix(".dump")?;
            Pid::from_raw(name.parse().ok()?)
        });
        if process.is_some_and(|process| test_kill_process(process) == Err(rustix::io::Errno::SRCH)) {
            files::remove(&path);
        }
    }
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
    // It is there before pg_dump writes it, so that nobody else may read it.
    files::write_private(file, b"")?;
    let dump = Cmd::new(client_tool(ui, "pg_dump", major, tools)?, folder);
    let dump = dump.args(["-Fc", "-Z0", "--no-password"]).limit(LONG);
    let dump = for_wrapper(dump.ends_with_us(), from.target()).writes(file);
    dump.read(ui).map_err(|error| cannot_copy(&error, from))?;
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
