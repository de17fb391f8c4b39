//! The Python that tests use: a virtual environment under `target/`, made once for all test runs, under a lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const REQUIREMENTS: &[&str] =
    &["alembic==1.13.3", "SQLAlchemy==2.0.*", "asyncpg", "psycopg[binary]", "psycopg2-binary", "pg8000"];

/// The interpreter, with Alembic and the four database drivers.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(make)
}

#[expect(clippy::disallowed_methods)]
fn make() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/xtask-test");
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    let lock = File::create(folder.join("python.lock")).unwrap();
    lock.lock().unwrap();
    let venv = folder.join("driver-venv");
    let python = venv.join("bin/python");
    if !venv.join("ready").exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().unwrap();
        assert!(made.success(), "python3 -m venv failed: install python3-venv");
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"];
        let installed = Command::new(&python).args(pip).args(REQUIREMENTS).status().unwrap();
        assert!(installed.success(), "pip could not install {REQUIREMENTS:?}");
        std::fs::write(venv.join("ready"), "").unwrap();
    }
    python
}
