//! Reads the texts of the scripts: from the work tree, from the index, from a commit.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Gatherer, Part, inside};
use crate::flags::Look;
use crate::model::revision::{is_script_name, needs_python};
use crate::model::rules::Source;
use crate::sys::files;
use crate::sys::git::{File, Oid, Repo};
use crate::sys::interrupt;
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
                    let shown = path.strip_prefix(root).unwrap_or(path);
                    match files::read_regular(path) {
                        Ok(bytes) => Source::new(shown, bytes),
                        Err(error) => Source::unreadable(shown, error.to_string()),
                    }
                };
                let mut sources = files::side_by_side(&files::scripts(&part.config)?, read)?;
                self.remember(&mut sources, part)?;
                Ok(sources)
            }
        }
    }

    /// Fills in what Python once said of headers that do not stand in their text; it is not asked here.
    fn remember(&self, sources: &mut [Source], part: &Part) -> Result<()> {
        let headers = self.ctx.headers(&part.config)?;
        for source in sources.iter_mut().filter(|source| needs_python(&source.header)) {
            source.header = headers.remember(&source.path, &source.text, source.header.clone());
        }
        Ok(())
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
        let mut sources: Vec<Source> = in_shares(&files, |share| {
            let blobs: Vec<Oid> = share.iter().map(|(_, file)| file.blob.clone()).collect();
            let contents = repo.blobs(&blobs)?;
            let source = |(_, file): &(usize, File)| {
                interrupt::check()?;
                let bytes = contents.get(&file.blob).and_then(Clone::clone).unwrap_or_default();
                Ok(Source::new(&self.shown(repo, &file.path), bytes))
            };
            share.iter().map(source).collect()
        })?;
        self.remember(&mut sources, part)?;
        Ok(sources)
    }
}
