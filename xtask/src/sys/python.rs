//! Finds the Python that runs the migrations, and where it keeps its packages. The order is the contract's: `--python`,
//! `XTASK_PYTHON`, the project's `./py`, `$VIRTUAL_ENV`, `.venv`, one that another tool keeps for the project or that
//! is on `PATH`, if it has Alembic, and last an environment of our own (`managed.rs`). Where packages are is read off
//! the disk; only a script in the interpreter's place (`./py`, a pyenv shim) has to be asked.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::fail::{Fail, Kind};
use crate::model::action::{Action, Program, own, program};
use crate::sys::environments::Places;
use crate::sys::files::write_atomic;
use crate::sys::managed::{made, on_path};
use crate::sys::project::{Project, Server};
use crate::sys::run::Cmd;
use crate::ui::Ui;

pub use crate::sys::managed::{managed, managed_default};

/// How a project's `./py` learns of the managed environment that is to be used.
pub const MANAGED_VARIABLE: &str = "XTASK_MANAGED_PYTHON";

/// How long a question to a Python may take; a cold start on a slow disk takes seconds.
const ASK_LIMIT: Duration = Duration::from_secs(60);
const ASK_PATH: &str = "import json, sys; print(json.dumps([entry for entry in sys.path if entry]))";

/// An interpreter and how it was chosen.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The program: absolute, symlinks kept, since a virtual environment is known by its own path.
    pub path: PathBuf,
    /// How it was chosen.
    pub origin: Origin,
    /// The managed environment's interpreter, where one was made for it.
    pub managed: Option<PathBuf>,
}

/// How an interpreter was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--python`.
    Flag,
    /// `XTASK_PYTHON`.
    Variable,
    /// The project's `./py`.
    Project,
    /// `$VIRTUAL_ENV`.
    VirtualEnv,
    /// The project's `.venv`.
    DotVenv,
    /// One that another tool keeps for the project: see [`kept_elsewhere`].
    Elsewhere(&'static str),
    /// The first on `PATH` that has Alembic.
    Path,
    /// The environment that we made.
    Managed,
}

impl Origin {
    /// In the user's words.
    pub fn words(self) -> &'static str {
        match self {
            Origin::Flag => "--python",
            Origin::Variable => "XTASK_PYTHON",
            Origin::Project => "the project's ./py",
            Origin::VirtualEnv => "$VIRTUAL_ENV",
            Origin::DotVenv => "the project's .venv",
            Origin::Elsewhere(tool) => tool,
            Origin::Path => "PATH",
            Origin::Managed => "the managed environment",
        }
    }
}

/// What the command line, the environment and the user say about the choice.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// `--python`.
    pub flag: Option<PathBuf>,
    /// `XTASK_PYTHON`.
    pub variable: Option<PathBuf>,
    /// `VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// Where the tools that projects are kept with put their environments.
    pub places: Places,
    /// `PATH`.
    pub path: OsString,
    /// Which PostgreSQL is used; with the embedded one nothing is expected to be installed.
    pub server: Server,
    /// Whether the user agreed to an environment being made.
    pub agreed: bool,
    /// Whether only what is there already is taken, whatever the project declares.
    pub makes_nothing: bool,
}

impl Wish {
    /// What the environment says, for a server; the rest is the caller's to fill in.
    pub fn from_environment(server: Server) -> Wish {
        let path = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
        Wish {
            variable: path("XTASK_PYTHON"),
            virtual_env: path("VIRTUAL_ENV"),
            places: Places::of_process(),
            path: std::env::var_os("PATH").unwrap_or_default(),
            server,
            ..Wish::default()
        }
    }
}

/// Chooses the interpreter. It may make the managed environment, but only where the project declares requirements, the
/// server is embedded, or the user agreed.
///
/// # Errors
/// `python-missing` and `alembic-missing`, with what was looked at.
pub fn find(ui: &Ui, project: &Project, wish: &Wish) -> Result<Interpreter> {
    let plain = |path: PathBuf, origin| Interpreter { path, origin, managed: None };
    for (path, origin) in [(&wish.flag, Origin::Flag), (&wish.variable, Origin::Variable)] {
        if let Some(path) = path {
            return Ok(plain(explicit(path, origin, &wish.path)?, origin));
        }
    }
    let py = project.root.join("py");
    if is_program(&py) {
        let requirements = project.requirements.as_deref();
        let managed = match requirements {
            Some(file) if wish.makes_nothing => made(&project.state_dir, file),
            Some(file) => Some(managed(ui, &project.state_dir, file, &wish.path)?),
            None => None,
        };
        return Ok(Interpreter { path: py, origin: Origin::Project, managed });
    }
    let environments =
        [(wish.virtual_env.clone(), Origin::VirtualEnv), (Some(project.root.join(".venv")), Origin::DotVenv)];
    for (folder, origin) in environments {
        let python = folder.map(|folder| folder.join("bin/python"));
        if let Some(python) = python.filter(|python| is_program(python)) {
            return Ok(plain(python, origin));
        }
    }
    for (folder, tool) in wish.places.environments(&project.root) {
        let interpreter = plain(folder.join("bin/python"), Origin::Elsewhere(tool));
        if is_program(&interpreter.path) && has_alembic(ui, project, &interpreter) {
            return Ok(interpreter);
        }
    }
    let candidates = on_path(&["python3", "python"], &wish.path);
    for path in &candidates {
        let interpreter = plain(path.clone(), Origin::Path);
        if has_alembic(ui, project, &interpreter) {
            return Ok(interpreter);
        }
    }
    let nothing = || nothing_found(&candidates, wish.places.maker(&project.root));
    let path = match &project.requirements {
        _ if wish.makes_nothing => {
            let declared = project.requirements.clone().unwrap_or_else(|| project.state_dir.join("requirements.txt"));
            made(&project.state_dir, &declared).ok_or_else(nothing)?
        }
        Some(file) => managed(ui, &project.state_dir, file, &wish.path)?,
        None if wish.agreed || wish.server == Server::Embedded => managed_default(ui, &project.state_dir, &wish.path)?,
        None => return Err(nothing()),
    };
    Ok(Interpreter { managed: Some(path.clone()), path, origin: Origin::Managed })
}

/// How Alembic is put into an interpreter's environment: by pip where it has one, by uv where uv has made it, and into a new
/// environment where the system refuses its own.
fn install_alembic(python: &Path) -> Action {
    let folders = on_disk(python).unwrap_or_default();
    let prefix = python.parent().and_then(Path::parent);
    let is_environment = prefix.is_some_and(|prefix| prefix.join("pyvenv.cfg").is_file());
    let refused = |library: &Path| library.parent().is_some_and(|lib| lib.join("EXTERNALLY-MANAGED").is_file());
    let python = python.display().to_string();
    if !is_environment && (folders.iter().any(|folder| refused(folder)) || is_managed_by_system(&folders)) {
        return format!(
            "Make an environment and install it there: {python} -m venv .venv && .venv/bin/pip install alembic"
        )
        .into();
    }
    // uv says in the file that it has made the environment, and puts no pip there.
    let by_uv = prefix.and_then(|prefix| fs::read_to_string(prefix.join("pyvenv.cfg")).ok());
    if by_uv.is_some_and(|text| text.lines().any(|line| line.starts_with("uv ="))) {
        return Action::run("Install it", program(["uv", "pip", "install", "--python", &python, "alembic"]));
    }
    Action::run("Install it", program([python.as_str(), "-m", "pip", "install", "alembic"]))
}

/// Debian's mark lies beside the standard library, which is not among the folders of packages.
fn is_managed_by_system(folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| folder.starts_with("/usr/lib/python3"))
        && fs::read_dir("/usr/lib").into_iter().flatten().flatten().any(|entry| {
            entry.file_name().to_string_lossy().starts_with("python3")
                && entry.path().join("EXTERNALLY-MANAGED").is_file()
        })
}

impl Interpreter {
    /// A command of this interpreter in the project's root, with what its `./py` needs to know.
    pub fn cmd(&self, project: &Project) -> Cmd {
        let cmd = Cmd::new(&self.path, &project.root);
        match &self.managed {
            Some(python) => cmd.env(MANAGED_VARIABLE, python),
            None => cmd,
        }
    }

    /// Whether Python itself finds it elsewhere: a `.pth` file names the folder (an overlay of another environment), or it is
    /// an editable installation.
    fn finds_alembic(&self, ui: &Ui, project: &Project) -> bool {
        const FIND: &str = "import importlib.util, sys; sys.exit(importlib.util.find_spec('alembic') is None)";
        let cmd = self.cmd(project).args(["-c", FIND]).limit(ASK_LIMIT);
        cmd.capture(ui).is_ok_and(|done| done.status.success())
    }

    /// Fails with `alembic-missing` unless this Python has Alembic. Asked before Python is started for real.
    pub fn require_alembic(&self, ui: &Ui, project: &Project) -> Result<()> {
        let folders = site_packages(ui, project, self)?;
        if folders.iter().any(|folder| folder.join("alembic/__init__.py").is_file()) || self.finds_alembic(ui, project)
        {
            return Ok(());
        }
        Err(Fail::new(Kind::AlembicMissing, "Python has no Alembic")
            .details(format!("{} (from {}) has no package `alembic`", self.path.display(), self.origin.words()))
            .action(install_alembic(&self.path))
            .action("Or name another Python: --python=PATH")
            .related(own("doctor"))
            .into())
    }
}

/// The folders in which an interpreter finds packages: read off the disk where it is a program, asked for where it is a
/// script. The answer of a project's `./py` is kept until the script changes or a folder is gone.
pub fn site_packages(ui: &Ui, project: &Project, interpreter: &Interpreter) -> Result<Vec<PathBuf>> {
    if let Some(folders) = on_disk(&interpreter.path) {
        return Ok(folders);
    }
    // A shim's answer depends on more than the shim, so only that of ./py is kept.
    let kept = if interpreter.origin == Origin::Project { Some(cache_file(project, interpreter)?) } else { None };
    if let Some(folders) = kept.as_deref().and_then(read_cache) {
        return Ok(folders);
    }
    let folders = ask(ui, project, interpreter)?;
    if let Some(file) = kept {
        let text = serde_json::to_string(&folders).context("writing down where packages are")?;
        fs::create_dir_all(&project.state_dir).with_context(|| format!("making {}", project.state_dir.display()))?;
        write_atomic(&file, text.as_bytes())?;
    }
    Ok(folders)
}

/// The site-packages folders of a real interpreter, without starting it; `None` where that cannot be known.
fn on_disk(python: &Path) -> Option<Vec<PathBuf>> {
    // These move everything, and rarely: let Python itself say.
    if ["PYTHONHOME", "PYTHONUSERBASE"].iter().any(|key| std::env::var_os(key).is_some()) || is_script(python) {
        return None;
    }
    let prefix = python.parent()?.parent()?;
    match fs::read_to_string(prefix.join("pyvenv.cfg")) {
        Ok(text) => virtual_environment(prefix, &text),
        Err(_) => installation(python),
    }
}

fn virtual_environment(prefix: &Path, config: &str) -> Option<Vec<PathBuf>> {
    let value = |keys: [&str; 2]| {
        let mut pairs = config.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| keys.contains(&key.trim().to_lowercase().as_str())).map(|(_, value)| value.trim())
    };
    let version = value(["version", "version_info"])?;
    let mut parts = version.split('.');
    let version = format!("{}.{}", parts.next()?, parts.next()?);
    let mut folders = libraries(prefix, &version);
    if folders.is_empty() {
        return None;
    }
    if value(["include-system-site-packages", ""]).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        folders.extend(installation(&Path::new(value(["home", ""])?).join(format!("python{version}")))?);
    }
    Some(folders)
}

/// An installation is known by the real place of its program: `PREFIX/bin/pythonX.Y` beside `PREFIX/lib/pythonX.Y`.
fn installation(python: &Path) -> Option<Vec<PathBuf>> {
    let real = python.canonicalize().ok()?;
    let version = real.file_name()?.to_str()?.strip_prefix("python").filter(|version| version.contains('.'))?;
    let prefix = real.parent()?.parent()?;
    if !prefix.join(format!("lib/python{version}/os.py")).is_file() {
        return None;
    }
    let mut folders = Vec::new();
    if let Some(home) = std::env::var_os("HOME")
        && std::env::var_os("PYTHONNOUSERSITE").is_none_or(|value| value.is_empty())
    {
        folders.push(Path::new(&home).join(format!(".local/lib/python{version}/site-packages")));
    }
    folders.extend(libraries(prefix, version));
    if prefix == Path::new("/usr") {
        // Debian keeps its own packages apart from those that pip installs.
        folders.push(PathBuf::from(format!("/usr/local/lib/python{version}/dist-packages")));
        folders.push(PathBuf::from("/usr/lib/python3/dist-packages"));
    }
    folders.retain(|folder| folder.is_dir());
    Some(folders)
}

/// `lib64` is Fedora's place for compiled packages; in a virtual environment it is a link to `lib`.
fn libraries(prefix: &Path, version: &str) -> Vec<PathBuf> {
    let folders = ["lib", "lib64"].map(|lib| prefix.join(lib));
    let real = folders.into_iter().filter(|folder| !folder.is_symlink());
    real.map(|lib| lib.join(format!("python{version}/site-packages"))).filter(|folder| folder.is_dir()).collect()
}

fn ask(ui: &Ui, project: &Project, interpreter: &Interpreter) -> Result<Vec<PathBuf>> {
    let cmd = interpreter.cmd(project).args(["-c", ASK_PATH]).limit(ASK_LIMIT);
    let done = cmd.capture(ui)?;
    let answer = done.stdout.lines().last().unwrap_or_default();
    match serde_json::from_str::<Vec<PathBuf>>(answer) {
        Ok(folders) if done.status.success() => {
            // What ./py adds to the search path is often relative to the project.
            let folders = folders.into_iter().map(|folder| project.root.join(folder));
            Ok(folders.filter(|folder| folder.is_dir()).collect())
        }
        _ => Err(Fail::new(Kind::PythonMissing, "Python does not start")
            .details(format!("{} (from {}) ended with {}", cmd.line(), interpreter.origin.words(), done.status))
            .details(done.last_lines())
            .run("Run it to see why", program([interpreter.path.display().to_string()]).word("--version"))
            .action("Or name another Python: --python=PATH")
            .related(own("doctor"))
            .into()),
    }
}

fn cache_file(project: &Project, interpreter: &Interpreter) -> Result<PathBuf> {
    let reading = || format!("reading {}", interpreter.path.display());
    let metadata = fs::metadata(&interpreter.path).with_context(reading)?;
    let time = (metadata.mtime(), metadata.mtime_nsec(), metadata.size());
    let key = format!("{:?} {time:?} {:?}", interpreter.path, interpreter.managed);
    let digest = Sha256::digest(key.as_bytes());
    let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(project.state_dir.join(format!("packages-{name}.json")))
}

fn read_cache(file: &Path) -> Option<Vec<PathBuf>> {
    let folders: Vec<PathBuf> = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    folders.iter().all(|folder| folder.is_dir()).then_some(folders)
}

fn has_alembic(ui: &Ui, project: &Project, interpreter: &Interpreter) -> bool {
    // A shim on PATH that leads nowhere is no candidate, and no failure either.
    site_packages(ui, project, interpreter)
        .is_ok_and(|folders| folders.iter().any(|folder| folder.join("alembic/__init__.py").is_file()))
}

fn explicit(path: &Path, origin: Origin, search: &OsStr) -> Result<PathBuf> {
    let found = if path.components().count() > 1 {
        std::path::absolute(path).ok().filter(|path| is_program(path))
    } else {
        which::which_in(path, Some(search), "/").ok()
    };
    found.ok_or_else(|| {
        Fail::new(Kind::PythonMissing, format!("No Python at {}", path.display()))
            .details(format!("{} from {} is no program that can be run", path.display(), origin.words()))
            .action("Name an interpreter that exists: --python=PATH")
            .action("Or leave it out, and one is looked for")
            .related(own("doctor"))
            .into()
    })
}

fn nothing_found(candidates: &[PathBuf], maker: Option<Program>) -> anyhow::Error {
    let looked = "Looked for XTASK_PYTHON, ./py, $VIRTUAL_ENV, .venv (the project's and the workspace's), what pants, pixi, \
                  conda, uv, poetry and hatch keep, and python3 and python on PATH";
    let made = |fail: Fail| match &maker {
        Some(maker) => fail.run("Make the project's environment, which has it if the project needs it", maker.clone()),
        None => fail,
    };
    let fail = match candidates {
        [] => made(Fail::new(Kind::PythonMissing, "No Python found").details(looked)),
        [first, ..] => {
            let names: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
            let fail = Fail::new(Kind::AlembicMissing, "No Python with Alembic found")
                .details(looked)
                .details(format!("Without Alembic: {}", names.join(", ")));
            // What a tool keeps is no place for pip.
            if maker.is_some() { made(fail) } else { fail.action(install_alembic(first)) }
        }
    };
    fail.action("Name an interpreter: --python=PATH")
        .action("Or let an environment be made under target/: run the same command with --yes")
        .related(own("doctor"))
        .into()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Whether it is a script that starts an interpreter, and decides which.
pub fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}
