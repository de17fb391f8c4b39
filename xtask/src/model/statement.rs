//! The statements that a step sent to the server, and what each one did to tables: rows that it touched, locks that it
//! took and for how long, tables that it rewrote. These are times on a throwaway database; on a real one they differ.

use std::collections::BTreeMap;

/// A statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    pub sql: String,
    /// How many it stands for: more than one where the rest is not recorded.
    pub count: usize,
    /// How long it took; `None` where it did not go through, or nobody looked.
    pub seconds: Option<f64>,
    /// `None` where nobody looked, or it could not be seen.
    pub effect: Option<Effect>,
}

/// What statements did to tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    pub rows: Vec<Touched>,
    /// On tables that were there before.
    pub locks: Vec<Lock>,
    /// Tables that are in another file now: written anew, or emptied.
    pub rewritten: Vec<String>,
}

/// Rows of a table, by whatever has touched them: the statement, a trigger, a foreign key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub table: String,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    pub table: String,
    pub mode: Mode,
    /// In seconds, from the statement that took it.
    pub held: f64,
}

/// How strong a lock of a table is, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// As `pg_locks` calls it, as PostgreSQL's manual does, and what it keeps others from.
const MODES: [(Mode, &str, &str, &str); 7] = [
    (Mode::RowShare, "RowShareLock", "ROW SHARE", ""),
    (Mode::RowExclusive, "RowExclusiveLock", "ROW EXCLUSIVE", ""),
    (
        Mode::ShareUpdateExclusive,
        "ShareUpdateExclusiveLock",
        "SHARE UPDATE EXCLUSIVE",
        "vacuum and other changes of the schema",
    ),
    (Mode::Share, "ShareLock", "SHARE", "writing"),
    (Mode::ShareRowExclusive, "ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE", "writing"),
    (Mode::Exclusive, "ExclusiveLock", "EXCLUSIVE", "writing"),
    (Mode::AccessExclusive, "AccessExclusiveLock", "ACCESS EXCLUSIVE", "reading and writing"),
];

impl Mode {
    /// By the name in `pg_locks`.
    pub fn of(name: &str) -> Option<Mode> {
        MODES.iter().find(|(_, known, ..)| *known == name).map(|(mode, ..)| *mode)
    }

    fn row(self) -> &'static (Mode, &'static str, &'static str, &'static str) {
        &MODES[self as usize]
    }

    /// As in `LOCK TABLE … IN … MODE`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// What it keeps others from doing with the table; empty where they can go on reading and writing.
    pub fn stops(self) -> &'static str {
        self.row().3
    }
}

impl Statement {
    /// How many of them could not be looked at.
    pub fn unseen(all: &[Statement]) -> usize {
        all.iter().filter(|statement| statement.effect.is_none()).map(|statement| statement.count).sum()
    }
}

impl Touched {
    /// `2 inserted, 1 deleted`.
    pub fn words(&self) -> String {
        let parts = [(self.inserted, "inserted"), (self.updated, "updated"), (self.deleted, "deleted")];
        let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Effect {
    /// What all statements of a step did together: of each table the sums, and the strongest lock for as long as it was held.
    pub fn of_all(statements: &[Statement]) -> Effect {
        let mut rows: BTreeMap<&str, Touched> = BTreeMap::new();
        let mut locks: BTreeMap<&str, Lock> = BTreeMap::new();
        let mut rewritten: Vec<String> = Vec::new();
        for effect in statements.iter().filter_map(|statement| statement.effect.as_ref()) {
            for touched in &effect.rows {
                let sum = rows.entry(&touched.table).or_default();
                sum.table.clone_from(&touched.table);
                sum.inserted += touched.inserted;
                sum.updated += touched.updated;
                sum.deleted += touched.deleted;
            }
            for lock in &effect.locks {
                let strongest = locks.entry(&lock.table).or_insert_with(|| lock.clone());
                if (lock.mode, lock.held) > (strongest.mode, strongest.held) {
                    *strongest = lock.clone();
                }
            }
            rewritten.extend(
                effect.rewritten.iter().filter(|table| !rewritten.contains(table)).cloned().collect::<Vec<_>>(),
            );
        }
        Effect { rows: rows.into_values().collect(), locks: locks.into_values().collect(), rewritten }
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, Lock, MODES, Mode, Statement, Touched};

    #[test]
    fn every_mode_is_in_its_row() {
        for (at, (mode, name, ..)) in MODES.iter().enumerate() {
            assert_eq!((*mode as usize, Mode::of(name)), (at, Some(*mode)));
        }
        assert_eq!((Mode::of("AccessShareLock"), Mode::AccessExclusive.stops()), (None, "reading and writing"));
    }

    #[test]
    fn the_sum_of_a_step() {
        let one = |mode, held, updated| Statement {
            effect: Some(Effect {
                rows: vec![Touched { table: "t".to_owned(), updated, deleted: 1, ..Touched::default() }],
                locks: vec![Lock { table: "t".to_owned(), mode, held }],
                rewritten: vec!["t".to_owned()],
            }),
            ..Statement::default()
        };
        let unseen = Statement { sql: "select 1".to_owned(), ..Statement::default() };
        let all = [one(Mode::RowExclusive, 3.0, 2), unseen, one(Mode::AccessExclusive, 1.0, 1)];
        let sum = Effect::of_all(&all);
        assert_eq!(sum.rows[0].words(), "3 updated, 2 deleted");
        assert_eq!(sum.locks, [Lock { table: "t".to_owned(), mode: Mode::AccessExclusive, held: 1.0 }]);
        assert_eq!(sum.rewritten, ["t"]);
    }
}
