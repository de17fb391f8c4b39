//! Shows whether a database was written to, without reading its rows: the counters of its tables, the values of its
//! sequences, and the marks of the transactions that wrote its catalog. Two imprints tell what happened between them.

use std::collections::BTreeMap;

/// What shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imprint {
    /// Tables, views and sequences by name.
    pub relations: BTreeMap<String, Relation>,
    /// What else the catalog holds, by kind in words (`functions`), as a digest.
    pub others: BTreeMap<String, String>,
}

/// A table, a view or a sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// Rows inserted, updated and deleted since the server counts.
    pub written: [i64; 3],
    /// Where a sequence stands.
    pub position: Option<i64>,
    /// A digest of its entries in the catalog.
    pub shape: String,
}

impl Imprint {
    /// What has changed since `before`, in words; nothing where it is the same.
    pub fn since(&self, before: &Imprint) -> Vec<String> {
        let gone = before.relations.keys().filter(|name| !self.relations.contains_key(*name));
        let mut changes: Vec<String> = gone.map(|name| format!("{name} is gone")).collect();
        for (name, now) in &self.relations {
            match before.relations.get(name) {
                None => changes.push(format!("{name} is new")),
                Some(then) => changes.extend(now.since(then, name)),
            }
        }
        let other =
            |(kind, digest): (&String, &String)| (before.others.get(kind) != Some(digest)).then(|| kind.clone());
        changes.extend(self.others.iter().filter_map(other).map(|kind| format!("{kind} changed")));
        changes
    }
}

impl Relation {
    fn since(&self, then: &Relation, name: &str) -> Vec<String> {
        let mut changes = Vec::new();
        if self.shape != then.shape {
            changes.push(format!("{name} was altered, rewritten or emptied"));
        }
        // A counter that went back was reset, and says nothing.
        let counts = self.written.iter().zip(then.written).map(|(now, then)| (now - then).max(0));
        for (count, word) in counts.zip(["inserted into", "updated in", "deleted from"]) {
            if count > 0 {
                let rows = if count == 1 { "row" } else { "rows" };
                changes.push(format!("{count} {rows} {word} {name}"));
            }
        }
        if self.position != then.position {
            changes.push(format!("the sequence {name} moved"));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imprint(relations: &[(&str, [i64; 3], Option<i64>, &str)], functions: &str) -> Imprint {
        let relation = |(name, written, position, shape): &(&str, [i64; 3], Option<i64>, &str)| {
            let relation = Relation { written: *written, position: *position, shape: (*shape).to_owned() };
            ((*name).to_owned(), relation)
        };
        let others = BTreeMap::from([("functions".to_owned(), functions.to_owned())]);
        Imprint { relations: relations.iter().map(relation).collect(), others }
    }

    #[test]
    fn what_happened_in_between() {
        let before =
            imprint(&[("a", [5, 0, 0], None, "x"), ("b", [1, 1, 9], None, "x"), ("s", [0; 3], Some(1), "x")], "1");
        assert!(before.since(&before).is_empty());
        let after = imprint(&[("a", [6, 0, 2], None, "y"), ("c", [0; 3], None, "x"), ("s", [0; 3], Some(2), "x")], "2");
        let expected = [
            "b is gone",
            "a was altered, rewritten or emptied",
            "1 row inserted into a",
            "2 rows deleted from a",
            "c is new",
            "the sequence s moved",
            "functions changed",
        ];
        assert_eq!(after.since(&before), expected);
        // The counters were reset.
        assert!(
            imprint(&[("a", [0; 3], None, "x")], "1").since(&imprint(&[("a", [5, 0, 0], None, "x")], "1")).is_empty()
        );
    }
}
