//! What the journal of a switch holds: enough for the next run to put right what a killed one left.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::ctx::Ctx;
use crate::fail::refuse;
use crate::model::action::own;
use crate::sys::journal::{self, Journal, Operation};
use crate::sys::saved::text;

/// The command, as it is typed.
pub const COMMAND: &str = "db-switch";
/// The note's name.
pub const NOTE: &str = "switch";

/// A switch under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The branch that was checked out.
    pub from: String,
    /// The branch that is to be.
    pub to: String,
    /// The databases that change names.
    pub swaps: Vec<Swap>,
}

/// A component's two databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The component.
    pub component: String,
    /// The branch that the database in use belongs to.
    pub leaving: String,
    /// The name under which it is parked.
    pub parked: String,
}

/// The folder of the journal.
pub fn folder(ctx: &Ctx) -> Result<PathBuf> {
    Ok(journal::folder(&ctx.project()?.root, COMMAND))
}

/// Writes down what is about to be done.
///
/// # Errors
/// As [`Journal::begin_with`].
pub fn begin(ctx: &Ctx, record: &Record, back: &str) -> Result<Journal> {
    let again = |branch: &str| own(COMMAND).word(branch).of_no_component();
    let operation = Operation {
        name: COMMAND.to_owned(),
        arguments: vec![record.to.clone()],
        resume: again(&record.to),
        abort: again(back),
    };
    let notes = Map::from_iter([(NOTE.to_owned(), record.to_json())]);
    let steps = ["git switch".to_owned(), "swap".to_owned()];
    Journal::begin_with(&folder(ctx)?, operation, &steps, Vec::new(), notes)
}

/// Refuses what must not happen before a switch that was killed has been put right.
///
/// # Errors
/// `already-running`.
pub fn check_nothing_pending(ctx: &Ctx) -> Result<()> {
    // What is wrong with the project itself is for the command to say.
    let Ok(folder) = folder(ctx) else { return Ok(()) };
    match Journal::pending(&folder).map_err(refuse)? {
        Some(journal) => Err(journal.unfinished().into()),
        None => Ok(()),
    }
}

impl Record {
    /// For the journal.
    pub fn to_json(&self) -> Value {
        let swap = |it: &Swap| json!({"component": it.component, "leaving": it.leaving, "parked": it.parked});
        json!({"from": self.from, "to": self.to, "swaps": self.swaps.iter().map(swap).collect::<Vec<_>>()})
    }

    /// From the journal.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_json(value: &Value) -> Result<Record> {
        let swap = |it: &Value| -> Result<Swap> {
            Ok(Swap {
                component: text(&it["component"])?,
                leaving: text(&it["leaving"])?,
                parked: text(&it["parked"])?,
            })
        };
        let swaps = value["swaps"].as_array().context("the journal has no list of databases")?;
        let swaps = swaps.iter().map(swap).collect::<Result<_>>()?;
        Ok(Record { from: text(&value["from"])?, to: text(&value["to"])?, swaps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let swap = Swap { component: "manager".into(), leaving: "main".into(), parked: "b@main".into() };
        let record = Record { from: "main".into(), to: "feature/x".into(), swaps: vec![swap] };
        assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
        assert!(Record::from_json(&json!({})).is_err());
    }
}
