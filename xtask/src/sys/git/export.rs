//! Writes a commit's files into a folder of this tool. No work tree is registered, so git keeps no trace of it.

use std::path::Path;

use anyhow::{Context, Result};

use super::process::Git;
use super::{Oid, Repo};

impl Repo {
    /// Writes all files of a commit below `folder`, which has to be there and empty. Submodules stay empty.
    ///
    /// # Errors
    /// git's own words.
    pub fn export(&self, commit: &Oid, folder: &Path) -> Result<()> {
        let index = folder.join(".index");
        let git = Git::new(self.git.ui(), self.root(), vec![("GIT_INDEX_FILE".into(), index.clone().into())]);
        git.act(["read-tree", commit.as_str()]).run()?.ok()?;
        // A prefix, no folder: without the slash it would become part of the names.
        let prefix = format!("--prefix={}/", folder.display());
        git.act(["checkout-index", "--all", "--quiet", &prefix]).run()?.ok()?;
        std::fs::remove_file(&index).with_context(|| format!("removing {}", index.display()))
    }
}
