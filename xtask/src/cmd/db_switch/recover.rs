//! Puts right what a killed switch left. Where only its last step was missing, it counts as done; else the databases
//! get their old names back, and the old branch is checked out. No database is dropped: one that was made for the other
//! branch is parked for it.

use anyhow::{Context, Result};

use super::record::{NOTE, Record, Swap, folder};
use crate::ctx::Ctx;
use crate::fail::refuse;
use crate::model::action::own;
use crate::sys::git::Repo;
use crate::sys::journal::{Journal, crash_point};
use crate::sys::pg::parked::Databases;
use crate::sys::pg::sweep;

/// Does it, if there is anything.
///
/// # Errors
/// What git and the database may meet; it can be repeated.
pub fn put_right(ctx: &Ctx, repo: &Repo) -> Result<()> {
    let Some(journal) = Journal::pending(&folder(ctx)?).map_err(refuse)? else { return Ok(()) };
    let note = journal.noted(NOTE).cloned().unwrap_or_default();
    let record = Record::from_json(&note).context("reading the journal of db-switch")?;
    let mut swapped = Vec::new();
    for swap in &record.swaps {
        let mut databases = open(ctx, swap)?;
        if is_swapped(&mut databases, swap)? {
            swapped.push((swap, databases));
        }
    }
    let is_there = repo.head()?.place().as_ref() == Some(&record.to);
    if is_there && swapped.len() == record.swaps.len() {
        let sync = ctx.ui.shown(own("db-sync"));
        let to = &record.to;
        ctx.ui.status(format!(
            "The switch to {to} that was broken off was done but for its end; bring it in line: {sync}"
        ));
        return journal.finish();
    }
    for (swap, mut databases) in swapped {
        databases.swap(&swap.coming, &swap.parked, &swap.leaving).map_err(refuse)?;
        crash_point();
    }
    if is_there {
        repo.switch(&record.from).map_err(refuse)?;
    }
    ctx.ui.status(format!("The switch to {} that was broken off was taken back", record.to));
    journal.finish()
}

/// Whether the database that was in use is parked now.
fn is_swapped(databases: &mut Databases, swap: &Swap) -> Result<bool> {
    Ok(databases.list()?.iter().any(|it| !it.active && it.database == swap.parked))
}

fn open(ctx: &Ctx, swap: &Swap) -> Result<Databases> {
    let component = ctx.project()?.component(Some(&swap.component))?;
    let database = ctx.database(&ctx.config(component)?)?;
    let admin = ctx.admin_url(&database)?;
    // Clones that were never put in place.
    sweep(&admin)?;
    Databases::open(&admin, &database.url.target().database)
}
