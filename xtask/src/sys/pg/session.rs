//! Questions to the database before anything is changed: the version table, who else is connected, which session blocks
//! which, and the lock that keeps two migrations of one database apart.

use std::time::{Duration, Instant};

use anyhow::Result;
use postgres::error::SqlState;
use postgres::{Client, Row};

use super::ask::Ask;
use super::batch::{Answer, batch};
use super::{Db, ident, literal, sql_fail, surroundings};
use crate::fail::{Fail, Kind};
use crate::model::action::{Program, own};
use crate::model::url::DbUrl;
use crate::sys::interrupt;

/// How long a server process may take to notice that its client has gone.
const LEAVING: Duration = Duration::from_secs(1);

/// Alembic's version table, as its configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionTable {
    /// `version_table_schema`; without it the search path decides.
    pub schema: Option<String>,
    /// `version_table`.
    pub name: String,
}

impl Default for VersionTable {
    fn default() -> VersionTable {
        VersionTable { schema: None, name: "alembic_version".to_owned() }
    }
}

impl VersionTable {
    fn in_schema(&self, schema: &str) -> VersionTable {
        VersionTable { schema: Some(schema.to_owned()), name: self.name.clone() }
    }

    /// The table where it was found.
    pub fn found(&self, applied: &Applied) -> VersionTable {
        applied.elsewhere.as_ref().map_or_else(|| self.clone(), |schema| self.in_schema(schema))
    }

    /// For SQL text.
    pub fn quoted(&self) -> String {
        let schema = self.schema.as_ref().map(|schema| ident(schema) + ".").unwrap_or_default();
        schema + &ident(&self.name)
    }
}

/// What the version table says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The revision ids, sorted; none when the table is empty or missing.
    pub revisions: Vec<String>,
    /// The schema, when the table was neither where the configuration says nor on the search path.
    pub elsewhere: Option<String>,
    /// Whether there is a table.
    pub table: bool,
}

/// A session of somebody else. What the server keeps from an ordinary user is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSession {
    /// The server process; 0 is a prepared transaction, which has none.
    pub pid: i32,
    /// The role.
    pub user: Option<String>,
    /// `application_name`.
    pub application: Option<String>,
    /// The client's address, or `local`.
    pub client: String,
    /// The client's port; `None` on a Unix socket.
    pub client_port: Option<u16>,
    /// `active`, `idle in transaction`, …
    pub state: Option<String>,
    /// When the session began, UTC to the second.
    pub since: Option<String>,
    /// The last or current statement, its first 200 characters.
    pub statement: Option<String>,
}

impl std::fmt::Display for OtherSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        write!(f, "pid {}", self.pid)?;
        for (word, value) in [(", user ", &self.user), (", ", &self.application)] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                write!(f, "{word}{value}")?;
            }
        }
        write!(f, ", from {}", self.client)?;
        for (word, value) in [(", ", &self.state), (", since ", &self.since)] {
            if let Some(value) = value {
                write!(f, "{word}{value}")?;
            }
        }
        Ok(())
    }
}

/// The columns of an [`OtherSession`], from `pg_stat_activity` as `a`.
const SESSION: &str = "coalesce(a.pid, 0), a.usename::text, a.application_name, coalesce(host(a.client_addr), 'local'), \
    a.state, to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS\" UTC\"'), left(a.query, 200), a.client_port";

fn session(row: &Row) -> OtherSession {
    OtherSession {
        pid: row.get(0),
        user: row.get(1),
        application: row.get(2),
        client: row.get(3),
        state: row.get(4),
        since: row.get(5),
        statement: row.get(6),
        client_port: row.get::<_, Option<i32>>(7).and_then(|port| u16::try_from(port).ok()),
    }
}

impl OtherSession {
    /// Whether its client is on the server's own machine, as the server says it.
    pub fn is_of_this_machine(&self) -> bool {
        self.client.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// A prepared transaction: it belongs to no session any more, and keeps its locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its name.
    pub gid: String,
    owner: String,
    since: String,
}

impl std::fmt::Display for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a prepared transaction '{}' of user {}, since {}", self.gid, self.owner, self.since)
    }
}

impl Db {
    /// The revisions that the database holds: one round trip where the table is where it should be.
    ///
    /// # Errors
    /// `permission-denied`; `config-invalid` when the table is in several schemas and none is on the search path.
    pub fn applied(&mut self, table: &VersionTable) -> Result<Applied> {
        if let Some(revisions) = self.versions(table)? {
            return Ok(Applied { revisions, elsewhere: None, table: true });
        }
        if table.schema.is_some() {
            return Ok(Applied::default());
        }
        let schemas = self.schemas_with(&table.name)?;
        match schemas.as_slice() {
            [] => Ok(Applied::default()),
            [schema] => {
                let revisions = self.versions(&table.in_schema(schema))?;
                let table = revisions.is_some();
                Ok(Applied { revisions: revisions.unwrap_or_default(), elsewhere: Some(schema.clone()), table })
            }
            several => Err(several_tables(&table.name, several).into()),
        }
    }

    /// The rows of the version table, or `None` when there is no such table (or schema).
    fn versions(&mut self, table: &VersionTable) -> Result<Option<Vec<String>>> {
        match batch(self.client(), &versions_sql(table)) {
            Ok(answers) => answers.first().map(|rows| self.revisions_in(rows, table)).transpose(),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => Err(no_version_table(table).into()),
            Err(error) => Err(sql_fail(&error, "reading the version table").into()),
        }
    }

    /// The ids in the version table's rows.
    ///
    /// # Errors
    /// `wrong-database` when a row holds none: from there Alembic fails wherever it first needs one.
    pub(super) fn revisions_in(&self, rows: &Answer, table: &VersionTable) -> Result<Vec<String>> {
        let ids: Vec<Option<&str>> = rows.rows.iter().map(|row| row.get(0)).collect();
        if let Some(strange) = ids.iter().find(|id| !id.is_some_and(is_id)) {
            return Err(strange_row(*strange, &ids, table, &self.psql()).into());
        }
        Ok(ids.into_iter().flatten().map(str::to_owned).collect())
    }

    /// The schemas with a table of this name that has Alembic's column.
    fn schemas_with(&mut self, table: &str) -> Result<Vec<String>> {
        let sql = "select n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
            where c.relname = $1 and c.relkind in ('r', 'p') and n.nspname !~ '^pg_(temp|toast)' \
            and exists (select from pg_attribute where attrelid = c.oid and attname = 'version_num') order by 1";
        let rows =
            self.client().ask(sql, &[&table]).map_err(|error| sql_fail(&error, "looking for the version table"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Who else is connected to this database. Left out: this session, `own` server processes, and sessions whose
    /// application name begins with one of `own_names`. A session that is just ending, say of the command before this
    /// one, is given a moment.
    pub fn other_sessions(&mut self, own: &[i32], own_names: &[&str]) -> Result<Vec<OtherSession>> {
        let until = Instant::now() + LEAVING;
        loop {
            let others = self.sessions_now(own, own_names)?;
            if others.is_empty() || Instant::now() > until {
                return Ok(others);
            }
            interrupt::check()?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn sessions_now(&mut self, own: &[i32], own_names: &[&str]) -> Result<Vec<OtherSession>> {
        let sql = format!(
            "select {SESSION} from pg_stat_activity a where a.datname = current_database() \
             and a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and a.pid <> all ($1) \
             and not exists (select from unnest($2::text[]) own where starts_with(a.application_name, own)) \
             order by a.backend_start"
        );
        let names: Vec<String> = own_names.iter().map(|name| (*name).to_owned()).collect();
        let rows = self.client().ask(&sql, &[&own, &names]);
        Ok(rows.map_err(|error| sql_fail(&error, "listing the sessions"))?.iter().map(session).collect())
    }

    /// The other sessions that hold locks on relations of users, each with these relations in words.
    pub fn lock_holders(&mut self, own: &[i32], own_name: &str) -> Result<Vec<(OtherSession, String)>> {
        let sql = format!(
            "with held as (select l.pid, string_agg(distinct c.oid::regclass::text, ', ') as tables from pg_locks l \
             join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace \
             where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid() and l.pid <> all ($1) \
             and l.database = (select oid from pg_database where datname = current_database()) \
             and c.relkind in ('r', 'p', 'm', 'v', 'f', 'S') and n.nspname !~ '^pg_' \
             and n.nspname <> 'information_schema' group by l.pid) \
             select {SESSION}, h.tables from held h join pg_stat_activity a using (pid) \
             where not starts_with(a.application_name, $2) order by a.backend_start"
        );
        let rows = self.client().ask(&sql, &[&own, &own_name]);
        let rows = rows.map_err(|error| sql_fail(&error, "asking who holds locks"))?;
        Ok(rows.iter().map(|row| (session(row), row.get(8))).collect())
    }

    /// The prepared transactions of this database.
    pub fn prepared(&mut self) -> Result<Vec<Prepared>> {
        let sql = "select gid, owner::text, to_char(prepared at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS\" UTC\"') \
            from pg_prepared_xacts where database = current_database() order by prepared";
        let rows = self.client().ask(sql, &[]);
        let rows = rows.map_err(|error| sql_fail(&error, "asking for prepared transactions"))?;
        Ok(rows.iter().map(|row| Prepared { gid: row.get(0), owner: row.get(1), since: row.get(2) }).collect())
    }

    /// The replication slots that read this database, in words.
    pub fn replication_slots(&mut self) -> Result<Vec<String>> {
        let sql = "select format('The replication slot %s (%s, %s)', slot_name, plugin, \
            case when active then 'in use' else 'not in use' end) from pg_replication_slots \
            where database = current_database() order by slot_name";
        let rows = self.client().ask(sql, &[]);
        let rows = rows.map_err(|error| sql_fail(&error, "asking for replication slots"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Who keeps `pid` waiting, directly or through others; empty when it waits for nobody.
    pub fn blockers(&mut self, pid: i32) -> Result<Vec<OtherSession>> {
        let sql = format!(
            "with recursive chain(pid) as (select unnest(pg_blocking_pids($1)) union \
             select next from chain, unnest(pg_blocking_pids(chain.pid)) next) \
             select {SESSION} from chain left join pg_stat_activity a using (pid) where chain.pid <> $1 order by 1"
        );
        let rows = self.client().ask(&sql, &[&pid]).map_err(|error| sql_fail(&error, "asking who blocks"))?;
        Ok(rows.iter().map(session).collect())
    }

    /// Asks a server process to end; false when there is none.
    ///
    /// # Errors
    /// `permission-denied` when it belongs to a user that we may not end.
    pub fn terminate(&mut self, pid: i32) -> Result<bool> {
        let row = self.client().ask_one("select pg_terminate_backend($1)", &[&pid]);
        Ok(row.map_err(|error| sql_fail(&error, "ending a session"))?.get(0))
    }

    /// Waits until a server process has ended; false when it is still there after `limit`.
    pub fn wait_gone(&mut self, pid: i32, limit: Duration) -> Result<bool> {
        let until = Instant::now() + limit;
        loop {
            let there = self.client().ask_opt("select 1 from pg_stat_activity where pid = $1", &[&pid]);
            if there.map_err(|error| sql_fail(&error, "waiting for a session to end"))?.is_none() {
                return Ok(true);
            }
            if Instant::now() > until {
                return Ok(false);
            }
            interrupt::check()?;
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The statement that gives the rows of the version table, for [`Db::revisions_in`].
pub(super) fn versions_sql(table: &VersionTable) -> String {
    format!("select version_num from {} order by 1;", table.quoted())
}

/// A table of that name which is none of Alembic's: it is somebody's, so nothing here says to drop it.
fn no_version_table(table: &VersionTable) -> Fail {
    let name = table.quoted();
    Fail::new(Kind::WrongDatabase, format!("{name} is no version table of Alembic"))
        .details(format!("The database has a table {name} without the column version_num: something else made it"))
        .action(format!("Look at what it holds, in psql: TABLE {name} LIMIT 5"))
        .action("If the config names another database than you meant, correct sqlalchemy.url")
        .action(format!(
            "If it belongs to something else, let Alembic use another name: version_table in env.py's context.configure(), \
             and version_table = \"…\" of the component in Cargo.toml; or rename that one: \
             ALTER TABLE {name} RENAME TO {}",
            ident(&format!("other_{}", table.name))
        ))
        .related(own("db-status"))
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.trim() == text
}

/// A row that holds no revision id, with the statement that mends it.
fn strange_row(row: Option<&str>, ids: &[Option<&str>], table: &VersionTable, psql: &Program) -> Fail {
    let name = table.quoted();
    let (holds, is_it) = match row {
        None => ("NULL".to_owned(), "version_num IS NULL".to_owned()),
        Some("") => ("an empty text".to_owned(), "version_num = ''".to_owned()),
        Some(text) => (format!("'{text}', with blanks round it"), format!("version_num = {}", literal(text))),
    };
    let meant = row.map(str::trim).filter(|id| !id.is_empty() && !ids.contains(&Some(id)));
    let (why, mend) = match meant {
        Some(id) => ("Take the blanks away", format!("UPDATE {name} SET version_num = {} WHERE {is_it}", literal(id))),
        None => ("Take that row away", format!("DELETE FROM {name} WHERE {is_it}")),
    };
    let others: Vec<&str> = ids.iter().flatten().copied().filter(|id| is_id(id)).collect();
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    Fail::new(Kind::WrongDatabase, "A row of the version table holds no revision")
        .details(format!("{name} has a row whose version_num is {holds}; its other rows: {others}"))
        .details("Alembic writes no such row, and fails wherever it first reads it")
        .run(why, psql.clone().words(["-c", mend.as_str()]))
        .run("Then look where the database stands", own("db-status"))
        .related(own("db-status"))
}

fn several_tables(name: &str, schemas: &[String]) -> Fail {
    Fail::new(Kind::ConfigInvalid, "Several version tables, and none is on the search path")
        .details(format!("{name} is in the schemas {}", schemas.join(", ")))
        .action(format!(
            "Say which one is meant: version_table of the component in Cargo.toml, for example \"{}.{name}\"",
            schemas[0]
        ))
        .related(own("db-status"))
}

/// The class of all our advisory locks: `xtk` in bytes.
pub(super) const LOCK_CLASS: i32 = 0x0078_746b;
const MIGRATION: i32 = 1;

/// Keeps other migrations of the same database out while it lives; on a session of its own, so that no transaction of
/// the work can lose it, and so that the end of this process, however it comes, frees it.
pub struct MigrationLock {
    db: Db,
}

impl MigrationLock {
    /// Takes the lock for `command` (`db-migrate`), or says who has it.
    ///
    /// # Errors
    /// `already-running`, and what connecting may meet.
    pub fn take(url: &DbUrl, command: &str) -> Result<MigrationLock> {
        let mut db = Db::connect(url, &surroundings::application_name(command))?;
        if try_lock(db.client(), LOCK_CLASS, MIGRATION)? {
            return Ok(MigrationLock { db });
        }
        Err(already_running(&mut db)?.into())
    }

    /// The server process that holds the lock.
    pub fn backend_pid(&self) -> i32 {
        self.db.backend_pid()
    }

    /// Whether the session still lives, and the lock with it.
    ///
    /// # Errors
    /// `connection-lost` when it does not.
    pub fn check(&mut self) -> Result<()> {
        self.db.client().batch_execute("").map_err(|error| sql_fail(&error, "holding the migration lock").into())
    }
}

pub(super) fn try_lock(client: &mut Client, class: i32, key: i32) -> Result<bool> {
    let row = client.ask_one("select pg_try_advisory_lock($1, $2)", &[&class, &key]);
    Ok(row.map_err(|error| sql_fail(&error, "taking an advisory lock"))?.get(0))
}

fn already_running(db: &mut Db) -> Result<Fail> {
    let sql = format!(
        "select {SESSION} from pg_locks l left join pg_stat_activity a using (pid) where l.locktype = 'advisory' \
         and l.granted and l.classid = {LOCK_CLASS} and l.objid = {MIGRATION} and l.objsubid = 2 \
         and l.database = (select oid from pg_database where datname = current_database())"
    );
    let rows = db.client().ask(&sql, &[]).map_err(|error| sql_fail(&error, "asking who holds the lock"))?;
    let holder = rows.first().map(session);
    let fail = Fail::new(Kind::AlreadyRunning, "Another migration of this database is running").refused();
    let Some(holder) = holder else {
        return Ok(fail.details("It ended just now").action("Try again"));
    };
    let end = format!("select pg_terminate_backend({})", holder.pid);
    Ok(fail
        .details(format!("{} is being migrated by {holder}", db.database()))
        .run("Wait for it, then see where the database is", own("db-status"))
        .run("If it hangs, stop that process, or end its session", db.psql().words(["-c", &end]))
        .related(own("db-status")))
}
