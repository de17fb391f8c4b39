//! The Python environment that this tool makes: a venv in the state folder with pinned requirements, made once, under a
//! lock, and found again by a digest of the requirements without starting anything. A killed run leaves one without a
//! marker; the next run makes it anew.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::sys::files::write_atomic;
use crate::sys::interrupt;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// What is installed where a project names no requirements.
const DEFAULT_REQUIREMENTS: &str = include_str!("requirements.txt");
/// Written last, so that an environment without it is not whole.
const MARKER: &str = "complete";
/// Newest first; what the pinned packages have wheels for.
const NAMES: [&str; 6] = ["python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"];
/// The oldest Python that is good enough.
const OLDEST: (u32, u32) = (3, 11);
/// Prints the version first, so that a Python without venv can be told from none at all.
const PROBE: &str = "import sys; print('%d.%d' % sys.version_info[:2], flush=True); import ensurepip, venv";
/// What would lead Python or pip elsewhere than into the environment.
const MISLEADING: [&str; 7] =
    ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"];

/// The interpreter of the environment with the requirements of a file. If it is not there, it is made from the newest
/// Python on `search`, a `PATH`.
///
/// # Errors
/// `python-missing` where there is no Python to make it from, `alembic-missing` where pip fails, `config-invalid` where
/// the requirements cannot be read.
pub fn managed(ui: &Ui, state_dir: &Path, requirements: &Path, search: &OsStr) -> Result<PathBuf> {
    let digest = digest(requirements)?;
    if let Some(python) = complete(state_dir, &digest) {
        return Ok(python);
    }
    fs::create_dir_all(state_dir).with_context(|| format!("making {}", state_dir.display()))?;
    let _lock = lock(ui, state_dir)?;
    // Another process may have made it while we waited.
    if let Some(python) = complete(state_dir, &digest) {
        return Ok(python);
    }
    let base = base(ui, state_dir, search)?;
    let folder = state_dir.join(format!("python-{digest}-{}.{}", base.version.0, base.version.1));
    make(ui, &base, &folder, requirements).inspect_err(|_| {
        let _ = fs::remove_dir_all(&folder);
    })?;
    link(state_dir, &folder)?;
    Ok(folder.join("bin/python"))
}

/// The interpreter of the environment with the requirements of a file, if it was made already.
pub fn made(state_dir: &Path, requirements: &Path) -> Option<PathBuf> {
    complete(state_dir, &digest(requirements).ok()?)
}

/// The interpreter of the environment with our own choice of packages: Alembic and the PostgreSQL drivers.
pub fn managed_default(ui: &Ui, state_dir: &Path, search: &OsStr) -> Result<PathBuf> {
    let file = state_dir.join("requirements.txt");
    if fs::read_to_string(&file).ok().as_deref() != Some(DEFAULT_REQUIREMENTS) {
        fs::create_dir_all(state_dir).with_context(|| format!("making {}", state_dir.display()))?;
        write_atomic(&file, DEFAULT_REQUIREMENTS.as_bytes())?;
    }
    managed(ui, state_dir, &file, search)
}

/// A whole environment for these requirements. Its link to the base interpreter may dangle when that was removed.
fn complete(state_dir: &Path, digest: &str) -> Option<PathBuf> {
    let prefix = format!("python-{digest}-");
    let entries = fs::read_dir(state_dir).ok()?.flatten();
    let folders = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let whole = folders.map(|entry| entry.path()).filter(|folder| folder.join(MARKER).is_file());
    whole.map(|folder| folder.join("bin/python")).filter(|python| python.is_file()).max()
}

/// A digest of a requirements file and of those it includes.
fn digest(requirements: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut files = vec![requirements.to_owned()];
    let mut at = 0;
    while let Some(file) = files.get(at).cloned() {
        let text = fs::read_to_string(&file).map_err(|error| no_requirements(&file, &error))?;
        for line in text.lines() {
            let included = ["-r", "-c", "--requirement", "--constraint"].iter().find_map(|flag| {
                line.trim().strip_prefix(flag).filter(|rest| rest.starts_with([' ', '\t', '='])).map(|rest| &rest[1..])
            });
            let included = included.map(|name| file.with_file_name(name.trim()));
            files.extend(included.filter(|name| !files.contains(name)).into_iter().collect::<Vec<_>>());
        }
        hash.update(text.as_bytes());
        at += 1;
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

fn no_requirements(file: &Path, error: &std::io::Error) -> Fail {
    Fail::new(Kind::ConfigInvalid, "Cannot read the Python requirements")
        .details(format!("{}: {error}", file.display()))
        .at(file, None)
        .action("Correct `requirements` under [workspace.metadata.db] in Cargo.toml")
        .related(own("doctor"))
}

/// Held until dropped. Waits in small steps so that Ctrl-C is heard.
fn lock(ui: &Ui, state_dir: &Path) -> Result<File> {
    let path = state_dir.join("python.lock");
    let file = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
    let mut waiting = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting.get_or_insert_with(|| ui.task("Waiting for another xtask to make the Python environment"));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The Python that an environment is made from.
struct Base {
    path: PathBuf,
    version: (u32, u32),
}

/// The newest Python on `PATH` that is new enough and can make environments.
fn base(ui: &Ui, cwd: &Path, search: &OsStr) -> Result<Base> {
    let mut without_venv = None;
    let mut seen = Vec::new();
    for path in on_path(&NAMES, search) {
        // One program in two folders, such as /bin and /usr/bin; by name, too, since a shim goes by the name it has.
        let identity = (path.canonicalize().unwrap_or_else(|_| path.clone()), path.file_name().map(OsStr::to_owned));
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let probe = clean(Cmd::new(&path, cwd)).args(["-c", PROBE]).limit(Duration::from_secs(30));
        let Ok(done) = probe.capture(ui) else {
            interrupt::check()?;
            continue;
        };
        let Some(version) = version(&done.stdout).filter(|version| *version >= OLDEST) else { continue };
        if done.status.success() {
            return Ok(Base { path, version });
        }
        without_venv.get_or_insert((path, version));
    }
    Err(no_base(without_venv))
}

/// All programs of these names on a `PATH`, the names in order.
pub(super) fn on_path(names: &[&str], search: &OsStr) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names {
        found.extend(which::which_in_all(name, Some(search), "/").into_iter().flatten());
    }
    found
}

fn no_base(without_venv: Option<(PathBuf, (u32, u32))>) -> anyhow::Error {
    let fail = match without_venv {
        Some((path, (major, minor))) => Fail::new(Kind::PythonMissing, "Python cannot make virtual environments")
            .details(format!("{} ({major}.{minor}) lacks the modules venv and ensurepip", path.display()))
            .run("On Debian and Ubuntu", program(["apt-get", "install", "python3-venv"])),
        None => {
            let (major, minor) = OLDEST;
            Fail::new(Kind::PythonMissing, format!("No Python {major}.{minor} or newer on PATH"))
                .details(format!("Looked for {}", NAMES.join(", ")))
                .run("On Debian and Ubuntu", program(["apt-get", "install", "python3", "python3-venv"]))
                .run("On macOS", program(["brew", "install", "python"]))
        }
    };
    fail.action("Or name a Python that has Alembic: --python=PATH").related(own("doctor")).into()
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.lines().next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn make(ui: &Ui, base: &Base, folder: &Path, requirements: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing the unfinished {}", folder.display()))?;
    }
    let (major, minor) = base.version;
    let task = ui.task(format!("Making a Python {major}.{minor} environment (once)"));
    let parent = folder.parent().unwrap_or(folder);
    let venv = clean(Cmd::new(&base.path, parent)).args(["-m", "venv"]).arg(folder);
    let done = venv.capture(ui)?;
    if !done.status.success() {
        let said = if done.stderr.trim().is_empty() { done.stdout.as_str() } else { done.stderr.as_str() };
        return Err(Fail::new(Kind::PythonMissing, "Cannot make a virtual environment")
            .details(crate::sys::run::last_lines(said))
            .run("On Debian and Ubuntu", program(["apt-get", "install", "python3-venv"]))
            .run("Run it to see why", program([base.path.display().to_string()]).words(["-m", "venv"]).word(folder))
            .related(own("doctor"))
            .into());
    }
    task.message("Installing Alembic and the PostgreSQL drivers (once)");
    install(ui, folder, requirements)?;
    write_atomic(&folder.join(MARKER), b"")
}

fn install(ui: &Ui, folder: &Path, requirements: &Path) -> Result<()> {
    let pip = clean(Cmd::new(folder.join("bin/python"), folder))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--prefer-binary"])
        .arg("--requirement")
        .arg(std::path::absolute(requirements).with_context(|| format!("resolving {}", requirements.display()))?)
        .limit(Duration::from_secs(30 * 60));
    let done = pip.capture(ui)?;
    if done.status.success() {
        return Ok(());
    }
    Err(Fail::new(Kind::AlembicMissing, "Cannot install Alembic into the managed environment")
        .details(format!("pip with {} ended with {}", requirements.display(), done.status))
        .details(done.last_lines())
        .action("Check the network (pip heeds HTTPS_PROXY and PIP_INDEX_URL), then run the same command again")
        .action("Or name a Python that has Alembic: --python=PATH")
        .related(own("doctor"))
        .into())
}

fn clean(cmd: Cmd) -> Cmd {
    MISLEADING.iter().fold(cmd, |cmd, key| cmd.env_remove(key))
}

/// `STATE/python` leads to the environment that was made last, for a person who looks for it.
fn link(state_dir: &Path, folder: &Path) -> Result<()> {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let temporary = state_dir.join(format!("python.{}.tmp", std::process::id()));
    let _ = fs::remove_file(&temporary);
    std::os::unix::fs::symlink(name, &temporary)
        .and_then(|()| fs::rename(&temporary, state_dir.join("python")))
        .with_context(|| format!("linking {} to {}", state_dir.join("python").display(), folder.display()))
}
