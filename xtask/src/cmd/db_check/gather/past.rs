//! Asks git about the past: which revisions are released, which of those were edited or removed, and which revisions
//! the main branch has that are not here yet. `--base REF` takes REF for the main branch and its revisions for released
//! ones, which serves on main itself and on a maintained branch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;

use super::{Gatherer, Part, inside, since};
use crate::ctx::Ctx;
use crate::fail::{Kind, from_anyhow};
use crate::flags::Look;
use crate::model::graph::Graph;
use crate::model::revision::is_script_name;
use crate::model::rules::{Change, Context, Merged, Past, Release};
use crate::sys::git::{Changed, MainBranch, Oid, Repo, To, Unclear};

/// The main branch, and the last state of it that this checkout has seen.
pub(super) struct Main {
    branch: MainBranch,
    base: Oid,
}

fn main(ctx: &Ctx, repo: &Repo, look: &Look) -> Result<Option<Main>> {
    if let Look::Since(reference) = look {
        let branch = MainBranch { name: reference.clone(), commit: repo.commit(reference)? };
        return Ok(Some(Main { branch, base: since(repo, reference)? }));
    }
    let parting = ctx.parting(repo);
    let found = parting.map(|(branch, bases)| Some(Main { branch, base: bases.into_iter().next()? }));
    found.or_else(|error| {
        match error.downcast_ref::<Unclear>() {
            // Nothing is released where nothing was ever committed.
            Some(Unclear::NoCommit) => {}
            // What the project itself says about it has to be right.
            None if from_anyhow(&error).kind == Kind::ConfigInvalid => return Err(error),
            _ => {
                let fail = from_anyhow(&error);
                let why =
                    fail.actions.iter().map(|action| format!("; {}", ctx.ui.shown(action.clone()))).collect::<String>();
                ctx.ui.not_looked_at(format!("whether released scripts were edited: {}{why}", fail.summary));
            }
        }
        Ok(None)
    })
}

impl Gatherer<'_> {
    fn main(&self) -> Result<Option<&Main>> {
        let Some(repo) = &self.repo else { return Ok(None) };
        if self.main.get().is_none() {
            // Two threads at once find the same.
            let _ = self.main.set(main(self.ctx, repo, &self.flags.look)?);
        }
        Ok(self.main.get().and_then(Option::as_ref))
    }

    /// What has changed since the work parted from the main branch; `None` where that cannot be told.
    pub(super) fn since_main(&self, part: &Part) -> Result<Option<Vec<Changed>>> {
        let (Some(repo), Some(main)) = (&self.repo, self.main()?) else { return Ok(None) };
        let to = if self.flags.look == Look::Staged { To::Index } else { To::WorkTree };
        let inside = inside(repo, &part.folders);
        // For git, no folder is every folder.
        if inside.is_empty() { Ok(None) } else { repo.changed(&main.base, to, &inside).map(Some) }
    }

    /// What became of released scripts, and what the main branch has that is not here yet.
    pub(super) fn past(
        &self,
        context: &Context,
        part: &Part,
        since: Option<&[Changed]>,
        changed: Option<&BTreeSet<PathBuf>>,
    ) -> Result<Option<Past>> {
        let (Some(repo), Some(main), Some(since)) = (&self.repo, self.main()?, since) else { return Ok(None) };
        let is_staged = self.flags.look == Look::Staged;
        let mut changes = self.changes(repo, part, since)?;
        if let Some(changed) = changed {
            // What an earlier commit did is not what this one does.
            let is_ours = |path: &PathBuf| changed.contains(path);
            changes.retain(|change| is_ours(&change.from) || change.to.as_ref().is_some_and(is_ours));
        }
        // A commit is no merge: whether main has moved on is for the branch as a whole to know.
        let merged = if is_staged { None } else { self.merged(repo, main, context, part)? };
        Ok(Some(Past { main: main.branch.name.clone(), base: main.base.short().to_owned(), changes, merged }))
    }

    fn changes(&self, repo: &Repo, part: &Part, since: &[Changed]) -> Result<Vec<Change>> {
        let mut found = Vec::new();
        let mut paths = Vec::new();
        for changed in since {
            let (from, to, blob) = match changed {
                Changed::Modified { path, before, .. } => (path, Some(path), before),
                Changed::Renamed { from, path, before, .. } => (from, Some(path), before),
                Changed::Deleted { path, blob } => (path, None, blob),
                Changed::Added { .. } | Changed::Unmerged { .. } => continue,
            };
            if from.file_name().is_some_and(|name| name.to_str().is_some_and(is_script_name)) {
                paths.push(from.clone());
                found.push((self.shown(repo, from), to.map(|path| self.shown(repo, path)), blob.clone()));
            }
        }
        let blobs: Vec<Oid> = found.iter().map(|(_, _, blob)| blob.clone()).collect();
        let contents = repo.blobs(&blobs)?;
        let released = self.in_tags(repo, part, &paths)?;
        let change = |((from, to, blob), path): ((PathBuf, Option<PathBuf>, Oid), PathBuf)| {
            let before = contents.get(&blob).cloned().flatten().unwrap_or_default();
            let tag = released.as_ref().map(|released| released.get(&path));
            let release = tag.map_or(Release::Unknown, |tag| tag.cloned().map_or(Release::None, Release::In));
            Change { from, to, before, release }
        };
        Ok(found.into_iter().zip(paths).map(change).collect())
    }

    /// Those of some files that a tag has, with the first such tag; `None` where no tag has the version folders at all.
    fn in_tags(&self, repo: &Repo, part: &Part, paths: &[PathBuf]) -> Result<Option<BTreeMap<PathBuf, String>>> {
        if paths.is_empty() {
            return Ok(None);
        }
        let folders: Vec<PathBuf> =
            inside(repo, &part.folders).iter().filter_map(|folder| repo.relative(folder).ok()).collect();
        let asked: Vec<PathBuf> = folders.iter().chain(paths).cloned().collect();
        let mut tagged = BTreeMap::new();
        for it in repo.tags_with(&asked, None)? {
            tagged.entry(it.path).or_insert(it.tag);
        }
        Ok(folders.iter().any(|folder| tagged.contains_key(folder)).then_some(tagged))
    }

    /// A merge with the main branch of today, by files: what it added comes, what it deleted goes, what it changed counts
    /// where it was not changed here.
    fn merged(&self, repo: &Repo, main: &Main, context: &Context, part: &Part) -> Result<Option<Merged>> {
        if main.branch.commit == main.base {
            return Ok(None);
        }
        let inside = inside(repo, &part.folders);
        let since = repo.changed(&main.base, To::Commit(&main.branch.commit), &inside)?;
        if since.is_empty() {
            return Ok(None);
        }
        let mut gone = BTreeSet::new();
        let mut come = BTreeSet::new();
        for changed in &since {
            match changed {
                Changed::Renamed { from, path, .. } => {
                    gone.insert(self.shown(repo, from));
                    come.insert(self.shown(repo, path));
                }
                Changed::Deleted { path, .. } => {
                    gone.insert(self.shown(repo, path));
                }
                other => {
                    come.insert(self.shown(repo, other.path()));
                }
            }
        }
        let files = repo.files_at(&main.branch.commit, &inside)?;
        let mut theirs = self.out_of_git(repo, files, part)?;
        theirs.retain(|source| {
            come.contains(&source.path) && context.source(&source.path).is_none_or(|own| own.is_released)
        });
        let replaced: BTreeSet<&PathBuf> = theirs.iter().map(|source| &source.path).chain(&gone).collect();
        let own = context.sources.iter().filter(|source| !replaced.contains(&source.path));
        let scripts = own.chain(&theirs).filter_map(|source| source.header.clone().ok()).collect();
        let graph = Graph::build(scripts);
        theirs.retain(|source| context.source(&source.path).is_none());
        Ok(Some(Merged { theirs, graph, is_to_come: !repo.is_on_line()? }))
    }
}
