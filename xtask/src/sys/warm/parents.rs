//! Lists the warm processes, and looks whether those that this run has used are still valid.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{forked, is_ours, place};

/// How long one may take to say how it is.
const LIMIT: Duration = Duration::from_secs(5);

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

/// What has changed of the files that a Python of this tool was forked with, since it was; `None` where nothing has, or where a
/// parent is gone since its time was over.
pub fn changed_meanwhile() -> Option<String> {
    forked::used().iter().find_map(|(socket, parent, until)| match ask(socket, "state") {
        Some(state) if state["pid"] == *parent => state["changed"].as_str().map(str::to_owned),
        // Another command has found it out of date; perhaps another one listens there now.
        _ => (Instant::now() < *until).then(|| "a file or variable".to_owned()),
    })
}

/// From now on each Python is a fresh one.
pub fn only_cold() {
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
