//! Throwaway databases. Each is named `xtask_scratch_<pid>_<random>`, carries a comment, and lives as long as a session
//! in the maintenance database holds an advisory lock made from its name. Whatever ends that session frees the lock,
//! so [`sweep`] can tell a dead run's leftovers, also another machine's, from a live run's database.
//!
//! Nobody is ever disconnected from any database but a scratch one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use postgres::error::SqlState;

use super::ask::Ask;
use super::closed::close;
use super::copy::{dump_and_restore, unlike};
use super::memory::{self, IN_MEMORY, ON_DISK};
use super::source::{Setting, Source};
use super::swap::{connected, in_one};
use super::sweep::{KEPT, MARK, SCRATCH_CLASS, drop_database, key, maintenance, new_name};
use super::{Db, ident, literal, sql_fail, surroundings};
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::url::{DbUrl, Endpoint};
use crate::sys::clock::utc_stamp;
use crate::sys::pg::for_libpq;
use crate::sys::run::Cmd;
use crate::ui::Ui;

const NO_RIGHT: &str = "No right to create a scratch database";
/// How long a session of this tool that was closed may still show.
const OWN_SESSIONS: Duration = Duration::from_millis(500);

/// How scratch databases are to be made.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// Where commands are echoed.
    pub ui: &'a Ui,
    /// What it is for; stands in the database's comment.
    pub why: &'a str,
    /// What it is to be called, where that was told to somebody before; else a name that nobody has.
    pub name: Option<&'a str>,
    /// Copy files instead of pages: faster where the server does not wait for the disk (our embedded one, and any with
    /// `fsync` off, which is asked), slower and with two checkpoints elsewhere. Needs PostgreSQL 15; ignored below.
    pub file_copy: bool,
    /// A folder in memory of our own server, for what does not stay.
    pub memory: Option<&'a Path>,
    /// More folders to look for `pg_dump` and `pg_restore` in.
    pub tools: &'a [PathBuf],
    /// Who makes it, where the role that works in it may not.
    pub admin: Option<&'a DbUrl>,
}

impl<'a> Making<'a> {
    /// For a database that may stay, with nothing but what every server has.
    pub fn plain(ui: &'a Ui, why: &'a str, tools: &'a [PathBuf]) -> Making<'a> {
        Making { ui, why, name: None, file_copy: false, memory: None, tools, admin: None }
    }
}

/// A database that goes when this value goes.
pub struct Scratch {
    owner: Db,
    name: String,
    url: DbUrl,
    /// The role that works in it, where another one makes it.
    role: Option<String>,
    /// To whom it is to belong, if not to who makes it.
    belongs_to: Option<String>,
    file_copy: bool,
    /// The tablespace, for `create database`; nothing where that is the template's.
    place: &'static str,
    /// What is set for the database, alone or for a role in it, and each new copy gets: the server copies none of it.
    settings: Vec<Setting>,
    /// What others may do in it: a privilege and a role each.
    grants: Vec<String>,
    saved: Vec<String>,
    count: u32,
    over: bool,
    /// What of its source it does not have, in words.
    lacks: Option<String>,
    /// A session in it that somebody has left to the next who wants one.
    session: Option<Db>,
}

/// A copy of a scratch database as it was at some moment. It goes with the scratch database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoint(String);

impl SavePoint {
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

/// A scratch database that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub database: String,
    /// A command that connects to it; it asks for the password where one is needed.
    pub psql: String,
    /// A command that drops it.
    pub drop: String,
}

impl Scratch {
    /// An empty database (a copy of `template0`) on the server of `admin`.
    ///
    /// # Errors
    /// `permission-denied` without CREATEDB, and what connecting may meet.
    pub fn empty(admin: &DbUrl, making: &Making<'_>) -> Result<Scratch> {
        let mut scratch = Scratch::claim(admin, making, None)?;
        scratch.create("template0", "", making.why)?;
        Ok(scratch)
    }

    /// An empty database with the encoding, the locale and the settings of `source`.
    ///
    /// # Errors
    /// As [`Scratch::empty`]; `database-missing`.
    pub fn like(admin: &DbUrl, source: &str, making: &Making<'_>) -> Result<Scratch> {
        let mut scratch = Scratch::claim(admin, making, Some(source))?;
        let facts = scratch.owner.source(source)?;
        scratch.settings = facts.settings;
        scratch.create("template0", &facts.options, making.why)?;
        Ok(scratch)
    }

    /// A copy of the database `source` on the same server: by the server itself where nobody else is connected to it
    /// and we may, else by `pg_dump` and `pg_restore`.
    ///
    /// # Errors
    /// `permission-denied`, `database-missing`, `tool-missing`, `interrupted`, and what connecting may meet.
    pub fn clone_of(admin: &DbUrl, source: &str, making: &Making<'_>) -> Result<Scratch> {
        let mut scratch = Scratch::claim(admin, making, Some(source))?;
        let facts = scratch.source_without_us(source)?;
        (scratch.settings, scratch.grants) = (facts.settings, facts.grants);
        // What the role may do in its own database it may do in the copy, and no more.
        scratch.belongs_to = scratch.role.is_some().then_some(facts.owner);
        if !facts.in_use && scratch.copied(source, making.why)? {
            scratch.lacks = close(&scratch.url_of_maker())?;
            return Ok(scratch);
        }
        scratch.belongs_to.clone_from(&scratch.role);
        let why = if facts.in_use { "another session is connected" } else { "it belongs to another role" };
        scratch.lacks = Some(format!(
            "the clone of {source} was made by pg_dump, since {why}: it has the same locale and tablespace, but its \
             objects belong to the role that made it"
        ));
        scratch.create("template0", &facts.options, making.why)?;
        let from = scratch.url.with_database(source);
        dump_and_restore(making.ui, making.tools, &scratch.owner, (&from, &scratch.url))?;
        let more = [unlike(&from, &scratch.url)?, close(&scratch.url_of_maker())?];
        let words: Vec<String> = [scratch.lacks.take()].into_iter().chain(more).flatten().collect();
        scratch.lacks = Some(words.join("; "));
        Ok(scratch)
    }

    /// A copy that the server makes, with everything in it as it is: no door to elsewhere is closed. Nobody may be connected
    /// to `source`, we neither.
    ///
    /// # Errors
    /// `active-connections` with who is connected; `permission-denied` without the right to copy it.
    pub fn exact_copy(admin: &DbUrl, source: &str, making: &Making<'_>) -> Result<Scratch> {
        let mut scratch = Scratch::claim(admin, making, Some(source))?;
        let facts = scratch.source_without_us(source)?;
        (scratch.settings, scratch.grants) = (facts.settings, facts.grants);
        scratch.belongs_to = scratch.role.is_some().then(|| facts.owner.clone());
        if scratch.copied(source, making.why)? {
            return Ok(scratch);
        }
        let may = format!("select pg_has_role({}, 'usage')::text", literal(&facts.owner));
        if scratch.owner.text(&may, "asking for the right to copy it")? == "true" {
            let fail = connected(&mut scratch.owner, &[source])?;
            return Err(fail.details("Or a prepared transaction or a replication session is open in it").into());
        }
        let fail = Fail::new(Kind::PermissionDenied, "This role may not copy the database");
        Err(fail.details(format!("{source} belongs to {}", facts.owner)).refused().into())
    }

    /// Gives the database a name and a comment by which it stays. Our sessions in it must be closed, or on their way.
    ///
    /// # Errors
    /// When the server refuses; it goes then.
    pub fn stay_as(mut self, name: &str, comment: &str) -> Result<()> {
        self.session = None;
        let statements = [
            format!("alter database {} rename to {}", ident(&self.name), ident(name)),
            format!("comment on database {} is {}", ident(name), literal(comment)),
        ];
        in_one(&mut self.owner, &[&self.name.clone()], &statements)?;
        self.over = true;
        Ok(())
    }

    /// A copy of this scratch database, as a scratch database of its own. Our sessions in it must be closed, or on their
    /// way.
    ///
    /// # Errors
    /// `active-connections`, `interrupted`, and what connecting may meet.
    pub fn twin(&mut self, admin: &DbUrl, making: &Making<'_>) -> Result<Scratch> {
        self.session = None;
        let mut twin = Scratch::claim(admin, making, Some(&self.name))?;
        let facts = self.owner.source(&self.name.clone())?;
        (twin.settings, twin.grants) = (facts.settings, facts.grants);
        twin.belongs_to.clone_from(&self.belongs_to);
        // The server waits for sessions that are about to end; a dump would be the long way round them.
        if !twin.copied(&self.name, making.why)? {
            return Err(Fail::new(Kind::ActiveConnections, "The scratch database is still in use")
                .details(self.name.clone())
                .action("A migration keeps a connection open after its step; close it in the migration script")
                .into());
        }
        Ok(twin)
    }

    /// A copy of a cached baseline; `None` when that has gone in the meantime, or will not be copied.
    ///
    /// # Errors
    /// `interrupted`, and what connecting may meet.
    pub fn of_template(admin: &DbUrl, template: &str, making: &Making<'_>) -> Result<Option<Scratch>> {
        let mut scratch = Scratch::claim(admin, making, Some(template))?;
        let name = scratch.name.clone();
        if scratch.try_create(&name, template, "")?.is_err() {
            return Ok(None);
        }
        let facts = scratch.owner.source(template)?;
        (scratch.settings, scratch.grants) = (facts.settings, facts.grants);
        scratch.mark(&name, making.why)?;
        Ok(Some(scratch))
    }

    /// A name, and the lock that says that somebody cares for it; no database yet.
    fn claim(url: &DbUrl, making: &Making<'_>, source: Option<&str>) -> Result<Scratch> {
        let mut owner = maintenance(making.admin.unwrap_or(url))?;
        let name = making.name.map_or_else(new_name, str::to_owned);
        let Some(waits_for_disk) = claimed(&mut owner, &name)? else {
            // Another scratch database's name has the same hash: rare, and only the name has to change.
            drop(owner);
            return Scratch::claim(url, &Making { name: None, ..*making }, source);
        };
        let url = match making.admin {
            None => owner.url().clone(),
            Some(_) => surroundings::complete(url)?,
        };
        // Of several servers, the one that it is made on.
        let here = |it: &&Endpoint| (&it.address, it.port) == (&owner.endpoint().address, owner.endpoint().port);
        let one = url.target().endpoints.iter().find(here).map(|endpoint| url.only_at(endpoint));
        let url = one.unwrap_or(url).with_database(&name);
        let role = making.admin.map(|_| url.target().user.clone());
        let file_copy = owner.server_version().major() >= 15 && (making.file_copy || !waits_for_disk);
        let place = match making.memory {
            Some(folder) if memory::is_ready(&mut owner, folder, source)? => IN_MEMORY,
            // What is copied may lie in memory, and a copy lies where that does unless it is said.
            Some(_) => ON_DISK,
            None => "",
        };
        let (settings, grants, saved) = (Vec::new(), Vec::new(), Vec::new());
        let belongs_to = role.clone();
        Ok(Scratch {
            owner,
            name,
            url,
            role,
            belongs_to,
            file_copy,
            place,
            settings,
            grants,
            saved,
            count: 0,
            over: false,
            lacks: None,
            session: None,
        })
    }

    /// The database's URL, with the role that made it.
    fn url_of_maker(&self) -> DbUrl {
        self.owner.url().only_at(self.owner.endpoint()).with_database(&self.name)
    }

    /// A session of this process that was closed a moment ago may still show, and is no reason for a dump.
    fn source_without_us(&mut self, source: &str) -> Result<Source> {
        let until = Instant::now() + OWN_SESSIONS;
        loop {
            let facts = self.owner.source(source)?;
            if !facts.in_use_by_us || Instant::now() > until {
                return Ok(facts);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What of its source it does not have, in words; nothing where the server has copied it.
    pub fn lacks(&self) -> Option<&str> {
        self.lacks.as_deref()
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, for the same driver as the one it was made with.
    pub fn url(&self) -> &DbUrl {
        &self.url
    }

    /// A session in it: the one that was left here, or a new one.
    ///
    /// # Errors
    /// What connecting may meet.
    pub fn session(&mut self, application_name: &str) -> Result<Db> {
        self.session.take().map_or_else(|| Db::connect(&self.url, application_name), Ok)
    }

    /// Leaves a session to the next who wants one. It ends before anything is done with the database as a whole.
    pub fn leave(&mut self, session: Db) {
        self.session = Some(session);
    }

    /// Keeps a copy of the database as it is now. Our own sessions in it must be closed first, or on their way.
    ///
    /// # Errors
    /// `active-connections` when somebody is still connected to the scratch database after five seconds.
    pub fn save(&mut self) -> Result<SavePoint> {
        self.session = None;
        self.count += 1;
        let name = format!("{}_s{}", self.name, self.count);
        // On the list before it exists: an interrupted copy is dropped with the rest.
        self.saved.push(name.clone());
        let source = self.name.clone();
        match self.try_create(&name, &source, "")? {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => return Err(self.still_connected(&error)),
            Err(error) => return Err(sql_fail(&error, "keeping a copy of the scratch database").into()),
        }
        self.mark(&name, "save point")?;
        Ok(SavePoint(name))
    }

    /// Puts the database back to a save point; all other sessions in the scratch database are ended.
    pub fn restore(&mut self, point: &SavePoint) -> Result<()> {
        self.session = None;
        let name = self.name.clone();
        drop_database(&mut self.owner, &name)?;
        self.create(&point.0, "", "restored")
    }

    /// Drops a save point that is needed no more.
    pub fn forget(&mut self, point: SavePoint) -> Result<()> {
        self.saved.retain(|name| *name != point.0);
        drop_database(&mut self.owner, &point.0)
    }

    /// Moves a database out of memory, where nothing may lie that stays.
    pub(super) fn put_on_disk(&mut self, name: &str) -> Result<()> {
        if !memory::holds(&mut self.owner, name)? {
            return Ok(());
        }
        let sql = format!("alter database {} set {ON_DISK}", ident(name));
        let moved = self.owner.run(&sql)?;
        moved.map_err(|error| sql_fail(&error, "moving a database out of memory").into())
    }

    /// Gives a save point the settings that the database has by now; a copy has none of them.
    pub(super) fn copy_settings(&mut self, point: &SavePoint) -> Result<()> {
        let name = self.name.clone();
        for setting in self.owner.source(&name)?.settings {
            let sql = setting.sql(&point.0);
            self.owner
                .client()
                .batch_execute(&sql)
                .map_err(|error| sql_fail(&error, "copying a database's settings"))?;
        }
        Ok(())
    }

    /// A save point that has become something else, and is no longer ours to drop.
    pub(super) fn gave_away(&mut self, point: &SavePoint) {
        self.saved.retain(|name| *name != point.0);
    }

    /// Leaves the database where it is, out of [`sweep`]'s reach, and says how to get at it.
    pub fn keep(mut self) -> Result<Kept> {
        self.session = None;
        let sql = format!("comment on database {} is {}", ident(&self.name), literal(KEPT));
        self.owner.client().batch_execute(&sql).map_err(|error| sql_fail(&error, "keeping the scratch database"))?;
        for name in std::mem::take(&mut self.saved) {
            drop_database(&mut self.owner, &name)?;
        }
        self.over = true;
        let line = |program: &str, words: &[&str]| {
            // The environment part is what psql needs; the password is not in it.
            let by = if program == "psql" { self.url.clone() } else { self.url_of_maker() };
            for_libpq(Cmd::new(program, "/").args(words), &by.target().clone()).line()
        };
        Ok(Kept {
            psql: line("psql", &[]),
            drop: line("dropdb", &["--maintenance-db", self.owner.database(), &self.name]),
            database: self.name.clone(),
        })
    }

    /// Drops the database and its save points, and says if that fails; without it, the end of the value does the same
    /// in silence.
    pub fn remove(mut self) -> Result<()> {
        self.over = true;
        self.drop_all()
    }

    fn drop_all(&mut self) -> Result<()> {
        self.session = None;
        let names: Vec<String> = self.saved.drain(..).chain([self.name.clone()]).collect();
        let results: Vec<Result<()>> = names.iter().map(|name| self.drop_one(name)).collect();
        results.into_iter().collect()
    }

    fn drop_one(&mut self, name: &str) -> Result<()> {
        let done = drop_database(&mut self.owner, name);
        // A session that the server has ended looks open until somebody uses it.
        if done.is_err() && self.owner.client().is_closed() {
            self.owner = maintenance(&self.owner.url().clone())?;
            return drop_database(&mut self.owner, name);
        }
        done
    }

    /// Creates the scratch database itself from a template.
    fn create(&mut self, template: &str, options: &str, why: &str) -> Result<()> {
        let name = self.name.clone();
        if let Err(error) = self.try_create(&name, template, options)? {
            return Err(self.cannot_create(&error));
        }
        self.mark(&name, why)
    }

    /// A copy by the server; false when it does not let us and a dump may.
    fn copied(&mut self, source: &str, why: &str) -> Result<bool> {
        let name = self.name.clone();
        match self.try_create(&name, source, "")? {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => return Ok(false),
            // Only the owner of a database may copy it; every role that may create databases may restore a dump.
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) && self.may_create()? => {
                return Ok(false);
            }
            Err(error) => return Err(self.cannot_create(&error)),
        }
        self.mark(&name, why)?;
        Ok(true)
    }

    /// In memory as long as there is room, then on the disk; where neither may be said (a table lies there already), where
    /// the server puts it.
    fn try_create(&mut self, name: &str, template: &str, options: &str) -> Result<Result<(), postgres::Error>> {
        loop {
            let made = self.owner.run(&self.create_sql(name, template, options))?;
            let code = made.as_ref().err().and_then(|error| error.code().cloned());
            self.place = match code {
                Some(SqlState::DISK_FULL) if self.place == IN_MEMORY => ON_DISK,
                Some(SqlState::FEATURE_NOT_SUPPORTED) if !self.place.is_empty() => "",
                _ => return Ok(made),
            };
        }
    }

    fn create_sql(&self, name: &str, template: &str, options: &str) -> String {
        let strategy = if self.file_copy { " strategy file_copy" } else { "" };
        let owner = self.belongs_to.as_ref().map(|role| format!(" owner {}", ident(role))).unwrap_or_default();
        // The source's own tablespace is among the options, where it has one.
        let place = if options.contains("tablespace ") { "" } else { self.place };
        format!("create database {} template {}{owner}{strategy} {place} {options}", ident(name), ident(template))
    }

    /// The comment and the database's own settings.
    fn mark(&mut self, name: &str, why: &str) -> Result<()> {
        let by = surroundings::application_name("scratch");
        let text = format!("{MARK} ({why}), made by {by} at {}; safe to drop", utc_stamp(SystemTime::now()));
        let mut sql = format!("comment on database {} is {};", ident(name), literal(&text));
        // Its rows are the component's own, and it is nobody else's affair.
        sql.push_str(&format!("revoke all on database {} from public;", ident(name)));
        for setting in &self.settings {
            sql.push_str(&format!("{};", setting.sql(name)));
        }
        for grant in &self.grants {
            let (privilege, role) = grant.split_once(' ').unwrap_or_default();
            sql.push_str(&format!("grant {privilege} on database {} to {role};", ident(name)));
        }
        if let Some(role) = &self.role {
            sql.push_str(&format!("grant connect on database {} to {};", ident(name), ident(role)));
        }
        let done = self.owner.client().batch_execute(&sql);
        done.map_err(|error| sql_fail(&error, "marking the scratch database").into())
    }

    fn may_create(&mut self) -> Result<bool> {
        let sql = "select rolsuper or rolcreatedb from pg_roles where rolname = current_user";
        let row = self.owner.client().ask_one(sql, &[]);
        Ok(row.map_err(|error| sql_fail(&error, "asking for CREATEDB"))?.get(0))
    }

    fn cannot_create(&mut self, error: &postgres::Error) -> anyhow::Error {
        let target = self.owner.url().target();
        let (user, server) = (target.user.clone(), self.owner.endpoint().to_string());
        let fail = sql_fail(error, "creating a scratch database");
        if fail.kind != Kind::PermissionDenied {
            return fail.into();
        }
        Fail::new(Kind::PermissionDenied, NO_RIGHT)
            .details(format!("User {user} on {server}: {}", fail.details))
            .sqlstate(SqlState::INSUFFICIENT_PRIVILEGE.code())
            .action("Use an own server: repeat the command with --server=embedded")
            .action("Or name a role that may: `admin_url` of the component's settings, or XTASK_ADMIN_URL")
            .action(format!("Or, as a superuser in SQL: ALTER ROLE {} CREATEDB", ident(&user)))
            .related(own("db-server").word("start"))
            .into()
    }

    fn still_connected(&self, error: &postgres::Error) -> anyhow::Error {
        let detail = error.as_db_error().and_then(|db| db.detail()).unwrap_or_default().to_owned();
        Fail::new(Kind::ActiveConnections, "The scratch database is still in use")
            .details(format!("{}: {detail}", self.name))
            .action("A migration keeps a connection open after its step; close it in the migration script")
            .into()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.over {
            // There is nobody to tell; what stays is swept by the next run, since the lock goes with this session.
            let _ = self.drop_all();
        }
    }
}

/// Takes the lock on a name; `None` where somebody has it. Else whether the server waits for its disk: where somebody runs
/// one for tests, say, it does not, and checkpoints cost little.
fn claimed(owner: &mut Db, name: &str) -> Result<Option<bool>> {
    let sql = "select pg_try_advisory_lock($1, $2), current_setting('fsync') <> 'off'";
    let row = owner.client().ask_one(sql, &[&SCRATCH_CLASS, &key(name)]);
    let row = row.map_err(|error| sql_fail(&error, "claiming a name for a scratch database"))?;
    Ok(row.get::<_, bool>(0).then(|| row.get(1)))
}

/// Whether a failure is that nobody here may create a scratch database.
pub fn may_not_create(fail: &Fail) -> bool {
    fail.kind == Kind::PermissionDenied && fail.summary == NO_RIGHT
}
