//! Takes backups: `pg_dump -Fc` into `.xtask/backups/` of the project, readable by the owner alone. A backup counts
//! only after it was read again: `prove.rs` compares it with the database that it was taken of, in the same snapshot. A
//! file with a backup's name is whole and has its record (`record.rs`) beside it; what a killed run was writing is
//! swept (`shelf.rs`).

pub mod archive;
pub mod copied;
mod prove;
pub mod record;
pub mod restore;
pub mod shelf;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};

use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, own};
use crate::model::contents::Contents;
use crate::model::url::DbUrl;
use crate::sys::clock::utc_stamp;
use crate::sys::journal::crash_point;
use crate::sys::pg::rows::{Memory, with_role};
use crate::sys::pg::{Db, Identity, Tool, application_name, client_tool, client_tools, for_wrapper};
use crate::sys::run::Cmd;
use crate::sys::{files, fingerprint};
use crate::ui::Ui;
use record::{Proof, Record};
use shelf::Part;

/// The folder, relative to the project's root.
pub const FOLDER: &str = ".xtask/backups";
/// A dump takes what it takes; Ctrl-C ends it.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What is to be backed up, and what the file is called after.
#[derive(Clone)]
pub struct Request<'a> {
    /// Where `.xtask/` is.
    pub project_root: &'a Path,
    /// `manager`, `appproxy`, …
    pub component: &'a str,
    /// The database, on the one server that is meant.
    pub url: DbUrl,
    /// What that server has said that it is; another one that answers at the address is refused.
    pub expected: Option<Identity>,
    /// The revisions that the database is at.
    pub revision: &'a [String],
    /// The commit that is checked out.
    pub commit: Option<String>,
    /// More folders to look for `pg_dump` in.
    pub tools: &'a [PathBuf],
    /// Whether it is restored for the proof; else it is only read.
    pub verify: bool,
    /// How long a lock is waited for.
    pub lock_wait: Duration,
    /// What the command at hand can do where none can be taken, as an action for a person.
    pub instead: Action,
}

/// A backup that was taken and read.
pub struct Backup {
    /// Where it lies.
    pub path: PathBuf,
    /// What lies beside it.
    pub record: Record,
    /// The programs that were asked first and made none, each with the reason.
    pub passed_over: Vec<String>,
    memory: Memory,
    url: DbUrl,
    lock_wait: Duration,
}

impl Backup {
    /// The database that it was taken of, on its one server.
    pub fn url(&self) -> &DbUrl {
        &self.url
    }

    /// What the database holds now and the backup does not, or the other way round; a line each, none where it still is
    /// what was backed up.
    ///
    /// # Errors
    /// What connecting and reading may meet.
    pub fn written_since(&mut self) -> Result<Vec<String>> {
        let mut db = Db::connect(&self.url, &application_name("backup"))?;
        let now = db.contents(&mut self.memory, self.lock_wait.as_millis())?;
        let found = self.record.contents.differences(&now);
        Ok(found.data.into_iter().chain(found.schema).collect())
    }
}

/// Takes a backup and reads it: `<component>-<UTC time>-<revision>.dump`.
///
/// # Errors
/// `backup-failed` with the reason; `interrupted`. Nothing is left behind in either case.
pub fn take(ui: &Ui, request: &Request<'_>) -> Result<Backup> {
    with_any_tool(ui, request).map_err(|error| {
        let cause = from_anyhow(&error);
        if cause.kind == Kind::Interrupted { error } else { failed(request, &cause).into() }
    })
}

/// Removes what killed runs were writing in a project; the names.
pub fn sweep(project_root: &Path) -> Vec<String> {
    shelf::sweep(&shelf::folder(project_root))
}

/// A program that does not do what it should (a wrapper round another machine's, a broken one) makes way for the next.
fn with_any_tool(ui: &Ui, request: &Request<'_>) -> Result<Backup> {
    let folder = files::own_folder(request.project_root, FOLDER)?;
    shelf::sweep(&folder);
    let mut db = Db::connect(&request.url, &application_name("backup"))?;
    let identity = identity(&mut db, request)?;
    let server = db.server_version().number;
    let mut refused = Vec::new();
    for tool in client_tools(ui, "pg_dump", server / 10_000, request.tools)? {
        let attempt = Attempt { ui, request, tool: &tool, identity: &identity };
        match attempt.run(&mut db) {
            Ok(backup) => return Ok(Backup { passed_over: refused, ..backup }),
            Err(error) => {
                let fail = from_anyhow(&error);
                let other_may_do = matches!(fail.kind, Kind::Internal | Kind::ToolMissing | Kind::BackupFailed);
                if !other_may_do {
                    return Err(locked_out(&mut db, fail).into());
                }
                let details = fail.details.trim();
                let reason = if details.is_empty() { fail.summary } else { format!("{}\n{details}", fail.summary) };
                refused.push(format!("{}: {reason}", tool.path.display()));
            }
        }
    }
    Err(Fail::new(Kind::BackupFailed, refused.join("\n")).into())
}

/// The server that is to be migrated, and no standby of it.
fn identity(db: &mut Db, request: &Request<'_>) -> Result<Identity> {
    let found = db.identity()?;
    if let Some(expected) = &request.expected {
        let same = (&found.system, &found.database, found.oid) == (&expected.system, &expected.database, expected.oid);
        ensure!(same, "another server answers at {} now than the one that is to be migrated", db.endpoint());
    }
    ensure!(!found.in_recovery, "{} is a standby: what it holds may be old", db.endpoint());
    Ok(found)
}

/// Who holds the lock that was not to be had.
fn locked_out(db: &mut Db, fail: Fail) -> Fail {
    if fail.kind != Kind::LockTimeout {
        return fail;
    }
    db.exclusive_holders().unwrap_or_default().into_iter().fold(fail, Fail::details)
}

/// What is written beside a backup, whose file is on the disk.
fn record(
    request: &Request<'_>,
    db: &Db,
    part: &Part,
    (time, identity): (String, Identity),
    (proof, differs): (Proof, Vec<String>),
    contents: Contents,
) -> Result<Record> {
    Ok(Record {
        component: request.component.to_owned(),
        time,
        revision: request.revision.to_vec(),
        commit: request.commit.clone(),
        server: db.endpoint().to_string(),
        server_version: db.server_version().number,
        identity,
        bytes: std::fs::metadata(&part.path)?.len(),
        digest: fingerprint::digest_of_contents(&part.path)?,
        proof,
        differs,
        contents,
    })
}

/// One program's try.
struct Attempt<'a> {
    ui: &'a Ui,
    request: &'a Request<'a>,
    tool: &'a Tool,
    identity: &'a Identity,
}

impl Attempt<'_> {
    fn run(&self, db: &mut Db) -> Result<Backup> {
        let request = self.request;
        let time = utc_stamp(SystemTime::now());
        let path = file_name(request, &time);
        let part = Part::create(&path)?;
        let mut memory = Memory::default();
        crash_point();
        let contents = self.dump(db, &part, &mut memory)?;
        crash_point();
        let bytes = part.sync()?;
        ensure!(bytes > 0, "it says that it is done, and the file is empty");
        let restore = restore_tool(self.ui, self.tool, self.request.tools)?;
        let (proof, differs) = prove::prove(self.ui, request, &restore, &part.path, self.identity, &contents)?;
        crash_point();
        let record = record(request, db, &part, (time, self.identity.clone()), (proof, differs), contents)?;
        part.finish(&path, &record)?;
        let (url, lock_wait) = (request.url.clone(), request.lock_wait);
        Ok(Backup { path, record, passed_over: Vec::new(), memory, url, lock_wait })
    }

    /// Dumps while the same snapshot is counted and digested.
    fn dump(&self, db: &mut Db, part: &Part, memory: &mut Memory) -> Result<Contents> {
        let mut frozen = db.freeze(self.request.lock_wait.as_millis())?;
        let snapshot = frozen.snapshot().to_owned();
        std::thread::scope(|scope| {
            let dump = scope.spawn(|| self.run_pg_dump(&snapshot, part));
            let contents = frozen.contents(memory);
            let dumped = dump.join().map_err(|_| anyhow::anyhow!("the thread that waits for pg_dump panicked"))?;
            let contents = contents.map_err(|error| with_role(error, &self.request.url))?;
            dumped.map(|()| contents)
        })
    }

    fn run_pg_dump(&self, snapshot: &str, part: &Part) -> Result<()> {
        // The fastest that this program has; one that was built without a method says so before it connects.
        let newer: &[&str] = if self.tool.major >= 16 { &["--compress=zstd:1", "--compress=lz4"] } else { &[] };
        for compress in newer.iter().chain(&["-Z1"]) {
            let cmd = Cmd::new(&self.tool.path, "/").args(["-Fc", "--no-password", compress]).limit(LIMIT);
            let cmd = cmd
                .arg(format!("--lock-wait-timeout={}", self.request.lock_wait.as_millis()))
                .arg(format!("--snapshot={snapshot}"));
            let cmd = for_wrapper(cmd.ends_with_us(), self.request.url.target()).env("LC_ALL", "C").writes(&part.path);
            let done = cmd.capture(self.ui)?;
            let said = done.last_lines();
            if done.status.success() {
                return Ok(());
            }
            if said.contains("lock timeout") {
                return Err(Fail::new(Kind::LockTimeout, "A lock was not to be had in time").details(said).into());
            }
            if !said.contains("compress") {
                bail!("`{}` ended with {}\n{said}", cmd.line(), done.status);
            }
        }
        bail!("it supports no compression")
    }
}

/// That a backup's file still is the one that was proven.
///
/// # Errors
/// `backup-failed` where it was changed since; when it cannot be read.
pub fn check_digest(path: &Path, record: &Record) -> Result<()> {
    if fingerprint::digest_of_contents(path)? == record.digest {
        return Ok(());
    }
    Err(Fail::new(Kind::BackupFailed, "The backup is not the file that was proven")
        .details(format!("{} was changed since: its digest is not {}", path.display(), record.digest))
        .run("Take another one", own("db-backup").word("--list"))
        .related(own("db-backup").word("--list"))
        .into())
}

/// A `pg_restore` that can read a backup.
///
/// # Errors
/// `backup-failed`, with what each of them says.
pub fn reader(ui: &Ui, tools: &[PathBuf], path: &Path) -> Result<PathBuf> {
    let mut said = Vec::new();
    for tool in client_tools(ui, "pg_restore", 0, tools)? {
        match archive::toc(ui, &tool.path, path) {
            Ok(_) => return Ok(tool.path),
            Err(error) => said.push(format!("{}: {error:#}", tool.path.display())),
        }
    }
    let fail = Fail::new(Kind::BackupFailed, "The backup cannot be read").details(path.display().to_string());
    let others = own("db-backup").word("--list");
    Err(fail.details(said.join("\n")).run("See which others there are", others).related(own("doctor")).into())
}

fn file_name(request: &Request<'_>, time: &str) -> PathBuf {
    let revision = if request.revision.is_empty() { "base".to_owned() } else { request.revision.join("+") };
    let name = format!("{}-{time}-{}", files::plain(request.component), files::plain(&revision));
    let folder = request.project_root.join(FOLDER);
    // Two within a second: a run that was killed, and the one that goes on with it.
    let numbered = (2..100).map(|number| folder.join(format!("{name}-{number}.dump")));
    let mut free = std::iter::once(folder.join(format!("{name}.dump"))).chain(numbered).filter(|path| !path.exists());
    free.next().unwrap_or_else(|| folder.join(format!("{name}.dump")))
}

/// Puts a backup back into its database: what it holds is dropped and made anew, in one transaction. What the backup
/// does not know stays, so the database should have the schema of then.
///
/// # Errors
/// `backup-failed` with PostgreSQL's reason; the database is then as before.
pub fn put_back(ui: &Ui, url: &DbUrl, major: u32, tools: &[PathBuf], path: &Path) -> Result<()> {
    let tool = client_tool(ui, "pg_restore", major, tools)?;
    let cmd = prove::into(&tool, url, &["--clean", "--if-exists", "--single-transaction"]).reads(path);
    cmd.read(ui).map(drop).map_err(|error| {
        let cause = from_anyhow(&error);
        if cause.kind == Kind::Interrupted {
            return error;
        }
        let fail = Fail::new(Kind::BackupFailed, "The backup could not be put back");
        fail.details(path.display().to_string()).details(&cause.summary).details(&cause.details).into()
    })
}

/// Whether there is no `pg_dump` that is new enough for a server, or no `pg_restore` to read what it writes.
pub fn lacks_a_program(ui: &Ui, server_version: u32, tools: &[PathBuf]) -> bool {
    let dumps = client_tools(ui, "pg_dump", server_version / 10_000, tools);
    !dumps.is_ok_and(|mut dumps| dumps.any(|dump| restore_tool(ui, &dump, tools).is_ok()))
}

/// The `pg_restore` that lies beside a `pg_dump` reads what it writes; else one that is as new.
fn restore_tool(ui: &Ui, dump: &Tool, tools: &[PathBuf]) -> Result<PathBuf> {
    let beside = dump.path.with_file_name("pg_restore");
    if beside.is_file() { Ok(beside) } else { client_tool(ui, "pg_restore", dump.major, tools) }
}

fn failed(request: &Request<'_>, cause: &Fail) -> Fail {
    let database = &request.url.target().database;
    let fail = Fail::new(Kind::BackupFailed, "No backup could be taken")
        .details(format!("{} (database {database}): {}", request.component, cause.summary))
        .details(&cause.details);
    let helpful = cause.actions.iter().filter(|_| cause.kind != Kind::Internal);
    let fail = helpful.fold(fail, |fail, action| fail.action(action));
    fail.action(&request.instead).related(own("doctor"))
}

impl Proof {
    /// In a few words.
    pub fn words(&self) -> String {
        match self {
            Proof::Restored => "restored into a scratch database and compared".to_owned(),
            Proof::Copied(database) => {
                format!("no file: the server has copied the database to {database}, which was compared")
            }
            Proof::Read(why) => format!("every row in it was read and counted, but it was not restored: {why}"),
        }
    }
}
