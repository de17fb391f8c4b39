//! File locks (flock), which alone decide which process is alive. The kernel drops them with their owner, so a killed
//! process, a reused process id, a reboot or a clock that jumps cannot make them wrong, as a file with a number in it
//! can be.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::sys::interrupt;

/// How long between two looks at a lock that somebody else holds.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone, Copy)]
enum Mode {
    Shared,
    Exclusive,
}

/// The lock for ourselves alone, or `None` when somebody holds it.
pub(super) fn try_exclusive(path: &Path) -> Result<Option<File>> {
    attempt(path, Mode::Exclusive)
}

/// The lock for ourselves alone, waited for as long as it takes or until Ctrl-C.
pub(super) fn exclusive(path: &Path) -> Result<File> {
    wait(path, Mode::Exclusive)
}

/// The lock together with others, waited for as long as it takes or until Ctrl-C.
pub(super) fn shared(path: &Path) -> Result<File> {
    wait(path, Mode::Shared)
}

/// The lock for ourselves alone, waited for in the kernel: costs nothing, and no signal ends it.
pub(super) fn block(path: &Path) -> Result<File> {
    let file = open(path)?;
    loop {
        match file.lock() {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }
}

fn wait(path: &Path, mode: Mode) -> Result<File> {
    loop {
        if let Some(file) = attempt(path, mode)? {
            return Ok(file);
        }
        interrupt::check()?;
        std::thread::sleep(PAUSE);
    }
}

fn attempt(path: &Path, mode: Mode) -> Result<Option<File>> {
    loop {
        let file = open(path)?;
        let locked = match mode {
            Mode::Shared => file.try_lock_shared(),
            Mode::Exclusive => file.try_lock(),
        };
        match locked {
            // The folder of a throwaway server goes with its locks: a lock on a file that is gone excludes nobody.
            Ok(()) if is_still(&file, path) => return Ok(Some(file)),
            Ok(()) => continue,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("opening the lock {}", path.display()))
}

fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
