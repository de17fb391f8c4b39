//! What `db-check` judges: the scripts of a component, from the work tree or from the index, with what git knows.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::flags::{DbCheck, Look};
use crate::model::graph::Graph;
use crate::model::graph::Problem;
use crate::model::revision::is_script_name;
use crate::model::rules::{self, Change, Finding, Merged, Past, Scene, Sighted, Source, Tracking};
use crate::sys::files;
use crate::sys::git::{Changed, File, MainBranch, Needle, Oid, Repo, State, To, Unclear};
use crate::sys::project::{AlembicConfig, Component};

/// For how many missing revisions git is searched; each takes a walk through all of history.
const SEARCHED: usize = 3;

/// A component's findings.
pub struct Judged {
    pub component: String,
    pub findings: Vec<Finding>,
    /// How many scripts were looked at by themselves.
    pub checked: usize,
    scene: Scene,
}

impl Judged {
    /// The script's text where a finding is.
    pub fn line(&self, finding: &Finding) -> &str {
        self.scene.source(&finding.path).map_or("", |source| source.line(finding.line))
    }
}

/// Judges the components.
pub fn judge(ctx: &Ctx, flags: &DbCheck, components: &[&Component]) -> Result<Vec<Judged>> {
    let repo = repo(ctx, flags)?;
    let base = match (&repo, &flags.look) {
        (Some(repo), Look::Staged) => repo.head()?.commit,
        (Some(repo), Look::Since(reference)) => Some(since(repo, reference)?),
        _ => None,
    };
    let look = Gatherer { ctx, flags, repo, base, main: OnceCell::new() };
    components.iter().map(|component| look.judge(component)).collect()
}

/// The checkout. Without git everything can be checked that does not ask for it by name.
fn repo(ctx: &Ctx, flags: &DbCheck) -> Result<Option<Repo>> {
    let found = Repo::find(&ctx.ui, &ctx.project()?.root);
    let flag = match &flags.look {
        Look::WorkTree => {
            return Ok(found.unwrap_or_else(|error| {
                ctx.ui.warn(format!("git cannot be asked, so every script counts as new: {error:#}"));
                None
            }));
        }
        Look::Staged => "--staged",
        Look::Since(_) => "--base",
    };
    found?.map(Some).ok_or_else(|| {
        Fail::new(Kind::Usage, format!("`{flag}` needs a git checkout"))
            .details(format!("{} is in none", ctx.project().map_or("", |project| project.root.to_str().unwrap_or(""))))
            .action("Check all scripts instead: cargo xtask db-check")
            .into()
    })
}

/// Where what is checked parted from a commit; the commit itself where that cannot be told.
fn since(repo: &Repo, reference: &str) -> Result<Oid> {
    let commit = repo.commit(reference)?;
    Ok(repo.merge_base(reference).unwrap_or(commit))
}

/// The main branch, and the last state of it that this checkout has seen.
struct Main {
    branch: MainBranch,
    base: Oid,
}

fn main(ctx: &Ctx, repo: &Repo) -> Result<Option<Main>> {
    let found = ctx.main_branch(repo).and_then(|branch| {
        let base = repo.merge_bases(&branch.name)?.into_iter().next();
        Ok(base.map(|base| Main { branch, base }))
    });
    found.or_else(|error| {
        match error.downcast_ref::<Unclear>() {
            // Nothing is released where nothing was ever committed, or where there is no main branch.
            Some(Unclear::NoCommit | Unclear::NoMain { .. }) => {}
            // What the project itself says about it has to be right.
            None if from_anyhow(&error).kind == Kind::ConfigInvalid => return Err(error),
            _ => ctx.ui.warn(format!("Which scripts are released cannot be told, so all count as new: {error:#}")),
        }
        Ok(None)
    })
}

struct Gatherer<'a> {
    ctx: &'a Ctx,
    flags: &'a DbCheck,
    repo: Option<Repo>,
    /// What findings are compared with.
    base: Option<Oid>,
    /// What holds the released scripts; asked for when the first component has anything to look at.
    main: OnceCell<Option<Main>>,
}

impl Gatherer<'_> {
    fn main(&self) -> Result<Option<&Main>> {
        let Some(repo) = &self.repo else { return Ok(None) };
        if self.main.get().is_none() {
            let _ = self.main.set(main(self.ctx, repo)?);
        }
        Ok(self.main.get().and_then(Option::as_ref))
    }

    fn judge(&self, component: &Component) -> Result<Judged> {
        let config = self.ctx.config(component)?;
        let folders = folders(&config)?;
        let flag = self.ctx.component_flag(component);
        let changed = self.changed(&folders)?;
        let is_untouched = self.flags.look == Look::Staged && changed.as_ref().is_some_and(BTreeSet::is_empty);
        if is_untouched {
            let scene = Scene::new(Vec::new(), flag);
            return Ok(Judged { component: component.name.clone(), findings: Vec::new(), checked: 0, scene });
        }
        let mut scene = Scene::new(self.sources(&config, &folders)?, flag);
        scene.spares_released = !self.flags.released;
        scene.packages = packages(&self.ctx.project()?.root, &config);
        self.mark(&mut scene, &folders, changed.as_ref())?;
        self.search(&mut scene, &folders);
        scene.past = self.past(&scene, &config, &folders, changed.as_ref())?;
        let mut findings = rules::check(&scene, &self.ctx.project()?.rules);
        if let Some(base) = &self.base
            && !findings.is_empty()
        {
            let before = self.findings_at(base, &config, &folders)?;
            let known: BTreeSet<_> = before.iter().map(Finding::identity).collect();
            findings.retain(|finding| !known.contains(&finding.identity()));
        }
        let checked = scene.sources.iter().filter(|source| source.is_checked).count();
        Ok(Judged { component: component.name.clone(), findings, checked, scene })
    }

    /// The scripts that differ from the base; `None` where there is none to differ from, so that all of them count.
    fn changed(&self, folders: &[PathBuf]) -> Result<Option<BTreeSet<PathBuf>>> {
        let (Some(repo), Some(base)) = (&self.repo, &self.base) else { return Ok(None) };
        let to = if self.flags.look == Look::Staged { To::Index } else { To::WorkTree };
        let changed = repo.changed(base, to, &inside(repo, folders))?;
        // One that went changes what is left.
        let mut paths: BTreeSet<PathBuf> = changed.iter().map(|changed| self.shown(repo, changed.path())).collect();
        if changed.iter().any(|changed| matches!(changed, Changed::Deleted { .. })) && paths.is_empty() {
            paths.insert(PathBuf::new());
        }
        Ok(Some(paths))
    }

    fn sources(&self, config: &AlembicConfig, folders: &[PathBuf]) -> Result<Vec<Source>> {
        match (&self.repo, &self.flags.look) {
            (Some(repo), Look::Staged) => {
                let index = repo.index(&inside(repo, folders))?;
                self.out_of_git(repo, index.files, config, folders)
            }
            _ => {
                let root = &self.ctx.project()?.root;
                let read = |path: &Path| {
                    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
                    Ok(Source::new(path.strip_prefix(root).unwrap_or(path), bytes))
                };
                files::side_by_side(&files::scripts(config)?, read)?.into_iter().collect()
            }
        }
    }

    /// Scripts out of git, in Alembic's order: folder by folder as configured, by name.
    fn out_of_git(
        &self,
        repo: &Repo,
        found: Vec<File>,
        config: &AlembicConfig,
        folders: &[PathBuf],
    ) -> Result<Vec<Source>> {
        let place = |file: &File| {
            let path = repo.root().join(&file.path);
            let name = path.file_name()?.to_str()?;
            let is_in = |folder: &&PathBuf| match config.recursive {
                true => path.starts_with(folder),
                false => path.parent() == Some(folder.as_path()),
            };
            // Symlinks hold a path, no script.
            let at = folders.iter().position(|folder| is_in(&folder)).filter(|_| file.mode & 0o170_000 == 0o100_000)?;
            is_script_name(name).then_some(at)
        };
        let mut files: Vec<(usize, File)> = found.into_iter().filter_map(|file| Some((place(&file)?, file))).collect();
        files.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
        let blobs: Vec<Oid> = files.iter().map(|(_, file)| file.blob.clone()).collect();
        let mut contents = repo.blobs(&blobs)?;
        let source = |(_, file): (usize, File)| {
            let bytes = contents.get_mut(&file.blob).and_then(|content| content.clone()).unwrap_or_default();
            Source::new(&self.shown(repo, &file.path), bytes)
        };
        Ok(files.into_iter().map(source).collect())
    }

    /// What git knows of each script.
    fn mark(&self, scene: &mut Scene, folders: &[PathBuf], changed: Option<&BTreeSet<PathBuf>>) -> Result<()> {
        let Some(repo) = &self.repo else { return Ok(()) };
        let released: BTreeSet<PathBuf> = match self.main()? {
            Some(main) => {
                let files = repo.files_at(&main.base, &inside(repo, folders))?;
                files.iter().map(|file| self.shown(repo, &file.path)).collect()
            }
            None => BTreeSet::new(),
        };
        let states: BTreeMap<PathBuf, State> = match self.flags.look {
            Look::Staged => BTreeMap::new(),
            _ => {
                let status = repo.status(&inside(repo, folders))?;
                status.files.into_iter().map(|(path, state)| (self.shown(repo, &path), state)).collect()
            }
        };
        for source in &mut scene.sources {
            source.is_released = released.contains(&source.path);
            source.tracking = match states.get(&source.path) {
                Some(State::Untracked) => Tracking::Untracked,
                Some(State::Ignored) => Tracking::Ignored,
                _ => Tracking::Known,
            };
            let is_new = source.tracking != Tracking::Known;
            source.is_checked = changed.is_none_or(|changed| is_new || changed.contains(&source.path));
        }
        Ok(())
    }

    /// Where the rest of the history may be. What cannot be asked is only a hint less.
    fn search(&self, scene: &mut Scene, folders: &[PathBuf]) {
        let Some(repo) = &self.repo else { return };
        let missing = scene.problems().iter().filter_map(|problem| match problem {
            Problem::MissingParent { parent, .. } => Some(parent.clone()),
            Problem::MissingDependency { dependency, .. } => Some(dependency.clone()),
            _ => None,
        });
        let missing: BTreeSet<String> = missing.collect();
        for id in missing.into_iter().take(SEARCHED) {
            let inside = inside(repo, folders);
            let found = inside.iter().find_map(|folder| sighted(repo, &id, folder).ok().flatten());
            if let Some(sighted) = found {
                scene.sighted.insert(id, sighted);
            }
        }
    }

    /// What became of released scripts, and what the main branch has that is not here yet.
    fn past(
        &self,
        scene: &Scene,
        config: &AlembicConfig,
        folders: &[PathBuf],
        changed: Option<&BTreeSet<PathBuf>>,
    ) -> Result<Option<Past>> {
        let (Some(repo), Some(main)) = (&self.repo, self.main()?) else { return Ok(None) };
        let is_staged = self.flags.look == Look::Staged;
        let to = if is_staged { To::Index } else { To::WorkTree };
        let since = repo.changed(&main.base, to, &inside(repo, folders))?;
        let mut changes = self.changes(repo, &since)?;
        if let Some(changed) = changed {
            // What an earlier commit did is not what this one does.
            let is_ours = |path: &PathBuf| changed.contains(path);
            changes.retain(|change| is_ours(&change.from) || change.to.as_ref().is_some_and(is_ours));
        }
        // A commit is no merge: whether main has moved on is for the branch as a whole to know.
        let merged = if is_staged { None } else { self.merged(repo, main, scene, config, folders)? };
        Ok(Some(Past { main: main.branch.name.clone(), base: main.base.short().to_owned(), changes, merged }))
    }

    fn changes(&self, repo: &Repo, since: &[Changed]) -> Result<Vec<Change>> {
        let mut found = Vec::new();
        for changed in since {
            let (from, to, blob) = match changed {
                Changed::Modified { path, before, .. } => (path, Some(path), before),
                Changed::Renamed { from, path, before, .. } => (from, Some(path), before),
                Changed::Deleted { path, blob } => (path, None, blob),
                Changed::Added { .. } | Changed::Unmerged { .. } => continue,
            };
            if from.file_name().is_some_and(|name| name.to_str().is_some_and(is_script_name)) {
                found.push((self.shown(repo, from), to.map(|path| self.shown(repo, path)), blob.clone()));
            }
        }
        let blobs: Vec<Oid> = found.iter().map(|(_, _, blob)| blob.clone()).collect();
        let contents = repo.blobs(&blobs)?;
        let change = |(from, to, blob)| {
            let before = contents.get(&blob).cloned().flatten().unwrap_or_default();
            Change { from, to, before }
        };
        Ok(found.into_iter().map(change).collect())
    }

    /// A merge with the main branch of today, by files: what it added comes, what it deleted goes, what it changed counts
    /// where it was not changed here.
    fn merged(
        &self,
        repo: &Repo,
        main: &Main,
        scene: &Scene,
        config: &AlembicConfig,
        folders: &[PathBuf],
    ) -> Result<Option<Merged>> {
        if main.branch.commit == main.base {
            return Ok(None);
        }
        let since = repo.changed(&main.base, To::Commit(&main.branch.commit), &inside(repo, folders))?;
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
        let files = repo.files_at(&main.branch.commit, &inside(repo, folders))?;
        let mut theirs = self.out_of_git(repo, files, config, folders)?;
        theirs.retain(|source| {
            come.contains(&source.path) && scene.source(&source.path).is_none_or(|own| own.is_released)
        });
        let replaced: BTreeSet<&PathBuf> = theirs.iter().map(|source| &source.path).chain(&gone).collect();
        let own = scene.sources.iter().filter(|source| !replaced.contains(&source.path));
        let scripts = own.chain(&theirs).filter_map(|source| source.header.clone().ok()).collect();
        let graph = Graph::build(scripts);
        theirs.retain(|source| scene.source(&source.path).is_none());
        Ok(Some(Merged { theirs, graph }))
    }

    /// What was wrong already.
    fn findings_at(&self, commit: &Oid, config: &AlembicConfig, folders: &[PathBuf]) -> Result<Vec<Finding>> {
        let Some(repo) = &self.repo else { return Ok(Vec::new()) };
        let files = repo.files_at(commit, &inside(repo, folders))?;
        let scene = Scene::new(self.out_of_git(repo, files, config, folders)?, String::new());
        Ok(rules::check(&scene, &self.ctx.project()?.rules))
    }

    /// A path of git's as it is shown: relative to the project.
    fn shown(&self, repo: &Repo, path: &Path) -> PathBuf {
        let absolute = repo.root().join(path);
        let root = self.ctx.project().map(|project| project.root.clone()).unwrap_or_default();
        absolute.strip_prefix(&root).unwrap_or(&absolute).to_owned()
    }
}

/// The version folders that exist, without symlinks.
fn folders(config: &AlembicConfig) -> Result<Vec<PathBuf>> {
    let there = config.version_locations.iter().filter(|folder| folder.is_dir());
    there.map(|folder| folder.canonicalize().with_context(|| format!("resolving {}", folder.display()))).collect()
}

/// What can be imported from the project itself: packages with an `__init__.py` on Alembic's own path, at the top and in
/// `src`. A folder of tests or of the migrations themselves is no application.
fn packages(root: &Path, config: &AlembicConfig) -> Vec<String> {
    let own = [root.to_owned(), root.join("src")];
    let mut names = BTreeSet::new();
    for folder in own.iter().chain(&config.prepend_sys_path) {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_migrations = config.script_location.starts_with(&path) && path.join("env.py").exists();
            if path.join("__init__.py").exists() && !is_migrations {
                names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
    }
    names.into_iter().collect()
}

/// Those that are in the checkout. Scripts of an installed package are in none.
fn inside(repo: &Repo, folders: &[PathBuf]) -> Vec<PathBuf> {
    folders.iter().filter(|folder| folder.starts_with(repo.root())).cloned().collect()
}

fn sighted(repo: &Repo, id: &str, folder: &Path) -> Result<Option<Sighted>> {
    for text in [format!("revision = \"{id}\""), format!("revision = '{id}'"), format!("revision: str = \"{id}\"")] {
        let Some(sighting) = repo.sightings(Needle::Text(&text, folder))?.into_iter().next() else { continue };
        let path = sighting.paths.first().map(|path| path.display().to_string()).unwrap_or_default();
        return Ok(Some(match (&sighting.stash, sighting.refs.first()) {
            (Some(stash), _) => Sighted { place: stash.clone(), command: format!("git stash apply '{stash}'") },
            (None, Some(name)) => {
                Sighted { place: format!("branch {name} ({path})"), command: format!("git merge {name}") }
            }
            (None, None) => {
                let commit = sighting.commit.short().to_owned();
                Sighted { place: format!("commit {commit}"), command: format!("git show {commit}:{path}") }
            }
        }));
    }
    Ok(None)
}
