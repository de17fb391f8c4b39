//! The database's part: what it holds, and the way down with the old scripts and up with the new ones. Where it stands is
//! always asked, never remembered, so each walk can be repeated after a crash at any point.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::Facts;
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::graph::Graph;
use crate::model::rebase::{self, Change, Moved, Trip, after};
use crate::model::target::{Direction, Step};
use crate::sys::alembic::{self, Driver, Event, Stop};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::backup;
use crate::sys::interrupt;
use crate::sys::journal::crash_point;
use crate::sys::pg::{Db, MigrationLock, VersionTable, application_name};
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::driver::{self, Labels};
use crate::work::ledger::{Book, Walk};
use crate::work::skipped::{self, Implied};

const COMMAND: &str = "db-rebase";
/// As in db-migrate.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

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
        implied: Implied,
    },
}

/// Asks the database where it stands. One that is not up, or not made yet, is an answer too. `graph` has to be that of
/// the files on the disk: what a revision makes is read there.
pub fn look(ctx: &Ctx, component: &Component, config: &AlembicConfig, graph: &Graph) -> Result<Found> {
    let database = ctx.database(config)?;
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
    let implied = skipped::find(ctx, graph, &mut db, ledger.as_ref(), &applied.revisions);
    Ok(Found::At { place, applied: applied.revisions, implied })
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
        let fail = advice::unknown_in_database(&unknown, &facts.flag);
        let fail = fail.details("So nobody knows whether it holds a revision that is about to move");
        return Err(fail
            .action(format!("Or leave the database alone: cargo xtask db-rebase{} --no-db", facts.flag))
            .into());
    }
    let new = rebase::applied(&facts.graph, change)?;
    Ok(rebase::trip(&facts.graph, &new, moved, applied)?)
}

/// The refusal where the database has skipped migrations already: going down through them would undo what was never done.
pub fn check_nothing_skipped(facts: &Facts, place: &str, implied: &Implied) -> Result<()> {
    if implied.is_empty() {
        return Ok(());
    }
    let fail = Fail::new(Kind::WrongDatabase, "The database has skipped migrations")
        .details(format!("{place} counts as having run these, and never did:"))
        .details(implied.lines(&facts.graph).join("\n"));
    let commands = implied.commands(&facts.flag).into_iter().take(1);
    Err(commands
        .fold(fail, Fail::action)
        .action(format!(
            "Then repeat the command; or leave the database alone: cargo xtask db-rebase{} --no-db",
            facts.flag
        ))
        .related("cargo xtask db-status")
        .refused()
        .into())
}

/// The component's database, with nobody else able to migrate it as long as this lives.
pub struct Place<'a> {
    component: &'a Component,
    config: AlembicConfig,
    database: Database,
    table: VersionTable,
    db: Db,
    lock: MigrationLock,
}

impl<'a> Place<'a> {
    /// Connects and locks.
    ///
    /// # Errors
    /// `remote-database`, `already-running`, `active-connections`, and what connecting may meet.
    pub fn open(ctx: &Ctx, component: &'a Component) -> Result<Place<'a>> {
        let config = ctx.config(component)?;
        let database = ctx.database(&config)?;
        if !database.url.is_local() {
            return Err(remote(&database, &ctx.component_flag(component)).into());
        }
        let mut db = Db::connect(&database.url, &application_name(COMMAND))?;
        let lock = MigrationLock::take(&database.url, COMMAND)?;
        let table = version_table(component);
        let table = table.found(&db.applied(&table)?);
        let mut place = Place { component, config, database, table, db, lock };
        place.nobody_connected()?;
        ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
        Ok(place)
    }

    /// Where it is, for people.
    pub fn name(&self) -> String {
        self.database.place()
    }

    /// What the version table holds.
    pub fn applied(&mut self) -> Result<Vec<String>> {
        Ok(self.db.applied(&version_table(self.component))?.revisions)
    }

    /// Saves the database into a file.
    pub fn backup(&mut self, ctx: &Ctx) -> Result<PathBuf> {
        let applied = self.applied()?;
        let instead = format!(
            "Or rebase the files alone, which says what the database then needs: cargo xtask db-rebase{} --no-db",
            ctx.component_flag(self.component)
        );
        driver::backup(ctx, self.component, &self.database, &mut self.db, &applied, &instead)
    }

    /// Puts the rows of a backup back into the database, which has to have the schema of it already.
    pub fn restore(&mut self, ctx: &Ctx, path: &std::path::Path) -> Result<()> {
        let _task = ctx.ui.task("Putting the rows back from the backup");
        let major = self.db.server_version().major();
        let url = self.db.url().only_at(self.db.endpoint());
        crash_point();
        backup::put_back(&ctx.ui, &url, major, &self.database.tools, path)?;
        crash_point();
        Ok(())
    }

    /// Goes `ids` in a direction from `start`, as far as that is not done yet.
    ///
    /// # Errors
    /// `wrong-database` when the database is at none of the places on the way; whatever a migration may meet.
    pub fn go(&mut self, ctx: &Ctx, start: &[String], direction: Direction, ids: &[String]) -> Result<()> {
        let graph = ctx.history(&self.config)?;
        let done = self.progress(&graph, start, direction, ids)?;
        self.walk(ctx, &graph, direction, &ids[done..])
    }

    /// Takes back whatever was done of going `ids` from `start`.
    ///
    /// # Errors
    /// As [`Place::go`].
    pub fn go_back(&mut self, ctx: &Ctx, start: &[String], direction: Direction, ids: &[String]) -> Result<()> {
        let graph = ctx.history(&self.config)?;
        let done = self.progress(&graph, start, direction, ids)?;
        let back: Vec<String> = ids[..done].iter().rev().cloned().collect();
        let direction = match direction {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        };
        self.walk(ctx, &graph, direction, &back)
    }

    /// How many of the steps are done, by what the version table holds.
    fn progress(&mut self, graph: &Graph, start: &[String], direction: Direction, ids: &[String]) -> Result<usize> {
        let heads = sorted(&self.applied()?);
        let is_here =
            |count: &usize| after(graph, start, direction, &ids[..*count]).is_ok_and(|it| sorted(&it) == heads);
        (0..=ids.len()).find(is_here).ok_or_else(|| {
            let heads = if heads.is_empty() { "no revision".to_owned() } else { heads.join(", ") };
            Fail::new(Kind::WrongDatabase, "Somebody else has migrated the database meanwhile")
                .details(format!("{} holds {heads}, which is no place on its way", self.name()))
                .action(format!(
                    "Bring it back to {} with Alembic itself (python -m alembic -c {} upgrade|downgrade …), then repeat \
                     the command",
                    rebase::ids(start),
                    self.component.config.display()
                ))
                .related("cargo xtask db-status")
                .into()
        })
    }

    fn walk(&mut self, ctx: &Ctx, graph: &Graph, direction: Direction, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        crash_point();
        let before = self.applied()?;
        let expected = after(graph, &before, direction, ids)?;
        let labels = Labels::new(ctx, self.component)?;
        let mut launch = driver::launch(ctx, &self.config, &mut self.db, COMMAND)?;
        launch.lock_timeout = Some(LOCK_TIMEOUT);
        let mut driver = Driver::start(&ctx.ui, &launch)?;
        let steps = ids.iter().map(|id| Step { direction, revision: id.clone() }).collect();
        let target = ids.last().cloned().unwrap_or_default();
        let table = self.table.clone();
        let book = Book::open(&mut self.db, &table, COMMAND, graph, &before);
        let plan = alembic::Plan { steps, before: Some(before.clone()), target, unrun: Vec::new() };
        let mut progress = ctx.ui.steps("Migrating", ids.len());
        let migrated = driver.migrate(&plan, None, &mut |event| {
            if let Event::Started(step) = event {
                progress.next(format!("{direction} {}", step.revision));
            }
        });
        if let Err(stop) = migrated {
            let fail = match &stop {
                Stop::Trouble(trouble) => driver::to_fail(trouble, &labels, &mut self.db, &driver),
                Stop::Error(error) => from_anyhow(error),
            };
            driver::end_sessions(&mut self.db, &driver);
            self.write_ledger(ctx, graph, book, (&before, direction, ids), None);
            return Err(fail.into());
        }
        let sees_ledger = migrated.ok().map(|migrated| migrated.sees_ledger);
        driver.stop();
        crash_point();
        self.arrived(&expected)?;
        self.write_ledger(ctx, graph, book, (&before, direction, ids), sees_ledger);
        Ok(())
    }

    /// What was done of going `ids` from `before` goes into the ledger.
    fn write_ledger(
        &mut self,
        ctx: &Ctx,
        graph: &Graph,
        book: Book,
        (before, direction, ids): (&[String], Direction, &[String]),
        sees_ledger: Option<bool>,
    ) {
        // After an interrupt as well; where it cannot be asked, nothing is known, which is harmless.
        let heads = interrupt::shielded(|| self.applied());
        let Ok(heads) = heads else { return };
        let Ok(done) = self.progress(graph, before, direction, ids) else { return };
        let walk = Walk { direction, done: &ids[..done], heads: &heads, sees_ledger };
        book.close(ctx, &mut self.db, graph, &walk);
    }

    /// An env.py with ideas of its own could have worked elsewhere.
    fn arrived(&mut self, expected: &[String]) -> Result<()> {
        let heads = self.applied()?;
        if sorted(&heads) == sorted(expected) {
            return Ok(());
        }
        Err(Fail::new(Kind::WrongDatabase, "The database is not where it should be")
            .details(format!("{} holds {}, not {}", self.name(), rebase::ids(&heads), rebase::ids(expected)))
            .action("Look at env.py: does it migrate the database of `sqlalchemy.url`, with the usual version table?")
            .related("cargo xtask db-status")
            .into())
    }

    fn nobody_connected(&mut self) -> Result<()> {
        let others = self.db.other_sessions(&[self.lock.backend_pid()], &[&application_name(COMMAND)])?;
        if others.is_empty() {
            return Ok(());
        }
        let fail = Fail::new(Kind::ActiveConnections, "Other sessions are connected to the database")
            .details("It has to go down and up again, which takes tables and columns away under them");
        let fail = others.iter().take(5).fold(fail, |fail, other| fail.details(driver::session_line(other)));
        let services = self.component.services.join(", ");
        let stop = if services.is_empty() { String::new() } else { format!(": {services}") };
        Err(fail.action(format!("Stop the services that use it{stop}")).action("Then repeat the command").into())
    }
}

fn remote(database: &Database, flag: &str) -> Fail {
    Fail::new(Kind::RemoteDatabase, "The database is not on this machine, and it holds a revision that has to move")
        .details(database.place())
        .action(format!("See what would have to be done: cargo xtask db-rebase{flag} --dry-run"))
        .action(format!("Leave the database alone: cargo xtask db-rebase{flag} --no-db"))
        .refused()
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
