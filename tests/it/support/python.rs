<<<<<<< HEAD
//! One Python environment for all tests and test runs: Alembic and the drivers, pinned in `tests/requirements.txt`, made
//! by the same code that makes the user's. Kept under `target/`, so only the first run needs the network.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use xtask::sys::python::managed;
use xtask::ui::{Options, Ui};

/// The interpreter of the test environment.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let requirements = workspace().join("tests/requirements.txt");
        let search = std::env::var_os("PATH").unwrap_or_default();
        managed(&quiet(), &workspace().join("target/xtask-test"), &requirements, &search).unwrap_or_else(|error| {
            let fail = xtask::fail::from_anyhow(&error);
            panic!("the tests need a Python 3.11 or newer, and the network once: {}\n{}", fail.summary, fail.details)
        })
    })
}

/// The folder of the workspace, without symlinks.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap()
}

/// A `Ui` that says nothing.
pub fn quiet() -> Ui {
    Ui::new(Options { quiet: true, ..Options::default() })
=======
//! A Python with a pinned alembic, for the tests that ask the original. Made once under `target/`, under a file lock, so
//! any number of test threads and processes may ask at the same time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use xtask::sys::run::Cmd;
use xtask::ui::{Options, Ui};

const REQUIREMENTS: [&str; 2] = ["alembic==1.13.3", "SQLAlchemy==2.0.*"];

/// The interpreter: `XTASK_TEST_PYTHON`, or one of our own.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| match std::env::var_os("XTASK_TEST_PYTHON") {
        Some(python) => python.into(),
        None => make(),
    })
}

fn make() -> PathBuf {
    let base = which::which("python3").expect("the tests need python3 (3.11 or newer) on PATH");
    let digest = Sha256::digest(format!("{} {REQUIREMENTS:?}", base.display()));
    let digest: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../xtask-test");
    fs::create_dir_all(&root).unwrap();
    let root = root.canonicalize().unwrap();
    let lock = File::create(root.join(format!("{digest}.lock"))).unwrap();
    lock.lock().unwrap();
    let (venv, python) = (root.join(&digest), root.join(&digest).join("bin/python"));
    let ready = venv.join("ready");
    if !ready.exists() {
        // What a killed run left half done is not to be trusted.
        let _ = fs::remove_dir_all(&venv);
        let ui = Ui::new(Options::default());
        Cmd::new(&base, &root).args(["-m", "venv"]).arg(&venv).read(&ui).unwrap();
        let pip = Cmd::new(&python, &root).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.args(REQUIREMENTS).read(&ui).unwrap();
        File::create(ready).unwrap();
    }
    python
>>>>>>> graph
}
