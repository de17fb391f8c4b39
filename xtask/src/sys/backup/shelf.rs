//! The folder of the backups: lists them, limits how many stay, and removes what a killed run has left.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::FOLDER;
use super::record::Record;
use crate::sys::journal::crash_point;

/// How many backups of a component stay.
const KEPT: usize = 10;
/// `.xtask/journals/db-merge/rebases/manager`, and one more.
const DEEP: usize = 5;
/// What a file that is still being written is called, after the backup's name.
const PART: &str = ".dump.part-";

/// A backup that lies in the folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What is written beside it; `None` where there is nothing, or it fits another file.
    pub record: Option<Record>,
}

impl Entry {
    /// The component and the time in the file's name.
    fn named(&self) -> Option<(&str, &str)> {
        let name = self.path.file_name()?.to_str()?;
        let stamp = name.match_indices('-').map(|(at, _)| &name[at + 1..]).find(|rest| is_stamp(rest))?;
        Some((&name[..name.len() - stamp.len() - 1], &stamp[..16]))
    }

    /// Whether it was restored and compared, and is the file that was.
    pub fn is_proven(&self) -> bool {
        self.record.as_ref().is_some_and(Record::is_proven)
    }

    /// The database that it is, where it is no file.
    pub fn copy(&self) -> Option<&str> {
        self.record.as_ref()?.copy()
    }

    /// What it takes: on this disk, or on the server's.
    pub fn size(&self) -> u64 {
        self.record.as_ref().map_or(self.bytes, Record::size)
    }

    /// Whose it is, by its record or its name.
    pub fn component(&self) -> Option<&str> {
        self.record.as_ref().map(|record| record.component.as_str()).or_else(|| Some(self.named()?.0))
    }

    /// When it was taken.
    pub fn time(&self) -> &str {
        let by_name = || self.named().map_or("", |(_, time)| time);
        self.record.as_ref().map_or_else(by_name, |record| record.time.as_str())
    }
}

/// `20261127T103000Z-…`
fn is_stamp(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        16 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() > 16 && text.bytes().take(17).enumerate().all(fits)
}

/// Where a project's backups lie.
pub fn folder(project_root: &Path) -> PathBuf {
    project_root.join(FOLDER)
}

/// What lies there, the newest first.
///
/// # Errors
/// When the folder cannot be listed.
pub fn list(project_root: &Path) -> Result<Vec<Entry>> {
    let folder = project_root.join(FOLDER);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let path = entry.with_context(|| format!("listing {}", folder.display()))?.path();
        let is_file = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
        if is_file && path.extension().is_some_and(|extension| extension == "dump") {
            found.push(open(&path)?);
        }
    }
    // Two of one second are told apart by when their files were written.
    let written = |it: &Entry| fs::metadata(&it.path).and_then(|file| file.modified()).ok();
    found.sort_by(|a, b| (b.time(), written(b), &b.path).cmp(&(a.time(), written(a), &a.path)));
    Ok(found)
}

/// A backup file, wherever it lies.
///
/// # Errors
/// When there is no such file.
pub fn open(path: &Path) -> Result<Entry> {
    let meta = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    let text = fs::read_to_string(record_path(path)).ok();
    let record = text.and_then(|text| Record::from_json(&serde_json::from_str(&text).ok()?).ok());
    let record = record.filter(|record| record.bytes == meta.len());
    Ok(Entry { path: path.to_owned(), bytes: meta.len(), record })
}

/// Removes the oldest backups of a component but the newest ten, the last proven one, and those that somebody needs; gives
/// those that went.
///
/// # Errors
/// When a file cannot be removed.
pub fn trim(project_root: &Path, component: &str, is_needed: impl Fn(&Path) -> bool) -> Result<Vec<Entry>> {
    let all = list(project_root)?;
    let own: Vec<&Entry> = all.iter().filter(|entry| entry.component() == Some(component)).collect();
    let last_proven = own.iter().position(|entry| entry.record.is_some());
    let mut removed = Vec::new();
    for (at, entry) in own.iter().enumerate() {
        if at >= KEPT && Some(at) != last_proven && !is_needed(&entry.path) {
            remove(&entry.path)?;
            removed.push((*entry).clone());
        }
    }
    Ok(removed)
}

/// Removes one with its record.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    let _ = fs::remove_file(record_path(path));
    Ok(())
}

/// Gives a backup the name of an older one, which goes.
///
/// # Errors
/// When a file cannot be renamed.
pub fn replace(new: &Path, old: &Path) -> Result<()> {
    let renaming = || format!("naming the backup {}", old.display());
    // At no moment does a record lie beside another file than its own.
    fs::remove_file(record_path(old)).with_context(renaming)?;
    crash_point();
    fs::rename(new, old).with_context(renaming)?;
    crash_point();
    fs::rename(record_path(new), record_path(old)).with_context(renaming)
}

/// The texts of the JSON files below a folder, as deep as journals lie in journals, but for those of the backups themselves.
pub fn texts(folder: &Path, without: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEP && !path.ends_with(without) => {
                    folders.push((path, depth + 1))
                }
                Ok(kind) if kind.is_file() && path.extension().is_some_and(|it| it == "json") => {
                    texts.extend(fs::read_to_string(&path));
                }
                _ => {}
            }
        }
    }
    texts
}

/// What is being written, or was when its run was killed: how many files, and their bytes.
pub fn parts(project_root: &Path) -> (usize, u64) {
    let entries = fs::read_dir(folder(project_root)).into_iter().flatten().flatten();
    let parts = entries.filter(|entry| entry.file_name().to_string_lossy().contains(PART));
    let sizes: Vec<u64> = parts.filter_map(|entry| Some(entry.metadata().ok()?.len())).collect();
    (sizes.len(), sizes.iter().sum())
}

/// Removes what killed runs were writing; what is being written just now is locked, and stays.
pub(super) fn sweep(folder: &Path) -> Vec<String> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dead = |path: &Path| File::open(path).is_ok_and(|file| file.try_lock().is_ok());
        let is_orphan = || name.strip_suffix(".json").is_some_and(|dump| !folder.join(dump).exists());
        if name.contains(PART) && is_dead(&path) || name.ends_with(".dump.json") && is_orphan() && is_dead(&path) {
            removed.extend(fs::remove_file(&path).is_ok().then_some(name));
        }
    }
    removed
}

/// Whether a run is at it just now.
pub(super) fn is_being_written(dump: &Path) -> bool {
    let (Some(folder), Some(name)) = (dump.parent(), dump.file_stem()) else { return false };
    let part = format!("{}{PART}", name.to_string_lossy());
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| {
        let is_ours = entry.file_name().to_string_lossy().starts_with(&part);
        is_ours && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_err())
    })
}

/// The file beside a backup.
pub fn record_path(dump: &Path) -> PathBuf {
    dump.with_extension("dump.json")
}

/// A file while it is being written: ours alone, locked, removed unless it is finished.
pub(super) struct Part {
    pub(super) path: PathBuf,
    file: File,
}

impl Part {
    /// Made with its mode before the first byte is in it.
    pub(super) fn create(dump: &Path) -> Result<Part> {
        let path = dump.with_extension(format!("{}{}", &PART[1..], std::process::id()));
        // Of a killed run with our process id, or of an attempt before this one.
        let _ = fs::remove_file(&path);
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = made.with_context(|| format!("making {}", path.display()))?;
        file.try_lock().with_context(|| format!("locking {}", path.display()))?;
        Ok(Part { path, file })
    }

    /// Whoever wrote into it may have made it anew; what counts is what lies there now.
    pub(super) fn sync(&self) -> Result<u64> {
        let file = File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))?;
        file.sync_all().context("writing the backup to the disk")?;
        Ok(file.metadata()?.len())
    }

    /// The record first, so that a backup never lies there without.
    pub(super) fn finish(self, dump: &Path, record: &Record) -> Result<()> {
        let written = record_path(dump);
        let _ = fs::remove_file(&written);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&written);
        let mut file = made.with_context(|| format!("making {}", written.display()))?;
        // Locked, so that nobody sweeps it before the backup has its name.
        file.try_lock().with_context(|| format!("locking {}", written.display()))?;
        let done = file.write_all(format!("{}\n", record.to_json()).as_bytes()).and_then(|()| file.sync_all());
        crash_point();
        let done = done.and_then(|()| name(&self.path, dump));
        crash_point();
        let done = done.and_then(|()| File::open(dump.parent().unwrap_or(Path::new("/")))?.sync_all());
        if done.is_err() {
            let _ = fs::remove_file(&written);
        }
        let _ = self.file.unlock();
        done.with_context(|| format!("naming the backup {}", dump.display()))
    }
}

/// Not over an older backup: a link is refused where a rename would replace. Some file systems know no links.
fn name(part: &Path, dump: &Path) -> std::io::Result<()> {
    match fs::hard_link(part, dump) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists && !dump.exists() => fs::rename(part, dump),
        done => done,
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_component_and_time() {
        let entry = |name: &str| Entry { path: PathBuf::from(name), bytes: 0, record: None };
        let one = entry("/b/app-proxy-20261127T103000Z-a1.dump");
        assert_eq!((one.component(), one.time()), (Some("app-proxy"), "20261127T103000Z"));
        assert_eq!(entry("/b/other.dump").component(), None);
    }
}
