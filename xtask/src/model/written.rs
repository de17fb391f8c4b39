//! Shows whether rows were written and committed between two moments, without reading rows: PostgreSQL counts changed
//! rows when a transaction commits and forgets those of one that is rolled back; TRUNCATE and its like give a table
//! another file; a sequence never goes back.

use std::collections::BTreeMap;

/// What shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Tables, by name.
    pub tables: BTreeMap<String, Table>,
    /// Where sequences stand.
    pub sequences: BTreeMap<String, Option<i64>>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// One that was made again has another number.
    pub oid: u32,
    /// The number of its file.
    pub file: u32,
    /// Rows changed by transactions that were committed since it was analyzed.
    pub changed: i64,
    /// How often it was analyzed.
    pub analyzed: i64,
}

/// What happened in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Rows that were written and committed, by table, in words.
    pub rows: Vec<String>,
    /// Sequences that moved.
    pub sequences: Vec<String>,
}

impl Written {
    /// What has happened since `before`. What was made, dropped or made again is a change of the schema, and none of this.
    pub fn since(&self, before: &Written) -> Since {
        let both = self.tables.iter().filter_map(|(name, now)| Some((name, before.tables.get(name)?, now)));
        let rows = both.filter_map(|(name, then, now)| Some(format!("{name} ({})", now.since(then)?)));
        let moved = self.sequences.iter().filter(|(name, at)| before.sequences.get(*name).is_some_and(|it| it != *at));
        Since { rows: rows.collect(), sequences: moved.map(|(name, _)| name.clone()).collect() }
    }
}

impl Table {
    fn since(&self, then: &Table) -> Option<String> {
        let changed = self.changed - then.changed;
        match self {
            _ if self.oid != then.oid => None,
            _ if self.file != then.file => Some("emptied, or written anew".to_owned()),
            _ if self.analyzed != then.analyzed => Some("perhaps: it was analyzed meanwhile".to_owned()),
            _ if changed > 0 => Some(format!("{changed} {}", if changed == 1 { "row" } else { "rows" })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_in_between() {
        let table = |oid, file, changed, analyzed| Table { oid, file, changed, analyzed };
        let all = |tables: &[(&str, Table)]| Written {
            tables: tables.iter().map(|(name, table)| ((*name).to_owned(), table.clone())).collect(),
            sequences: BTreeMap::from([("s".to_owned(), Some(1)), ("q".to_owned(), None)]),
        };
        let names = ["a", "b", "c", "d", "e", "gone"];
        let before = all(&names.map(|name| (name, table(1, 1, 5, 0))));
        let mut after = all(&[
            ("a", table(1, 1, 5, 0)),
            ("b", table(1, 1, 6, 0)),
            ("c", table(1, 2, 5, 0)),
            ("d", table(1, 1, 0, 1)),
            ("e", table(2, 2, 9, 0)),
            ("new", table(3, 3, 9, 0)),
        ]);
        after.sequences.insert("s".to_owned(), Some(2));
        let found = after.since(&before);
        let expected = ["b (1 row)", "c (emptied, or written anew)", "d (perhaps: it was analyzed meanwhile)"];
        assert_eq!((found.rows, found.sequences), (expected.map(str::to_owned).to_vec(), vec!["s".to_owned()]));
        assert_eq!(before.since(&before), Since::default());
    }
}
