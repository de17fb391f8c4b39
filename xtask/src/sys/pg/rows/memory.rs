//! What the tables held when they were last read, and the proof that one of them holds the same still: as many rows, none
//! of them written since, the same columns. Reading that is a third of the work of digesting (no value is looked at).
//!
//! Why it is a proof. A row's version is never changed in place: every insert and update writes one with the xid of its
//! transaction in `xmin` (freezing only marks it, and a rewrite of the table by `ALTER` writes anew). Transactions older
//! than the horizon of the last reading were over by then, so what they wrote and is visible now was visible then. If
//! no other row is visible now, today's rows are among those of then; if they are as many, they are the same ones.
//! Where what a value looks like may change without the row (labels of an enum type, names behind a `regclass`), the
//! table is not remembered.

use std::collections::HashMap;

use anyhow::{Context, Result};
use postgres::Transaction;

use super::{Layout, answers};
use crate::model::rows::Table;

/// Tables as they were last read. Of one database: another one, also one that was put back, begins anew.
#[derive(Default)]
pub struct Memory {
    database: u32,
    /// Transactions before it were over when the tables were read.
    horizon: i64,
    tables: HashMap<u32, Remembered>,
}

struct Remembered {
    columns: String,
    table: Table,
}

impl Memory {
    /// The tables among `used` that hold what they held, by their place in `used`.
    pub(super) fn unchanged(
        &mut self,
        transaction: &mut Transaction<'_>,
        used: &[Layout],
    ) -> Result<HashMap<usize, Table>> {
        let (database, now) = horizon(transaction)?;
        let before = std::mem::replace(&mut self.horizon, now);
        // What is not looked at now is forgotten: the new horizon says nothing about it.
        let mut tables = std::mem::take(&mut self.tables);
        if std::mem::replace(&mut self.database, database) != database {
            tables.clear();
        }
        let known = |(_, layout): &(usize, &Layout)| {
            tables.get(&layout.oid).is_some_and(|old| layout.fixed.as_ref() == Some(&old.columns))
        };
        let known: Vec<(usize, &Layout)> = used.iter().enumerate().filter(known).collect();
        if known.is_empty() {
            return Ok(HashMap::new());
        }
        // Reckoned once, since both ages are taken against the same xid within a transaction.
        let age = "select age(($1 & 4294967295)::text::xid)";
        let age: i32 = transaction.query_one(age, &[&before]).context("asking for the age of the last reading")?.get(0);
        let select = |(_, layout): &(usize, &Layout)| {
            let name = &layout.name;
            format!("select count(*) || ' ' || count(*) filter (where pg_catalog.age(xmin) <= {age}) from only {name};")
        };
        let script: String = known.iter().map(select).collect();
        let answers = answers(transaction, &script).context("looking for rows that are new")?;
        let mut same = HashMap::new();
        for ((at, layout), answer) in known.iter().zip(answers) {
            if let Some(old) = tables.remove(&layout.oid).filter(|old| answer == format!("{} 0", old.table.rows)) {
                same.insert(*at, old.table.clone());
                self.tables.insert(layout.oid, old);
            }
        }
        Ok(same)
    }

    /// Remembers what was read, in the transaction that [`Memory::unchanged`] has looked in.
    pub(super) fn learn(&mut self, layout: &Layout, table: &Table) {
        if let Some(columns) = &layout.fixed {
            let remembered = Remembered { columns: columns.clone(), table: table.clone() };
            self.tables.insert(layout.oid, remembered);
        }
    }
}

fn horizon(transaction: &mut Transaction<'_>) -> Result<(u32, i64)> {
    let sql =
        "select oid, txid_snapshot_xmin(txid_current_snapshot()) from pg_database where datname = current_database()";
    let row = transaction.query_one(sql, &[]).context("asking which transactions are over")?;
    Ok((row.get(0), row.get(1)))
}
