//! The commands that use a server, by name, for the messages of `db-server`: a file per command, locked by it, so that
//! the file of a killed one is known to be stale. This list decides nothing; `users.lock` does.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use super::postmaster::Files;

/// Our own entry; it goes when dropped.
#[derive(Debug)]
pub(super) struct Listed {
    path: PathBuf,
    _held: File,
}

impl Listed {
    pub(super) fn enter(files: &Files) -> Result<Listed> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = files.users();
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("making {}", dir.display()));
            }
            _ => {}
        }
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (new, path) = (dir.join(format!(".{name}")), dir.join(name));
        let mut held = File::create(&new).with_context(|| format!("making {}", new.display()))?;
        held.lock().and_then(|()| writeln!(held, "{}", ourselves())).context("entering the list of users")?;
        // It gets its name only when it is locked: readers of the list take an unlocked entry for a dead process's.
        fs::rename(&new, &path).with_context(|| format!("making {}", path.display()))?;
        Ok(Listed { path, _held: held })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The living users, for example `db-migrate (process 4711)`; what dead ones left is removed.
pub(super) fn list(files: &Files) -> Vec<String> {
    let Ok(entries) = fs::read_dir(files.users()) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| living(&entry)).collect();
    names.sort();
    names
}

fn living(entry: &fs::DirEntry) -> Option<String> {
    if entry.file_name().as_encoded_bytes().starts_with(b".") {
        return None;
    }
    let path = entry.path();
    match File::open(&path).ok()?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(fs::read_to_string(&path).ok()?.trim().to_owned()),
        Ok(()) => {
            let _ = fs::remove_file(&path);
            None
        }
        Err(TryLockError::Error(_)) => None,
    }
}

/// The command's name and process; its other arguments may be private.
fn ourselves() -> String {
    let mut args = std::env::args_os();
    let program = args.next().map(PathBuf::from);
    let word = args.next().filter(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let program = program.as_deref().and_then(|path| path.file_name()).map(|name| name.to_owned());
    let name = word.or(program).unwrap_or_default();
    format!("{} (process {})", name.to_string_lossy(), std::process::id())
}
