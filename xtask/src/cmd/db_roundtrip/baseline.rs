//! Makes the throwaway database: a clone of the component's own, one that the component's baseline command or a dump
//! fills, or an empty one that is upgraded. What is found depends on it, so every report says how it was made. A
//! baseline that took long to make is cached (`cache.rs`).

pub mod cache;
pub mod how;
pub mod key;
pub mod seed;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::facts::Facts;
use crate::ctx::{Ctx, version_table};
use crate::fail::{Fail, Kind, refuse};
use crate::model::action::{git, own, program};
use crate::model::url::DbUrl;
use crate::sys::alembic::{Driver, Launch};
use crate::sys::dump::{Destination, Dump};
use crate::sys::pg::{self, Db, Making, Scratch, application_name};
use crate::sys::remembered::Known;
use crate::work::past::Past;
use crate::work::{advice, baseline_command, driver};
use cache::Cache;
use how::{How, Origin, how, origin, words};

/// The database and how it was made.
pub struct Baseline {
    pub scratch: Scratch,
    /// For the report: `clone of backend`, `empty, upgraded`, `made by ./backend.ai mgr schema …`.
    pub words: String,
    /// The same without the parts that differ from run to run.
    pub origin: Origin,
    /// Whether it can be made again at any revision; only one that began empty can.
    pub from_empty: bool,
    /// Whether its rows are the component's own.
    pub is_clone: bool,
    /// Whether it has the seed's rows for the revision that it stands at.
    pub is_seeded: bool,
    /// The cached baseline that it was copied from, or why there is none.
    pub cache: Cache,
    /// A driver that was started meanwhile.
    pub driver: Option<Driver>,
}

/// Makes the database, and starts the driver meanwhile: importing an application takes seconds.
pub fn make(ctx: &Ctx, facts: &Facts) -> Result<Baseline> {
    // Named before it is made, so that the driver is told where it will be.
    let name = pg::new_name();
    let url = facts.database.url.with_database(&name);
    build(ctx, facts, &Making { name: Some(&name), ..making(ctx, facts) }, &|| {
        let launch = driver::launch_ahead(ctx, &facts.config, &url, "db-roundtrip")?;
        let launch = Launch { effects: facts.effects, ..launch };
        Driver::start(&ctx.ui, &launch).map(Some)
    })
}

/// Makes the database without a driver.
pub fn make_again(ctx: &Ctx, facts: &Facts) -> Result<Baseline> {
    build(ctx, facts, &making(ctx, facts), &|| Ok(None))
}

fn build(ctx: &Ctx, facts: &Facts, making: &Making, start: &dyn Fn() -> Result<Option<Driver>>) -> Result<Baseline> {
    if facts.dump.is_none()
        && let Some(applied) = clonable(ctx, facts)?
    {
        let driver = start()?;
        return Ok(Baseline { driver, ..clone(ctx, facts, making, &applied)? });
    }
    let made = made(ctx, facts, &how(ctx, facts)?, making, start)?;
    Ok(match &facts.dump_of {
        Some(place) => {
            let words = format!("a dump of {place}");
            Baseline { origin: Origin::of(&words), words, ..made }
        }
        None => made,
    })
}

/// A reference, made in one of the ways of [`how::of_references`]; else why it is known that it cannot be made.
pub fn reference(ctx: &Ctx, facts: &Facts, how: &How) -> Result<Result<Baseline, Known>> {
    let cache = Cache::look(ctx, facts, how)?;
    match cache.dead_end(ctx) {
        Some(dead_end) => Ok(Err(dead_end)),
        None => made_by(ctx, facts, how, cache, &making(ctx, facts), None).map(Ok),
    }
}

fn made(
    ctx: &Ctx,
    facts: &Facts,
    how: &How,
    making: &Making,
    start: &dyn Fn() -> Result<Option<Driver>>,
) -> Result<Baseline> {
    let cache = Cache::look(ctx, facts, how)?;
    // Not before the files were read: an edit between the import and the reading would go unseen.
    let driver = start()?;
    made_by(ctx, facts, how, cache, making, driver)
}

fn made_by(
    ctx: &Ctx,
    facts: &Facts,
    how: &How,
    mut cache: Cache,
    making: &Making,
    driver: Option<Driver>,
) -> Result<Baseline> {
    let from_empty = matches!(how, How::Empty(_));
    if let Some(scratch) = cache.copy(facts, making)? {
        let words = cache.words("");
        return Ok(Baseline {
            scratch,
            words,
            origin: origin(how),
            from_empty,
            is_clone: false,
            is_seeded: from_empty,
            cache,
            driver,
        });
    }
    let scratch = Scratch::empty(&facts.database.url, making)?;
    let (words, origin) = (words(how), origin(how));
    let baseline = Baseline { scratch, words, origin, from_empty, is_clone: false, is_seeded: false, cache, driver };
    if from_empty { Ok(baseline) } else { fill(ctx, facts, how, baseline) }
}

/// Another database just like the first one, before anything was done to it. The cached baseline belongs to the first
/// one; a walk on this database makes its own copy to go back to.
pub fn again(ctx: &Ctx, facts: &Facts, first: &mut Baseline) -> Result<Baseline> {
    let scratch = first.scratch.twin(&facts.database.url, &making(ctx, facts))?;
    Ok(Baseline {
        scratch,
        words: first.words.clone(),
        origin: first.origin.clone(),
        from_empty: first.from_empty && !first.cache.has(),
        is_clone: first.is_clone,
        is_seeded: first.is_seeded,
        cache: Cache::default(),
        driver: None,
    })
}

/// An empty database, for a run that only looks at references.
pub fn nothing(ctx: &Ctx, facts: &Facts) -> Result<Baseline> {
    Ok(Baseline {
        scratch: empty(ctx, facts)?,
        words: String::new(),
        origin: Origin::default(),
        from_empty: true,
        is_clone: false,
        is_seeded: true,
        cache: Cache::default(),
        driver: None,
    })
}

/// An empty database on the same server, for starting again at a lower revision.
pub fn empty(ctx: &Ctx, facts: &Facts) -> Result<Scratch> {
    Scratch::empty(&facts.database.url, &making(ctx, facts))
}

/// How databases for round trips are made on this server.
pub fn making<'a>(ctx: &'a Ctx, facts: &'a Facts) -> Making<'a> {
    let making = facts.database.making(&ctx.ui, "round trip");
    // Nothing in memory outlives the server.
    Making { memory: making.memory.filter(|_| !facts.keeps), ..making }
}

/// Fills the empty database, and keeps it for the next time.
fn fill(ctx: &Ctx, facts: &Facts, how: &How, mut baseline: Baseline) -> Result<Baseline> {
    let began = Instant::now();
    let url = baseline.scratch.url().clone();
    let _task = ctx.ui.task(format!("Making a database: {}", baseline.words));
    match how {
        How::Command { words, .. } => baseline_command::run(ctx, &facts.config, words, &url, None)?,
        How::Dump(file) => restore(ctx, facts, file, &url)?,
        How::Past { words, base } => {
            let past = Past::lay_out(ctx, base)?;
            baseline_command::run(ctx, &facts.config, words, &url, Some(&past.project))?;
        }
        How::Empty(_) => {}
    }
    let (applied, has_tables) = {
        let mut db = Db::connect(&url, &application_name("db-roundtrip"))?;
        (db.applied(&version_table(facts.component))?.revisions, db.tables()? > 0)
    };
    // Initial tables that no revision makes, and every revision from the first on: there is nothing to stamp then.
    let begins_below_all = has_tables && !matches!(how, How::Dump(_));
    if applied.is_empty() && !begins_below_all {
        return Err(without_revision(facts, how).into());
    }
    let unknown = facts.graph.unknown(&applied);
    if !unknown.is_empty() {
        return Err(unknown_revision(&baseline.words, &unknown).into());
    }
    let place = if applied.is_empty() { "no revision".to_owned() } else { applied.join(", ") };
    let words = format!("{} at {place}", baseline.words);
    baseline.cache.store(ctx, &mut baseline.scratch, &words, began.elapsed())?;
    if let How::Dump(_) = how {
        baseline.words = words;
    }
    Ok(baseline)
}

fn restore(ctx: &Ctx, facts: &Facts, file: &Path, url: &DbUrl) -> Result<()> {
    let dump = Dump::open(file)?;
    let major = Db::connect(url, &application_name("db-roundtrip"))?.server_version().major();
    dump.restore(&ctx.ui, &Destination { url, major, tools: &facts.database.tools })
}

fn without_revision(facts: &Facts, how: &How) -> Fail {
    let table = version_table(facts.component).quoted();
    match how {
        How::Dump(file) => Fail::new(Kind::ConfigInvalid, "The dump does not say at which revision it was taken")
            .details(format!("{} has no table {table}, or an empty one", file.display()))
            .run(
                "Take a dump of a database that Alembic has migrated, with that table in it",
                program(["pg_dump", "-Fc", "-f", "FILE", "DATABASE"]),
            )
            .related(own("db-status")),
        _ => Fail::new(Kind::ConfigInvalid, "The baseline command left the database empty")
            .details(format!("{}: there is no revision, and no table", words(how)))
            .action("Run it by hand and look at what it says; it must make the tables, or end with a stamped database")
            .action("Or leave it out of Cargo.toml: the database is then made from empty by upgrade"),
    }
}

fn unknown_revision(words: &str, unknown: &[&str]) -> Fail {
    Fail::new(Kind::UnknownRevision, format!("Cannot locate revision '{}'", unknown[0]))
        .details(format!("A database {words} stands at {}, which no file has", unknown.join(", ")))
        .run("Ensure you pulled the latest code", git(["pull"]))
        .run("Or begin with another database", own("db-roundtrip").flag("--baseline", "FILE"))
        .related(own("db-status"))
}

/// Where the component's database stands, if it is there and at a revision that this checkout knows.
fn clonable(ctx: &Ctx, facts: &Facts) -> Result<Option<Vec<String>>> {
    let applied = match Db::connect(&facts.database.url, &application_name("db-roundtrip")) {
        Err(error) if advice::is_database_missing(&error) => return Ok(None),
        Err(error) => return Err(refuse(error)),
        Ok(mut db) => db.applied(&version_table(facts.component)).map_err(refuse)?.revisions,
    };
    if applied.is_empty() {
        return Ok(None);
    }
    let unknown = facts.graph.unknown(&applied);
    if !unknown.is_empty() {
        ctx.ui.warn(format!(
            "{} holds {}, which no file has; it is not cloned",
            facts.database.place(),
            unknown.join(", ")
        ));
        return Ok(None);
    }
    Ok(Some(applied))
}

fn clone(ctx: &Ctx, facts: &Facts, making: &Making, applied: &[String]) -> Result<Baseline> {
    let _task = ctx.ui.task(format!("Cloning {}", facts.database.place()));
    let url = &facts.database.url;
    let scratch = Scratch::clone_of(url, &url.target().database, making)?;
    let words = format!("clone of {} at {}", facts.database.place(), applied.join(", "));
    let cache = Cache::default();
    let (origin, driver) = (Origin::of(&words), None);
    Ok(Baseline { scratch, words, origin, from_empty: false, is_clone: true, is_seeded: false, cache, driver })
}
