//! Rows that were written after an operation stopped: kept aside before the database is walked back, so that a script which
//! drops their table does not take them along. What tells them: the operation's last step left its mark in the version
//! table (or in the ledger behind it), and a younger transaction wrote them. Whose they are stands in the schema's comment:
//! what an earlier operation has left is nobody's but the user's, and is never taken for this one's.

use anyhow::Result;
use postgres::Transaction;

use super::ask::Ask;
use super::{Db, SCHEMA, TABLE, VersionTable, ident, literal, sql_fail};

/// Where they are kept. All values are text: no type that a script drops is held by them.
pub const KEPT_IN: &str = "xtask_since";

/// What the schema's comment begins with; the operation's backup and the revisions it was at follow.
const MARK: &str = "xtask: rows that were written while an operation had stopped, of ";

/// Whose rows are kept aside.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'w> {
    /// The name of the backup that the operation began with.
    pub backup: &'w str,
    /// What the version table holds.
    pub heads: &'w [String],
}

/// A table of rows that were kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number in `pg_class`.
    pub number: u32,
    /// Where the rows were, its name quoted.
    pub table: String,
    /// Where they are now.
    pub kept_in: String,
    pub columns: Vec<String>,
    pub rows: u64,
    /// How many rows of the table were not written since.
    pub older: u64,
}

impl Db {
    /// The number of a transaction that begins now: what is written from here on is younger.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn transaction_number(&mut self) -> Result<u64> {
        let number = self.text("select txid_current()::text", "asking for the number of a transaction")?;
        number.parse().map_err(|_| anyhow::anyhow!("the server gives `{number}` as the number of a transaction"))
    }

    /// Keeps every row aside that was written since the operation stopped, by its last mark or, where it has ended, by the
    /// number of the transaction in which it did. Done again as long as the database has not begun to be walked back; from
    /// then on another call changes nothing.
    /// `false` where nothing tells what is younger, or this role may not.
    ///
    /// # Errors
    /// When the connection is lost, or a table cannot be read.
    pub fn keep_rows_since(&mut self, versions: &VersionTable, end: Option<u64>, whose: &Whose<'_>) -> Result<bool> {
        match self.kept_of()? {
            Some((backup, heads)) if backup == whose.backup && heads != whose.heads.join(" ") => return Ok(true),
            Some(_) => {
                // What a step that failed half-way has dropped is in here alone.
                let (there, kept) = (self.tables_by_number()?, self.rows_since(whose.backup)?.unwrap_or_default());
                if kept.iter().any(|it| there.get(&it.table) != Some(&it.number)) {
                    return Ok(true);
                }
                self.forget_rows_since()?;
            }
            None => {}
        }
        let may = "select has_database_privilege(current_database(), 'create')::text";
        if self.text(may, "asking for the right to make a schema")? != "true" {
            return Ok(false);
        }
        let doing = "keeping the rows aside that were written since";
        let mut transaction = self.client().transaction().map_err(|error| sql_fail(&error, doing))?;
        let Some(mark) = mark(&mut transaction, versions, end).map_err(|error| sql_fail(&error, doing))? else {
            return Ok(false);
        };
        keep(&mut transaction, versions, mark, whose).map_err(|error| sql_fail(&error, doing))?;
        transaction.commit().map_err(|error| sql_fail(&error, doing))?;
        Ok(true)
    }

    /// How many rows were written since the last operation, by table; those of none are left out. `None` where nothing
    /// tells what is younger.
    ///
    /// # Errors
    /// As [`Db::keep_rows_since`].
    pub fn count_rows_since(
        &mut self,
        versions: &VersionTable,
        end: Option<u64>,
    ) -> Result<Option<Vec<(String, u64)>>> {
        let doing = "counting the rows that were written since";
        let mut transaction = self.client().transaction().map_err(|error| sql_fail(&error, doing))?;
        let counted = count(&mut transaction, versions, end).map_err(|error| sql_fail(&error, doing));
        transaction.rollback().map_err(|error| sql_fail(&error, doing))?;
        Ok(counted?)
    }

    /// What was kept aside for the operation that began with this backup; `None` where that was not done.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn rows_since(&mut self, backup: &str) -> Result<Option<Vec<Kept>>> {
        if self.kept_of()?.is_none_or(|(of, _)| of != backup) {
            return Ok(None);
        }
        let sql = format!("select name, number, kept_in, columns, rows, older from {KEPT_IN}.tables order by name");
        let rows = self.client().ask(&sql, &[]).map_err(|error| sql_fail(&error, LOOKING))?;
        let kept = |row: &postgres::Row| Kept {
            table: row.get(0),
            number: row.get(1),
            kept_in: row.get(2),
            columns: row.get(3),
            rows: u64::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
            older: u64::try_from(row.get::<_, i64>(5)).unwrap_or_default(),
        };
        Ok(Some(rows.iter().map(kept).collect()))
    }

    /// Gives what another operation has left in the schema another name, which is given.
    ///
    /// # Errors
    /// When the connection is lost, or this role may not.
    pub fn set_older_rows_aside(&mut self, backup: &str) -> Result<Option<String>> {
        let there = format!("select coalesce(to_regnamespace('{KEPT_IN}')::text, '')");
        if self.text(&there, LOOKING)?.is_empty() || self.kept_of()?.is_some_and(|(of, _)| of == backup) {
            return Ok(None);
        }
        let free = format!(
            "select '{KEPT_IN}_' || min(n) from generate_series(1, 10000) n where to_regnamespace('{KEPT_IN}_' || n) is null"
        );
        let name = self.text(&free, LOOKING)?;
        self.run(&format!("alter schema {KEPT_IN} rename to {name}"))?
            .map_err(|refused| anyhow::anyhow!("{refused}"))?;
        Ok(Some(name))
    }

    /// The backup of the operation whose rows are kept aside, and where the database was then.
    fn kept_of(&mut self) -> Result<Option<(String, String)>> {
        let sql = format!(
            "select case when to_regclass('{KEPT_IN}.tables') is not null then \
             coalesce(obj_description(to_regnamespace('{KEPT_IN}'), 'pg_namespace'), '') else '' end"
        );
        let comment = self.text(&sql, LOOKING)?;
        let of = comment.strip_prefix(MARK).and_then(|rest| rest.split_once(" at "));
        Ok(of.map(|(backup, heads)| (backup.to_owned(), heads.to_owned())))
    }
}

const LOOKING: &str = "looking at the rows that were kept aside";

/// The age of the operation's last transaction.
fn mark(
    transaction: &mut Transaction<'_>,
    versions: &VersionTable,
    end: Option<u64>,
) -> Result<Option<i32>, postgres::Error> {
    // A transaction of our own first: all ages are then taken against it.
    transaction.tell("select txid_current()", &[])?;
    if let Some(end) = end {
        // The server shows the lower half of a number only.
        let sql = format!("select age('{}'::xid)", end % (1 << 32));
        return Ok(Some(transaction.ask_one(&sql, &[])?.get(0)));
    }
    let mut tables = Vec::new();
    for table in [versions.quoted(), format!("{SCHEMA}.{TABLE}"), format!("{SCHEMA}.run")] {
        let found: Option<String> = transaction.ask_one("select to_regclass($1)::text", &[&table])?.get(0);
        tables.extend(found.map(|_| format!("select min(age(xmin)) as age from {table}")));
    }
    if tables.is_empty() {
        return Ok(None);
    }
    let sql = format!("select min(age) from ({}) marks", tables.join(" union all "));
    Ok(transaction.ask_one(&sql, &[])?.get(0))
}

fn count(
    transaction: &mut Transaction<'_>,
    versions: &VersionTable,
    end: Option<u64>,
) -> Result<Option<Vec<(String, u64)>>, postgres::Error> {
    let Some(mark) = mark(transaction, versions, end)? else { return Ok(None) };
    let mut counted = Vec::new();
    for row in transaction.ask(TABLES, &[&KEPT_IN, &versions.name])? {
        let name: String = row.get(0);
        let sql = format!("select count(*) from only {name} where age(xmin) < {mark}");
        let rows = u64::try_from(transaction.ask_one(&sql, &[])?.get::<_, i64>(0)).unwrap_or_default();
        counted.extend((rows > 0).then_some((name, rows)));
    }
    Ok(Some(counted))
}

fn keep(
    transaction: &mut Transaction<'_>,
    versions: &VersionTable,
    mark: i32,
    whose: &Whose<'_>,
) -> Result<(), postgres::Error> {
    let comment = literal(&format!("{MARK}{} at {}", whose.backup, whose.heads.join(" ")));
    transaction.batch_execute(&format!(
        "create schema {KEPT_IN}; comment on schema {KEPT_IN} is {comment}; \
         create table {KEPT_IN}.tables (name text, number oid, kept_in text, columns text[], rows bigint, older bigint)"
    ))?;
    let tables = transaction.ask(TABLES, &[&KEPT_IN, &versions.name])?;
    for (number, row) in tables.iter().enumerate() {
        let (name, columns): (String, Vec<String>) = (row.get(0), row.get(1));
        let younger = format!("from only {name} where age(xmin) < {mark}");
        let counts = format!("select count(*) filter (where age(xmin) < {mark}), count(*) from only {name}");
        let counts = transaction.ask_one(&counts, &[])?;
        let (rows, all): (i64, i64) = (counts.get(0), counts.get(1));
        if rows == 0 {
            continue;
        }
        let kept_in = format!("{KEPT_IN}.rows_{number}");
        let as_text: Vec<String> = columns.iter().map(|it| ident(it)).map(|it| format!("{it}::text as {it}")).collect();
        let as_text = as_text.join(", ");
        let listed: Vec<String> = columns.iter().map(|column| literal(column)).collect();
        transaction.batch_execute(&format!(
            "create table {kept_in} as select {as_text} {younger}; \
             insert into {KEPT_IN}.tables values ({0}, {0}::regclass, {1}, array[{2}]::text[], {rows}, {3})",
            literal(&name),
            literal(&kept_in),
            listed.join(", "),
            all - rows
        ))?;
    }
    Ok(())
}

/// Every ordinary table with its columns that can be written.
const TABLES: &str = r"select quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                and not a.attisdropped and to_jsonb(a) ->> 'attgenerated' = '' order by a.attnum)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.oid >= 16384 and c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not in ('xtask', $1)
   and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema' and c.relname <> $2
   and not exists (select from pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
 order by 1";
