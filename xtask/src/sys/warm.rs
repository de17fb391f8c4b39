//! A warm Python: an earlier command has left a process in which Alembic is imported already, and a command gets a child
//! that is forked from it, with the streams, the environment and the folder that it would have started Python with. The
//! other half is `warm.py` of the driver, which looks whether a fresh process would be the same.
//!
//! Where anything is not as it should be, Python is started as usual: nothing of this is ever an error.

mod ask;
mod forked;
mod parents;
mod place;
mod world;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::sys::python::is_script;
use crate::ui::Ui;

use ask::ask;

pub use forked::{Forked, Streams, fork};
pub use parents::{Parent, changed_meanwhile, end, of_project, only_cold};
pub use place::{folder, is_unused};

/// The variable that says what may be warm: `0`, `1`, or `packages`.
const VARIABLE: &str = "XTASK_WARM";
/// Variables that Python itself or a library in it reads before any code of this tool runs.
const READ_AT_START: &[&str] = &[
    "PYTHON",
    "LC_",
    "LANG",
    "TZ",
    "LD_",
    "MALLOC_",
    "GLIBC_",
    "GCONV_",
    "LOCPATH",
    "OPENSSL_",
    "SETUPTOOLS_",
    "COVERAGE_",
];

/// What of a Python may be there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Warmth {
    /// Nothing: a fresh process.
    #[default]
    Cold,
    /// Packages that every command imports: Alembic, SQLAlchemy, the database driver.
    Packages,
    /// The project's scripts and what they and env.py import, too.
    Project,
}

impl Warmth {
    /// What the command line (`--cold`), the environment and the settings (`warm = true`) say. In CI nothing is warm by
    /// itself.
    pub fn wanted(is_cold: bool, is_set: bool) -> Warmth {
        let variable = std::env::var(VARIABLE).unwrap_or_default();
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        match variable.as_str() {
            _ if is_cold || !cfg!(target_os = "linux") || parents::is_only_cold() => Warmth::Cold,
            "" if is_set && !is_ci => Warmth::Project,
            "1" => Warmth::Project,
            "packages" => Warmth::Packages,
            _ => Warmth::Cold,
        }
    }
}

/// How a Python is started.
pub struct Start<'a> {
    pub python: &'a Path,
    /// The folder of the driver, its only argument.
    pub driver: &'a Path,
    /// Where it begins.
    pub folder: &'a Path,
    /// On top of our environment.
    pub env: &'a [(String, String)],
    pub network: bool,
    /// SQLAlchemy's name of the database driver (`postgresql+asyncpg`), which is imported with the packages; empty where
    /// nobody knows it.
    pub drivername: &'a str,
    /// What decides which project it imports, and how; none where a warm one with packages will do.
    pub project: Option<Value>,
    /// A folder for the driver's own files.
    pub state_dir: &'a Path,
}

/// A Python that is to be had, and where a warm one for it listens.
pub struct Wish {
    /// What a forked child is told of how it would have been started.
    request: Value,
    packages: PathBuf,
    project: Option<PathBuf>,
    /// Of a warm process: what is fixed in it.
    about: Value,
}

impl Wish {
    /// `None` where only a fresh one will do.
    pub fn new(ui: &Ui, start: &Start<'_>) -> Option<Wish> {
        let environment = environment(start.env)?;
        // What a script in the interpreter's place decides is asked each time.
        let asked = if is_script(start.python) { Some(ask(ui, start.python, start.folder, start.env)?) } else { None };
        let (answer, environment) = asked.map_or((String::new(), environment), |asked| (asked.key, asked.environment));
        let is_early = |name: &str| READ_AT_START.iter().any(|start| name.starts_with(start));
        let early: BTreeMap<_, _> = environment.iter().filter(|(name, _)| is_early(name)).collect();
        // Relative entries of it are made absolute at the start.
        let searched = environment.contains_key("PYTHONPATH").then_some(start.folder);
        let driver = start.driver.file_name()?.to_str()?;
        let world = world::world()?;
        let key =
            json!([start.python.to_str()?, answer, driver, start.drivername, start.network, early, searched, world])
                .to_string();
        let folder = place::folder()?;
        let packages = folder.join(format!("{}.packages", digest(&key)));
        let project = start
            .project
            .as_ref()
            .map(|project| folder.join(format!("{}.project", digest(&format!("{key}{project}")))));
        // The longest path of a socket.
        (packages.as_os_str().len() < 100).then_some(())?;
        let about = json!({
            "environment": environment,
            "python": start.python.to_str()?,
            "project": start.folder.to_str()?,
            "state": start.state_dir.to_str()?,
        });
        let request = json!({
            "do": "fork",
            "python": start.python.to_str()?,
            "driver": start.driver.to_str()?,
            "folder": start.folder.to_str()?,
            "environment": environment,
            "umask": world::umask(&world),
        });
        Some(Wish { request, packages, project, about })
    }

    /// What a fresh driver needs to know to leave warm processes behind.
    pub fn to_leave(&self) -> Value {
        self.packages.parent().into_iter().for_each(place::sweep);
        json!({"packages": self.leaves(Some(&self.packages)), "project": self.leaves(self.project.as_ref())})
    }

    fn leaves(&self, socket: Option<&PathBuf>) -> Value {
        let Some(socket) = socket else { return Value::Null };
        let mut about = self.about.clone();
        about["socket"] = socket.to_string_lossy().into();
        about
    }
}

/// The environment of what we start; `None` where it is not text.
fn environment(more: &[(String, String)]) -> Option<Map<String, Value>> {
    let text = |word: OsString| word.into_string().ok();
    let mut found: Map<String, Value> =
        std::env::vars_os().map(|(name, value)| Some((text(name)?, text(value)?.into()))).collect::<Option<_>>()?;
    found.extend(more.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    Some(found)
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the process at the other end is this user's.
fn is_ours(stream: &std::os::unix::net::UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}
