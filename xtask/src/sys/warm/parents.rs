//! The warm processes that are there, and what has become of those that this run has used.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{forked, is_ours, place};

/// How long one may take to say how it is.
const LIMIT: Duration = Duration::from_secs(5);

/// The sockets of those that have given us a child.
static USED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
/// Whether from now on each Python is to be a fresh one.
static ONLY_COLD: AtomicBool = AtomicBool::new(false);

/// A warm process that has imported a project.
#[derive(Debug)]
pub struct Parent {
    pub pid: i64,
    /// Since when.
    pub seconds: f64,
    /// How many files and folders it is looked at by.
    pub looks: u64,
    /// One of them that has changed since.
    pub changed: Option<String>,
    socket: PathBuf,
}

/// Those of the project in this folder.
pub fn of_project(root: &Path) -> Vec<Parent> {
    let entries = place::folder().into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let sockets =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "project"));
    let parent = |socket: PathBuf| {
        let state = ask(&socket, "state")?;
        (state["project"].as_str()? == root.to_str()?).then_some(())?;
        Some(Parent {
            pid: state["pid"].as_i64()?,
            seconds: state["seconds"].as_f64()?,
            looks: state["looks"].as_u64()?,
            changed: state["changed"].as_str().map(str::to_owned),
            socket,
        })
    };
    sockets.filter_map(parent).collect()
}

/// Ends those of the project in this folder; how many there were.
pub fn end(root: &Path) -> usize {
    of_project(root).iter().filter_map(|parent| ask(&parent.socket, "end")).count()
}

/// From now on it has given us a child.
pub(super) fn used(socket: &Path) {
    USED.lock().unwrap_or_else(PoisonError::into_inner).push(socket.to_owned());
}

/// What has changed of the files that a Python of ours was forked with, since it was; `None` where nothing has.
pub fn changed_meanwhile() -> Option<String> {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    used.iter().find_map(|socket| match ask(socket, "state") {
        Some(state) => state["changed"].as_str().map(str::to_owned),
        // It has ended: another command has found it out of date, or its time was over.
        None => Some("something".to_owned()),
    })
}

/// From now on each Python is a fresh one.
pub fn only_cold() {
    USED.lock().unwrap_or_else(PoisonError::into_inner).clear();
    ONLY_COLD.store(true, Ordering::Relaxed);
}

pub(super) fn is_only_cold() -> bool {
    ONLY_COLD.load(Ordering::Relaxed)
}

fn ask(socket: &Path, what: &str) -> Option<Value> {
    use std::io::Write;
    let mut connection = UnixStream::connect(socket).ok().filter(is_ours)?;
    connection.set_read_timeout(Some(LIMIT)).ok()?;
    connection.write_all(format!("{}\n", json!({"do": what})).as_bytes()).ok()?;
    forked::line(&mut connection)
}
