//! Configs, projects and interpreters, against the real thing: Python's `configparser`, Alembic's `ScriptDirectory`,
//! Python's own `sys.path`. Real folders, real Pythons, nothing imitated.

mod alembic;
mod database;
mod environments;
mod files;
mod ini;
mod projects;
mod several;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use xtask::fail::{Fail, Kind};
use xtask::sys::run::Cmd;

use crate::support::pasted::actions;
use crate::support::python::{python, quiet};

/// A folder of its own that goes when the test is over. Without symlinks in its path.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = crate::support::temporary().join(format!("xtc-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path.canonicalize().unwrap())
    }

    /// Writes a file and the folders above it.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a shell script that can be run.
    fn program(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn link(&self, name: &str, target: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }
}

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs Python code that reads JSON and prints JSON.
fn ask(python: &Path, cwd: &Path, code: &str, question: &Value) -> Value {
    let cmd = Cmd::new(python, cwd).args(["-c", code]).stdin(question.to_string()).env("PYTHONUTF8", "1");
    let done = cmd.capture(&quiet()).unwrap();
    assert!(done.status.success(), "{}\n{}", cmd.line(), done.stderr);
    serde_json::from_str(done.stdout.lines().last().unwrap()).unwrap()
}

/// A Python at hand: `sys.version_info` as `3.11`, and the program.
type AtHand = (String, PathBuf);

/// Every Python 3.11 or newer on `PATH` that starts, by version, and the test environment's.
fn pythons() -> &'static BTreeSet<AtHand> {
    static PYTHONS: OnceLock<BTreeSet<AtHand>> = OnceLock::new();
    PYTHONS.get_or_init(|| {
        let names = ["python3", "python3.11", "python3.12", "python3.13", "python3.14"];
        let found = names.iter().flat_map(|name| which::which_all(name).into_iter().flatten());
        found.chain([python().to_owned()]).filter_map(version).collect()
    })
}

/// The version and the program itself; `None` for what does not start (a shim of another version) or is too old.
fn version(path: PathBuf) -> Option<AtHand> {
    let code = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable, sys.version_info >= (3, 11))";
    let done = Cmd::new(path, "/").args(["-c", code]).capture(&quiet()).ok()?;
    match done.stdout.trim().split(' ').collect::<Vec<_>>()[..] {
        [version, program, "True"] => Some((version.to_owned(), program.into())),
        _ => None,
    }
}

/// One Python of each version.
fn one_per_version() -> impl Iterator<Item = &'static Path> {
    let mut last = "";
    pythons().iter().filter_map(move |(version, path)| {
        let new = version != last;
        last = version;
        new.then_some(path.as_path())
    })
}

/// The failure of a result that must not have succeeded, checked to be of a kind and to name things.
fn failure<T>(result: anyhow::Result<T>, kind: Kind, names: &[&str]) -> Fail {
    let error = result.err().expect("this must fail");
    let fail = xtask::fail::from_anyhow(&error);
    assert_eq!(fail.kind, kind, "{error:?}");
    let all = format!("{}\n{}\n{}", fail.summary, fail.details, actions(&fail).join("\n"));
    for name in names {
        assert!(all.contains(name), "no {name:?} in\n{all}");
    }
    assert!(!actions(&fail).is_empty(), "no action in\n{all}");
    fail
}
