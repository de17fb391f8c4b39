//! Finds what else differs between two branches, beside the migrations: lock files, keys of the developer's configs.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::sys::config_keys;
use crate::sys::git::{Changed, Oid, Repo, To};

/// Files that say which packages belong to a branch.
const LOCKS: [&str; 5] = ["Pipfile.lock", "package-lock.json", "pnpm-lock.yaml", "requirements.txt", "pixi.toml"];

/// What differs.
#[derive(Default)]
pub struct Differs {
    /// Lock files.
    pub locks: Vec<PathBuf>,
    /// Keys of `configs/*/halfstack.toml`: the file, those that came, those that went.
    pub keys: Vec<(PathBuf, Vec<String>, Vec<String>)>,
    /// Whether packages are installed by pants here.
    is_pants: bool,
}

/// Asks git.
///
/// # Errors
/// What git may meet.
pub fn between(ctx: &Ctx, repo: &Repo, from: &Oid, to: &Oid) -> Result<Differs> {
    let root = &ctx.project()?.root;
    let mut differs = Differs { is_pants: root.join("pants.toml").is_file(), ..Differs::default() };
    for changed in repo.changed::<&Path>(from, To::Commit(to), &[])? {
        let path = changed.path().to_owned();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".lock") || LOCKS.contains(&name) {
            differs.locks.push(path);
        } else if name == "halfstack.toml" {
            let (before, after) = match &changed {
                Changed::Added { blob, .. } => (None, blob.clone()),
                Changed::Deleted { blob, .. } => (Some(blob.clone()), None),
                Changed::Modified { before, after, .. } | Changed::Renamed { before, after, .. } => {
                    (Some(before.clone()), after.clone())
                }
                Changed::Unmerged { .. } => (None, None),
            };
            let keys = |blob: Option<Oid>| -> Result<Vec<String>> {
                let Some(blob) = blob else { return Ok(Vec::new()) };
                let text = repo.blobs(std::slice::from_ref(&blob))?.remove(&blob).flatten().unwrap_or_default();
                Ok(config_keys::of(&String::from_utf8_lossy(&text)))
            };
            let (before, after) = (keys(before)?, keys(after)?);
            let only = |a: &[String], b: &[String]| a.iter().filter(|it| !b.contains(it)).cloned().collect::<Vec<_>>();
            let (came, went) = (only(&after, &before), only(&before, &after));
            if !came.is_empty() || !went.is_empty() {
                differs.keys.push((path, came, went));
            }
        }
    }
    Ok(differs)
}

impl Differs {
    /// A line for each thing to do.
    pub fn lines(&self) -> Vec<String> {
        let shown = |list: &[PathBuf]| list.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ");
        let mut lines = Vec::new();
        if !self.locks.is_empty() {
            let how = if self.is_pants { ": pants export" } else { "" };
            lines.push(format!("Install the packages of this branch, {} differs{how}", shown(&self.locks)));
        }
        for (path, came, went) in &self.keys {
            let part = |word: &str, keys: &[String]| match keys {
                [] => None,
                keys => Some(format!("{word} {}", keys.join(", "))),
            };
            let parts: Vec<String> = part("has", came).into_iter().chain(part("lacks", went)).collect();
            lines.push(format!("Look at your own config: {} here {}", path.display(), parts.join(" and ")));
        }
        lines
    }

    /// For JSON.
    pub fn to_json(&self) -> Value {
        let path = |path: &PathBuf| path.display().to_string();
        let keys = |(file, came, went): &(PathBuf, Vec<String>, Vec<String>)| json!({"file": path(file), "added": came, "removed": went});
        json!({
            "lock_files": self.locks.iter().map(path).collect::<Vec<_>>(),
            "config_keys": self.keys.iter().map(keys).collect::<Vec<_>>(),
        })
    }
}
