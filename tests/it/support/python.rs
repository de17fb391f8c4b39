//! One Python environment for all tests and test runs: Alembic and the drivers, pinned in `tests/requirements.txt`, made
//! by the same code that makes the user's. Kept under `target/`, so only the first run needs the network.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
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

/// The requirements of what reads the files that our formats make.
pub const READERS: &str = "tests/it/db_check/requirements.txt";

/// What Python's `junitparser`, as CI services' importers do, reads out of a JUnit file: each case's name with how it ended.
pub fn read_as_junit(file: &Path) -> Vec<(String, String)> {
    const ASK: &str = "import json, sys, junitparser\n\
        read = junitparser.JUnitXml.fromfile(sys.argv[1])\n\
        cases = [case for suite in read for case in suite]\n\
        assert read.tests == len(cases), (read.tests, len(cases))\n\
        assert read.failures == sum(isinstance(it, junitparser.Failure) for case in cases for it in case.result)\n\
        print(json.dumps([[case.name, ' '.join(type(it).__name__ for it in case.result)] for case in cases]))";
    #[expect(clippy::disallowed_methods)]
    let mut command = std::process::Command::new(environment(READERS));
    let done = command.args(["-c", ASK]).arg(file).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let read: Value = serde_json::from_slice(&done.stdout).unwrap();
    let cases: Vec<(String, String)> = read.as_array().unwrap().iter().map(|it| (text(&it[0]), text(&it[1]))).collect();
    assert!(!cases.is_empty());
    cases
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
