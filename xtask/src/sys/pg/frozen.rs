//! A database held still: a read-only transaction whose snapshot `pg_dump` shares, so that what is counted and compared is
//! just what is dumped. A snapshot is known to one server and one database only, so sharing it also proves that both sides
//! look at the same one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use postgres::{IsolationLevel, Transaction};

use super::ask::Ask;
use super::catalog::{self, Options};
use super::rows::{self, Memory};
use super::{Db, ident, large, sql_fail};
use crate::model::contents::{Contents, OfExtension, TableIdentity};

/// The transaction, as long as it lives.
pub struct Frozen<'a> {
    transaction: Transaction<'a>,
    snapshot: String,
}

/// Which server and database it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's own number, the same on a standby and after a move; empty where we may not ask.
    pub system: String,
    /// Its name.
    pub database: String,
    /// Its number; one that was dropped and made again has another.
    pub oid: u32,
    /// What it takes on the server's disk.
    pub bytes: u64,
    /// A standby: what is read there may be old, and nothing can be migrated.
    pub in_recovery: bool,
}

/// Who holds a lock that keeps every reader out.
const HOLDERS: &str = "select distinct case when l.pid is null then 'the prepared transaction ' || coalesce(( \
      select string_agg(quote_literal(gid) || ' of ' || owner || ', since ' || to_char(prepared at time zone 'UTC', \
      'YYYY-MM-DD HH24:MI:SS') || ' UTC (end it: ROLLBACK PREPARED ' || quote_literal(gid) || ')', '; ') \
      from pg_prepared_xacts where database = current_database()), '') \
    else 'process ' || l.pid || coalesce(', user ' || a.usename, '') || coalesce(', ' || nullif(a.application_name, ''), '') \
      || coalesce(', ' || a.state, '') end || ' holds ' || coalesce(l.relation::regclass::text, 'a table') \
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid \
    where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.granted \
      and l.database = (select oid from pg_database where datname = current_database()) \
      and l.relation >= 16384 and l.pid is distinct from pg_backend_pid() order by 1 limit 5";

const TABLES: &str = r"select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.oid,
       array(select a.attname::text from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum),
       array(select a.attnum from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.oid >= 16384 and c.relkind = 'r' and c.relpersistence <> 't'
   and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
   and not exists (select from pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')";

/// Tables of extensions that this role may read whole, and whether the extension wants their rows in a dump.
const OF_EXTENSIONS: &str = r"select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.oid, c.oid = any(coalesce(e.extconfig, '{}'))
  from pg_depend d join pg_extension e on e.oid = d.refobjid join pg_class c on c.oid = d.objid
  join pg_namespace n on n.oid = c.relnamespace
 where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
   and c.relkind = 'r' and c.oid >= 16384 and pg_relation_size(c.oid) > 0 and has_table_privilege(c.oid, 'select')
   and has_schema_privilege(n.oid, 'usage') and not row_security_active(c.oid)";

/// Those of them that this role may put rows into; where triggers, rules or foreign keys are to stand aside, only as their owner.
const WRITABLE_OF_EXTENSIONS: &str = r"select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  from pg_depend d join pg_class c on c.oid = d.objid join pg_namespace n on n.oid = c.relnamespace
 where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
   and c.relkind = 'r' and c.oid >= 16384 and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
   and has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update') and not row_security_active(c.oid)
   and (pg_has_role(c.relowner, 'usage') or not c.relhastriggers and not c.relhasrules)";

const RELATIONS: &str = r"select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.oid
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't'
   and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'";

/// Nothing is left out but this tool's own ledger: a version table belongs into a backup.
fn everything() -> Options {
    Options { version_tables: Vec::new() }
}

impl Db {
    /// The ordinary tables by name, each with its number: one that was made again has another.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn tables_by_number(&mut self) -> Result<BTreeMap<String, u32>> {
        let rows = self.client().ask(TABLES, &[]).map_err(|error| sql_fail(&error, "listing the tables"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// The tables of extensions that this role may put rows into.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn writable_of_extensions(&mut self) -> Result<BTreeSet<String>> {
        let rows = self.client().ask(WRITABLE_OF_EXTENSIONS, &[]);
        let rows = rows.map_err(|error| sql_fail(&error, "listing the tables of extensions"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The materialized views that are filled, in the order in which they were made.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn filled_views(&mut self) -> Result<Vec<String>> {
        let sql = "select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_class c join pg_namespace n \
            on n.oid = c.relnamespace where c.relkind = 'm' and c.relispopulated order by c.oid";
        let rows = self.client().ask(sql, &[]).map_err(|error| sql_fail(&error, "listing the materialized views"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Which server and database this is.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn identity(&mut self) -> Result<Identity> {
        let sql = "select case when has_function_privilege('pg_control_system()', 'execute') \
            then (select system_identifier::text from pg_control_system()) end, \
            datname::text, oid, pg_database_size(oid), pg_is_in_recovery() \
            from pg_database where datname = current_database()";
        let row = self.client().ask_one(sql, &[]).map_err(|error| sql_fail(&error, "asking the server who it is"))?;
        Ok(Identity {
            system: row.get::<_, Option<String>>(0).unwrap_or_default(),
            database: row.get(1),
            oid: row.get(2),
            bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or_default(),
            in_recovery: row.get(4),
        })
    }

    /// Holds the database still for readers in this session, and in sessions that get the snapshot. No wait for a lock
    /// is longer than `lock_wait_ms`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn freeze(&mut self, lock_wait_ms: u128) -> Result<Frozen<'_>> {
        let started = self
            .client()
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .and_then(|mut transaction| {
                transaction.batch_execute(&format!(
                    "set local lock_timeout = {lock_wait_ms}; set local statement_timeout = 0; \
                     set local idle_in_transaction_session_timeout = 0"
                ))?;
                let snapshot = transaction.ask_one("select pg_export_snapshot()", &[])?.get(0);
                Ok((transaction, snapshot))
            });
        let (transaction, snapshot) = started.map_err(|error| sql_fail(&error, "holding the database still"))?;
        Ok(Frozen { transaction, snapshot })
    }

    /// What the database holds now.
    ///
    /// # Errors
    /// As [`Frozen::contents`].
    pub fn contents(&mut self, memory: &mut Memory, lock_wait_ms: u128) -> Result<Contents> {
        let url = self.url().clone();
        self.freeze(lock_wait_ms)?.contents(memory).map_err(|error| rows::with_role(error, &url))
    }

    /// Who keeps every reader of some table out, a line each.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn exclusive_holders(&mut self) -> Result<Vec<String>> {
        let rows = self.client().ask(HOLDERS, &[]).map_err(|error| sql_fail(&error, "asking who holds a lock"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

impl Db {
    /// A table's rows in COPY's text format, and the columns that they have, quoted and in a list; those that are computed
    /// are left out. `None` where there is no such table.
    ///
    /// # Errors
    /// When the connection is lost, or the table cannot be read.
    pub fn rows_of(&mut self, schema: &str, name: &str) -> Result<Option<(String, impl std::io::Read + use<'_>)>> {
        let doing = "reading the rows of a backup";
        let settings = "set datestyle = 'ISO'; set intervalstyle = 'postgres'; set extra_float_digits = 3; \
            set row_security = off; set search_path = ''";
        self.client().batch_execute(settings).map_err(|error| sql_fail(&error, doing))?;
        let sql = "select array_to_string(array(select quote_ident(a.attname) from pg_catalog.pg_attribute a \
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum), ', ') \
            from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
            where n.nspname = $1 and c.relname = $2 and c.relkind = 'r'";
        let row = self.client().ask_opt(sql, &[&schema, &name]).map_err(|error| sql_fail(&error, doing))?;
        let Some(columns) = row.map(|row| row.get::<_, String>(0)) else { return Ok(None) };
        let list = if columns.is_empty() { String::new() } else { format!("({columns})") };
        let copy = format!("copy {}.{} {list} to stdout", ident(schema), ident(name));
        let rows = self.client().copy_out(&copy).map_err(|error| sql_fail(&error, doing))?;
        Ok(Some((columns, rows)))
    }
}

impl Frozen<'_> {
    /// What `pg_dump --snapshot` takes.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// What the database holds; `memory` learns it, so that a later look at the large tables costs less.
    ///
    /// # Errors
    /// `lock-timeout`, `permission-denied` (a table that this role may not read, or not whole), `connection-lost`.
    pub fn contents(&mut self, memory: &mut Memory) -> Result<Contents> {
        self.read(memory).map_err(|error| {
            match error.chain().find_map(|cause| cause.downcast_ref::<postgres::Error>()) {
                Some(cause) => sql_fail(cause, &error.to_string()).into(),
                None => error,
            }
        })
    }

    fn read(&mut self, memory: &mut Memory) -> Result<Contents> {
        let schema = catalog::take_within(&mut self.transaction, &everything())?;
        let rows = rows::learn_within(&mut self.transaction, &everything(), memory)?;
        let sequences = rows::all_sequences(&mut self.transaction).context("asking where the sequences stand")?;
        let (large_objects, large_object_digest) =
            large::counted(&mut self.transaction).context("reading the large objects")?;
        let mut tables = std::collections::BTreeMap::new();
        for row in self.transaction.ask(TABLES, &[]).context("listing the tables")? {
            if everything().leaves_out(row.get(0)) {
                continue;
            }
            let (names, numbers): (Vec<String>, Vec<i16>) = (row.get(2), row.get(3));
            let identity = TableIdentity { oid: row.get(1), columns: names.into_iter().zip(numbers).collect() };
            tables.insert(row.get(0), identity);
        }
        let relations = self.transaction.ask(RELATIONS, &[]).context("listing the relations")?;
        let mut of_extensions = BTreeMap::new();
        for row in self.transaction.ask(OF_EXTENSIONS, &[]).context("listing the tables of extensions")? {
            let name: String = row.get(0);
            let count = format!("select count(*) from only {name}");
            let rows = self.transaction.ask_one(&count, &[]).context("counting the rows of an extension")?;
            let rows = rows.get::<_, i64>(0).unsigned_abs();
            of_extensions.insert(name, OfExtension { oid: row.get(1), rows, is_dumped: row.get(2) });
        }
        Ok(Contents {
            of_extensions,
            schema,
            rows,
            sequences,
            large_objects,
            large_object_digest,
            tables,
            relations: relations.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }
}
