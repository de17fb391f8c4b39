//! What the version table holds after a step: the same rows that alembic's HeadMaintainer leaves, on the same conditions.

use std::collections::BTreeSet;
use std::fmt;

use super::{Graph, Links};
use crate::model::step::{Direction, Step};

/// Why a step cannot be taken with these rows in the version table. Alembic would run the migration and then fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// No script has the revision of the step, or one in the version table.
    Unknown(String),
    /// A step down from a revision that is not in the version table.
    NotCurrent(String),
    /// A step up to a revision that is in the version table.
    AlreadyCurrent(String),
    /// The rows of the version table cannot be brought to what the step leads to: this row should be there and is not.
    MissingRow {
        /// The revision of the step.
        revision: String,
        row: String,
    },
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeadError::Unknown(id) => write!(f, "no file holds revision {id}"),
            HeadError::NotCurrent(id) => write!(f, "revision {id} is not one of the database's current heads"),
            HeadError::AlreadyCurrent(id) => write!(f, "the database is at revision {id} already"),
            HeadError::MissingRow { revision, row } => {
                write!(f, "revision {revision} cannot be recorded: the database is not at {row}")
            }
        }
    }
}

impl std::error::Error for HeadError {}

impl Graph {
    /// The rows of the version table after `step`, sorted; `current` are the rows before.
    ///
    /// # Errors
    /// Where alembic itself would fail to record the step.
    pub fn heads_after(&self, current: &[String], step: &Step) -> Result<Vec<String>, HeadError> {
        let at = self.known(&step.revision)?;
        let mut heads = current.iter().map(|id| self.known(id)).collect::<Result<BTreeSet<usize>, HeadError>>()?;
        match step.direction {
            Direction::Up => self.record_up(&mut heads, at)?,
            Direction::Down => self.record_down(&mut heads, at)?,
        }
        let mut ids: Vec<String> = heads.into_iter().map(|at| self.id(at).to_owned()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    fn record_up(&self, heads: &mut BTreeSet<usize>, at: usize) -> Result<(), HeadError> {
        let down = &self.nodes[at].down;
        if heads.contains(&at) {
            return Err(HeadError::AlreadyCurrent(self.id(at).to_owned()));
        }
        let replaced: Vec<usize> = down.iter().copied().filter(|below| heads.contains(below)).collect();
        if let [_, _, ..] = replaced[..] {
            // A merge. What another head implies has no row; everything else has to have one.
            let others: Vec<usize> = heads.iter().copied().filter(|head| !down.contains(head)).collect();
            let implied = self.closure(others, Links::WithDependencies);
            let missing = |below: usize| HeadError::MissingRow {
                revision: self.id(at).to_owned(),
                row: self.id(below).to_owned(),
            };
            if down.iter().all(|&below| implied[below]) {
                return Err(missing(down[0]));
            }
            for below in down.iter().copied().filter(|&below| !implied[below]) {
                if !heads.remove(&below) {
                    return Err(missing(below));
                }
            }
        } else if let [only] = replaced[..] {
            heads.remove(&only);
        }
        heads.insert(at);
        Ok(())
    }

    pub(in crate::model) fn record_down(&self, heads: &mut BTreeSet<usize>, at: usize) -> Result<(), HeadError> {
        if !heads.remove(&at) {
            return Err(HeadError::NotCurrent(self.id(at).to_owned()));
        }
        let down = &self.nodes[at].down;
        // Rows are for what nothing that is left implies.
        let implied = if heads.is_empty() {
            let below: Vec<usize> = down.iter().flat_map(|&below| self.nodes[below].down.iter().copied()).collect();
            self.closure(below, Links::WithDependencies)
        } else {
            self.closure(heads.iter().copied().collect(), Links::WithDependencies)
        };
        for below in down.iter().copied().filter(|&below| !implied[below]) {
            heads.insert(below);
        }
        Ok(())
    }

    fn known(&self, id: &str) -> Result<usize, HeadError> {
        self.index(id).ok_or_else(|| HeadError::Unknown(id.to_owned()))
    }
}
