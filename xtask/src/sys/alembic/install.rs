//! The driver's Python files, carried in our binary and written into the state folder. The folder's name is a digest of
//! their text, so two versions of this tool do not tread on each other.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../driver/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "__main__.py",
    "template.py",
    "wanted.py",
    "xtask_driver/config.py",
    "xtask_driver/__init__.py",
    "xtask_driver/main.py",
    "xtask_driver/protocol.py",
    "xtask_driver/guard.py",
    "xtask_driver/scripts.py",
    "xtask_driver/failure.py",
    "xtask_driver/models.py",
    "xtask_driver/draft.py",
    "xtask_driver/origin.py",
    "xtask_driver/session.py",
];

/// The folder to give to Python; written where it is not complete.
pub fn driver(state_dir: &Path) -> Result<PathBuf> {
    let folder = state_dir.join(format!("driver-{}", digest()));
    std::fs::create_dir_all(folder.join("xtask_driver")).with_context(|| format!("creating {}", folder.display()))?;
    for (name, text) in FILES {
        let path = folder.join(name);
        if std::fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        // Renamed into place: another process may be reading.
        let part = path.with_extension(format!("py.{}", std::process::id()));
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, &path))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(folder)
}

/// Of the driver's text: another driver may make something else of the same scripts.
pub fn digest() -> String {
    let mut hasher = Sha256::new();
    for (name, text) in FILES {
        hasher.update(name);
        hasher.update([0]);
        hasher.update(text);
        hasher.update([0]);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
