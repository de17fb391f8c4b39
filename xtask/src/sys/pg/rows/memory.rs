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

use anyhow::{Result, bail};

use super::Layout;
use crate::model::rows::Table;
use crate::sys::pg::batch::Answer;

/// Tables as they were last read. Of one database: another one, also one that was put back, begins anew.
#[derive(Default)]
pub struct Memory {
    database: i64,
    /// Transactions before it were over when the tables were read.
    horizon: i64,
    /// The age of the horizon before that.
    age: i64,
    tables: HashMap<u32, Remembered>,
    /// Those of the last reading, while it is asked which of them are as they were.
    in_question: HashMap<u32, Remembered>,
}

struct Remembered {
    columns: String,
    table: Table,
}

impl Memory {
    /// The horizon of the last reading.
    pub(super) fn before(&self) -> i64 {
        self.horizon
    }

    /// The tables among `used` that may hold what they held, by their place in `used`; `answer` is that to [`horizon`].
    pub(super) fn may_hold(&mut self, used: &[Layout], answer: &Answer) -> Result<Vec<usize>> {
        let number = |column: usize| answer.text(column).and_then(|text| text.parse::<i64>().ok());
        let numbers = (number(0), number(1), number(2));
        let (Some(database), Some(now), Some(age)) = numbers else { bail!("asking which transactions are over") };
        (self.horizon, self.age) = (now, age);
        if std::mem::replace(&mut self.database, database) != database {
            self.tables.clear();
        }
        // What is not looked at now is forgotten: the new horizon says nothing about it.
        let tables = std::mem::take(&mut self.tables);
        let is_known =
            |layout: &Layout| tables.get(&layout.oid).is_some_and(|old| layout.fixed.as_ref() == Some(&old.columns));
        let known = used.iter().enumerate().filter(|(_, layout)| is_known(layout)).map(|(at, _)| at).collect();
        self.in_question = tables;
        Ok(known)
    }

    /// A statement that counts the rows of a table, and those that were written since.
    pub(super) fn count(&self, Layout { name, .. }: &Layout) -> String {
        let age = self.age;
        format!("select count(*) || ' ' || count(*) filter (where pg_catalog.age(xmin) <= {age}) from only {name};")
    }

    /// What a table held, if by that answer it holds it still.
    pub(super) fn if_same(&mut self, layout: &Layout, answer: Option<&str>) -> Option<Table> {
        let old = self.in_question.remove(&layout.oid)?;
        let is_same = answer == Some(format!("{} 0", old.table.rows).as_str());
        let table = is_same.then(|| old.table.clone())?;
        self.tables.insert(layout.oid, old);
        Some(table)
    }

    /// Remembers what was read, in the transaction that [`Memory::may_hold`] was given the answer of.
    pub(super) fn learn(&mut self, layout: &Layout, table: &Table) {
        if let Some(columns) = &layout.fixed {
            let remembered = Remembered { columns: columns.clone(), table: table.clone() };
            self.tables.insert(layout.oid, remembered);
        }
    }
}

/// A statement that gives the database's number, the horizon of now and the age of the one before, which is reckoned
/// against the same xid as all other ages of the transaction.
pub fn horizon(before: i64) -> String {
    format!(
        "select oid, pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()), \
         pg_catalog.age(({before} & 4294967295)::text::xid) from pg_catalog.pg_database where datname = current_database();\n"
    )
}
