//! The folder in which warm processes listen: it belongs to this user, and nobody else can read it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// After this time without use nobody holds anything but a lock.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

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

/// Removes what killed warm processes have left.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|kind| kind == "lock") && is_unused(&path) {
            // What cannot be removed is met again the next time.
            let _ = remove_unlocked(&path);
        }
    }
}

/// Whether nobody has touched it for a day.
pub fn is_unused(path: &Path) -> bool {
    let age = std::fs::symlink_metadata(path).and_then(|found| found.modified()).map(|at| at.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age > LONG))
}

fn remove_unlocked(lock: &Path) -> std::io::Result<()> {
    let file = File::open(lock)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let _ = std::fs::remove_file(lock.with_extension(""));
    std::fs::remove_file(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_and_what_is_in_use_stays() {
        let folder = std::env::temp_dir().join(format!("xtask-sweep-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["a.packages", "a.packages.lock", "b.project", "b.project.lock", "c.packages", "c.packages.lock"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        for name in ["a.packages.lock", "b.project.lock"] {
            File::open(folder.join(name)).unwrap().set_modified(std::time::SystemTime::now() - 2 * LONG).unwrap();
        }
        let held = File::open(folder.join("b.project.lock")).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        sweep(&folder);
        let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["b.project", "b.project.lock", "c.packages", "c.packages.lock"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
