//! Files for the journal: read with their mode, replaced or removed so that a crash leaves the old one or the new one
//! whole, on disk before the call returns. Every act has a point at which a test can kill the process.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The bits of a mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

/// A file's content and permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// A file as it is; `None` where there is none. A folder is an error.
pub(super) fn read(path: &Path) -> Result<Option<Image>> {
    let reading = || format!("reading {}", path.display());
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(reading),
    };
    let mode = fs::metadata(path).with_context(reading)?.mode() & PERMISSIONS;
    Ok(Some(Image { bytes, mode }))
}

/// Makes a file this one (`None`: no file), with this mode or the usual one. One that is so already is left alone.
pub(super) fn put(path: &Path, bytes: Option<&[u8]>, mode: Option<u32>) -> Result<()> {
    let now = read(path)?;
    let is_so = match (&now, bytes) {
        (Some(now), Some(bytes)) => now.bytes == bytes && mode.is_none_or(|mode| mode == now.mode),
        (None, None) => true,
        _ => false,
    };
    if is_so {
        return Ok(());
    }
    let done = match bytes {
        Some(bytes) => replace(path, bytes, mode),
        None => remove(path),
    };
    done.with_context(|| format!("writing {}", path.display()))
}

/// Moves a file to another folder of the same disk.
pub(super) fn move_file(from: &Path, to: &Path) -> std::io::Result<()> {
    crash_point_at(to);
    fs::rename(from, to)?;
    crash_point_at(to);
    sync_folder_of(to)?;
    sync_folder_of(from)
}

/// Removes what a crash between writing and renaming left behind.
pub(super) fn sweep(path: &Path) -> Result<()> {
    let temporary = temporary(path);
    if temporary.exists() {
        remove(&temporary).with_context(|| format!("removing {}", temporary.display()))?;
    }
    Ok(())
}

/// Makes a folder that is still there after a crash, and that git does not see.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let making = || format!("making {}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(making)?;
    fs::write(path.join(".gitignore"), "*\n").with_context(making)?;
    sync_folder_of(path).with_context(making)
}

fn replace(path: &Path, bytes: &[u8], mode: Option<u32>) -> std::io::Result<()> {
    let temporary = temporary(path);
    crash_point_at(path);
    // Left behind by a crash; nobody else has one of this name, since the folder of the journal is locked.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(&temporary)?;
    file.write_all(bytes)?;
    keep_owner(&file, path);
    if let Some(mode) = mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.sync_all()?;
    crash_point_at(path);
    fs::rename(&temporary, path)?;
    sync_folder_of(path)
}

/// Only root may give files away; for anybody else the new file is the writer's own.
fn keep_owner(file: &File, old: &Path) {
    if let Ok(old) = fs::metadata(old) {
        let _ = std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()));
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    crash_point_at(path);
    fs::remove_file(path)?;
    sync_folder_of(path)
}

/// A new name, or a name's end, is on disk only when the folder is.
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Beside the file, of a name that is no script's and that a later run finds again.
fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".xtask-journal");
    path.with_file_name(name)
}

/// A point for tests: the process dies here, without any cleaning up, when `XTASK_CRASH_AT` is the number of this call
/// (from 1), and it waits here when `XTASK_STOP_AT` is. So tests can stop an operation, or break what it works with, at
/// each of its writes. Steps that change a database call it before and after. `XTASK_CRASH_LIST` names a file that gets a
/// line for each point that is passed: its place in the code. Release builds do not have it.
#[track_caller]
pub fn crash_point() {
    crash_point_at(Path::new(""));
}

/// The same at a file, which its line in the list names too.
#[track_caller]
fn crash_point_at(file: &Path) {
    #[cfg(debug_assertions)]
    {
        use std::sync::atomic::{AtomicU64, Ordering};
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        let is_wanted = |key| std::env::var(key).ok().and_then(|text| text.parse().ok()) == Some(number);
        if let Some(list) = std::env::var_os("XTASK_CRASH_LIST") {
            let line = format!("{}\t{}\n", std::panic::Location::caller(), file.display());
            let list = File::options().create(true).append(true).open(list);
            let _ = list.and_then(|mut list| list.write_all(line.as_bytes()));
        }
        if is_wanted("XTASK_CRASH_AT") {
            std::process::abort();
        }
        if is_wanted("XTASK_STOP_AT") {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = file;
}
