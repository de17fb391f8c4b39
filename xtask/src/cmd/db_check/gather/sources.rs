//! The scripts themselves: from the work tree, from the index, from a commit.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Gatherer, Part, inside};
use crate::flags::Look;
use crate::model::revision::is_script_name;
use crate::model::rules::Source;
use crate::sys::files;
use crate::sys::git::{File, Oid, Repo};
use crate::sys::side_by_side::in_shares;

impl Gatherer<'_> {
    pub(super) fn sources(&self, part: &Part) -> Result<Vec<Source>> {
        match (&self.repo, &self.flags.look) {
            (Some(repo), Look::Staged) => {
                let index = repo.index(&inside(repo, &part.folders))?;
                self.out_of_git(repo, index.files, part)
            }
            _ => {
                let root = &self.ctx.project()?.root;
                let read = |path: &Path| {
                    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
                    Ok(Source::new(path.strip_prefix(root).unwrap_or(path), bytes))
                };
                files::side_by_side(&files::scripts(&part.config)?, read)?.into_iter().collect()
            }
        }
    }

    /// Scripts out of git, in Alembic's order: folder by folder as configured, by name.
    pub(super) fn out_of_git(&self, repo: &Repo, found: Vec<File>, part: &Part) -> Result<Vec<Source>> {
        let place = |file: &File| {
            let path = repo.root().join(&file.path);
            let name = path.file_name()?.to_str()?;
            let is_in = |folder: &&PathBuf| match part.config.recursive {
                true => path.starts_with(folder),
                false => path.parent() == Some(folder.as_path()),
            };
            // Symlinks hold a path, no script.
            let at =
                part.folders.iter().position(|folder| is_in(&folder)).filter(|_| file.mode & 0o170_000 == 0o100_000)?;
            is_script_name(name).then_some(at)
        };
        let mut files: Vec<(usize, File)> = found.into_iter().filter_map(|file| Some((place(&file)?, file))).collect();
        files.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
        in_shares(&files, |share| {
            let blobs: Vec<Oid> = share.iter().map(|(_, file)| file.blob.clone()).collect();
            let contents = repo.blobs(&blobs)?;
            let source = |(_, file): &(usize, File)| {
                let bytes = contents.get(&file.blob).and_then(Clone::clone).unwrap_or_default();
                Source::new(&self.shown(repo, &file.path), bytes)
            };
            Ok(share.iter().map(source).collect())
        })
    }
}
