//! One Python environment for all tests: SQLAlchemy and the drivers, pinned, made once under a file lock.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use xtask::ui::{Options, Ui};

/// The interpreter of the test environment.
#[expect(clippy::disallowed_methods)]
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = workspace().join("target/xtask-test");
        std::fs::create_dir_all(&home).unwrap();
        let lock = std::fs::File::create(home.join("lock")).unwrap();
        lock.lock().unwrap();
        let venv = home.join("venv");
        if !home.join("ready").exists() {
            assert!(Command::new("python3").args(["-m", "venv"]).arg(&venv).status().unwrap().success());
            let mut pip = Command::new(venv.join("bin/pip"));
            pip.args(["--quiet", "install", "-r"]).arg(workspace().join("tests/requirements.txt"));
            assert!(pip.status().unwrap().success(), "the tests need the network once, for Python packages");
            std::fs::write(home.join("ready"), "").unwrap();
        }
        venv.join("bin/python")
    })
}

/// The folder of the workspace, without symlinks.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap()
}

/// A `Ui` that says nothing.
pub fn quiet() -> Ui {
    Ui::new(Options { quiet: true, ..Options::default() })
}
