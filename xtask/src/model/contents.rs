//! Everything that a database holds, as one value that can be compared: its schema with owners and grants, its rows,
//! and the values of its sequences. A backup and the database that is restored from it are compared by it.

use std::collections::BTreeMap;

use super::catalog::{self, Snapshot, What};
use super::rows::{self, DataChange, Rows, Sequences, counted};

/// What a database holds at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Every object, with its owner and grants.
    pub schema: Snapshot,
    /// How many, and what they hold.
    pub rows: Rows,
    /// Where the sequences stand.
    pub sequences: Sequences,
    /// How many large objects there are.
    pub large_objects: u64,
    /// A digest of what they hold; none where there are none, or this role may not read each of them.
    pub large_object_digest: Option<String>,
    /// Which table it is, by its quoted name: a table or column that was dropped and made again is another one.
    pub tables: BTreeMap<String, TableIdentity>,
    /// The numbers of tables, views and sequences, by their quoted names.
    pub relations: BTreeMap<String, u32>,
    /// The tables that extensions own, by their quoted names.
    pub of_extensions: BTreeMap<String, OfExtension>,
}

/// A table that an extension owns: it goes with the extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfExtension {
    /// Its number in `pg_class`.
    pub oid: u32,
    /// How many are in it.
    pub rows: u64,
    /// Whether the extension wants `pg_dump` to take rows of it; those of others are in no dump.
    pub is_dumped: bool,
}

/// What tells a table and its columns from others of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableIdentity {
    /// Its number in `pg_class`.
    pub oid: u32,
    /// The columns' numbers, which a table never gives twice.
    pub columns: BTreeMap<String, i16>,
}

/// What is not the same on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Rows, values, or something that holds them.
    pub data: Vec<String>,
    /// The rest of the schema: definitions, owners, grants, comments.
    pub schema: Vec<String>,
}

impl Differences {
    /// Whether both hold the same.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.schema.is_empty()
    }
}

impl Contents {
    /// What differs in `other`. What only a restored dump words anew is no difference.
    pub fn differences(&self, other: &Contents) -> Differences {
        let mut found = Differences::default();
        let changes = catalog::diff(&self.schema, &other.schema).into_iter();
        for change in changes.filter(|change| !change.is_only_reworded()) {
            let holds_data = ["table", "column", "sequence"].contains(&change.kind.as_str());
            let lost = change.what == What::Removed && holds_data;
            let line = change.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            if lost { found.data.push(line) } else { found.schema.push(line) }
        }
        found.data.extend(self.rows_differing(&other.rows));
        for (name, was) in &self.sequences {
            let is = other.sequences.get(name).copied().flatten();
            if *was != is {
                let words = |at: Option<i64>| at.map_or("its start".to_owned(), |at| at.to_string());
                found.data.push(format!("sequence {name}: {} -> {}", words(*was), words(is)));
            }
        }
        for (name, was) in &self.of_extensions {
            let is = other.of_extensions.get(name).map(|table| table.rows);
            if is != Some(was.rows) && (was.rows > 0 || is.is_some()) {
                let is = is.map_or("no table".to_owned(), |rows| counted(rows, "row"));
                found.schema.push(format!("{name}, which an extension owns: {} -> {is}", counted(was.rows, "row")));
            }
        }
        if self.large_objects != other.large_objects {
            found.data.push(format!("large objects: {} -> {}", self.large_objects, other.large_objects));
        } else if self.holds_other_large_objects(other) == Some(true) {
            found.data.push(format!("large objects: {}, which hold something else", self.large_objects));
        }
        found
    }

    /// Whether what the large objects hold is not the same; `None` where that was not looked at.
    pub fn holds_other_large_objects(&self, other: &Contents) -> Option<bool> {
        match (&self.large_object_digest, &other.large_object_digest) {
            (Some(was), Some(is)) => Some(was != is),
            _ if self.large_objects == 0 && other.large_objects == 0 => Some(false),
            _ => None,
        }
    }

    fn rows_differing(&self, other: &Rows) -> Vec<String> {
        let changes = rows::diff(&self.rows, other).into_iter().chain(rows::filled(&self.rows, other));
        changes.map(|change| line_of(&change)).collect()
    }
}

/// `public.t: 500 rows -> 0`, `public.t.x: 500 values -> 3`.
fn line_of(change: &DataChange) -> String {
    let rows = |rows: Option<u64>| rows.map_or("no table".to_owned(), |rows| counted(rows, "row"));
    let table = &change.table;
    if change.before_rows != change.after_rows {
        return format!("{table}: {} -> {}", rows(change.before_rows), rows(change.after_rows));
    }
    let columns: Vec<String> = change
        .columns_lost
        .iter()
        .map(|lost| match lost.same_count_but_different {
            true => format!("{} ({}, others than before)", lost.column, counted(lost.before_values, "value")),
            false => format!("{} ({} -> {})", lost.column, counted(lost.before_values, "value"), lost.after_values),
        })
        .collect();
    format!("{table}: {}", columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::catalog::{Key, Object};
    use super::super::rows::Table;
    use super::*;

    #[test]
    fn what_holds_data_is_told_from_the_rest() {
        let mut before = Contents::default();
        for name in ["public.a", "public.b"] {
            before.schema.insert(Key::new("table", name), Object::default());
            before.rows.tables.insert(name.to_owned(), Table { rows: 2, ..Table::default() });
        }
        before.sequences.insert("public.s".to_owned(), Some(7));
        let mut after = before.clone();
        assert!(before.differences(&after).is_empty());
        after.schema.insert(
            Key::new("table", "public.a"),
            Object { parent: None, attributes: vec![("owner".into(), "eve".into())] },
        );
        after.schema.remove(&Key::new("table", "public.b"));
        after.rows.tables.remove("public.b");
        after.sequences.insert("public.s".to_owned(), None);
        let found = before.differences(&after);
        assert_eq!(found.schema, ["~ table public.a owner: (none) -> eve"]);
        let expected = ["- table public.b", "public.b: 2 rows -> no table", "sequence public.s: 7 -> its start"];
        assert_eq!(found.data, expected);
    }

    #[test]
    fn large_objects_and_what_extensions_own() {
        let mut before = Contents { large_objects: 1, large_object_digest: Some("1".into()), ..Contents::default() };
        let table = OfExtension { oid: 7, rows: 3, is_dumped: false };
        before.of_extensions.insert("public.e".to_owned(), table);
        let mut after = before.clone();
        assert!(before.differences(&after).is_empty());
        after.large_object_digest = Some("2".into());
        after.of_extensions.clear();
        let found = before.differences(&after);
        assert_eq!(found.data, ["large objects: 1, which hold something else"]);
        assert_eq!(found.schema, ["public.e, which an extension owns: 3 rows -> no table"]);
        after.large_object_digest = None;
        assert!(before.differences(&after).data.is_empty() && before.holds_other_large_objects(&after).is_none());
    }
}
