//! The servers of a home seen from outside, for `db-server`: which there are, whether they run, who uses them; keeping
//! one up and stopping it. Looking takes no lock that a starting server could stumble over.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;

use super::binaries::Binaries;
use super::place::{self, Account};
use super::postmaster::{self, Files, PidFile, Worth};
use super::{Home, Lease, SUPERUSER, lock, users};
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::sys::interrupt;
use crate::ui::Ui;

/// How the folder of a throwaway server begins; the process that it was made for follows.
pub(super) const THROWAWAY: &str = "throwaway-";
/// How long a server is given to stop before the command says that it does not.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// What a URL's parts may hold as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'_').remove(b'-').remove(b'~');

/// One server of a home.
#[derive(Clone, Debug)]
pub struct State {
    /// What it was last started with.
    pub binaries: Binaries,
    /// Where its data is.
    pub data: PathBuf,
    /// How to reach it, when it is up.
    pub running: Option<Running>,
    /// The commands that use it, for example `db-migrate (process 4711)`.
    pub users: Vec<String>,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Running {
    /// The folder of its socket.
    pub socket_dir: PathBuf,
    /// Whether it is left up when nobody uses it.
    pub kept: bool,
}

/// The servers of a home, throwaway ones left out, by major version.
///
/// # Errors
/// When the home's folder cannot be made or read.
pub fn states(ui: &Ui, home: &Home) -> Result<Vec<State>> {
    let mut states: Vec<State> = all(ui, home)?.iter().filter_map(state).collect();
    states.sort_by_key(|state| state.binaries.major);
    Ok(states)
}

/// Leaves the server of a lease up when its last user is gone, until [`stop`].
///
/// # Errors
/// When the mark cannot be written.
pub fn keep(lease: &Lease) -> Result<()> {
    let path = lease.files.keep();
    fs::write(&path, "").with_context(|| format!("writing {}", path.display()))
}

/// Stops the servers of a home and gives those that ran.
///
/// # Errors
/// `already-running`, as a refusal, when a command uses one of them; then none is stopped after it.
pub fn stop(ui: &Ui, home: &Home) -> Result<Vec<State>> {
    let account = Account::of_server()?;
    let mut stopped = Vec::new();
    for files in all(ui, home)? {
        let before = state(&files);
        let _no_users = alone(&files)?;
        end(ui, &files, account)?;
        stopped.extend(before.filter(|state| state.running.is_some()));
    }
    Ok(stopped)
}

/// Removes what throwaway servers left whose process and watchdog were both killed.
pub(super) fn sweep(base: &Path, account: Account) {
    for files in folders(base, |name| name.starts_with(THROWAWAY)).unwrap_or_default() {
        let free = |path: PathBuf| lock::try_exclusive(&path).ok().flatten();
        let Some(_users) = free(files.users_lock()) else { continue };
        let Some(_watchdog) = free(files.watchdog_lock()) else { continue };
        if free(files.postmaster_lock()).is_none() {
            // Its pid file is right: the server itself still lives.
            let gone = |patience| wait_for_end(&files, patience);
            if postmaster::stop(&files, Worth::Throwaway, gone).is_err() {
                continue;
            }
        }
        let _ = postmaster::put_away(&files, account, Worth::Throwaway);
    }
}

/// The URL of a database behind a socket, as psql and other programs of libpq take it.
pub(super) fn url(socket_dir: &Path, database: &str) -> String {
    let part = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let name = part(database).replace('/', "%2F");
    format!("postgresql://{SUPERUSER}@/{name}?host={}", part(&socket_dir.to_string_lossy()))
}

impl State {
    /// The URL of a database of this server, when it is up.
    pub fn url(&self, database: &str) -> Option<String> {
        self.running.as_ref().map(|running| url(&running.socket_dir, database))
    }
}

fn all(ui: &Ui, home: &Home) -> Result<Vec<Files>> {
    persistent(&place::base(ui, &home.base, Account::of_server()?)?)
}

/// Their folders begin with the major version.
fn persistent(base: &Path) -> Result<Vec<Files>> {
    folders(base, |name| name.starts_with(|first: char| first.is_ascii_digit()))
}

fn folders(base: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Files>> {
    let entries = fs::read_dir(base).with_context(|| format!("reading {}", base.display()))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| wanted(name)).map(|name| Files { dir: base.join(name) }).collect())
}

/// What the servers that are up were started with.
pub(super) fn running(base: &Path) -> Vec<Binaries> {
    let up = |files: &Files| PidFile::read(files).is_some_and(|pid_file| pid_file.answers().is_some());
    persistent(base).unwrap_or_default().iter().filter(|files| up(files)).filter_map(about).collect()
}

/// What a server was last started with.
pub(super) fn about(files: &Files) -> Option<Binaries> {
    let value = serde_json::from_str(&fs::read_to_string(files.about()).ok()?).ok()?;
    Binaries::from_json(&value)
}

/// Writes down what a server is about to be started with.
pub(super) fn write_about(files: &Files, binaries: &Binaries) -> Result<()> {
    let (path, new) = (files.about(), files.about().with_extension("new"));
    fs::write(&new, binaries.to_json().to_string())
        .and_then(|()| fs::rename(&new, &path))
        .with_context(|| format!("writing {}", path.display()))
}

fn state(files: &Files) -> Option<State> {
    let socket_dir = PidFile::read(files).and_then(|pid_file| pid_file.answers());
    let kept = files.keep().exists();
    Some(State {
        binaries: about(files)?,
        data: files.data(),
        running: socket_dir.map(|socket_dir| Running { socket_dir, kept }),
        users: users::list(files),
    })
}

/// The proof that no command uses the server, or the refusal that names who does.
fn alone(files: &Files) -> Result<fs::File> {
    let started = Instant::now();
    loop {
        if let Some(held) = lock::try_exclusive(&files.users_lock())? {
            return Ok(held);
        }
        // No names: a watchdog holds it, about to stop the server by itself, or a command is just coming or going.
        let users = users::list(files);
        if !users.is_empty() || started.elapsed() > STOP_LIMIT {
            return Err(in_use(files, &users).into());
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn in_use(files: &Files, users: &[String]) -> Fail {
    Fail::new(Kind::AlreadyRunning, "The embedded PostgreSQL is in use")
        .details(format!("{} is used by {}", files.data().display(), users.join(", ")))
        .run("Let it end, or stop it with Ctrl-C, then", own("db-server").word("stop"))
        .related(own("db-server").word("status"))
        .refused()
}

/// Ends the server, through its watchdog if it has one. Nobody uses it, and nobody can begin to.
fn end(ui: &Ui, files: &Files, account: Account) -> Result<()> {
    let _task = ui.task("stopping PostgreSQL");
    let started = Instant::now();
    let mut asked: Option<Instant> = None;
    let _unwatched = loop {
        if let Some(held) = lock::try_exclusive(&files.watchdog_lock())? {
            break held;
        }
        // The watchdog cleans up as soon as the server is gone, so it is the server that is asked. Again after a while:
        // one that is only starting may not have heard it.
        if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            postmaster::send(files, Signal::INT);
            asked = Some(Instant::now());
        }
        anyhow::ensure!(started.elapsed() < STOP_LIMIT, "the server in {} does not stop", files.dir.display());
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(10));
    };
    if postmaster::lives(files)? {
        postmaster::stop(files, Worth::Kept, |patience| wait_for_end(files, patience))?;
    }
    postmaster::put_away(files, account, Worth::Kept)
}

fn wait_for_end(files: &Files, patience: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < patience {
        if matches!(postmaster::lives(files), Ok(false)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_can_be_pasted_whatever_the_names_hold() {
        assert_eq!(url(Path::new("/tmp/xtask-0"), "backend"), "postgresql://postgres@/backend?host=/tmp/xtask-0");
        assert_eq!(url(Path::new("/tmp/a b"), "x/y?z"), "postgresql://postgres@/x%2Fy%3Fz?host=/tmp/a%20b");
    }
}
