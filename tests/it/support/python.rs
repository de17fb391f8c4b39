//! One Python environment for all tests and test runs: Alembic and the drivers, pinned in `tests/requirements.txt`, made
//! by the same code that makes the user's. Kept under `target/`, so only the first run needs the network.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use xtask::sys::python::managed;
use xtask::ui::{Options, Ui};

/// The interpreter of the test environment.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| environment("tests/requirements.txt"))
}

/// The interpreter of an environment with what this file of the workspace requires.
pub fn environment(requirements: &str) -> PathBuf {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let (state, requirements) = (workspace().join("target/xtask-test"), workspace().join(requirements));
    managed(&quiet(), &state, &requirements, &search).unwrap_or_else(|error| {
        let fail = xtask::fail::from_anyhow(&error);
        panic!("the tests need a Python 3.11 or newer, and the network once: {}\n{}", fail.summary, fail.details)
    })
}

/// One line for the person who runs the tests; `eprintln!` would be swallowed by the harness.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The folder of the workspace, without symlinks.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap()
}

/// A `Ui` that says nothing.
pub fn quiet() -> Ui {
    Ui::new(Options { quiet: true, ..Options::default() })
}
