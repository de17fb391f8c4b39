//! The real Backend.AI from PyPI, in a virtual environment made once for all test runs, and folders in the shape of a
//! checkout of it whose databases are on the test cluster. It needs CPython 3.13.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use xtask::sys::python::managed;
use xtask::sys::run::Cmd;

use super::pg::{cluster, whole};
use super::python::{quiet, workspace};
use super::xtask::Folder;

/// The components' configs and where their scripts are, in the order in which the product lists them.
const COMPONENTS: [(&str, &str); 3] = [
    ("alembic.ini", "ai.backend.manager.models:alembic"),
    ("alembic-accountmgr.ini", "ai.backend.account_manager.models:alembic"),
    ("alembic-appproxy.ini", "ai.backend.appproxy.coordinator.models:alembic"),
];

/// What every env.py there hands to `fileConfig`, so it must be in the config.
const LOGGING: &str = "
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
";

/// Prints where the interpreter really is: what stands on PATH may be a shim, of a version that is not there.
const PROBE: &str =
    "import sys, ensurepip, venv; print(sys.executable) if sys.version_info[:2] == (3, 13) else sys.exit(1)";

/// A folder like the root of a Backend.AI checkout: the three configs, `./backend.ai`, and a Python that has it all.
pub struct Checkout {
    folder: Folder,
}

impl Checkout {
    /// A checkout whose components have these databases: manager, accountmgr, appproxy.
    pub fn new(databases: [&str; 3]) -> Checkout {
        let environment = environment();
        let checkout = Checkout { folder: Folder::new() };
        super::xtask::as_backend_ai(checkout.root());
        symlink(environment, checkout.root().join(".venv")).unwrap();
        let cli = checkout.root().join("backend.ai");
        std::fs::write(&cli, "#!/bin/sh\nexec \"$(dirname \"$0\")/.venv/bin/backend.ai\" \"$@\"\n").unwrap();
        std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).unwrap();
        for ((config, package), database) in COMPONENTS.iter().zip(databases) {
            let url = cluster().url("asyncpg", database);
            let main = format!("[alembic]\nscript_location = {package}\nsqlalchemy.url = {url}\n");
            std::fs::write(checkout.root().join(config), main + LOGGING).unwrap();
        }
        checkout
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// What this Python answers to a program, run in the checkout.
    pub fn ask(&self, program: &str, stdin: &Value) -> Value {
        let python = Cmd::new(self.root().join(".venv/bin/python"), self.root());
        let answer = python.args(["-c", program]).stdin(stdin.to_string()).read(&quiet()).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

/// The names of the components' configs, in the order of `Checkout::new`.
pub fn configs() -> [&'static str; 3] {
    COMPONENTS.map(|(config, _)| config)
}

/// A manager's database as `backend.ai mgr schema oneshot` makes it, at the head: made once per test run, then cloned.
pub fn manager_database() -> String {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let name = cluster().shared_clone_of("template1");
        let checkout = Checkout::new([&name, "none", "none"]);
        let command = Cmd::new(checkout.root().join("backend.ai"), checkout.root());
        command.args(["mgr", "schema", "oneshot", "-f", "alembic.ini"]).read(&quiet()).unwrap();
        name
    });
    cluster().clone_of(template)
}

/// The folder of the virtual environment, made by the same code that makes the user's, under its lock.
fn environment() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let base = python313().expect("is_possible() has looked");
        let state = workspace().join("target/xtask-test/backendai");
        let search = only(&base, &state);
        let python = managed(&quiet(), &state, &workspace().join("tests/backendai.txt"), &search)
            .unwrap_or_else(|error| panic!("Backend.AI could not be installed from PyPI: {}", whole(&error)));
        python.parent().unwrap().parent().unwrap().to_owned()
    })
}

/// A `PATH` on which there is this Python and no other, so that no newer one is taken.
pub fn only(python: &Path, state: &Path) -> OsString {
    let folder = state.join("base");
    std::fs::create_dir_all(&folder).unwrap();
    let link = folder.join("python3.13");
    if std::fs::read_link(&link).ok().as_deref() != Some(python) {
        let new = folder.join(format!("new.{}", std::process::id()));
        symlink(python, &new).unwrap();
        std::fs::rename(&new, &link).unwrap();
    }
    folder.into_os_string()
}

/// Whether these tests can run here.
pub fn is_possible() -> bool {
    let found = python313().is_some();
    if !found {
        // CI is what everybody relies on.
        assert!(std::env::var_os("CI").is_none_or(|it| it.is_empty()), "CI has no CPython 3.13, and runs these tests");
        super::not_run(
            "the real Backend.AI needs CPython 3.13, which is not on PATH, nor pyenv's or uv's: uv python install 3.13",
        );
    }
    found
}

/// The first CPython 3.13 that can make virtual environments: on `PATH`, pyenv's, uv's.
pub fn python313() -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let on_path = which::which_in_all("python3.13", Some(search), "/").into_iter().flatten();
    let folder = |key: &str, below: &str| std::env::var_os(key).map(|home| Path::new(&home).join(below));
    let homes = [
        folder("PYENV_ROOT", "versions"),
        folder("HOME", ".pyenv/versions"),
        folder("UV_PYTHON_INSTALL_DIR", ""),
        folder("HOME", ".local/share/uv/python"),
    ];
    let versions = homes.into_iter().flatten().filter_map(|home| std::fs::read_dir(home).ok()).flatten().flatten();
    let installed = versions.map(|entry| entry.path().join("bin/python3.13")).filter(|path| path.is_file());
    on_path.chain(installed).find_map(|path| {
        let done = Cmd::new(&path, "/").args(["-c", PROBE]).capture(&quiet()).ok()?;
        done.status.success().then(|| PathBuf::from(done.stdout.trim()))
    })
}
