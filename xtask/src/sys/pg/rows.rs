//! Counts and digests what the tables hold: exact, not estimated. Two round trips for all tables: one asks which tables
//! have any page at all (an empty one has none and needs no reading) and of which columns they are made, the other reads
//! those tables once each; a third where a table that was remembered has changed.
//!
//! A digest is the sum of the values' 64-bit hashes, so it depends neither on the order of the rows nor of the columns,
//! and equal values do not cancel each other out. The session's settings that decide how a value looks as text are
//! pinned.

mod memory;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use postgres::error::SqlState;
use postgres::{Client, GenericClient, SimpleQueryRow, Transaction};

use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::own;
use crate::model::rows::{Column, Rows, Sequences, Table};
use crate::model::url::DbUrl;
use crate::sys::pg::ask::Ask;
use crate::sys::pg::batch::{Answer, Reading, batch};
use crate::sys::pg::catalog::Options;
use crate::sys::pg::count::is_hidden;
use crate::sys::pg::{ident, literal, sql_fail};

pub use memory::Memory;
pub(super) use memory::horizon;

/// What decides how values look as text. Row security is off so that a policy which would hide rows is an error.
const SETTINGS: &str = "set local search_path = ''; set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'; \
    set local extra_float_digits = 3; set local bytea_output = 'hex'; set local intervalstyle = 'iso_8601'; \
    set local lc_monetary = 'C'; set local xmloption = 'content'; set local row_security = off;";

/// Every ordinary table that holds rows of its own (partitions, not the partitioned table), with how to hash each column.
const TABLES: &str = r"
select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
       c.oid, s.size > 0 as used,
       case when s.size > 262144 and c.relam in (0, 2) and not exists (
              select from pg_attribute a join pg_type t on t.oid = a.atttypid
               where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                 and (a.atttypid >= 16384 or to_jsonb(a) ->> 'attgenerated' = 'v' or ltrim(t.typname, '_') <> all ('{
                      bool,int2,int4,int8,float4,float8,numeric,text,varchar,bpchar,uuid,bytea,date,time,timetz,timestamp,
                      timestamptz,interval,json,jsonb,inet,cidr,macaddr}')))
            then array_to_string(array(select concat_ws(' ', a.attnum, a.attname, a.atttypid) from pg_attribute a
                   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum), ',') end as fixed,
       case when s.size > 0 then array_to_json(array(select a.attname::text from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname)) end as columns,
       case when s.size > 0 then array_to_json(array(select quote_ident(a.attname) from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname)) end as quoted,
       case when s.size > 0 then array_to_json(array(select case when a.atttypid < 16384 then t.typname::text else 'text' end
               from pg_attribute a join pg_type t on t.oid = a.atttypid
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname)) end as types
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral (select pg_relation_size(c.oid) as size offset 0) s
 where c.oid >= 16384 and c.relkind = 'r' and c.relpersistence <> 't'
   and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
   and not exists (select from pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
 order by 1;";

/// What the tables hold now. `only` restricts it to tables of these schema-qualified names.
///
/// # Errors
/// When the connection is lost, a table is not readable for this user, or is hidden from it by row security.
pub fn take(client: &mut Client, options: &Options, only: Option<&BTreeSet<String>>) -> Result<Rows> {
    Stages { only, ..Stages::new(options, None) }.read(Reading::new(client))
}

/// What all tables hold now; the large ones that hold what `memory` has of them are not digested again.
///
/// # Errors
/// As [`take`].
pub fn take_again(client: &mut Client, options: &Options, memory: &mut Memory) -> Result<Rows> {
    Stages::new(options, Some(memory)).read(Reading::new(client))
}

/// As [`take_again`], inside a transaction that is already open; its settings are left as they were.
///
/// # Errors
/// As [`take`].
pub fn learn_within(transaction: &mut Transaction<'_>, options: &Options, memory: &mut Memory) -> Result<Rows> {
    Stages::new(options, Some(memory)).read(Reading::within(transaction))
}

/// A reading of rows as it goes on: each stage gives the statements whose answers the next one is given.
pub(super) struct Stages<'r> {
    options: &'r Options,
    only: Option<&'r BTreeSet<String>>,
    memory: Option<&'r mut Memory>,
    used: Vec<Layout>,
    /// The tables that may be as they are remembered, and those that are to be digested, by their place in `used`.
    known: Vec<usize>,
    other: Vec<usize>,
    rows: Rows,
}

impl<'r> Stages<'r> {
    pub fn new(options: &'r Options, memory: Option<&'r mut Memory>) -> Stages<'r> {
        let (used, known, other) = (Vec::new(), Vec::new(), Vec::new());
        Stages { options, only: None, memory, used, known, other, rows: Rows::default() }
    }

    fn read<C: GenericClient>(mut self, mut reading: Reading<'_, C>) -> Result<Rows> {
        let mut answers = reading.ask(&self.question()).context("listing the tables")?.into_iter();
        let script = self.listed(&mut answers)?;
        let answers = if self.known.is_empty() {
            reading.end(&script).map_err(counting)?
        } else {
            let answers = reading.ask(&script).map_err(counting)?;
            let script = self.counted(&mut answers.into_iter())?;
            reading.end(&script).map_err(counting)?
        };
        self.finish(&mut answers.into_iter())
    }

    /// Which tables there are, and which transactions are over.
    pub fn question(&self) -> String {
        format!("{TABLES}{}", horizon(self.memory.as_ref().map_or(0, |memory| memory.before())))
    }

    /// The digests of the tables that nothing is known of, and whether the others are as they were.
    pub fn listed(&mut self, answers: &mut dyn Iterator<Item = Answer>) -> Result<String> {
        let tables = answers.next().context("listing the tables: no answer")?;
        for row in &tables.rows {
            let name = row.get("name").unwrap_or_default();
            if self.options.leaves_out(name) || self.only.is_some_and(|only| !only.contains(name)) {
                continue;
            }
            self.rows.tables.insert(name.to_owned(), Table::default());
            if row.get("used") == Some("t") {
                self.used.push(Layout::of(row)?);
            }
        }
        let horizon = answers.next().context("asking which transactions are over: no answer")?;
        let mut script = String::from(SETTINGS);
        if let Some(memory) = &mut self.memory {
            self.known = memory.may_hold(&self.used, &horizon)?;
            self.known.iter().for_each(|at| script.push_str(&memory.count(&self.used[*at])));
        }
        self.other = (0..self.used.len()).filter(|at| !self.known.contains(at)).collect();
        Ok(script + &self.digests())
    }

    fn digests(&self) -> String {
        self.other.iter().map(|at| self.used[*at].select()).collect()
    }

    /// How many answers there are to what [`Stages::listed`] gave, and whether they may be the last ones.
    pub fn asked(&self) -> (usize, bool) {
        (self.used.len(), self.known.is_empty())
    }

    /// The digests of those that are not as they were.
    pub fn counted(&mut self, answers: &mut dyn Iterator<Item = Answer>) -> Result<String> {
        let mut changed = Vec::new();
        for at in std::mem::take(&mut self.known) {
            let (layout, answer) = (&self.used[at], answers.next().context("counting the rows: no answer")?);
            let same = self.memory.as_mut().and_then(|memory| memory.if_same(layout, answer.text(0)));
            match same {
                Some(table) => drop(self.rows.tables.insert(layout.name.clone(), table)),
                None => changed.push(at),
            }
        }
        self.digested(answers)?;
        self.other = changed;
        Ok(self.digests())
    }

    fn digested(&mut self, answers: &mut dyn Iterator<Item = Answer>) -> Result<()> {
        for at in std::mem::take(&mut self.other) {
            let (layout, answer) = (&self.used[at], answers.next().context("counting the rows: no answer")?);
            let table = layout.table(&answer.text(0).unwrap_or_default().split(' ').collect::<Vec<_>>())?;
            if let Some(memory) = &mut self.memory {
                memory.learn(layout, &table);
            }
            self.rows.tables.insert(layout.name.clone(), table);
        }
        Ok(())
    }

    /// What the tables hold.
    pub fn finish(mut self, answers: &mut dyn Iterator<Item = Answer>) -> Result<Rows> {
        self.digested(answers)?;
        Ok(self.rows)
    }
}

/// Why the rows could not be counted.
pub(super) fn counting(error: postgres::Error) -> anyhow::Error {
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        return unreadable(&error).into();
    }
    anyhow::Error::new(error).context("counting the rows")
}

const HIDDEN: &str =
    "A policy (FORCE ROW LEVEL SECURITY) hides rows from this role, so that nothing could be said of them";

/// Rows that this role may not see, or that a policy hides from it, cannot be compared.
fn unreadable(error: &postgres::Error) -> Fail {
    let fail = sql_fail(error, "counting the rows");
    if !is_hidden(error) {
        return fail.refused();
    }
    Fail { actions: Vec::new(), ..fail }.details(HIDDEN).refused()
}

/// What can be done where a policy hides rows from the role of this database's URL.
pub fn with_role(error: anyhow::Error, url: &DbUrl) -> anyhow::Error {
    let fail = from_anyhow(&error);
    if fail.kind != Kind::PermissionDenied || !fail.details.contains(HIDDEN) {
        return error;
    }
    let role = ident(&url.target().user);
    fail.action(format!("Let this role see every row; as a superuser, in psql: ALTER ROLE {role} BYPASSRLS"))
        .run("Or use an own server, where the role may do everything", own("db-roundtrip").flag("--server", "embedded"))
        .into()
}

/// A table that may hold rows, its columns sorted by name.
struct Layout {
    oid: u32,
    name: String,
    /// The columns, where the table is large and its values look the same as long as its rows are.
    fixed: Option<String>,
    columns: Vec<String>,
    quoted: Vec<String>,
    types: Vec<String>,
}

impl Layout {
    fn of(row: &SimpleQueryRow) -> Result<Layout> {
        let text = |name: &str| row.get(name).map(str::to_owned);
        let list = |name: &str| -> Result<Vec<String>> {
            serde_json::from_str(row.get(name).unwrap_or("[]")).context("listing the columns of a table")
        };
        Ok(Layout {
            oid: row.get("oid").and_then(|oid| oid.parse().ok()).context("listing the tables")?,
            name: text("name").unwrap_or_default(),
            fixed: text("fixed"),
            columns: list("columns")?,
            quoted: list("quoted")?,
            types: list("types")?,
        })
    }

    /// A statement that gives one row with one text: the count, then per column the count of values and the digest.
    fn select(&self) -> String {
        let mut sql = String::from("select array_to_string(array[count(*)::text");
        for (column, kind) in self.quoted.iter().zip(&self.types) {
            sql.push_str(&format!(", count({column})::text, sum({})::text", hash(column, kind)));
        }
        sql.push_str(&format!("], ' ', '-') from only {};", self.name));
        sql
    }

    fn table(&self, fields: &[&str]) -> Result<Table> {
        let number = |at: usize| -> Result<u64> {
            let field: &str = fields.get(at).copied().unwrap_or_default();
            field.parse().with_context(|| format!("counting the rows of {}: `{field}`", self.name))
        };
        let rows = number(0)?;
        let mut table = Table { rows, columns: BTreeMap::new() };
        for (index, column) in self.columns.iter().enumerate().filter(|_| rows > 0) {
            let digest = fields.get(2 * index + 2).filter(|digest| **digest != "-").copied().unwrap_or_default();
            table.columns.insert(column.clone(), Column { values: number(2 * index + 1)?, digest: digest.to_owned() });
        }
        Ok(table)
    }
}

/// The expression that hashes one value to 64 bits: directly where the type's own hash tells all values apart that look
/// different, else by its text (1.0 and 1.00 are equal numbers, but not the same value).
fn hash(column: &str, kind: &str) -> String {
    match kind {
        "int2" => format!("hashint2extended({column}, 0)"),
        "int4" => format!("hashint4extended({column}, 0)"),
        "int8" => format!("hashint8extended({column}, 0)"),
        "uuid" => format!("uuid_hash_extended({column}, 0)"),
        "timestamp" => format!("timestamp_hash_extended({column}, 0)"),
        "timestamptz" => format!("timestamp_hash_extended({column} at time zone 'UTC', 0)"),
        // A collation that calls different texts equal hashes them alike.
        _ => format!("hashtextextended({column}::text collate \"C\", 0)"),
    }
}

/// Where the sequences stand that count upwards.
///
/// # Errors
/// When the connection is lost.
pub fn sequence_positions(client: &mut Client) -> Result<Sequences> {
    let answers = batch(client, SEQUENCES).context("asking where the sequences stand")?;
    Ok(answers.first().map(sequences).unwrap_or_default())
}

/// The statement, for [`sequences`].
pub(super) const SEQUENCES: &str = r"select quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value
  from pg_catalog.pg_sequences where increment_by > 0 and schemaname not like 'pg\_%';";

/// The last value of every sequence, also of those that count downwards. A sequence that was set to give a certain
/// value next (`setval(…, false)`, `RESTART`) counts as having given the value before it; no view shows that, only the
/// sequence itself.
pub(super) fn all_sequences<C: Ask>(client: &mut C) -> Result<Sequences, postgres::Error> {
    let mut found = Sequences::new();
    let mut untouched: Vec<String> = Vec::new();
    for row in client.ask(ALL_SEQUENCES, &[])? {
        let (name, last, start, step): (String, Option<i64>, i64, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        if last.is_none() && row.get::<_, bool>(4) {
            let text = literal(&name);
            untouched.push(format!(
                "select {text}, case when last_value <> {start} then last_value - {step}::bigint end from {name}"
            ));
        }
        found.insert(name, last);
    }
    // So few at once that no statement is too long.
    for some in untouched.chunks(500) {
        let rows = client.ask(&some.join(" union all "), &[])?;
        found.extend(rows.iter().map(|row| (row.get::<_, String>(0), row.get(1))));
    }
    Ok(found)
}

const ALL_SEQUENCES: &str = r"select quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value, start_value,
       increment_by, has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'select')
  from pg_catalog.pg_sequences where schemaname not like 'pg\_%'";

pub(super) fn sequences(answer: &Answer) -> Sequences {
    let number = |text: &str| text.parse().ok();
    answer.rows.iter().map(|row| (row.get(0).unwrap_or_default().to_owned(), row.get(1).and_then(number))).collect()
}
