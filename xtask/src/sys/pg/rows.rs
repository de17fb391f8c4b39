//! Counts and digests what the tables hold: exact, not estimated. Two round trips for all tables: one asks which tables
//! have any page at all (an empty one has none and needs no reading) and of which columns they are made, the other reads
//! those tables once each.
//!
//! A digest is the sum of the values' 64-bit hashes, so it depends neither on the order of the rows nor of the columns,
//! and equal values do not cancel each other out. The session's settings that decide how a value looks as text are
//! pinned.

mod memory;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use postgres::error::SqlState;
use postgres::{Client, IsolationLevel, Row, SimpleQueryMessage, Transaction};

use crate::fail::Fail;
use crate::model::action::own;
use crate::model::rows::{Column, Rows, Sequences, Table};
use crate::sys::pg::catalog::Options;
use crate::sys::pg::sql_fail;

pub use memory::Memory;

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
       case when s.size > 0 then array(select a.attname::text from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname) end as columns,
       case when s.size > 0 then array(select quote_ident(a.attname) from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname) end as quoted,
       case when s.size > 0 then array(select case when a.atttypid < 16384 then t.typname::text else 'text' end
               from pg_attribute a join pg_type t on t.oid = a.atttypid
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname) end as types
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral (select pg_relation_size(c.oid) as size offset 0) s
 where c.oid >= 16384 and c.relkind = 'r' and c.relpersistence <> 't'
   and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
   and not exists (select from pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
 order by 1";

/// What the tables hold now. `only` restricts it to tables of these schema-qualified names.
///
/// # Errors
/// When the connection is lost, a table is not readable for this user, or is hidden from it by row security.
pub fn take(client: &mut Client, options: &Options, only: Option<&BTreeSet<String>>) -> Result<Rows> {
    take_within(&mut begin(client)?, options, only)
}

/// What all tables hold now; the large ones that hold what `memory` has of them are not digested again.
///
/// # Errors
/// As [`take`].
pub fn take_again(client: &mut Client, options: &Options, memory: &mut Memory) -> Result<Rows> {
    read(&mut begin(client)?, options, None, Some(memory))
}

/// The same inside a transaction that is already open; its settings are left as they were.
///
/// # Errors
/// As [`take`].
pub fn take_within(
    transaction: &mut Transaction<'_>,
    options: &Options,
    only: Option<&BTreeSet<String>>,
) -> Result<Rows> {
    read(transaction, options, only, None)
}

/// As [`take_within`]; `memory` learns what was read, for [`take_again`].
///
/// # Errors
/// As [`take`].
pub fn learn_within(transaction: &mut Transaction<'_>, options: &Options, memory: &mut Memory) -> Result<Rows> {
    read(transaction, options, None, Some(memory))
}

fn begin(client: &mut Client) -> Result<Transaction<'_>> {
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    transaction.start().context("beginning to read the rows")
}

fn read(
    transaction: &mut Transaction<'_>,
    options: &Options,
    only: Option<&BTreeSet<String>>,
    mut memory: Option<&mut Memory>,
) -> Result<Rows> {
    // Never committed: rolling back puts the settings back as well.
    let mut inner = transaction.transaction().context("beginning to read the rows")?;
    let mut rows = Rows::default();
    let mut used = Vec::new();
    for row in inner.query(TABLES, &[]).context("listing the tables")? {
        let name: String = row.get("name");
        if options.leaves_out(&name) || only.is_some_and(|only| !only.contains(&name)) {
            continue;
        }
        rows.tables.insert(name, Table::default());
        if row.get("used") {
            used.push(Layout::of(&row));
        }
    }
    inner.batch_execute(SETTINGS).context("counting the rows")?;
    let same = match &mut memory {
        Some(memory) => memory.unchanged(&mut inner, &used)?,
        None => HashMap::new(),
    };
    let other = |(at, _): &(usize, &Layout)| !same.contains_key(at);
    let other: Vec<&Layout> = used.iter().enumerate().filter(other).map(|(_, layout)| layout).collect();
    let script: String = other.iter().map(|layout| layout.select()).collect();
    let answers = match answers(&mut inner, &script) {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => return Err(unreadable(&error).into()),
        answers => answers.context("counting the rows")?,
    };
    for (layout, answer) in other.iter().zip(answers) {
        let table = layout.table(&answer.split(' ').collect::<Vec<_>>())?;
        if let Some(memory) = &mut memory {
            memory.learn(layout, &table);
        }
        rows.tables.insert(layout.name.clone(), table);
    }
    rows.tables.extend(same.into_iter().map(|(at, table)| (used[at].name.clone(), table)));
    inner.rollback().context("ending to read the rows")?;
    Ok(rows)
}

/// Rows that this role may not see, or that a policy hides from it, cannot be compared.
fn unreadable(error: &postgres::Error) -> Fail {
    let fail = sql_fail(error, "counting the rows");
    if !fail.details.contains("row-level security") {
        return fail.refused();
    }
    Fail { actions: Vec::new(), ..fail }
        .details("A policy (FORCE ROW LEVEL SECURITY) hides rows from this role, so that nothing could be said of them")
        .action("Let the role of the config's URL see every row, as a superuser: ALTER ROLE … BYPASSRLS")
        .run("Or use an own server, where the role may do everything", own("db-roundtrip").flag("--server", "embedded"))
        .refused()
}

/// The answers to statements that give one text each.
fn answers(transaction: &mut Transaction<'_>, script: &str) -> Result<Vec<String>, postgres::Error> {
    let messages = transaction.simple_query(script)?;
    let answers = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    Ok(answers.collect())
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
    fn of(row: &Row) -> Layout {
        Layout {
            oid: row.get("oid"),
            name: row.get("name"),
            fixed: row.get("fixed"),
            columns: row.get("columns"),
            quoted: row.get("quoted"),
            types: row.get("types"),
        }
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
    const POSITIONS: &str = r"select quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value
        from pg_catalog.pg_sequences where increment_by > 0 and schemaname not like 'pg\_%'";
    let rows = client.query(POSITIONS, &[]).context("asking where the sequences stand")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
