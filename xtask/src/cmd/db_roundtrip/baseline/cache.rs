//! The cache of baselines. It looks on the server for a template database that was made from exactly the same inputs,
//! and keeps a new baseline for the next run. A stale baseline would give wrong verdicts, so every input counts that
//! could matter, and nothing is kept when an input changed meanwhile. Where the cache fails, the baseline is made anew;
//! the verdicts are the same.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::how::How;
use super::key;
use crate::cmd::db_roundtrip::facts::Facts;
use crate::ctx::Ctx;
use crate::fail::{Exit, from_anyhow};
use crate::report::roundtrip::CacheUse;
use crate::sys::clock;
use crate::sys::fingerprint::{Fingerprint, Tree};
use crate::sys::interrupt;
use crate::sys::pg::{Key, Limits, Making, Scratch, Template, Templates};
use crate::sys::project::CachePlace;
use crate::sys::remembered::{DEAD_ENDS, Known};

/// The cached baseline of this run, or why it is not cached.
#[derive(Default)]
pub struct Cache {
    open: Option<Open>,
    /// Where the baseline is cached.
    template: Option<Template>,
    came_from_it: bool,
    /// Why it is not cached.
    why: Option<String>,
    /// The parts of the key that are not those of the last one that was kept.
    changed: Vec<String>,
}

/// What is needed to keep a baseline.
struct Open {
    /// The session that also locks the template in use.
    templates: Templates,
    key: Key,
    /// The inputs as they were before the baseline was made; they must not change meanwhile.
    looked_at: [(Tree, Fingerprint); 2],
    how: How,
    component: String,
    worth: Duration,
}

impl Cache {
    /// Asks the server for this baseline. A failure is printed with `--verbose` and is no error.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn look(ctx: &Ctx, facts: &Facts, how: &How) -> Result<Cache> {
        let because = |why: &str| Cache { why: Some(why.to_owned()), ..Cache::default() };
        if let Some(why) = unwanted(ctx, facts, how)? {
            return Ok(because(why));
        }
        match Cache::ask(ctx, facts, how) {
            Ok(cache) => Ok(cache),
            Err(error) => {
                interrupt::check()?;
                ctx.ui.verbose(format!("No cached baseline: {error:#}"));
                Ok(because("the cache could not be asked"))
            }
        }
    }

    fn ask(ctx: &Ctx, facts: &Facts, how: &How) -> Result<Cache> {
        let settings = ctx.project()?.cache;
        let mut templates = Templates::open(facts.database.maker())?;
        // A template that is too old is dropped: its successor has the same name.
        drop_old(ctx, &mut templates)?;
        let looked_at = |tree: Tree| tree.look().map(|state| (tree, state));
        let looked_at = [looked_at(key::tree(ctx, facts, how)?)?, looked_at(key::scripts_apart(ctx, facts, how)?)?];
        let key = key::key(ctx, facts, how, &looked_at[0].1, templates.server_digest()?)?;
        let template = templates.find(&key, days(settings.days))?;
        let changed = if template.is_some() { Vec::new() } else { changed(&mut templates, facts, &key)? };
        if !changed.is_empty() {
            ctx.ui.verbose(format!("The baseline is made anew; changed since the last one: {}", changed.join(", ")));
        }
        let worth = Duration::from_millis(settings.milliseconds);
        let component = facts.component.name.clone();
        let open = Open { templates, key, looked_at, how: how.clone(), component, worth };
        Ok(Cache { open: Some(open), came_from_it: template.is_some(), template, changed, why: None })
    }

    /// A copy of the cached baseline, if there is one.
    ///
    /// # Errors
    /// `interrupted`, and what connecting may meet.
    pub fn copy(&mut self, facts: &Facts, making: &Making<'_>) -> Result<Option<Scratch>> {
        let Some(template) = self.template.as_ref() else { return Ok(None) };
        let copy = Scratch::of_template(&facts.database.url, &template.database, making)?;
        if copy.is_none() {
            // It was dropped by hand, or there is no room for a copy: the run goes on as if there were none.
            self.template = None;
            self.came_from_it = false;
        }
        Ok(copy)
    }

    /// Why an earlier run could not make this baseline from the same inputs.
    pub fn dead_end(&self, ctx: &Ctx) -> Option<Known> {
        let open = self.open.as_ref()?;
        DEAD_ENDS.find(&ctx.project().ok()?.state_dir, &open.key.digest())
    }

    /// Remembers that this baseline cannot be made, so that the next run does not try it.
    pub fn leads_nowhere(&self, ctx: &Ctx, why: &str) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        DEAD_ENDS.add(&ctx.project()?.state_dir, &open.key.digest(), why)
    }

    /// Whether the baseline is in the cache, so that it can be made again by a copy.
    pub fn has(&self) -> bool {
        self.template.is_some()
    }

    /// Whether a database that went up these revisions from empty is the baseline that is to be kept.
    pub fn is_baseline(&self, ids: &[String]) -> bool {
        let how = self.open.as_ref().map(|open| &open.how);
        self.template.is_none() && matches!(how, Some(How::Empty(prefix)) if prefix == ids)
    }

    /// Keeps the baseline for the next run, if making it took long enough, and returns whether it is kept. The tool's
    /// own sessions in it must be closed.
    ///
    /// # Errors
    /// `interrupted`. Any other failure is printed and leaves the baseline uncached.
    pub fn store(&mut self, ctx: &Ctx, scratch: &mut Scratch, words: &str, took: Duration) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        if took < open.worth {
            self.why = Some(format!("it was made in {} ms", took.as_millis()));
            return Ok(false);
        }
        match open.store(scratch, words) {
            Ok(Ok(template)) => {
                self.template = template;
                self.why = None;
            }
            Ok(Err(why)) => self.why = Some(why),
            Err(error) => {
                interrupt::check()?;
                let why = from_anyhow(&error);
                ctx.ui.warn(format!("The baseline is not kept for the next run: {} ({})", why.summary, why.details));
                self.why = Some(why.summary);
            }
        }
        Ok(self.template.is_some())
    }

    /// How the baseline came to be, for the report.
    pub fn words(&self, made: &str) -> String {
        match &self.template {
            Some(template) if self.came_from_it => {
                format!("cached {} ago: {} ({})", clock::age(template.age), template.words, template.database)
            }
            _ => made.to_owned(),
        }
    }

    /// The same as a value, for the report.
    pub fn to_use(&self) -> CacheUse {
        let state = match (&self.template, self.came_from_it) {
            (Some(_), true) => "hit",
            (Some(_), false) => "stored",
            (None, _) => "none",
        };
        let template = self.template.as_ref();
        CacheUse {
            state,
            database: template.map(|template| template.database.clone()),
            key: self.open.as_ref().map(|open| open.key.digest()),
            age_seconds: template.map(|template| template.age.as_secs()),
            bytes: template.map(|template| template.bytes),
            changed: self.changed.clone(),
            why: self.why.clone(),
        }
    }
}

impl Open {
    /// The template, or why it is not kept.
    fn store(&mut self, scratch: &mut Scratch, words: &str) -> Result<Result<Option<Template>, String>> {
        for (tree, before) in &self.looked_at {
            if let Some(file) = tree.look()?.first_change(before) {
                return Ok(Err(format!("{} changed while it was made", file.display())));
            }
        }
        self.templates.store(scratch, &self.key, &self.component, words).map(Ok)
    }
}

/// Why the cache is not used.
fn unwanted(ctx: &Ctx, facts: &Facts, how: &How) -> Result<Option<&'static str>> {
    let local = facts.database.embedded || facts.database.url.is_local();
    Ok(match ctx.project()?.cache.place {
        _ if facts.no_cache => Some("--no-cache"),
        _ if matches!(how, How::Empty(prefix) if prefix.is_empty()) => Some("it is an empty database"),
        CachePlace::Nowhere => Some("`cache.where` is \"nowhere\""),
        CachePlace::Local if !local => Some("the server is on another machine and `cache.where` is \"local\""),
        CachePlace::Local | CachePlace::Everywhere => None,
    })
}

/// Which inputs have changed since the last baseline of this component was kept in this folder.
fn changed(templates: &mut Templates, facts: &Facts, key: &Key) -> Result<Vec<String>> {
    let all = templates.list()?;
    let of_this =
        |template: &&Template| template.component == facts.component.name && key.shares("project", &template.key);
    let last = all.iter().find(of_this);
    let parts = last.map(|last| key.differences(&last.key)).unwrap_or_default();
    Ok(parts.into_iter().map(str::to_owned).collect())
}

/// Drops baselines that are too old or too many, at the end of a run.
///
/// # Errors
/// `interrupted`. Where the server refuses to list or drop them, they stay.
pub fn trim(ctx: &Ctx, facts: &Facts) -> Result<()> {
    let done = Templates::open(facts.database.maker()).and_then(|mut templates| drop_old(ctx, &mut templates));
    if let Err(error) = done {
        interrupt::check()?;
        ctx.ui.verbose(format!("Old baselines stay: {error:#}"));
    }
    Ok(())
}

fn drop_old(ctx: &Ctx, templates: &mut Templates) -> Result<()> {
    let settings = ctx.project()?.cache;
    let limits = Limits { age: days(settings.days), bytes: settings.megabytes.saturating_mul(1 << 20) };
    for name in templates.trim(limits)? {
        ctx.ui.verbose(format!("Dropped an old baseline: {name}"));
    }
    Ok(())
}

/// `--clear-cache`: drops every cached baseline on the component's server that nobody uses.
///
/// # Errors
/// What connecting may meet.
pub fn clear(ctx: &Ctx) -> Result<Exit> {
    let config = ctx.config(ctx.component()?)?;
    let database = ctx.database(&config)?;
    let mut templates = Templates::open(database.maker())?;
    let dropped = templates.trim(Limits { age: Duration::ZERO, bytes: 0 })?;
    DEAD_ENDS.forget(&ctx.project()?.state_dir);
    let left = templates.list()?.len();
    let used = if left > 0 { format!("; {left} in use") } else { String::new() };
    ctx.ui.answer(format!("Dropped {} cached baselines{used}", dropped.len()));
    ctx.ui.json("db-roundtrip", Exit::Done, json!({"dropped": dropped, "left": left}), None);
    Ok(Exit::Done)
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(24 * 3600))
}
