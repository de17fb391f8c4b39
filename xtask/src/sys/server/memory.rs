//! A folder in memory in which the server may keep throwaway databases (`sys/pg/memory.rs`). It is made when the server
//! starts and goes when it ends, however that was: the server's recovery passes over changes to files that are gone.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::place::{Account, digest};

/// Linux's file system in memory.
const PLACE: &str = "/dev/shm";
/// `XTASK_MEMORY=0`: none, please.
const OFF: &str = "XTASK_MEMORY";

/// Where the folder in memory of the server in `dir` is, if it has one.
pub(super) fn folder(dir: &Path) -> Option<PathBuf> {
    let off = std::env::var_os(OFF).is_some_and(|value| value == "0");
    Some(path(dir)).filter(|folder| !off && folder.is_dir())
}

fn path(dir: &Path) -> PathBuf {
    Path::new(PLACE).join(format!("xtask-{}", digest(&[dir.as_os_str().as_encoded_bytes()])))
}

/// Makes the folder for a server that is about to start, where the system has such a place.
///
/// # Errors
/// When it cannot be made, or is not ours.
pub(super) fn prepare(dir: &Path, account: Account) -> Result<()> {
    let folder = path(dir);
    if !Path::new(PLACE).is_dir() {
        return Ok(());
    }
    match fs::symlink_metadata(&folder) {
        // Of a server that was killed with its watchdog.
        Ok(meta) if meta.is_dir() && meta.uid() == account.uid && meta.mode() & 0o077 == 0 => return Ok(()),
        Ok(_) => anyhow::bail!("{} is not ours", folder.display()),
        Err(_) => {}
    }
    DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("making {}", folder.display()))?;
    account.give(&folder)
}

/// Removes the folder of a server that has ended.
pub(super) fn put_away(dir: &Path) {
    // What is in it is of no worth, and the next start makes it anew.
    let _ = fs::remove_dir_all(path(dir));
}
