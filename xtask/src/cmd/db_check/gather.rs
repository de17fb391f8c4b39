//! Gathers what `db-check` judges: the scripts of a component, from the work tree or from the index, and what git knows
//! of them. The pre-commit hook waits for this, so git is asked few questions (one diff for all components), and while
//! the scripts are read.

mod past;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow};

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::flags::{DbCheck, Look};
use crate::model::action::{Action, git, own};
use crate::model::graph::Problem;
use crate::model::rules::{self, Context, Env, Finding, Past, Sighted, Tracking};
use crate::sys::files::{self, read_regular};
use crate::sys::git::{Changed, Needle, Oid, Operation, Repo, State, To};
use crate::sys::interrupt;
use crate::sys::project::{AlembicConfig, Component};
use past::Main;

/// For how many missing revisions git is searched; each takes a walk through all of history.
const SEARCHED: usize = 3;

/// A component's findings.
pub struct Judged {
    pub component: String,
    pub findings: Vec<Finding>,
    /// How many scripts were looked at by themselves.
    pub checked: usize,
    context: Context,
}

impl Judged {
    /// The script's text where a finding is.
    pub fn line(&self, finding: &Finding) -> &str {
        self.context.source(&finding.path).map_or("", |source| source.line(finding.line))
    }
}

pub fn judge(ctx: &Ctx, flags: &DbCheck, components: &[&Component]) -> Result<Vec<Judged>> {
    let mut look = Gatherer { ctx, flags, repo: repo(ctx, flags)?, changed: None, main: OnceLock::new() };
    let parts = parts(ctx, flags, components)?;
    let folders: Vec<&PathBuf> = parts.iter().flat_map(|part| &part.folders).collect();
    look.changed = look.changed(&folders)?;
    look.tell_what_follows_nothing()?;
    parts.iter().map(|part| look.judge(part)).collect()
}

/// Where nobody has named a component, one without its config keeps the others from nothing.
fn parts<'a>(ctx: &Ctx, flags: &DbCheck, components: &[&'a Component]) -> Result<Vec<Part<'a>>> {
    let is_choosy = flags.all || components.len() < 2;
    let (mut parts, mut first) = (Vec::new(), None);
    for component in components {
        match Part::new(ctx, component) {
            Ok(part) => parts.push(part),
            Err(error) if is_choosy || from_anyhow(&error).kind != Kind::ConfigMissing => return Err(error),
            Err(error) => {
                let Fail { summary, details, .. } = from_anyhow(&error);
                ctx.ui.not_looked_at(format!("any script of {}: {summary} ({details})", component.name));
                first = first.or(Some(error));
            }
        }
    }
    match first {
        Some(error) if parts.is_empty() => Err(error),
        _ => Ok(parts),
    }
}

/// A component, and where its scripts are.
pub(super) struct Part<'a> {
    component: &'a Component,
    pub(super) config: AlembicConfig,
    pub(super) folders: Vec<PathBuf>,
}

impl<'a> Part<'a> {
    pub(super) fn new(ctx: &Ctx, component: &'a Component) -> Result<Part<'a>> {
        let config = ctx.config(component)?;
        ctx.look_at_locations(&config)?;
        Ok(Part { component, folders: folders(&config)?, config })
    }
}

/// The checkout. Without git everything can be checked that does not ask for it by name.
fn repo(ctx: &Ctx, flags: &DbCheck) -> Result<Option<Repo>> {
    let found = Repo::find(&ctx.ui, &ctx.project()?.root).map(|found| found.map(Repo::remembering));
    let flag = match &flags.look {
        Look::WorkTree => {
            let (found, why) = match found {
                Ok(Some(repo)) => return Ok(Some(repo)),
                Ok(None) => (None, "this is no git checkout".to_owned()),
                Err(error) => (None, format!("git cannot be asked ({error:#})")),
            };
            ctx.ui.not_looked_at(format!("what is released: {why}; every script counts as new"));
            return Ok(found);
        }
        Look::Staged => "--staged",
        Look::Since(_) => "--base",
    };
    found?.map(Some).ok_or_else(|| {
        Fail::new(Kind::Usage, format!("`{flag}` needs a git checkout"))
            .details(format!("{} is in none", ctx.project().map_or("", |project| project.root.to_str().unwrap_or(""))))
            .run("Check all scripts instead", own("db-check"))
            .into()
    })
}

/// Where what is checked parted from a commit; the commit itself where that cannot be told.
fn since(repo: &Repo, reference: &str) -> Result<Oid> {
    let commit = repo.commit(reference)?;
    Ok(repo.merge_base(reference).unwrap_or(commit))
}

/// What a commit follows: the last one, and the other sides of a merge, which have been judged where they were made.
fn committed(repo: &Repo) -> Result<Vec<Oid>> {
    let merged = match repo.operation()? {
        Some(Operation::Merge { heads }) => heads,
        _ => Vec::new(),
    };
    Ok(repo.head()?.commit.into_iter().chain(merged).collect())
}

struct Gatherer<'a> {
    ctx: &'a Ctx,
    flags: &'a DbCheck,
    repo: Option<Repo>,
    /// The files in any component's folders that differ from what findings are compared with, as git names them; `None`
    /// where nothing is compared, so that every script counts.
    changed: Option<BTreeSet<PathBuf>>,
    /// What holds the released scripts; asked for when the first component has anything to look at.
    main: OnceLock<Option<Main>>,
}

impl Gatherer<'_> {
    /// A branch that is in what it is compared with already, as main is in main, has no change of its own.
    fn tell_what_follows_nothing(&self) -> Result<()> {
        let (Some(repo), Look::Since(reference)) = (&self.repo, &self.flags.look) else { return Ok(()) };
        let is_clean = self.changed.as_ref().is_some_and(BTreeSet::is_empty);
        if is_clean && repo.head()?.commit == Some(since(repo, reference)?) {
            let before = own("db-check").flag("--base", "HEAD~1");
            let text = format!("any change since {reference}: it has what is checked out already. For the last commit");
            self.ctx.ui.not_looked_at(self.ctx.ui.shown(Action::run(text, before)));
        }
        Ok(())
    }

    fn judge(&self, part: &Part) -> Result<Judged> {
        let name = part.component.name.clone();
        let changed = self.changed_in(part)?;
        let is_untouched = self.flags.look == Look::Staged && changed.as_ref().is_some_and(BTreeSet::is_empty);
        if is_untouched {
            let context = Context::new(Vec::new(), name.as_str());
            return Ok(Judged { component: name, findings: Vec::new(), checked: 0, context });
        }
        let (sources, since) = std::thread::scope(|scope| {
            let since = scope.spawn(|| self.since_main(part));
            (self.sources(part), since.join())
        });
        let since = since.map_err(|_| anyhow!("asking git broke off"))??;
        let sources = sources?;
        if sources.is_empty() && self.flags.look == Look::WorkTree {
            self.ctx.ui.not_looked_at(format!("any script of {name}: there is none in its version folders"));
        }
        let mut context = Context::new(sources, name.as_str());
        context.spares_released = !self.flags.released;
        context.env = self.env(part)?;
        context.packages = packages(&self.ctx.project()?.root, &part.config);
        self.mark(&mut context, part, since.as_deref(), changed.as_ref())?;
        self.search(&mut context, part);
        context.past = self.past(&context, part, since.as_deref(), changed.as_ref())?;
        let mut findings = self.findings(&mut context)?;
        if !findings.is_empty() {
            let before = self.findings_before(part, &context)?;
            let known: BTreeSet<_> = before.iter().map(Finding::identity).collect();
            findings.retain(|finding| !known.contains(&finding.identity()));
        }
        let checked = context.sources.iter().filter(|source| source.is_checked).count();
        Ok(Judged { component: name, findings, checked, context })
    }

    /// env.py. It is judged in the work tree alone, and not where it is part of an installed package.
    fn env(&self, part: &Part) -> Result<Option<Env>> {
        let root = &self.ctx.project()?.root;
        let path = part.config.script_location.join("env.py");
        let Ok(bytes) = read_regular(&path) else { return Ok(None) };
        let is_own = path.starts_with(root) && !is_installed(&path);
        let mut env = Env::new(path.strip_prefix(root).unwrap_or(&path), String::from_utf8_lossy(&bytes).into_owned());
        if !is_own || self.flags.look != Look::WorkTree {
            env.calls.clear();
        }
        Ok(Some(env))
    }

    fn findings(&self, context: &mut Context) -> Result<Vec<Finding>> {
        let findings = rules::check_while(context, &self.ctx.project()?.rules, &|| !interrupt::requested());
        interrupt::check()?;
        Ok(findings)
    }

    /// Fills [`Gatherer::changed`].
    fn changed(&self, folders: &[&PathBuf]) -> Result<Option<BTreeSet<PathBuf>>> {
        let Some(repo) = &self.repo else { return Ok(None) };
        let folders: Vec<&PathBuf> = folders.iter().copied().filter(|folder| folder.starts_with(repo.root())).collect();
        let changed = match &self.flags.look {
            Look::WorkTree => return Ok(None),
            // For git, no folder is every folder.
            _ if folders.is_empty() => Vec::new(),
            Look::Staged => repo.staged(&folders)?,
            Look::Since(reference) => repo.changed(&since(repo, reference)?, To::WorkTree, &folders)?,
        };
        Ok(Some(changed.iter().map(|changed| changed.path().to_owned()).collect()))
    }

    /// The changed files of one component, relative to the project.
    fn changed_in(&self, part: &Part) -> Result<Option<BTreeSet<PathBuf>>> {
        let (Some(repo), Some(changed)) = (&self.repo, &self.changed) else { return Ok(None) };
        let is_in = |path: &&PathBuf| part.folders.iter().any(|folder| repo.root().join(path).starts_with(folder));
        Ok(Some(changed.iter().filter(is_in).map(|path| self.shown(repo, path)).collect()))
    }

    /// What git knows of each script.
    fn mark(
        &self,
        context: &mut Context,
        part: &Part,
        since: Option<&[Changed]>,
        changed: Option<&BTreeSet<PathBuf>>,
    ) -> Result<()> {
        let Some(repo) = &self.repo else { return Ok(()) };
        let states: BTreeMap<PathBuf, State> = match self.flags.look {
            Look::Staged => BTreeMap::new(),
            _ => {
                let status = repo.status(&inside(repo, &part.folders))?;
                status.files.into_iter().map(|(path, state)| (self.shown(repo, &path), state)).collect()
            }
        };
        let mut came = BTreeSet::new();
        let mut went = BTreeSet::new();
        for change in since.unwrap_or_default() {
            match change {
                Changed::Added { path, .. } | Changed::Renamed { path, .. } => came.insert(self.shown(repo, path)),
                Changed::Deleted { path, .. } => went.insert(self.shown(repo, path)),
                _ => false,
            };
        }
        let root = &self.ctx.project()?.root;
        for source in &mut context.sources {
            // What git does not know any more may still lie there.
            let was_there = match states.get(&source.path) {
                Some(State::Untracked | State::Ignored) => went.contains(&source.path),
                _ => !came.contains(&source.path) && root.join(&source.path).starts_with(repo.root()),
            };
            source.is_released = was_there && since.is_some();
            source.tracking = match states.get(&source.path) {
                // It comes with a package, wherever that lies.
                _ if is_installed(&source.path) => Tracking::Known,
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
    fn search(&self, context: &mut Context, part: &Part) {
        let Some(repo) = &self.repo else { return };
        let missing = context.problems().iter().filter_map(|problem| match problem {
            Problem::MissingParent { parent, .. } => Some(parent.clone()),
            Problem::MissingDependency { dependency, .. } => Some(dependency.clone()),
            _ => None,
        });
        let missing: BTreeSet<String> = missing.collect();
        for id in missing.into_iter().take(SEARCHED) {
            let inside = inside(repo, &part.folders);
            let found = inside.iter().find_map(|folder| sighted(repo, &id, folder).ok().flatten());
            if let Some(sighted) = found {
                context.sighted.insert(id, sighted);
            }
        }
    }

    /// What was wrong already, in what is compared with. It is looked at as `now` is, so that the same is said of it.
    fn findings_before(&self, part: &Part, now: &Context) -> Result<Vec<Finding>> {
        let Some(repo) = &self.repo else { return Ok(Vec::new()) };
        let bases = match &self.flags.look {
            Look::WorkTree => Vec::new(),
            Look::Staged => committed(repo)?,
            Look::Since(reference) => vec![since(repo, reference)?],
        };
        let mut findings = Vec::new();
        for base in bases {
            let files = repo.files_at(&base, &inside(repo, &part.folders))?;
            let mut context = Context::new(self.out_of_git(repo, files, part)?, now.component.as_str());
            for source in &mut context.sources {
                // What is not looked at now has no finding that could have been there.
                let now = now.source(&source.path);
                source.is_checked = now.is_none_or(|now| now.is_checked);
                source.is_released = now.is_some_and(|now| now.is_released);
            }
            context.spares_released = now.spares_released;
            context.packages.clone_from(&now.packages);
            context.past = now.past.as_ref().map(Past::without_changes);
            findings.extend(self.findings(&mut context)?);
        }
        Ok(findings)
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
        for path in files::entries(folder) {
            let is_migrations = config.script_location.starts_with(&path) && path.join("env.py").exists();
            if path.join("__init__.py").exists() && !is_migrations {
                names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
    }
    names.into_iter().collect()
}

/// The folders that are in the checkout. Those of an installed package are in none.
pub(super) fn inside(repo: &Repo, folders: &[PathBuf]) -> Vec<PathBuf> {
    folders.iter().filter(|folder| folder.starts_with(repo.root())).cloned().collect()
}

fn sighted(repo: &Repo, id: &str, folder: &Path) -> Result<Option<Sighted>> {
    for text in [format!("revision = \"{id}\""), format!("revision = '{id}'"), format!("revision: str = \"{id}\"")] {
        let Some(sighting) = repo.sightings(Needle::Text(&text, folder))?.into_iter().next() else { continue };
        let path = sighting.paths.first().map(|path| path.display().to_string()).unwrap_or_default();
        return Ok(Some(match (&sighting.stash, sighting.refs.first()) {
            (Some(stash), _) => Sighted { place: stash.clone(), command: git(["stash", "apply", stash]) },
            (None, Some(name)) => Sighted { place: format!("branch {name} ({path})"), command: git(["merge", name]) },
            (None, None) => {
                let commit = sighting.commit.short().to_owned();
                Sighted { place: format!("commit {commit}"), command: git(["show", &format!("{commit}:{path}")]) }
            }
        }));
    }
    Ok(None)
}

/// Whether a file is part of an installed package.
fn is_installed(path: &Path) -> bool {
    path.iter().any(|folder| folder == "site-packages" || folder == "dist-packages")
}
