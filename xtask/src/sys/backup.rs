//! Backups: `pg_dump -Fc` into `.xtask/backups/` of the project, for nobody's eyes but the owner's. A file there is
//! whole: it is written under another name first, and what is left of a failed or interrupted one is removed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::own;
use crate::model::url::DbUrl;
use crate::sys::clock::utc_stamp;
use crate::sys::files;
use crate::sys::pg::{ServerVersion, client_tool, complete, for_libpq};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// The folder, relative to the project's root.
pub const FOLDER: &str = ".xtask/backups";
/// A dump takes what it takes; Ctrl-C ends it.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What is to be backed up, and what the file is called after.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Where `.xtask/` is.
    pub project_root: &'a Path,
    /// `manager`, `appproxy`, …
    pub component: &'a str,
    /// The database.
    pub url: &'a DbUrl,
    /// Of the server, so that `pg_dump` is not too old for it.
    pub server: &'a ServerVersion,
    /// The revision that the database is at; several are joined by the caller, none is `base`.
    pub revision: &'a str,
    /// More folders to look for `pg_dump` in.
    pub tools: &'a [PathBuf],
    /// What the command at hand can do where none can be taken, as an action for a person.
    pub instead: &'a str,
}

/// Takes a backup and gives its path: `<component>-<UTC time>-<revision>.dump`.
///
/// # Errors
/// `backup-failed` with the reason; `interrupted`. Nothing is left behind in either case.
pub fn take(ui: &Ui, request: &Request<'_>) -> Result<PathBuf> {
    let path = file_name(request);
    write(ui, request, &path).map_err(|error| {
        let cause = from_anyhow(&error);
        if cause.kind == Kind::Interrupted { error } else { failed(request, &cause).into() }
    })?;
    Ok(path)
}

/// Puts a backup back into its database: what it holds is dropped and made anew, in one transaction. What the backup
/// does not know stays, so the database should have the schema of then.
///
/// # Errors
/// `backup-failed` with PostgreSQL's reason; the database is then as before.
pub fn put_back(ui: &Ui, url: &DbUrl, server: &ServerVersion, tools: &[PathBuf], path: &Path) -> Result<()> {
    let url = complete(url)?;
    let tool = client_tool(ui, "pg_restore", server.major(), tools)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let cmd = Cmd::new(tool, folder).args(["--clean", "--if-exists", "--single-transaction", "--no-password"]);
    let cmd = cmd.arg(format!("--dbname={}", url.target().database)).arg(path).limit(LIMIT);
    for_libpq(cmd, url.target()).read(ui).map(drop).map_err(|error| {
        let cause = from_anyhow(&error);
        if cause.kind == Kind::Interrupted {
            return error;
        }
        let fail = Fail::new(Kind::BackupFailed, "The backup could not be put back");
        fail.details(path.display().to_string()).details(&cause.summary).details(&cause.details).into()
    })
}

fn file_name(request: &Request<'_>) -> PathBuf {
    let time = utc_stamp(SystemTime::now());
    let name = format!("{}-{time}-{}", files::plain(request.component), files::plain(request.revision));
    let folder = request.project_root.join(FOLDER);
    // Two within a second: a run that was killed, and the one that goes on with it.
    let numbered = (2..100).map(|number| folder.join(format!("{name}-{number}.dump")));
    let mut free = std::iter::once(folder.join(format!("{name}.dump"))).chain(numbered).filter(|path| !path.exists());
    free.next().unwrap_or_else(|| folder.join(format!("{name}.dump")))
}

fn write(ui: &Ui, request: &Request<'_>, path: &Path) -> Result<()> {
    let folder = files::own_folder(request.project_root, FOLDER)?;
    let url = complete(request.url)?;
    let tool = client_tool(ui, "pg_dump", request.server.major(), request.tools)?;
    let half = Half::create(path)?;
    let cmd = Cmd::new(tool, &folder).args(["-Fc", "--no-password", "-f"]).arg(&half.path).limit(LIMIT);
    for_libpq(cmd, url.target()).read(ui)?;
    // The file must be on the disk before the database is changed for good.
    File::open(&half.path).and_then(|file| file.sync_all()).context("writing the backup to the disk")?;
    half.finish(path)
}

/// The file while it is being written; removed unless it is finished.
struct Half {
    path: PathBuf,
}

impl Half {
    /// Made by us with its mode, before pg_dump writes the first byte into it.
    fn create(path: &Path) -> Result<Half> {
        let half = path.with_extension(format!("dump.part-{}", std::process::id()));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half);
        made.with_context(|| format!("making {}", half.display()))?;
        Ok(Half { path: half })
    }

    fn finish(self, path: &Path) -> Result<()> {
        // Not over an older backup: a link is refused where a rename would replace.
        std::fs::hard_link(&self.path, path).with_context(|| format!("naming the backup {}", path.display()))
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn failed(request: &Request<'_>, cause: &Fail) -> Fail {
    let database = &request.url.target().database;
    let fail = Fail::new(Kind::BackupFailed, "No backup could be taken")
        .details(format!("{} (database {database}): {}", request.component, cause.summary))
        .details(&cause.details);
    let helpful = cause.actions.iter().filter(|_| cause.kind != Kind::Internal);
    let fail = helpful.fold(fail, |fail, action| fail.action(action));
    fail.action(request.instead).related(own("doctor"))
}
