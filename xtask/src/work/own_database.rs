//! The component's own database, and what has to hold before it is changed: it is on this machine, nobody else migrates
//! it or is connected to it, and a backup was taken where something is taken away. Every command that changes it begins
//! here; `migrate.rs` then runs the revisions.

mod others;
mod right;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::backup::{self, LOCK_WAIT, Taken, Wanted};
use super::driver;
use super::put_back::{self, Report, Wish};
use super::skipped::{self, AllSkipped};
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::from_anyhow;
use crate::model::action::{Action, own};
use crate::model::catalog::Snapshot;
use crate::model::graph::Graph;
use crate::model::ledger::Ledger;
use crate::sys::alembic::Launch;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::backup::copied;
use crate::sys::pg::{
    Db, InvalidIndex, Look, MigrationLock, VersionTable, application_name, catalog, for_libpq, shared,
};
use crate::sys::project::Component;
use crate::sys::run::Cmd;
pub use right::Remote;

/// How long a look at the database may wait for a lock while a walk is under way.
const GLANCE: &str = "250ms";

/// A component's own database, for one command. Where it was locked, nobody else can migrate it as long as this lives.
pub struct OwnDatabase<'a> {
    pub component: &'a Component,
    pub config: AlembicConfig,
    /// Where it is.
    pub database: Database,
    command: &'static str,
    table: VersionTable,
    db: Db,
    /// What is remembered of earlier looks at its schema.
    look: Look,
    lock: Option<MigrationLock>,
    /// A backup that is still to be compared with the database, just before its first change.
    backup: Option<ToCheck>,
    /// The same, once that was done.
    checked: Option<ToCheck>,
    /// Whether a backup is restored for its proof.
    verify: bool,
}

fn options(component: &Component) -> catalog::Options {
    catalog::Options { version_tables: vec![version_table(component).name] }
}

/// A backup that was taken, until the first change.
struct ToCheck {
    taken: Taken,
    instead: Action,
    /// The tables that it is for; `None`: all of them.
    tables: Option<Vec<String>>,
}

/// Why a command refuses, and what can be done instead.
pub struct Refusal {
    /// A sentence of the details.
    pub why: &'static str,
    /// What to do, in order.
    pub instead: Vec<Action>,
}

impl<'a> OwnDatabase<'a> {
    /// Connects to the database that the config and the command line name. Nothing is locked yet.
    ///
    /// # Errors
    /// What connecting may meet.
    pub fn connect(ctx: &Ctx, component: &'a Component, command: &'static str) -> Result<OwnDatabase<'a>> {
        let config = ctx.config(component)?;
        let database = ctx.database(&config)?;
        OwnDatabase::connect_to(component, config, database, command)
    }

    /// As [`OwnDatabase::connect`], where config and database are known already.
    ///
    /// # Errors
    /// As there.
    pub fn connect_to(
        component: &'a Component,
        config: AlembicConfig,
        database: Database,
        command: &'static str,
    ) -> Result<OwnDatabase<'a>> {
        let db = Db::connect(&database.url, &application_name(command))?;
        Ok(OwnDatabase {
            component,
            config,
            database,
            command,
            table: version_table(component),
            db,
            look: Look::new(options(component)),
            lock: None,
            backup: None,
            checked: None,
            verify: true,
        })
    }

    /// `backend on localhost:8100`; never a password.
    pub fn place(&self) -> String {
        self.database.place()
    }

    /// Which command it was opened for.
    pub fn command(&self) -> &'static str {
        self.command
    }

    /// The connection.
    pub fn db(&mut self) -> &mut Db {
        &mut self.db
    }

    /// The version table, where the last [`OwnDatabase::applied`] has found it, and the connection.
    pub fn table_and_db(&mut self) -> (&VersionTable, &mut Db) {
        (&self.table, &mut self.db)
    }

    /// What the version table holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn applied(&mut self) -> Result<Vec<String>> {
        let table = version_table(self.component);
        let applied = self.db.applied(&table)?;
        self.table = table.found(&applied);
        Ok(applied.revisions)
    }

    /// The same, with the ledger.
    ///
    /// # Errors
    /// As there.
    pub fn applied_and_ledger(&mut self) -> Result<(Vec<String>, Option<Ledger>)> {
        let table = version_table(self.component);
        let (applied, ledger) = self.db.applied_and_ledger(&table)?;
        self.table = table.found(&applied);
        Ok((applied.revisions, ledger))
    }

    /// What the version table holds, on a fresh connection: the one that is there may be what broke.
    ///
    /// # Errors
    /// As there, and what connecting may meet.
    pub fn applied_anew(&mut self) -> Result<Vec<String>> {
        self.db = Db::connect(&self.database.url, &application_name(self.command))?;
        self.applied()
    }

    /// The schema as it is now.
    ///
    /// # Errors
    /// When the connection is lost, or a catalog is not readable for this user.
    pub fn catalog(&mut self) -> Result<Snapshot> {
        self.look.schema(&mut self.db)
    }

    /// The schema while a walk is under way, where the version table holds `heads` for everybody to see; `None` where it
    /// does not, or where somebody's lock is in the way.
    pub fn catalog_at(&mut self, heads: &[String]) -> Option<Snapshot> {
        self.db.run(&format!("set lock_timeout = '{GLANCE}'")).ok()?.ok()?;
        let here = self.applied().ok().filter(|applied| applied == heads);
        let seen = here.and_then(|_| self.catalog().ok());
        let _ = self.db.run("set lock_timeout = 0");
        seen
    }

    /// The same as another session sees it that is in the middle of its transaction.
    pub fn catalog_through(&mut self, ask: catalog::Ask<'_>) -> Option<Snapshot> {
        let options = options(self.component);
        let mut schema = catalog::take_through(self.db.client(), &mut *ask, &options).ok().flatten()?;
        shared::add_settings_through(ask, &mut schema).then_some(schema)
    }

    /// That the session which keeps other migrations out is still there.
    ///
    /// # Errors
    /// `connection-lost`.
    pub fn hold_lock(&mut self) -> Result<()> {
        self.lock.as_mut().map_or(Ok(()), MigrationLock::check).map_err(|error| {
            from_anyhow(&error)
                .details("The session that keeps other migrations out was ended, so this one ends too")
                .into()
        })
    }

    /// Says what failed builds of indexes have left: nothing else ever tells.
    pub fn warn_of_invalid<'i>(&self, ctx: &Ctx, indexes: impl IntoIterator<Item = &'i InvalidIndex>) {
        for InvalidIndex { index, table, is_unique } in indexes {
            let effect = if *is_unique { "PostgreSQL does not enforce it" } else { "PostgreSQL does not use it" };
            let mend = self.psql(&format!("reindex index concurrently {index}"));
            ctx.ui.warn(format!(
                "The index {index} on {table} is INVALID: its build has failed, and {effect}\n  Mend it, or drop it: {mend}"
            ));
        }
    }

    /// `psql` with some SQL on this database, to be pasted; without a password.
    pub fn psql(&self, sql: &str) -> String {
        for_libpq(Cmd::new("psql", "/").args(["-c", sql]), self.database.url.target()).line()
    }

    /// What a database at `heads` counts as having run and never ran. `graph` has to be that of the files on the disk:
    /// what a revision makes is read there.
    pub fn skipped(&mut self, ctx: &Ctx, graph: &Graph, heads: &[String]) -> AllSkipped {
        let ledger = self.db.ledger(&self.table);
        skipped::find(ctx, graph, &mut self.db, ledger.as_ref(), heads)
    }

    /// What the driver needs to work on this database and on no other.
    ///
    /// # Errors
    /// When the interpreter is not known.
    pub fn launch(&mut self, ctx: &Ctx) -> Result<Launch> {
        driver::launch(ctx, &self.config, &mut self.db, self.command)
    }

    /// The backups from now on are read for their proof, and not restored.
    pub fn verify_by_reading(&mut self) {
        self.verify = false;
    }

    /// Saves the database into a file. `instead` is what to do where no backup can be had.
    ///
    /// # Errors
    /// `backup-failed`.
    pub fn backup(&mut self, ctx: &Ctx, instead: &Action) -> Result<PathBuf> {
        self.backup_for(ctx, instead, None)
    }

    /// The same for the sake of some tables, while others may go on writing elsewhere.
    ///
    /// # Errors
    /// As there.
    pub fn backup_for(&mut self, ctx: &Ctx, instead: &Action, tables: Option<Vec<String>>) -> Result<PathBuf> {
        let applied = self.applied()?;
        let wanted = wanted(self.component, &self.database, self.verify, &applied, instead);
        let taken = backup::take_or_copy(ctx, &mut self.db, (&mut self.lock, self.command), &wanted)?;
        let path = taken.path().to_owned();
        self.backup = Some(ToCheck { taken, instead: instead.clone(), tables });
        Ok(path)
    }

    /// Compares, just before the first change, the backup with the database; where somebody wrote meanwhile, the backup
    /// is taken again, under the same name. Without a backup, and the second time, it does nothing.
    ///
    /// # Errors
    /// `active-connections` where they do not stop; `backup-failed`.
    pub fn check_backup(&mut self, ctx: &Ctx) -> Result<()> {
        self.checked = None;
        let Some(ToCheck { mut taken, instead, tables }) = self.backup.take() else { return Ok(()) };
        let applied = self.applied()?;
        let wanted = wanted(self.component, &self.database, self.verify, &applied, &instead);
        taken.refresh(ctx, &wanted, tables.as_deref())?;
        self.checked = Some(ToCheck { taken, instead, tables });
        Ok(())
    }

    /// Nothing was changed yet: before the next try the backup is looked at again.
    pub fn check_backup_again(&mut self) {
        self.backup = self.checked.take();
    }

    /// Before the database is walked back to a backup, takes a backup of what is there now, and keeps the rows aside
    /// that were written since the operation stopped, or since the transaction with which it ended. Refuses where the
    /// older backup cannot be used.
    ///
    /// # Errors
    /// `backup-missing`, `backup-failed`.
    pub fn before_putting_back(&mut self, ctx: &Ctx, backup: &Path, end: Option<u64>) -> Result<PathBuf> {
        let record = put_back::check_whole(backup)?;
        if let Some(copy) = record.copy() {
            copied::check(&mut copied::open(self.db.url(), copy)?, (backup, copy), &record)?;
        }
        let applied = self.applied()?;
        let why = "Take one by hand, put the files back by git, and see what the database needs";
        let instead = Action::run(why, own("db-status").of(&self.component.name));
        let wanted = wanted(self.component, &self.database, true, &applied, &instead);
        let taken = backup::take_or_copy(ctx, &mut self.db, (&mut self.lock, self.command), &wanted)?;
        put_back::before(ctx, &mut self.db, &self.table, (backup, end))?;
        Ok(taken.path().to_owned())
    }

    /// After the scripts were walked back: puts back from the backup what the operation took away, keeps what was
    /// written since, and compares. `now` is the backup of [`OwnDatabase::before_putting_back`], `walked` has the
    /// revisions that were downgraded or upgraded.
    ///
    /// # Errors
    /// As [`put_back::put_back`].
    pub fn put_back(&mut self, ctx: &Ctx, backup: &Path, now: Option<&Path>, walked: &[String]) -> Result<Report> {
        let scripts = put_back::scripts(ctx, &self.config, walked);
        self.put_back_what_ran(ctx, backup, now, &scripts, false)
    }

    /// As [`OwnDatabase::put_back`], with the texts of the scripts that were walked. `may_go`: somebody has agreed that rows
    /// of tables that are not there any more go.
    ///
    /// # Errors
    /// As there.
    pub fn put_back_what_ran(
        &mut self,
        ctx: &Ctx,
        backup: &Path,
        now: Option<&Path>,
        scripts: &[String],
        may_go: bool,
    ) -> Result<Report> {
        let tools = &self.database.tools;
        let wish = Wish { backup, now, versions: &self.table, scripts, tools, may_go };
        put_back::put_back(ctx, &mut self.db, &wish)
    }

    /// Whether the rows of that backup were put back, and no revision has run since.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn was_put_back(&mut self, backup: &Path) -> Result<bool> {
        self.applied()?;
        put_back::was_put_back(&mut self.db, &self.table, backup)
    }

    /// Before a way back goes on that was broken off: what was written meanwhile is set aside, too.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn keep_what_was_written(&mut self, backup: &Path, end: Option<u64>) -> Result<()> {
        self.applied()?;
        put_back::keep(&mut self.db, &self.table, backup, end).map(drop)
    }

    /// Takes away the rows that were kept aside before a way back that was not begun: they are in their tables.
    pub fn forget_what_was_kept(&mut self, backup: &Path) {
        // The connection that is there may be what broke.
        if put_back::forget(&mut self.db, backup).is_err() && self.applied_anew().is_ok() {
            let _ = put_back::forget(&mut self.db, backup);
        }
    }

    /// When what was put back cannot be put back again: that it was needs to be known no longer. Where it stays all the same,
    /// the next operation takes it away.
    pub fn forget_that_it_was_put_back(&mut self) {
        // The connection that is there may be what broke.
        if self.db.forget_what_is_empty().is_err() && self.applied_anew().is_ok() {
            let _ = self.db.forget_what_is_empty();
        }
    }
}

fn wanted<'a>(
    component: &'a Component,
    database: &'a Database,
    verify: bool,
    applied: &'a [String],
    instead: &'a Action,
) -> Wanted<'a> {
    Wanted { component, database, applied, verify, lock_wait: LOCK_WAIT, instead }
}
