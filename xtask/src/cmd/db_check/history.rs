//! `db-check --history`: judges the past of the scripts, commit by commit of the main line. Every blob is read and
//! parsed once, whatever the number of commits.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::json;

use super::gather::{Part, inside};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::{DbCheck, Span};
use crate::model::action::own;
use crate::model::hindsight::{Commit, Hindsight, Text};
use crate::model::revision::is_script_name;
use crate::report::hindsight::Pasts;
use crate::sys::clock::{utc_date, utc_moment};
use crate::sys::files;
use crate::sys::git::{Changed, Oid, Repo};
use crate::sys::interrupt;
use crate::sys::project::Component;

/// # Errors
/// A usage error without git or for a commit that does not exist.
pub fn run(ctx: &Ctx, flags: &DbCheck, span: &Span, components: &[&Component]) -> Result<Exit> {
    let root = &ctx.project()?.root;
    let repo = Repo::find(&ctx.ui, root)?.ok_or_else(|| {
        Fail::new(Kind::Usage, "`--history` needs a git checkout")
            .details(format!("{} is in none", root.display()))
            .run("Check the scripts as they are", own("db-check"))
    })?;
    if repo.is_shallow() {
        ctx.ui.not_looked_at("what is behind the cut of this shallow clone");
    }
    let pasts: Vec<Pasts> =
        components.iter().map(|component| past(ctx, &repo, component, span)).collect::<Result<_>>()?;
    let history: Vec<_> = pasts.iter().flat_map(|past| past.to_json(ctx.ui.around())).collect();
    ctx.ui.json("db-check", Exit::Done, json!({"findings": [], "history": history}), None);
    if let (Some(path), Some(past)) = (&flags.svg, pasts.first()) {
        files::write_atomic(path, past.svg().as_bytes())?;
    }
    ctx.ui.answer(pasts.iter().map(Pasts::text).collect::<Vec<_>>().join("\n\n"));
    // What is past is told; nobody can commit it away.
    Ok(Exit::Done)
}

fn past(ctx: &Ctx, repo: &Repo, component: &Component, span: &Span) -> Result<Pasts> {
    let part = Part::new(ctx, component)?;
    let folders = inside(repo, &part.folders);
    let main = ctx.main_branch(repo).ok();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (reached, since, walked) = match span {
        Span::Commits(text) => (text.clone(), None, text.clone()),
        Span::Last(time) => {
            let since = now.saturating_sub(time.as_secs());
            let line = main.as_ref().map_or("HEAD", |main| main.name.as_str());
            let commit = main.as_ref().map_or("HEAD", |main| main.commit.as_str());
            (commit.to_owned(), Some(since), format!("{line} since {}", day(since)))
        }
    };
    if folders.is_empty() {
        ctx.ui.not_looked_at(format!("the past of {}: its version folders are not in this checkout", component.name));
    }
    // For git, no folder is every folder.
    let commits = if folders.is_empty() { Vec::new() } else { repo.main_line(&reached, since, &folders)? };
    let is_script = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let at = repo.root().join(path);
        let is_in =
            |folder: &PathBuf| if part.config.recursive { at.starts_with(folder) } else { at.parent() == Some(folder) };
        name.is_some_and(is_script_name) && folders.iter().any(is_in)
    };
    let first = match commits.first().and_then(|commit| commit.parent.as_ref()) {
        Some(parent) => repo.files_at(parent, &folders)?,
        None => Vec::new(),
    };
    let first: Vec<(PathBuf, Oid)> =
        first.into_iter().filter(|file| is_script(&file.path)).map(|file| (file.path, file.blob)).collect();
    let brought = commits.iter().flat_map(|commit| &commit.changed).filter_map(|changed| now_there(changed)?.1);
    let blobs: Vec<Oid> = first.iter().map(|(_, blob)| blob.clone()).chain(brought).collect();
    let mut texts = Texts { ctx, repo, contents: repo.blobs(&blobs)?, read: HashMap::new() };
    let files: BTreeMap<PathBuf, Arc<Text>> =
        first.into_iter().map(|(path, blob)| texts.of(path, &blob)).collect::<Result<_>>()?;
    let mut hindsight = Hindsight::new(&component.name, &ctx.project()?.rules, files);
    let before = hindsight.heads().len();
    for commit in commits {
        interrupt::check()?;
        let mut changes = Vec::new();
        for (path, blob) in commit.changed.iter().filter_map(now_there).filter(|(path, _)| is_script(path)) {
            changes.push(match blob {
                Some(blob) => texts.of(path, &blob).map(|(path, text)| (path, Some(text)))?,
                None => (texts.shown(&path)?, None),
            });
        }
        let parent = commit.parent.as_ref().map_or("", |parent| parent.short());
        let told = Commit { id: commit.commit.as_str().to_owned(), time: commit.time, subject: commit.subject };
        hindsight.step(told, parent, changes);
    }
    let (component, events) = (component.name.clone(), hindsight.events);
    let last = events.last().map_or(now, |event| event.commit.time);
    let until = if since.is_some() { now } else { last };
    Ok(Pasts { component, walked, events, before, day, moment, until })
}

/// A path with what it holds since; without a blob it is gone.
fn now_there(changed: &Changed) -> Option<(PathBuf, Option<Oid>)> {
    match changed {
        Changed::Added { path, blob } => Some((path.clone(), blob.clone())),
        Changed::Modified { path, after, .. } | Changed::Renamed { path, after, .. } => {
            Some((path.clone(), after.clone()))
        }
        Changed::Deleted { path, .. } => Some((path.clone(), None)),
        Changed::Unmerged { .. } => None,
    }
}

/// The contents of all blobs, and each as it was read.
struct Texts<'a> {
    ctx: &'a Ctx,
    repo: &'a Repo,
    contents: HashMap<Oid, Option<Vec<u8>>>,
    read: HashMap<(PathBuf, Oid), Arc<Text>>,
}

impl Texts<'_> {
    /// A path of git's as it is shown, and what it held.
    fn of(&mut self, path: PathBuf, blob: &Oid) -> Result<(PathBuf, Arc<Text>)> {
        let shown = self.shown(&path)?;
        let bytes = self.contents.get(blob).and_then(Option::as_deref).unwrap_or_default();
        let read = self.read.entry((path, blob.clone())).or_insert_with(|| Arc::new(Text::read(&shown, bytes)));
        Ok((shown, Arc::clone(read)))
    }

    fn shown(&self, path: &Path) -> Result<PathBuf> {
        let absolute = self.repo.root().join(path);
        Ok(absolute.strip_prefix(&self.ctx.project()?.root).unwrap_or(&absolute).to_owned())
    }
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn day(seconds: u64) -> String {
    utc_date(time(seconds))
}

fn moment(seconds: u64) -> String {
    utc_moment(time(seconds))
}
