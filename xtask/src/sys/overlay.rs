//! The migration scripts as they will be, in a folder of their own beside the ones on the disk: Alembic can run them
//! there before anything is written. Files that do not change are linked. The folder is removed with the value.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// See the file's head.
pub struct Overlay {
    folder: PathBuf,
    versions: Vec<PathBuf>,
    /// The folders of the originals, and what stands for each.
    known: BTreeMap<PathBuf, PathBuf>,
}

impl Overlay {
    /// Scripts by their absolute paths, with the new text of those that change.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn new<'s>(state_dir: &Path, scripts: impl Iterator<Item = (PathBuf, Option<&'s str>)>) -> Result<Overlay> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = state_dir.join(format!("overlay-{}-{number}", std::process::id()));
        let mut overlay = Overlay { folder, versions: Vec::new(), known: BTreeMap::new() };
        for (path, text) in scripts {
            let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
            let versions = overlay.known.entry(parent).or_insert_with(|| {
                let versions = overlay.folder.join(overlay.versions.len().to_string());
                overlay.versions.push(versions.clone());
                versions
            });
            let copy = versions.join(path.file_name().context("a script has a name")?);
            let written = fs::create_dir_all(&*versions).and_then(|()| match text {
                Some(text) => fs::write(&copy, text),
                None => symlink(&path, &copy),
            });
            written.with_context(|| format!("writing {}", copy.display()))?;
        }
        Ok(overlay)
    }

    /// What stands for a script.
    pub fn copy_of(&self, path: &Path) -> Option<PathBuf> {
        Some(self.known.get(path.parent()?)?.join(path.file_name()?))
    }

    /// What stands for each script, and the name that it has for people: below the project's `root`, where it is there.
    pub fn names<'s>(&self, root: &Path, scripts: impl Iterator<Item = &'s Path>) -> Vec<(String, String)> {
        let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        scripts
            .filter_map(|script| Some((self.copy_of(&root.join(script))?, shown(script))))
            .flat_map(|(copy, name)| [(copy.display().to_string(), name.clone()), (shown(&copy), name)])
            .collect()
    }

    /// What Alembic takes for its version locations.
    pub fn versions(&self) -> &[PathBuf] {
        &self.versions
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
