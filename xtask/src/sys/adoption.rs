//! The copy of this crate in somebody's checkout: which files it has, what is there now, and the record beside it
//! (`xtask/init.json`). The record shows whether a file belongs to an older copy or was edited by somebody.
//!
//! The files are read from the folder in which this program was built, which `cargo install --git` keeps in cargo's
//! home. They are not part of the binary: it would be some megabytes bigger, for a command that a checkout needs once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::model::adopt::{Conflict, MEMBER, MEMBERS, Shared, manifest_of_copy};
use crate::sys::files::{entries, read, read_text, write_atomic};
use crate::sys::git::Repo;
use crate::ui::Ui;

const RECORD: &str = "xtask/init.json";
/// What the crates are made of.
const FOLDERS: [&str; 3] = ["src", "rules", "launcher/src"];
const MANIFESTS: [&str; 2] = ["Cargo.toml", "launcher/Cargo.toml"];
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
const README: &str = "# xtask\n\n\
     `xtask help` says what it does. This folder is a copy: `init` of the tool's own repository has put it here,\n\
     brings it up to date (`init --into DIR`, run there), and takes it out again (`init --undo`, run here). Edits make the\n\
     copy one of your own, which `init` does not touch any more.\n";

/// Files by their path from the checkout's root.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What `init` has put into a checkout, written there and committed with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Of the tool that did it.
    pub version: String,
    /// The digest of each file, by its path from the checkout's root.
    pub files: BTreeMap<String, String>,
    /// The checkout's own files that have something of this tool.
    pub shared: Vec<Shared>,
    /// The texts of those that taking our lines out again would not lead back to (`members = []`), by path.
    pub before: BTreeMap<String, String>,
}

/// The folder that this program was built from.
pub fn source() -> Result<&'static Path> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    if folder.join("Cargo.toml").is_file() && folder.join("src/main.rs").is_file() {
        return Ok(folder);
    }
    Err(Fail::new(Kind::ToolMissing, "The source that this program was built from is not there any more")
        .details(format!("A copy is made of {}", folder.display()))
        .run("Get the source, and run this command from it", program(["git", "clone", "URL"]))
        .related(own("init").word("--dry-run").plain())
        .refused()
        .into())
}

/// What a copy in `root` is to consist of.
///
/// # Errors
/// Where the source is not there, or cannot be read.
pub fn wanted(ui: &Ui, root: &Path) -> Result<Files> {
    let source = source()?;
    let mut files = Files::new();
    for folder in FOLDERS {
        collect(source, Path::new(folder), &mut files)?;
    }
    for name in LICENCES.iter().filter(|name| source.join(name).is_file()) {
        files.insert(inside(Path::new(name)), read(&source.join(name))?);
    }
    for path in MANIFESTS {
        let manifest = manifest_of_copy(&read_text(&source.join(path))?);
        let manifest = manifest.map_err(|conflict| anyhow::anyhow!("the tool's own {path}: {}", conflict.why))?;
        files.insert(inside(Path::new(path)), manifest.into_bytes());
    }
    files.insert(inside(Path::new("README.md")), README.into());
    keep_others_out(root, &mut files);
    keep_git_from_ignoring(ui, root, &mut files)?;
    if let Some(lock) = lock_file(root, source) {
        files.insert("Cargo.lock".to_owned(), lock);
    }
    Ok(files)
}

/// A path of the crate as a path of the checkout.
fn inside(path: &Path) -> String {
    format!("{MEMBER}/{}", path.display())
}

fn collect(source: &Path, folder: &Path, files: &mut Files) -> Result<()> {
    for path in entries(&source.join(folder)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let below = folder.join(&name);
        if name.starts_with('.') || name == "__pycache__" || name.ends_with(".pyc") {
            continue;
        }
        if path.is_dir() {
            collect(source, &below, files)?;
        } else {
            files.insert(inside(&below), read(&path)?);
        }
    }
    Ok(())
}

/// The driver is Python, and none of the checkout's: its linters are to leave it alone.
fn keep_others_out(root: &Path, files: &mut Files) {
    if root.join("pants.toml").is_file() {
        let text = "# Owned, so that `pants tailor --check` asks for nothing here.\n\
             files(\n    name=\"xtask\",\n    sources=[\"**/*.py\"],\n)\n";
        files.insert(inside(Path::new("BUILD")), text.into());
    }
    let uses_ruff = ["pyproject.toml", "ruff.toml", ".ruff.toml"].iter().any(|name| root.join(name).is_file());
    if uses_ruff {
        let text = "# This folder comes from elsewhere.\nexclude = [\"*\"]\n";
        files.insert(inside(Path::new("ruff.toml")), text.into());
    }
}

/// A pattern of the checkout's own may fit a file of this tool, and the copy would lack it for everybody else.
fn keep_git_from_ignoring(ui: &Ui, root: &Path, files: &mut Files) -> Result<()> {
    let Some(repo) = Repo::find(ui, root)? else { return Ok(()) };
    let paths: Vec<PathBuf> = files.keys().map(|path| root.join(path)).collect();
    if !repo.would_ignore(&paths)?.is_empty() || root.join(MEMBER).join(".gitignore").is_file() {
        let text = "# Whatever the checkout ignores, this folder is whole.\n!*\n";
        files.insert(inside(Path::new(".gitignore")), text.into());
    }
    Ok(())
}

/// The versions that this program was built with; only where the checkout has no crates of its own to agree with.
fn lock_file(root: &Path, source: &Path) -> Option<Vec<u8>> {
    let manifest = super::regular::read_text(&root.join("Cargo.toml")).unwrap_or_default();
    // As it will be: an older copy's lacks a member.
    let manifest = Shared::Manifest.put_in(&manifest).ok().flatten().unwrap_or(manifest);
    if !Shared::Manifest.take_out(&manifest).is_ok_and(|rest| rest.is_empty()) {
        return None;
    }
    let text = super::regular::read_text(&source.parent()?.join("Cargo.lock")).ok()?;
    let own = text.split("[[package]]").skip(1).filter(|package| !package.contains("\nsource = ")).count();
    (own == MEMBERS.len()).then(|| text.into_bytes())
}

/// The record in a checkout, if `init` was there.
///
/// # Errors
/// Where it cannot be read.
pub fn record(root: &Path) -> Result<Option<Record>> {
    let path = root.join(RECORD);
    if !path.is_file() {
        return Ok(None);
    }
    let text = read_text(&path)?;
    let broken = || {
        Fail::new(Kind::ConfigInvalid, "The record of what `init` has put in cannot be read")
            .at(&path, None)
            .action("Take the version that was committed, or put the copy in anew")
            .related(own("init").plain())
            .refused()
    };
    let value: Value = serde_json::from_str(&text).map_err(|error| broken().details(error.to_string()))?;
    let files = value["files"].as_object().ok_or_else(broken)?;
    let shared = value["shared"].as_array().ok_or_else(broken)?;
    let before = value["before"].as_object().into_iter().flatten();
    let text_of = |(path, text): (&String, &Value)| Some((path.clone(), text.as_str()?.to_owned()));
    let is_shared = |it: &Shared| shared.iter().any(|path| path == it.path());
    Ok(Some(Record {
        version: value["version"].as_str().unwrap_or_default().to_owned(),
        files: files.iter().filter_map(text_of).collect(),
        shared: Shared::ALL.into_iter().filter(is_shared).collect(),
        before: before.filter_map(text_of).collect(),
    }))
}

/// Writes the record. It is written before the lines in shared files: what `--undo` takes out is what it names.
///
/// # Errors
/// When it cannot be written.
pub fn write_record(root: &Path, record: &Record) -> Result<()> {
    let shared: Vec<&str> = record.shared.iter().map(|shared| shared.path()).collect();
    let value = json!({
        "about": "What `init` has put into this checkout; it tells by this what was edited since.",
        "version": record.version,
        "shared": shared,
        "before": record.before,
        "files": record.files,
    });
    let text = serde_json::to_string_pretty(&value).context("writing JSON")?;
    put(root, RECORD, format!("{text}\n").as_bytes())
}

/// The nearest folder upwards that has a copy with a record.
pub fn with_copy(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.join(RECORD).is_file()).map(Path::to_owned)
}

/// The digests of those files of a checkout that are there.
///
/// # Errors
/// When one cannot be read.
pub fn digests<'a>(root: &Path, paths: impl Iterator<Item = &'a String>) -> Result<BTreeMap<String, String>> {
    let there = paths.filter(|path| root.join(path).is_file());
    there.map(|path| Ok((path.clone(), digest(&read(&root.join(path))?)))).collect()
}

pub fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The text of one of the checkout's own files; empty where there is none.
///
/// # Errors
/// When it cannot be read.
pub fn shared_text(root: &Path, shared: Shared) -> Result<String> {
    let path = root.join(shared.path());
    if fs::symlink_metadata(&path).is_err() { Ok(String::new()) } else { read_text(&path) }
}

/// What cargo reads in the place of `.cargo/config.toml`.
pub fn old_cargo_config(root: &Path) -> Option<PathBuf> {
    Some(root.join(".cargo/config")).filter(|path| path.is_file())
}

/// What stands where a file or a folder has to be and is none, with what to do about it.
pub fn blocked(root: &Path) -> Vec<(String, Conflict)> {
    let is_folder = |path: &&str| root.join(path).is_dir();
    let is_file = |path: &&str| fs::symlink_metadata(root.join(path)).is_ok() && !root.join(path).is_dir();
    let files = Shared::ALL.iter().map(|file| file.path()).filter(is_folder).map(|path| (path, "a folder", "a file"));
    let folders =
        [MEMBER, ".cargo"].into_iter().filter(|path| is_file(path)).map(|path| (path, "no folder", "a folder"));
    let conflict = |(path, why, wanted): (&str, &str, &str)| {
        let what_to_do = format!("Move it away: {wanted} is to be there");
        (root.join(path).display().to_string(), Conflict { why: format!("it is {why}"), what_to_do })
    };
    files.chain(folders).map(conflict).collect()
}

/// Writes a file of the checkout, and the folders above it.
///
/// # Errors
/// When it cannot be written.
pub fn put(root: &Path, path: &str, content: &[u8]) -> Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    write_atomic(&path, content)
}

/// Removes a file of the checkout, and the folders above it that have nothing else.
///
/// # Errors
/// When it cannot be removed.
pub fn take_away(root: &Path, path: &str) -> Result<()> {
    let file = root.join(path);
    fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
    let above = file.ancestors().skip(1).take_while(|folder| *folder != root);
    for folder in above {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// Removes the record.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_record(root: &Path) -> Result<()> {
    take_away(root, RECORD)
}
