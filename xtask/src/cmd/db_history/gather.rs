//! Gathers what `db-history` shows: it reads the scripts, and asks git and the database at the same time.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{Result, anyhow};

use crate::ctx::{Ctx, version_table};
use crate::fail::from_anyhow;
use crate::model::graph::Graph;
use crate::report::drawing::Known;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::clock::utc_date;
use crate::sys::git::{Addition, Repo};
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;

/// What git says of files, by absolute path.
#[derive(Default)]
struct Past {
    added: HashMap<PathBuf, Addition>,
    /// What the main branch has; `None` where nobody can tell what is released.
    released: Option<HashSet<PathBuf>>,
}

/// The history, and what is known of its revisions besides.
///
/// # Errors
/// What keeps the scripts from being read; with `needs_current` also what keeps the database from being asked.
pub fn gather(ctx: &Ctx, component: &Component, needs_current: bool) -> Result<(Graph, Known)> {
    let config = ctx.config(component)?;
    let (graph, past, current) = std::thread::scope(|scope| {
        let past = scope.spawn(|| {
            past(ctx, &config).unwrap_or_else(|error| {
                let why = from_anyhow(&error).summary;
                ctx.ui.status(format!("Nobody is named, and nothing is marked as own: {why}"));
                Past::default()
            })
        });
        let current = scope.spawn(|| current(ctx, &config, needs_current));
        (ctx.history(&config), past.join(), current.join())
    });
    let broke_off = |_| anyhow!("asking git or the database broke off");
    let (graph, past) = (graph?, past.map_err(broke_off)?);
    let current = match current.map_err(broke_off)? {
        Err(error) if needs_current => return Err(error),
        Err(error) => {
            ctx.ui.status(format!("No revision is marked as current: {}", from_anyhow(&error).summary));
            None
        }
        Ok(current) => current,
    };
    let known = known(ctx, &graph, past, current)?;
    Ok((graph, known))
}

fn known(ctx: &Ctx, graph: &Graph, past: Past, current: Option<Vec<String>>) -> Result<Known> {
    let root = &ctx.project()?.root;
    let mut known = Known { current, own: past.released.as_ref().map(|_| HashSet::new()), ..Known::default() };
    for script in graph.scripts() {
        let path = root.join(&script.path);
        if let Some(added) = past.added.get(&path) {
            known.added.insert(script.id.clone(), (added.author.clone(), utc_date(added.time)));
        }
        if let (Some(own), Some(released)) = (&mut known.own, &past.released)
            && !released.contains(&path)
        {
            own.insert(script.id.clone());
        }
    }
    Ok(known)
}

/// Who added which script, and which of them the main branch has.
fn past(ctx: &Ctx, config: &AlembicConfig) -> Result<Past> {
    let Some(repo) = Repo::find(&ctx.ui, &ctx.project()?.root)? else { return Ok(Past::default()) };
    let folders = config.version_locations.iter().filter_map(|folder| folder.canonicalize().ok());
    let folders: Vec<PathBuf> = folders.filter(|folder| folder.starts_with(repo.root())).collect();
    if folders.is_empty() {
        return Ok(Past::default());
    }
    let added = repo.additions(&folders)?.into_iter().map(|(path, added)| (repo.root().join(path), added)).collect();
    let main = ctx.main_branch(&repo).ok();
    let files = main.map(|main| repo.files_at(&main.commit, &folders)).transpose()?;
    let released = files.map(|files| files.into_iter().map(|file| repo.root().join(file.path)).collect());
    Ok(Past { added, released })
}

/// The rows of the version table. Unless they are needed, the embedded server is asked only where it is up already.
fn current(ctx: &Ctx, config: &AlembicConfig, is_needed: bool) -> Result<Option<Vec<String>>> {
    if !is_needed && ctx.is_embedded_down()? {
        return Ok(None);
    }
    let database = ctx.database(config)?;
    let mut db = Db::connect_to_look(&database.url, &application_name("db-history"))?;
    Ok(Some(db.applied(&version_table(&config.component))?.revisions))
}
