//! Finds what else differs between two commits, beside the migrations: lock files, keys of the developer's configs
//! (after db-switch, after a pull).

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

impl Differs {
    /// Of the files that differ, as git has them.
    ///
    /// # Errors
    /// What git may meet.
    pub fn of(ctx: &Ctx, repo: &Repo, changed: &[Changed]) -> Result<Differs> {
        let root = &ctx.project()?.root;
        let mut differs = Differs { is_pants: root.join("pants.toml").is_file(), ..Differs::default() };
        for changed in changed {
            let path = changed.path().to_owned();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(".lock") || LOCKS.contains(&name) {
                differs.locks.push(path);
            } else if name == "halfstack.toml" {
                let (before, after) = changed.blobs();
                let (before, after) = (keys(repo, before)?, keys(repo, after)?);
                let (came, went) = (only(&after, &before), only(&before, &after));
                if !came.is_empty() || !went.is_empty() {
                    differs.keys.push((path, came, went));
                }
            }
        }
        Ok(differs)
    }

    /// Since before the last pull, merge or rebase, as long as nothing was done by git after it.
    ///
    /// # Errors
    /// What git may meet.
    pub fn since_the_last_pull(ctx: &Ctx) -> Result<Differs> {
        let Some(repo) = Repo::find(&ctx.ui, &ctx.project()?.root)? else { return Ok(Differs::default()) };
        let Some((before, now)) = repo.last_pull()? else { return Ok(Differs::default()) };
        Differs::of(ctx, &repo, &repo.changed::<&Path>(&before, To::Commit(&now), &[])?)
    }

    /// A line for each thing to do; `whose` are the packages: `of this branch`.
    pub fn lines(&self, whose: &str) -> Vec<String> {
        let shown = |list: &[PathBuf]| list.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ");
        let mut lines = Vec::new();
        if !self.locks.is_empty() {
            let how = if self.is_pants { ": pants export" } else { "" };
            lines.push(format!("Install the packages {whose}, {} differs{how}", shown(&self.locks)));
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

/// The keys of a TOML file that git has stored.
fn keys(repo: &Repo, blob: Option<&Oid>) -> Result<Vec<String>> {
    let Some(blob) = blob else { return Ok(Vec::new()) };
    let text = repo.blobs(std::slice::from_ref(blob))?.remove(blob).flatten().unwrap_or_default();
    Ok(config_keys::of(&String::from_utf8_lossy(&text)))
}

fn only(these: &[String], those: &[String]) -> Vec<String> {
    these.iter().filter(|it| !those.contains(it)).cloned().collect()
}
