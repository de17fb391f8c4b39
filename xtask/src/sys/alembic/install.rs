//! Writes the driver's Python files, which this binary carries, into the state folder. The folder's name is a digest of
//! their text, so that two versions of this tool do not disturb each other.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use sha2::{Digest, Sha256};

use crate::sys::files::temporary_name;
use crate::sys::warm::is_unused;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../driver/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "__main__.py",
    "template.py",
    "wanted.py",
    "child/sitecustomize.py",
    "xtask_driver/children.py",
    "xtask_driver/config.py",
    "xtask_driver/__init__.py",
    "xtask_driver/main.py",
    "xtask_driver/protocol.py",
    "xtask_driver/guard.py",
    "xtask_driver/wall.py",
    "xtask_driver/own.py",
    "xtask_driver/gates.py",
    "xtask_driver/exits.py",
    "xtask_driver/surroundings.py",
    "xtask_driver/scripts.py",
    "xtask_driver/failure.py",
    "xtask_driver/look.py",
    "xtask_driver/models.py",
    "xtask_driver/draft.py",
    "xtask_driver/origin.py",
    "xtask_driver/session.py",
    "xtask_driver/run.py",
    "xtask_driver/statements.py",
    "xtask_driver/traces.py",
    "xtask_driver/process.py",
    "xtask_driver/looks.py",
    "xtask_driver/warm.py",
    "xtask_driver/warm_project.py",
    "xtask_driver/told.py",
];

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };

/// The folder to give to Python; written where it is not complete.
///
/// # Errors
/// When the folder cannot be written, or belongs to somebody else.
pub fn driver(state_dir: &Path) -> Result<PathBuf> {
    let folder = own_folder(state_dir)?;
    // Its time says that it is in use.
    let now = Timestamps { last_access: NOW, last_modification: NOW };
    let _ = utimensat(CWD, &folder, &now, AtFlags::empty());
    for part in ["xtask_driver", "child"] {
        std::fs::create_dir_all(folder.join(part)).with_context(|| format!("creating {}", folder.display()))?;
    }
    for (name, text) in FILES {
        let path = folder.join(name);
        if std::fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        // Renamed into place: another process may be reading.
        let part = path.with_file_name(temporary_name(&path));
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, &path))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(folder)
}

/// A folder in which nobody else can have put a file: Python runs what is in it. In a state folder that several people
/// share, each has one of their own.
fn own_folder(state_dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(state_dir).with_context(|| format!("creating {}", state_dir.display()))?;
    let user = rustix::process::geteuid().as_raw();
    for name in [format!("driver-{}", digest()), format!("driver-{}-{user}", digest())] {
        let folder = state_dir.join(name);
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("creating {}", folder.display()));
            }
            Err(_) => {}
            Ok(()) => remove_unused(state_dir),
        }
        let found = std::fs::symlink_metadata(&folder).with_context(|| format!("looking at {}", folder.display()))?;
        if found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0 {
            return Ok(folder);
        }
    }
    bail!("the driver's folders in {} can be written by others; remove them", state_dir.display())
}

/// The drivers of other versions, when a new one comes.
fn remove_unused(state_dir: &Path) {
    for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("driver-") && is_unused(&entry.path()) {
            // One that cannot be removed is met again by the next version.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Of the driver's text: another driver may make something else of the same scripts.
pub fn digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let mut hasher = Sha256::new();
        for (name, text) in FILES {
            hasher.update(name);
            hasher.update([0]);
            hasher.update(text);
            hasher.update([0]);
        }
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_removes_those_that_nobody_uses() {
        let state = std::env::temp_dir().join(format!("xtask-versions-{}", std::process::id()));
        for (name, days) in [("driver-old", 3), ("driver-young", 0), ("backups", 3)] {
            std::fs::create_dir_all(state.join(name)).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 24 * 60 * 60);
            std::fs::File::open(state.join(name)).unwrap().set_modified(then).unwrap();
        }
        let folder = driver(&state).unwrap();
        let there = |name: &str| state.join(name).exists();
        assert_eq!((there("driver-old"), there("driver-young"), there("backups")), (false, true, true));
        assert!(folder.join("__main__.py").exists());
        std::fs::remove_dir_all(state).unwrap();
    }

    /// Several components start their drivers at once, in one process, where no folder was before.
    #[test]
    fn threads_may_write_it_side_by_side() {
        let state = std::env::temp_dir().join(format!("xtask-install-{}", std::process::id()));
        for round in 0..5 {
            let folder = state.join(round.to_string());
            std::thread::scope(|scope| {
                (0..4).for_each(|_| drop(scope.spawn(|| driver(&folder).unwrap())));
            });
            let left = std::fs::read_dir(own_folder(&folder).unwrap().join("xtask_driver")).unwrap().count();
            let meant = FILES.iter().filter(|(name, _)| name.starts_with("xtask_driver/")).count();
            assert_eq!(left, meant, "in round {round}");
        }
        std::fs::remove_dir_all(state).unwrap();
    }
}
