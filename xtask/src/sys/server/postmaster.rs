//! One server process: its command line, its pid file, its signals. Whether any of its processes lives is asked from
//! `postmaster.lock`, which they all inherit as standard input, and so is which one to signal (`process.rs`); the pid file
//! only says that it is ready.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::place::{self, Account, PORT};
use super::process;
use super::{SUPERUSER, lock, memory};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// How long each way of asking a server to stop may take before the next, harder one.
const PATIENCE: [Duration; 3] = [Duration::from_secs(20), Duration::from_secs(10), Duration::from_secs(10)];
/// How often a server that is to stop is told so.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What the data is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// A developer's data: it outlives the command, though not a crash of the machine.
    Kept,
    /// Gone with the server.
    Throwaway,
}

/// The files of one server, in its folder.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) dir: PathBuf,
}

impl Files {
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
    /// Held, shared, by every command that uses the server.
    pub(super) fn users_lock(&self) -> PathBuf {
        self.dir.join("users.lock")
    }
    /// Held by the one process that watches the server, or that is about to start it.
    pub(super) fn watchdog_lock(&self) -> PathBuf {
        self.dir.join("watchdog.lock")
    }
    /// Held by the server's own processes.
    pub(super) fn postmaster_lock(&self) -> PathBuf {
        self.dir.join("postmaster.lock")
    }
    /// There when `db-server start` asked for the running server to be left up.
    pub(super) fn keep(&self) -> PathBuf {
        self.dir.join("keep")
    }
    /// A file per command that uses the server: who it is.
    pub(super) fn users(&self) -> PathBuf {
        self.dir.join("users")
    }
    pub(super) fn about(&self) -> PathBuf {
        self.dir.join("about.json")
    }
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }
    pub(super) fn watchdog_log(&self) -> PathBuf {
        self.dir.join("watchdog.log")
    }
    fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }
}

/// What `postmaster.pid` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: i32,
    pub(super) socket_dir: Option<PathBuf>,
    pub(super) ready: bool,
}

impl PidFile {
    pub(super) fn read(files: &Files) -> Option<PidFile> {
        PidFile::parse(&fs::read_to_string(files.pid_file()).ok()?)
    }

    /// Line 1 is the pid, line 5 the first socket folder, line 8 the state; the later ones appear as the start goes on.
    fn parse(text: &str) -> Option<PidFile> {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let pid = lines.first()?.parse().ok().filter(|pid| *pid > 0)?;
        let socket_dir = lines.get(4).filter(|line| !line.is_empty()).map(PathBuf::from);
        Some(PidFile { pid, socket_dir, ready: lines.get(7).is_some_and(|line| *line == "ready") })
    }

    /// The socket's folder if the server says that it is ready and somebody does listen there.
    pub(super) fn answers(&self) -> Option<PathBuf> {
        let dir = self.socket_dir.as_ref().filter(|_| self.ready)?;
        UnixStream::connect(place::socket_file(dir)).ok().map(|_| dir.clone())
    }
}

/// Starts the server in a fresh socket folder; `held` is `postmaster.lock`, which the server inherits.
///
/// # Errors
/// When a server that is not ours already works on the data, or the process cannot be started.
pub(super) fn start(ui: &Ui, files: &Files, bin: &Path, account: Account, worth: Worth, held: File) -> Result<Child> {
    if let Some(foreign) = PidFile::read(files).filter(|pid_file| pid_file.answers().is_some()) {
        anyhow::bail!("process {}, which xtask did not start, serves {}", foreign.pid, files.data().display());
    }
    // Nobody holds the lock, so what the pid file names is gone; left there it stops the server if its number is in
    // use again. What a former server was told to do does not bind this one.
    for stale in [files.pid_file(), files.keep()] {
        remove(&stale)?;
    }
    let socket_dir = place::make_socket_dir(&files.dir, account)?;
    let _ = fs::rename(files.log(), files.log().with_extension("log.old"));
    let log = log_file(&files.log())?;
    // Without it the server is slower, and no worse; a throwaway one may lie in memory as a whole.
    if worth == Worth::Kept
        && let Err(error) = memory::prepare(&files.dir, account)
    {
        ui.warn(format!("No throwaway databases in memory: {error:#}"));
    }
    command(files, bin, &socket_dir, worth).user(account.to_become()).spawn(
        ui,
        Stdio::from(held),
        Stdio::from(log.try_clone().context("sharing the server's log")?),
        Stdio::from(log),
    )
}

fn command(files: &Files, bin: &Path, socket_dir: &Path, worth: Worth) -> Cmd {
    // This server is for migrations, so it need not survive a power cut, and does not wait for the disk. It does
    // survive being killed: the system has what was committed, and the next start recovers it.
    let mut options = vec![
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", socket_dir.display()),
        "unix_socket_permissions=0700".to_owned(),
        "fsync=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "wal_level=minimal".to_owned(),
        "max_wal_senders=0".to_owned(),
        "max_connections=200".to_owned(),
        // A dump, or one transaction that alters every table, takes a lock on each.
        "max_locks_per_transaction=256".to_owned(),
        // What a migration does must not hang on where the developer sits.
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        // Compiling queries on the catalog costs more than running them.
        "jit=off".to_owned(),
    ];
    if worth == Worth::Throwaway {
        options.extend(["autovacuum=off".to_owned(), "synchronous_commit=off".to_owned()]);
    }
    let mut cmd =
        Cmd::new(bin.join("postgres"), &files.dir).arg("-D").arg(files.data()).args(["-p", &PORT.to_string()]);
    for option in options {
        cmd = cmd.arg("-c").arg(option);
    }
    for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS", "PGTZ"] {
        cmd = cmd.env_remove(name);
    }
    cmd.env("LC_ALL", "C")
}

/// Whether any process of the server lives. Asks by taking the lock: only for who holds `watchdog.lock`.
pub(super) fn lives(files: &Files) -> Result<bool> {
    Ok(lock::try_exclusive(&files.postmaster_lock())?.is_none())
}

/// Asks the server to stop, harder each time; `gone` waits for its end up to a time and says whether it came.
pub(super) fn stop(files: &Files, worth: Worth, mut gone: impl FnMut(Duration) -> bool) -> Result<()> {
    // Fast: roll back and write everything. Immediate: leave it to the recovery of the next start. Then by force.
    let all = [Signal::INT, Signal::QUIT, Signal::KILL];
    let skip = usize::from(worth == Worth::Throwaway);
    for (signal, patience) in all.into_iter().zip(PATIENCE).skip(skip) {
        let asked = Instant::now();
        while asked.elapsed() < patience {
            // Again and again: what is only starting may miss one. Repeated, it means nothing more.
            send(files, signal);
            if gone(ASK_AGAIN) {
                return Ok(());
            }
        }
    }
    anyhow::bail!("the server in {} does not stop", files.dir.display())
}

/// Signals the server, and nobody else.
pub(super) fn send(files: &Files, signal: Signal) {
    process::signal(&files.postmaster_lock(), &files.pid_file(), signal);
}

/// Removes what a server that has ended leaves behind. The data stays, unless it is throwaway.
pub(super) fn put_away(files: &Files, account: Account, worth: Worth) -> Result<()> {
    place::remove_socket_dirs(&files.dir, account);
    remove(&files.keep())?;
    remove(&files.pid_file())?;
    memory::put_away(&files.dir);
    if worth == Worth::Throwaway {
        fs::remove_dir_all(&files.dir).with_context(|| format!("removing {}", files.dir.display()))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A log begun anew.
pub(super) fn log_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))
}

/// The options of `initdb` that every data folder is made with.
pub(super) fn initdb_options() -> [&'static str; 9] {
    ["--no-sync", "--wal-segsize=1", "-A", "trust", "-E", "UTF8", "--locale=C", "-U", SUPERUSER]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_read_at_each_stage_of_a_start() {
        let whole = "11820\n/x/data\n1795367335\n5432\n/tmp/xtask-0\n\n 10027095         9\nready   \n";
        let ready = PidFile { pid: 11820, socket_dir: Some("/tmp/xtask-0".into()), ready: true };
        assert_eq!(PidFile::parse(whole), Some(ready));
        let starting = PidFile::parse(&whole.replace("ready   ", "starting")).unwrap();
        assert!(!starting.ready);
        let early = PidFile::parse("11820\n/x/data\n1795367335\n5432\n").unwrap();
        assert_eq!((early.socket_dir, early.ready), (None, false));
    }

    #[test]
    fn a_torn_or_foreign_pid_file_is_none() {
        for text in ["", "\n", "abc\n", "-1\n", "0\n"] {
            assert_eq!(PidFile::parse(text), None, "{text:?}");
        }
    }
}
