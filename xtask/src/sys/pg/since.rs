//! Rows that were written after an operation stopped: kept aside before the database is walked back, so that a script
//! which drops their table does not take them along. What tells them: the operation's last step left its mark in the
//! version table (or in the ledger behind it), and a younger transaction wrote them. The schema's comment says which
//! operation they belong to: rows that an earlier operation has left are the user's, and are never taken for this
//! one's. It is done again wherever a way back is continued, since people may write in the meantime.

use anyhow::Result;
use postgres::Transaction;

use super::ask::Ask;
use super::{Db, SCHEMA, TABLE, VersionTable, ident, literal, sql_fail};

/// Where they are kept. All values are text: no type that a script drops is held by them.
pub const KEPT_IN: &str = "xtask_since";

/// What the schema's comment begins with; the operation's backup follows, its last mark and, where it is known, its end.
const MARK: &str = "xtask: rows that were written while an operation had stopped, of ";

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
    /// The last mark of the operation, or of its way back, by then.
    pub at: String,
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

    /// Keeps every row aside that was written since the operation stopped, by its last mark or, where it has ended, by
    /// the number of the transaction in which it did. When a way back is continued, it keeps the rows that were written
    /// since its last step. `false` where younger rows cannot be told from older ones, or where this role may not make
    /// the schema.
    ///
    /// # Errors
    /// When the connection is lost, or a table cannot be read.
    pub fn keep_rows_since(&mut self, versions: &VersionTable, end: Option<u64>, backup: &str) -> Result<bool> {
        let began = self.kept_of()?.filter(|began| began.backup == backup);
        let may = "select has_database_privilege(current_database(), 'create')::text";
        if began.is_none() && self.text(may, "asking for the right to make a schema")? != "true" {
            return Ok(false);
        }
        let kept = self.rows_since(backup)?.unwrap_or_default();
        let doing = "keeping the rows aside that were written since";
        let mut transaction = self.client().transaction().map_err(|error| sql_fail(&error, doing))?;
        unheard(&mut transaction).map_err(|error| sql_fail(&error, doing))?;
        let Some(mark) = Mark::last(&mut transaction, versions).map_err(|error| sql_fail(&error, doing))? else {
            return Ok(began.is_some());
        };
        // What a step that failed half-way has taken away, a table, a column or rows, is in its copy alone: that one stays.
        let is_whole = "select to_regclass($3)::oid is not distinct from $1 and not exists (select unnest($2::text[]) except select attname::text from pg_catalog.pg_attribute \
            where attrelid = $1 and attnum > 0 and not attisdropped)";
        let mut again: Vec<&Kept> = Vec::new();
        for it in kept.iter().filter(|it| it.at == mark.number) {
            let row = transaction.ask_one(is_whole, &[&it.number, &it.columns, &it.table]);
            if !row.map_err(|error| sql_fail(&error, doing))?.get::<_, bool>(0) {
                continue;
            }
            // As many as then: else the step has deleted some.
            let all = format!("select count(*) >= {} from only {} where age(xmin) < {}", it.rows, it.table, mark.age);
            if transaction.ask_one(&all, &[]).map_err(|error| sql_fail(&error, doing))?.get(0) {
                again.push(it);
            }
        }
        let (end, done) = match began {
            Some(began) if began.mark == mark.number => (end.or(began.end), forget(&mut transaction, &again)),
            Some(_) => (None, forget(&mut transaction, &again)),
            None => {
                (end, make_room(&mut transaction, &Began { backup: backup.to_owned(), mark: mark.number.clone(), end }))
            }
        };
        let done = done.and_then(|()| keep(&mut transaction, versions, &mark, end));
        done.and_then(|()| transaction.commit()).map_err(|error| sql_fail(&error, doing))?;
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
        if self.kept_of()?.is_none_or(|began| began.backup != backup) {
            return Ok(None);
        }
        let sql =
            format!("select name, number, kept_in, columns, rows, older, at from {KEPT_IN}.tables order by ordinal");
        let rows = self.client().ask(&sql, &[]).map_err(|error| sql_fail(&error, LOOKING))?;
        let kept = |row: &postgres::Row| Kept {
            table: row.get(0),
            number: row.get(1),
            kept_in: row.get(2),
            columns: row.get(3),
            at: row.get(6),
            rows: u64::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
            older: u64::try_from(row.get::<_, i64>(5)).unwrap_or_default(),
        };
        Ok(Some(rows.iter().map(kept).collect()))
    }

    /// Gives what another operation has left in the schema another name, which is given. What is empty goes.
    ///
    /// # Errors
    /// When the connection is lost, or this role may not.
    pub fn set_older_rows_aside(&mut self, backup: &str) -> Result<Option<String>> {
        let there = format!("select coalesce(to_regnamespace('{KEPT_IN}')::text, '')");
        if self.text(&there, LOOKING)?.is_empty() || self.kept_of()?.is_some_and(|began| began.backup == backup) {
            return Ok(None);
        }
        self.rename_unless_empty()
    }

    /// Before something is taken back: where the operation itself has put rows of its backup back at its end, that was another
    /// time. Gives the transaction in which it did, and the new name of what it has left.
    ///
    /// # Errors
    /// As [`Db::set_older_rows_aside`].
    pub fn begin_anew(&mut self, versions: &VersionTable, backup: &str) -> Result<(Option<u64>, Option<String>)> {
        if !self.was_put_back(versions, backup)? {
            return Ok((None, None));
        }
        Ok((self.put_back_at(backup)?, self.rename_unless_empty()?))
    }

    fn rename_unless_empty(&mut self) -> Result<Option<String>> {
        if self.forget_what_is_empty()? {
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

    /// The transaction in which the rows of that backup were put back; `None` where they were not.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn put_back_at(&mut self, backup: &str) -> Result<Option<u64>> {
        if self.kept_of()?.is_none_or(|began| began.backup != backup) {
            return Ok(None);
        }
        let sql = format!(
            "select coalesce((select xmin::text from pg_class where oid = to_regclass('{KEPT_IN}.put_back')), '')"
        );
        Ok(self.text(&sql, LOOKING)?.parse().ok())
    }

    /// Whether the rows of that backup were put back, and no revision has run since.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn was_put_back(&mut self, versions: &VersionTable, backup: &str) -> Result<bool> {
        let Some(at) = self.put_back_at(backup)? else { return Ok(false) };
        let doing = "asking whether rows were put back";
        let mut transaction = self.client().transaction().map_err(|error| sql_fail(&error, doing))?;
        let mark = Mark::last(&mut transaction, versions).map_err(|error| sql_fail(&error, doing))?;
        let Some(mark) = mark else { return Ok(true) };
        let age = mark.age(&mut transaction, Some(at)).map_err(|error| sql_fail(&error, doing))?;
        Ok(age < mark.age)
    }

    /// Drops the tables of rows that are back where they belong. That they are stays written down, in case this process
    /// is killed now and goes on.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn forget_rows_since(&mut self, backup: &str) -> Result<()> {
        let kept = self.rows_since(backup)?.unwrap_or_default();
        let doing = "putting the kept rows away";
        let mut transaction = self.client().transaction().map_err(|error| sql_fail(&error, doing))?;
        let done = unheard(&mut transaction)
            .and_then(|()| forget(&mut transaction, &kept.iter().collect::<Vec<_>>()))
            .and_then(|()| transaction.commit());
        done.map_err(|error| sql_fail(&error, doing).into())
    }

    /// Drops the schema where no rows are in it; whether it did.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn forget_what_is_empty(&mut self) -> Result<bool> {
        let sql = format!(
            "select (not exists (select from pg_class where relnamespace = to_regnamespace('{KEPT_IN}') \
             and relkind in ('r', 'p') and relname not in ('tables', 'put_back')))::text"
        );
        let is_empty = self.kept_of()?.is_some() && self.text(&sql, LOOKING)? == "true";
        if is_empty {
            let gone = |error: postgres::Error| sql_fail(&error, "putting the kept rows away");
            let mut transaction = self.client().transaction().map_err(gone)?;
            unheard(&mut transaction).map_err(gone)?;
            transaction.batch_execute(&format!("drop schema {KEPT_IN} cascade")).map_err(gone)?;
            transaction.commit().map_err(gone)?;
        }
        Ok(is_empty)
    }

    /// The operation whose rows are kept aside.
    fn kept_of(&mut self) -> Result<Option<Began>> {
        let sql = format!(
            "select case when to_regclass('{KEPT_IN}.tables') is not null then \
             coalesce(obj_description(to_regnamespace('{KEPT_IN}'), 'pg_namespace'), '') else '' end"
        );
        let comment = self.text(&sql, LOOKING)?;
        let of = comment.strip_prefix(MARK).and_then(|rest| rest.rsplit_once(" at "));
        let began = |(backup, marks): (&str, &str)| {
            let (mark, end) = marks.split_once(" ended ").map_or((marks, None), |(mark, end)| (mark, end.parse().ok()));
            Began { backup: backup.to_owned(), mark: mark.to_owned(), end }
        };
        Ok(of.map(began))
    }
}

/// An operation whose rows are kept aside: its backup, its last mark in the database, the transaction in which it ended.
struct Began {
    backup: String,
    mark: String,
    end: Option<u64>,
}

const LOOKING: &str = "looking at the rows that were kept aside";

/// The operation's last transaction that left a mark in the version table or in the ledger.
struct Mark {
    /// Its number, as the server shows it.
    number: String,
    age: i32,
}

impl Mark {
    fn last(transaction: &mut Transaction<'_>, versions: &VersionTable) -> Result<Option<Mark>, postgres::Error> {
        // A transaction of our own first: all ages are then taken against it.
        transaction.tell("select txid_current()", &[])?;
        let mut tables = Vec::new();
        for table in [versions.quoted(), format!("{SCHEMA}.{TABLE}"), format!("{SCHEMA}.run")] {
            let found: Option<String> = transaction.ask_one("select to_regclass($1)::text", &[&table])?.get(0);
            tables.extend(found.map(|_| format!("select xmin::text as number, age(xmin) as age from {table}")));
        }
        if tables.is_empty() {
            return Ok(None);
        }
        let sql = format!("select number, age from ({}) marks order by age limit 1", tables.join(" union all "));
        Ok(transaction.ask_opt(&sql, &[])?.map(|row| Mark { number: row.get(0), age: row.get(1) }))
    }

    /// The age of what is too old to be written since: where it is known when the operation ended, of that.
    fn age(&self, transaction: &mut Transaction<'_>, end: Option<u64>) -> Result<i32, postgres::Error> {
        let Some(end) = end else { return Ok(self.age) };
        // The server shows the lower half of a number only.
        Ok(transaction.ask_one(&format!("select age('{}'::xid)", end % (1 << 32)), &[])?.get(0))
    }
}

/// For this transaction, no event trigger hears of the tables that are made and dropped in it: one may log what is done,
/// or refuse it. Only a superuser may ask for that.
pub(super) fn unheard(transaction: &mut Transaction<'_>) -> Result<(), postgres::Error> {
    let sql = "select pg_catalog.set_config('session_replication_role', 'replica', true) \
        where current_setting('is_superuser') = 'on' and exists (select from pg_catalog.pg_event_trigger)";
    transaction.ask_opt(sql, &[]).map(drop)
}

fn count(
    transaction: &mut Transaction<'_>,
    versions: &VersionTable,
    end: Option<u64>,
) -> Result<Option<Vec<(String, u64)>>, postgres::Error> {
    let mark = match (Mark::last(transaction, versions)?, end) {
        (Some(mark), _) => mark.age(transaction, end)?,
        (None, Some(_)) => Mark { number: String::new(), age: 0 }.age(transaction, end)?,
        (None, None) => return Ok(None),
    };
    let mut counted = Vec::new();
    for row in transaction.ask(TABLES, &[&KEPT_IN, &versions.name])? {
        let name: String = row.get(0);
        let sql = format!("select count(*) from only {name} where age(xmin) < {mark}");
        let rows = u64::try_from(transaction.ask_one(&sql, &[])?.get::<_, i64>(0)).unwrap_or_default();
        counted.extend((rows > 0).then_some((name, rows)));
    }
    Ok(Some(counted))
}

fn make_room(transaction: &mut Transaction<'_>, began: &Began) -> Result<(), postgres::Error> {
    let Began { backup, mark, end } = began;
    let ended = end.map(|end| format!(" ended {end}")).unwrap_or_default();
    let comment = literal(&format!("{MARK}{backup} at {mark}{ended}"));
    transaction.batch_execute(&format!(
        "create schema {KEPT_IN}; comment on schema {KEPT_IN} is {comment}; \
         create table {KEPT_IN}.tables (ordinal bigint generated always as identity primary key, name text, number oid, kept_in text, \
         columns text[], rows bigint, older bigint, at text)"
    ))
}

/// Drops these tables of kept rows.
fn forget(transaction: &mut Transaction<'_>, all: &[&Kept]) -> Result<(), postgres::Error> {
    for Kept { kept_in, .. } in all {
        let name = literal(kept_in);
        transaction
            .batch_execute(&format!("drop table {kept_in}; delete from {KEPT_IN}.tables where kept_in = {name}"))?;
    }
    Ok(())
}

fn keep(
    transaction: &mut Transaction<'_>,
    versions: &VersionTable,
    mark: &Mark,
    end: Option<u64>,
) -> Result<(), postgres::Error> {
    let (at, mark) = (&mark.number, mark.age(transaction, end)?);
    // A number is given once, also where its table has gone.
    let first = format!("select coalesce(max(ordinal), 0) from {KEPT_IN}.tables");
    let mut number: i64 = transaction.ask_one(&first, &[])?.get(0);
    let tables = transaction.ask(TABLES, &[&KEPT_IN, &versions.name])?;
    for row in &tables {
        let (name, columns): (String, Vec<String>) = (row.get(0), row.get(1));
        let younger = format!("from only {name} where age(xmin) < {mark}");
        let counts = format!("select count(*) filter (where age(xmin) < {mark}), count(*) from only {name}");
        let counts = transaction.ask_one(&counts, &[])?;
        let (rows, all): (i64, i64) = (counts.get(0), counts.get(1));
        if rows == 0 {
            continue;
        }
        let kept_in = format!("{KEPT_IN}.rows_{number}");
        number += 1;
        let as_text: Vec<String> = columns.iter().map(|it| ident(it)).map(|it| format!("{it}::text as {it}")).collect();
        let as_text = as_text.join(", ");
        let listed: Vec<String> = columns.iter().map(|column| literal(column)).collect();
        transaction.batch_execute(&format!(
            "create table {kept_in} as select {as_text} {younger}; \
             insert into {KEPT_IN}.tables (name, number, kept_in, columns, rows, older, at) \
             values ({0}, {0}::regclass, {1}, array[{2}]::text[], {rows}, {3}, {4})",
            literal(&name),
            literal(&kept_in),
            listed.join(", "),
            all - rows,
            literal(at)
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
