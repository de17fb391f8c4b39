//! What the tables hold, as a value that can be compared: per table the number of rows, per column the number of values
//! and a digest that does not depend on the order of the rows. Where two differ, it names what was lost.

use std::collections::BTreeMap;

/// `1 row`, `2 rows`: so many of something.
pub fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// The verb for so many of something.
pub fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// One column's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// How many values are not NULL.
    pub values: u64,
    /// The sum of the values' hashes; empty when there are none.
    pub digest: String,
}

/// One table's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// How many rows, those of child tables not counted.
    pub rows: u64,
    /// The columns by name; none for an empty table, which needs no looking at.
    pub columns: BTreeMap<String, Column>,
}

/// What the tables of a database hold, by schema-qualified name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Every table that was looked at, the empty ones too.
    pub tables: BTreeMap<String, Table>,
}

impl Rows {
    /// How many rows there are in all.
    pub fn total(&self) -> u64 {
        self.tables.values().map(|table| table.rows).sum()
    }
}

/// A column whose content is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnLoss {
    /// The column's bare name.
    pub column: String,
    /// How many values it held.
    pub before_values: u64,
    /// How many it holds; 0 also when it is gone.
    pub after_values: u64,
    /// As many as before, but not the same ones.
    pub same_count_but_different: bool,
}

/// A table whose content is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChange {
    /// The schema-qualified name.
    pub table: String,
    /// How many rows it had; `None` when it was not there.
    pub before_rows: Option<u64>,
    /// How many it has; `None` when it is gone.
    pub after_rows: Option<u64>,
    /// The columns that lost values or hold others. When rows went as well, only those that lost more than their rows.
    pub columns_lost: Vec<ColumnLoss>,
    /// It stood in a table or in columns that are not there below the revision: every downgrade takes it along.
    pub is_its_own: bool,
}

impl DataChange {
    /// Whether rows or values are gone. What came on top, or was written over, is a difference and no loss.
    pub fn is_loss(&self) -> bool {
        self.after_rows.unwrap_or(0) < self.before_rows.unwrap_or(0)
            || self.columns_lost.iter().any(|column| column.after_values < column.before_values)
    }

    /// Whether nothing but rows came on top.
    pub fn is_only_more(&self) -> bool {
        self.after_rows.unwrap_or(0) > self.before_rows.unwrap_or(0) && self.columns_lost.is_empty()
    }
}

/// What differs, by table. A table that came or went without a row in it is a matter of the schema, not of the rows.
pub fn diff(before: &Rows, after: &Rows) -> Vec<DataChange> {
    let mut changes = Vec::new();
    for (name, old) in &before.tables {
        let new = after.tables.get(name);
        let after_rows = new.map(|table| table.rows);
        let columns_lost = new.map(|new| columns_lost(old, new)).unwrap_or_default();
        if old.rows != after_rows.unwrap_or(0) || !columns_lost.is_empty() {
            changes.push(DataChange {
                table: name.clone(),
                before_rows: Some(old.rows),
                after_rows,
                columns_lost,
                is_its_own: false,
            });
        }
    }
    for (name, new) in &after.tables {
        if !before.tables.contains_key(name) && new.rows > 0 {
            let after_rows = Some(new.rows);
            changes.push(DataChange {
                table: name.clone(),
                before_rows: None,
                after_rows,
                columns_lost: Vec::new(),
                is_its_own: false,
            });
        }
    }
    changes.sort_by(|a, b| a.table.cmp(&b.table));
    changes
}

/// Whether rows are others, as far as they can be: in tables and columns that are there both times.
pub fn are_changed(before: &Rows, after: &Rows) -> bool {
    before.tables.iter().any(|(name, old)| {
        after.tables.get(name).is_some_and(|new| {
            let is_other = |(column, was): (&String, &Column)| {
                new.columns.get(column).is_some_and(|is| (is.values, &is.digest) != (was.values, &was.digest))
            };
            old.rows != new.rows || old.columns.iter().any(is_other)
        })
    })
}

/// Where NULLs were filled: the columns that hold more values in as many rows. Nothing that was there need be gone, so
/// [`diff`] leaves them out; a database that should be just as it was is another all the same.
pub fn filled(before: &Rows, after: &Rows) -> Vec<DataChange> {
    let mut changes = Vec::new();
    for (name, old) in &before.tables {
        let Some(new) = after.tables.get(name).filter(|new| new.rows == old.rows) else { continue };
        let more = |(column, was): (&String, &Column)| {
            let after_values = new.columns.get(column).map_or(0, |column| column.values);
            let (column, before_values) = (column.clone(), was.values);
            let filled = after_values > before_values;
            filled.then_some(ColumnLoss { column, before_values, after_values, same_count_but_different: false })
        };
        let columns_lost: Vec<ColumnLoss> = old.columns.iter().filter_map(more).collect();
        if !columns_lost.is_empty() {
            let rows = Some(old.rows);
            changes.push(DataChange {
                table: name.clone(),
                before_rows: rows,
                after_rows: rows,
                columns_lost,
                is_its_own: false,
            });
        }
    }
    changes
}

fn columns_lost(old: &Table, new: &Table) -> Vec<ColumnLoss> {
    if new.rows == 0 {
        return Vec::new();
    }
    let mut lost = Vec::new();
    for (name, was) in &old.columns {
        let is = new.columns.get(name);
        let after_values = is.map_or(0, |column| column.values);
        // With other rows the digests must differ; then a column is only lost when it lost more than the rows did.
        let rows_gone = old.rows.saturating_sub(new.rows);
        let fewer = after_values < was.values.saturating_sub(rows_gone);
        let different = old.rows == new.rows
            && after_values >= was.values
            && is.is_some_and(|column| column.values != was.values || column.digest != was.digest)
            && was.values > 0;
        // NULLs that were filled add values to the digest; whether the old ones are still there cannot be told.
        let same_count_but_different = different && after_values == was.values;
        if fewer || same_count_but_different {
            lost.push(ColumnLoss {
                column: name.clone(),
                before_values: was.values,
                after_values,
                same_count_but_different,
            });
        }
    }
    lost
}

/// Where sequences stand, by schema-qualified name; `None`: it was never used.
pub type Sequences = BTreeMap<String, Option<i64>>;

/// One sentence for each sequence that stands further back than it stood. A note, since no value is lost; one that ran on
/// is what sequences do.
pub fn sequence_notes(before: &Sequences, after: &Sequences) -> Vec<String> {
    let went_back = before.iter().filter_map(|(name, was)| {
        let (was, is) = ((*was)?, after.get(name)?);
        let is = match is {
            Some(is) if *is >= was => return None,
            Some(is) => is.to_string(),
            None => "its start".to_owned(),
        };
        Some(format!("sequence {name} went back from {was} to {is}: what it gives next may be in the table already"))
    });
    went_back.collect()
}
