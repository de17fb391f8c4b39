//! The database's part of a rebase: what it holds, which revisions it has to go down and up through, and the checks
//! before that. `work/migrate.rs` takes it down with the old scripts and up with the new ones.

use std::path::PathBuf;

use anyhow::Result;

use super::facts::Facts;
use crate::ctx::{Ctx, version_table};
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, own};
use crate::model::graph::Graph;
use crate::model::rebase::{self, Change, Moved, Trip};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::own_database::{OwnDatabase, Refusal};
use crate::work::skipped::{self, AllSkipped};
use crate::work::standing::is_not_set_up;

const COMMAND: &str = "db-rebase";

/// What was found out about the database.
pub enum Found {
    /// It was not to be asked.
    NotAsked,
    /// Nobody answers there.
    Down(Fail),
    /// It answered.
    At {
        /// Where it is.
        place: String,
        /// What its version table holds.
        applied: Vec<String>,
        /// What it counts as having run and never ran.
        skipped: AllSkipped,
    },
}

/// Asks the database where it stands. One that is not up, or not made yet, is an answer too. `graph` has to be that of
/// the files on the disk: what a revision makes is read there.
pub fn look(ctx: &Ctx, component: &Component, config: &AlembicConfig, graph: &Graph) -> Result<Found> {
    let database = match ctx.database(config) {
        Err(error) if is_not_set_up(component, &error) => return Ok(Found::Down(from_anyhow(&error))),
        database => database?,
    };
    let place = database.place();
    let mut db = match Db::connect(&database.url, &application_name(COMMAND)) {
        Ok(db) => db,
        Err(error) => {
            let fail = from_anyhow(&error);
            return match fail.kind {
                Kind::ConnectionRefused | Kind::DatabaseMissing => Ok(Found::Down(fail)),
                _ => Err(error),
            };
        }
    };
    let table = version_table(component);
    let applied = db.applied(&table)?;
    let ledger = db.ledger(&table.found(&applied));
    let skipped = skipped::find(ctx, graph, &mut db, ledger.as_ref(), &applied.revisions);
    Ok(Found::At { place, applied: applied.revisions, skipped })
}

/// What the version table holds, and nothing else; for a history whose files are not on the disk.
pub fn applied(ctx: &Ctx, component: &Component) -> Result<Vec<String>> {
    let database = ctx.database(&ctx.config(component)?)?;
    let mut db = Db::connect(&database.url, &application_name(COMMAND))?;
    Ok(db.applied(&version_table(component))?.revisions)
}

/// What the database has to go through.
pub fn plan(facts: &Facts, change: &Change, moved: &[Moved], applied: &[String]) -> Result<Trip> {
    let unknown: Vec<String> = facts.graph.unknown(applied).into_iter().map(str::to_owned).collect();
    if !unknown.is_empty() {
        let fail = advice::unknown_in_database(&unknown, facts.component);
        let fail = fail.details("So nobody knows whether it holds a revision that is about to move");
        return Err(fail.run("Or leave the database alone", own("db-rebase").word("--no-db")).into());
    }
    let new = rebase::applied(&facts.graph, change)?;
    Ok(rebase::trip(&facts.graph, &new, moved, applied)?)
}

/// The refusal where the database has skipped migrations already: going down through them would undo what was never done.
pub fn check_nothing_skipped(facts: &Facts, place: &str, skipped: &AllSkipped) -> Result<()> {
    if skipped.is_empty() {
        return Ok(());
    }
    let fail = Fail::new(Kind::WrongDatabase, "The database has skipped migrations")
        .details(format!("{place} counts as having run these, and never did:"))
        .details(skipped.lines(&facts.graph).join("\n"));
    let commands = skipped.commands(&facts.component.name).into_iter().take(1);
    Err(commands
        .fold(fail, Fail::action)
        .run("Then repeat the command; or leave the database alone", own("db-rebase").word("--no-db"))
        .related(own("db-status"))
        .refused()
        .into())
}

/// The database that has to go down and up again, locked, with nobody connected.
///
/// # Errors
/// `remote-database`, `already-running`, `active-connections`, and what connecting may meet.
pub fn claim<'a>(ctx: &Ctx, component: &'a Component) -> Result<OwnDatabase<'a>> {
    let rebase = || own(COMMAND).of(&component.name);
    let mut own = OwnDatabase::connect(ctx, component, COMMAND)?;
    let elsewhere = Refusal {
        why: "It holds a revision that has to move",
        instead: vec![
            Action::run("See what would have to be done", rebase().word("--dry-run")),
            Action::run("Leave the database alone", rebase().word("--no-db")),
        ],
    };
    let others = Refusal {
        why: "It has to go down and up again, which takes tables and columns away under them",
        instead: vec!["Then repeat the command".into()],
    };
    own.claim(ctx, elsewhere, None, others)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    Ok(own)
}

/// Saves it into a file before it goes down.
///
/// # Errors
/// `backup-failed`.
pub fn backup(ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<PathBuf> {
    let alone = self::own(COMMAND).of(&own.component.name).word("--no-db");
    own.backup(ctx, &Action::run("Or rebase the files alone, which says what the database then needs", alone))
}
