//! Writes the project as it was at the merge base with the main branch into a folder of this tool: a baseline command
//! that runs there does not know the models of today.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::model::revision::Script;
use crate::sys::git::{Oid, Repo, To};

const NO_CHECKOUT: &str = "there is no git checkout";
const NOTHING_COMMON: &str = "there is no commit in common with the main branch";

/// The folder goes with the value; one that a killed run left is taken away by the next.
pub struct Past {
    /// The project's root in it.
    pub project: PathBuf,
    folder: PathBuf,
    _alone: File,
}

/// A commit of the past, and what it is.
#[derive(Clone, Debug)]
pub struct Base {
    pub commit: Oid,
    /// `4711abcdef, where this parted from origin/main`.
    pub words: String,
}

impl Base {
    /// The state at `reference`, or at the merge base with the main branch; else why there is none.
    ///
    /// # Errors
    /// A reference that git does not know; what git may meet.
    pub fn of(ctx: &Ctx, reference: Option<&str>) -> Result<Result<Base, String>> {
        let Some(repo) = Repo::find(&ctx.ui, &ctx.project()?.root)? else { return Ok(Err(NO_CHECKOUT.to_owned())) };
        let (commit, name) = match reference {
            Some(name) => (repo.merge_base(name).or_else(|_| repo.commit(name))?, name.to_owned()),
            None => {
                let (branch, bases) = ctx.parting(&repo)?;
                let Some(base) = bases.into_iter().next() else { return Ok(Err(NOTHING_COMMON.to_owned())) };
                (base, branch.name)
            }
        };
        if repo.changed::<&Path>(&commit, To::WorkTree, &[])?.is_empty() {
            return Ok(Err(format!("nothing differs from {name}")));
        }
        let words = format!("{}, where this parted from {name}", commit.short());
        Ok(Ok(Base { commit, words }))
    }

    /// The newest state that has not got a script yet; else why there is none.
    ///
    /// # Errors
    /// What git may meet.
    pub fn before(ctx: &Ctx, script: &Script) -> Result<Result<Base, String>> {
        let root = &ctx.project()?.root;
        let Some(repo) = Repo::find(&ctx.ui, root)? else { return Ok(Err(NO_CHECKOUT.to_owned())) };
        let path = root.join(&script.path);
        // What parted from the main branch before has nothing of this change yet, whatever order its commits have.
        if let Ok(Ok(base)) = Base::of(ctx, None)
            && repo.files_at(&base.commit, &[&path])?.is_empty()
        {
            return Ok(Ok(base));
        }
        let Some(head) = repo.head()?.commit else { return Ok(Err("there is no commit yet".to_owned())) };
        let commit = if repo.files_at(&head, &[&path])?.is_empty() {
            head
        } else if let Some(commit) = repo.before_addition(&path)? {
            commit
        } else {
            return Ok(Err(format!("the first commit has {} already", script.id)));
        };
        let words = format!("{}, before {} came", commit.short(), script.id);
        Ok(Ok(Base { commit, words }))
    }
}

impl Past {
    /// Lays it out.
    ///
    /// # Errors
    /// What git and the disk may meet.
    pub fn lay_out(ctx: &Ctx, base: &Base) -> Result<Past> {
        let project = ctx.project()?;
        let (root, state) = (&project.root, &project.state_dir);
        let repo = Repo::find(&ctx.ui, root)?.context("the git checkout is gone")?;
        let folder = state.join("past");
        fs::create_dir_all(state).with_context(|| format!("making {}", state.display()))?;
        let alone = File::create(state.join("past.lock")).context("opening the lock of the folder of the past")?;
        alone.lock().context("waiting for another run that looks into the past")?;
        let there = folder.join(root.strip_prefix(repo.root()).unwrap_or(Path::new("")));
        let past = Past { project: there, folder, _alone: alone };
        past.clear()?;
        fs::create_dir_all(&past.folder).with_context(|| format!("making {}", past.folder.display()))?;
        repo.export(&base.commit, &past.folder)?;
        past.borrow_ignored(&repo, root)?;
        Ok(past)
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
