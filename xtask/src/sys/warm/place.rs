//! The folder in which warm processes listen: it belongs to this user, and nobody else can read it.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

/// The folder, made where it is not there; `None` where it is somebody else's, open to others, or no folder.
pub fn folder() -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let base = given.filter(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir);
    let folder = base.join(format!("xtask-warm-{user}"));
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    let found = std::fs::symlink_metadata(&folder).ok()?;
    (found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0).then_some(folder)
}
