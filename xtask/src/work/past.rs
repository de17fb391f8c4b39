//! The project as it was where the work parted from the main branch, laid out in a folder of our own: what a baseline
//! command makes there does not know the models of today.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::sys::git::{Oid, Repo, To};

/// The folder goes with the value; one that a killed run left is taken away by the next.
pub struct Past {
    /// The project's root in it.
    pub project: PathBuf,
    /// `4711abcdef, where this parted from origin/main`.
    pub words: String,
    folder: PathBuf,
    _alone: File,
}

impl Past {
    /// Lays out the state at `reference`, or at the merge base with the main branch. `None` where there is no such state or
    /// nothing has changed since, which is said.
    ///
    /// # Errors
    /// A reference that git does not know; what git and the disk may meet.
    pub fn lay_out(ctx: &Ctx, reference: Option<&str>) -> Result<Option<Past>> {
        let root = ctx.project()?.root.clone();
        let Some(repo) = Repo::find(&ctx.ui, &root)? else {
            ctx.ui.not_looked_at("what changed since the last release of the models: there is no git checkout");
            return Ok(None);
        };
        let Some((base, words)) = base(ctx, &repo, reference)? else { return Ok(None) };
        let state = &ctx.project()?.state_dir;
        let folder = state.join("past");
        fs::create_dir_all(state).with_context(|| format!("making {}", state.display()))?;
        let alone = File::create(state.join("past.lock")).context("opening the lock of the folder of the past")?;
        alone.lock().context("waiting for another run that looks into the past")?;
        let project = folder.join(root.strip_prefix(repo.root()).unwrap_or(Path::new("")));
        let past = Past { project, words, folder, _alone: alone };
        past.clear()?;
        fs::create_dir_all(&past.folder).with_context(|| format!("making {}", past.folder.display()))?;
        repo.export(&base, &past.folder)?;
        past.borrow_ignored(&repo, &root)?;
        Ok(Some(past))
    }

    /// Environments, configs with addresses and what was built are in no commit: today's are taken.
    fn borrow_ignored(&self, repo: &Repo, root: &Path) -> Result<()> {
        fs::create_dir_all(&self.project).with_context(|| format!("making {}", self.project.display()))?;
        for path in repo.ignored(root)? {
            let Some(name) = path.file_name().filter(|_| path.parent() == Some(root)) else { continue };
            let there = self.project.join(name);
            // Our own state holds the folder of the past itself, and bytecode of today is no bytecode of the past.
            let is_own = self.folder.starts_with(&path) || name == "__pycache__";
            if !there.exists() && !is_own {
                symlink(&path, &there).with_context(|| format!("linking {}", there.display()))?;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

/// The commit, and what it is.
fn base(ctx: &Ctx, repo: &Repo, reference: Option<&str>) -> Result<Option<(Oid, String)>> {
    let (base, name) = match reference {
        Some(name) => (repo.merge_base(name).or_else(|_| repo.commit(name))?, name.to_owned()),
        None => {
            let (branch, bases) = ctx.parting(repo)?;
            let Some(base) = bases.into_iter().next() else { return Ok(None) };
            (base, branch.name)
        }
    };
    if repo.changed::<&Path>(&base, To::WorkTree, &[])?.is_empty() {
        ctx.ui.not_looked_at(format!(
            "changes of the models: nothing differs from {name}; name what to compare with: --base HEAD~1"
        ));
        return Ok(None);
    }
    let words = format!("{}, where this parted from {name}", base.short());
    Ok(Some((base, words)))
}
