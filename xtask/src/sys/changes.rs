//! Notices that files were changed, made or deleted, by looking at them again and again: some hundred `stat`s take about
//! a millisecond. The events of the operating system would spare that, but they do not come from network file systems
//! nor from folders that a host shares with its virtual machine or container, where many of these projects live; and
//! looking is the same on every system and needs no dependency.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::sys::interrupt;

/// How often it looks. Twice the same makes a change whole, so this is also how long a burst of writes may pause.
const PACE: Duration = Duration::from_millis(50);
/// Where looking takes long, it looks less often: one part in so many of the time is spent on it.
const SHARE: u32 = 20;

/// What is looked at. A path that is not there is no error: it may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Single files.
    pub files: BTreeSet<PathBuf>,
    /// Folders of which every file counts, sub-folders included; hidden files and bytecode do not.
    pub trees: Vec<PathBuf>,
    /// Folders of which only counts which Python files there are.
    pub names: BTreeSet<PathBuf>,
}

/// A file's state. The inode tells a file that was renamed into place, the time of the last status change an edit that
/// keeps size and time of modification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It is there; more is not asked.
    Name,
    /// Device, inode, size, times of modification and of status change.
    File([u64; 3], [i64; 4]),
}

type View = BTreeMap<PathBuf, Look>;

impl Places {
    fn look(&self) -> View {
        let mut view = View::new();
        for folder in &self.names {
            for name in names(folder).into_iter().filter(|name| is_python(name)) {
                view.insert(folder.join(name), Look::Name);
            }
        }
        for tree in &self.trees {
            look_through(tree, &mut view);
        }
        for file in &self.files {
            // A file of which only the name would count is now looked at, or is not there.
            match fs::metadata(file) {
                Ok(facts) => view.insert(file.clone(), look(&facts)),
                Err(_) => view.remove(file),
            };
        }
        view
    }

    /// Whether a file at this path would be looked at.
    fn cover(&self, path: &Path) -> bool {
        let named = || path.parent().is_some_and(|folder| self.names.contains(folder));
        self.files.contains(path)
            || self.trees.iter().any(|tree| path.starts_with(tree))
            || (named() && path.file_name().is_some_and(is_python))
    }
}

/// Looks at places, and remembers what it saw when it last told of a change.
pub struct Watcher {
    places: Places,
    seen: View,
}

impl Watcher {
    /// Everything as it is now is what changes are counted from.
    pub fn new(places: Places) -> Watcher {
        let seen = places.look();
        Watcher { places, seen }
    }

    /// What it looks at.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Waits until something has changed since the last time and has come to rest. A file that changed and is as it was
    /// is no change.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn wait(&mut self) -> Result<BTreeSet<PathBuf>> {
        let mut last = None;
        loop {
            interrupt::check()?;
            let began = Instant::now();
            let now = self.places.look();
            if let Some(changed) = settled(&self.seen, &last, &now) {
                self.seen = now;
                return Ok(changed);
            }
            last = Some(now);
            std::thread::sleep(PACE.max(began.elapsed() * SHARE));
        }
    }

    /// Watches other places from now on. A change in a place that was watched before is not lost: the next
    /// [`Watcher::wait`] reports it. Returns the files that were not watched before and have changed after `since`: a
    /// program that read them by then may have read another text.
    pub fn turn_to(&mut self, places: Places, since: SystemTime) -> Vec<PathBuf> {
        let mut seen: View =
            std::mem::take(&mut self.seen).into_iter().filter(|(path, _)| places.cover(path)).collect();
        let mut younger = Vec::new();
        for (path, look) in places.look() {
            let new = match seen.get(&path) {
                Some(Look::Name) => look != Look::Name,
                Some(Look::File(..)) => false,
                None => !self.places.cover(&path),
            };
            if new {
                younger.extend(look.changed_after(since).then(|| path.clone()));
                seen.insert(path, look);
            }
        }
        (self.places, self.seen) = (places, seen);
        younger
    }
}

impl Look {
    fn changed_after(&self, since: SystemTime) -> bool {
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()));
        matches!(self, Look::File(_, [.., seconds, nanoseconds]) if (*seconds, *nanoseconds) > since)
    }
}

/// The paths that differ between `seen` and `now`, once two looks in a row have shown the same.
fn settled(seen: &View, last: &Option<View>, now: &View) -> Option<BTreeSet<PathBuf>> {
    if now == seen || last.as_ref() != Some(now) {
        return None;
    }
    let differs = |path: &&PathBuf| seen.get(*path) != now.get(*path);
    Some(seen.keys().chain(now.keys()).filter(differs).cloned().collect())
}

fn look(facts: &Metadata) -> Look {
    Look::File(
        [facts.dev(), facts.ino(), facts.size()],
        [facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec()],
    )
}

fn look_through(folder: &Path, view: &mut View) {
    for name in names(folder) {
        let path = folder.join(&name);
        // A symlink to a folder is not followed: it may lead back.
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_dir());
        if is_folder && name != "__pycache__" {
            look_through(&path, view);
        } else if let Ok(facts) = fs::metadata(&path)
            && facts.is_file()
        {
            view.insert(path, look(&facts));
        }
    }
}

/// What is in a folder, without what editors put there for themselves.
fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter(|name| !name.as_bytes().starts_with(b".") && !name.as_bytes().starts_with(b"#")).collect()
}

fn is_python(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b".py")
}

#[cfg(test)]
mod tests;
