//! What becomes of the rows of a database that holds a moved revision, as a value: in the contract's JSON, and in the
//! journal, where db-merge finds it again.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::work::at_stake::AtStake;

/// The rows of a database that a rebase is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Whether the database stays as it is, so that no row goes; `None` where only copies could tell, and none were made.
    pub stay: Option<bool>,
    /// Why it has to go down and up again.
    pub why: Option<String>,
    /// What goes with it.
    pub at_stake: Vec<AtStake>,
}

impl Rows {
    /// `"rows"` of db-rebase and db-merge.
    pub fn to_json(&self) -> Value {
        let at_stake: Vec<Value> = self.at_stake.iter().map(AtStake::json).collect();
        json!({"kept": self.stay, "why": self.why, "at_stake": at_stake})
    }

    /// For the journal.
    pub fn note(&self) -> Value {
        let at_stake: Vec<Value> = self.at_stake.iter().map(AtStake::note).collect();
        json!({"kept": self.stay, "why": self.why, "at_stake": at_stake})
    }

    /// From the journal.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_note(note: &Value) -> Result<Rows> {
        let at_stake = note["at_stake"].as_array().context("the journal does not say which rows are at stake")?;
        Ok(Rows {
            stay: note["kept"].as_bool(),
            why: note["why"].as_str().map(str::to_owned),
            at_stake: at_stake.iter().map(AtStake::from_note).collect::<Result<_>>()?,
        })
    }
}
