//! The data folder. `initdb` takes a second, a copy of what it made a tenth, so it runs once per version and the result
//! is kept as a template. Both come into being under another name and are renamed when whole: what a killed run leaves
//! half made is never taken for a data folder.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::binaries::Binaries;
use super::lock;
use super::place::{Account, digest};
use super::postmaster::{Files, initdb_options};
use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::sys::interrupt;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// Makes the server's data folder unless it is there. Call it with `watchdog.lock` held.
///
/// # Errors
/// `config-invalid` when the folder holds data of another major version.
pub(super) fn prepare(ui: &Ui, base: &Path, files: &Files, binaries: &Binaries, account: Account) -> Result<()> {
    let data = files.data();
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(major) if major.trim() == binaries.major.to_string() => return Ok(()),
        Ok(major) => return Err(other_major(&data, major.trim(), binaries).into()),
        // No data folder, or none of PostgreSQL's making.
        Err(_) => remove(&data)?,
    }
    let template = template(ui, base, binaries, account)?;
    let new = files.dir.join("data.new");
    remove(&new)?;
    // Half a copy on a full disk would only be in the way.
    copy_dir(&template, &new, account).inspect_err(|_| drop(remove(&new)))?;
    fs::rename(&new, &data).with_context(|| format!("putting {} in its place", data.display()))
}

fn other_major(data: &Path, major: &str, binaries: &Binaries) -> Fail {
    Fail::new(Kind::ConfigInvalid, "The data belongs to another version of PostgreSQL")
        .details(format!("{} was made by PostgreSQL {major}; found is {}", data.display(), binaries.version))
        .action(format!("Take that version: let XTASK_PG_BIN name the folder of the programs of PostgreSQL {major}"))
        .run("Or give the data up", program(["rm", "-rf"]).word(data))
        .related(own("db-server").word("status"))
}

/// The initialised folder that data folders are copied from.
fn template(ui: &Ui, base: &Path, binaries: &Binaries, account: Account) -> Result<PathBuf> {
    let options = initdb_options().join(" ");
    let owner = account.uid.to_string();
    let name = digest(&[binaries.version.as_bytes(), binaries.origin.as_bytes(), options.as_bytes(), owner.as_bytes()]);
    let template = base.join(format!("template-{}-{name}", binaries.major));
    if template.is_dir() {
        return Ok(template);
    }
    let _lock = lock::exclusive(&base.join("template.lock"))?;
    // Another command may have made it while we waited.
    if !template.is_dir() {
        let _task = ui.task(format!("initialising a PostgreSQL {} data folder", binaries.version));
        let new = base.join("template.new");
        remove(&new)?;
        initdb(ui, binaries, &new, account).inspect_err(|_| drop(remove(&new)))?;
        fs::rename(&new, &template).with_context(|| format!("putting {} in its place", template.display()))?;
    }
    Ok(template)
}

fn initdb(ui: &Ui, binaries: &Binaries, dir: &Path, account: Account) -> Result<()> {
    make_private(dir)?;
    account.give(dir)?;
    let cmd = Cmd::new(binaries.bin.join("initdb"), "/").args(initdb_options()).arg("-D").arg(dir);
    let done = cmd.user(account.to_become()).env("LC_ALL", "C").capture(ui)?;
    if done.status.success() {
        return Ok(());
    }
    // initdb says the cause on stderr and the place it happened in on stdout.
    Err(Fail::new(Kind::ToolMissing, "PostgreSQL cannot make a data folder")
        .details(format!("{}/initdb ({}) ended with {}", binaries.bin.display(), binaries.version, done.status))
        .details(done.last_lines())
        .run("Look for free space", program(["df", "-h"]).word(dir.parent().unwrap_or(dir)))
        .action("Or take another PostgreSQL: let XTASK_PG_BIN name the folder of its programs")
        .related(own("db-server").word("status"))
        .into())
}

/// Copies a folder of PostgreSQL's: folders and plain files, private, for the server's account.
fn copy_dir(from: &Path, to: &Path, account: Account) -> Result<()> {
    interrupt::check()?;
    make_private(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry.with_context(|| format!("reading {}", from.display()))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().with_context(|| format!("looking at {}", source.display()))?.is_dir() {
            copy_dir(&source, &target, account)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("copying to {}", target.display()))?;
            account.give(&target)?;
        }
    }
    account.give(to)
}

fn make_private(dir: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(dir).with_context(|| format!("making {}", dir.display()))
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}
