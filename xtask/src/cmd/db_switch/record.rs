//! What the journal of a switch holds: enough for the next run to put right what a killed one left.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::ctx::Ctx;
use crate::fail::refuse;
use crate::model::action::own;
use crate::sys::git::{Oid, Place};
use crate::sys::journal::{self, Journal, Operation};
use crate::sys::saved::text;

/// The command, as it is typed.
pub const COMMAND: &str = "db-switch";
/// The note's name.
pub const NOTE: &str = "switch";

/// A switch under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was checked out.
    pub from: Place,
    /// What is to be.
    pub to: Place,
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
    /// The branch that the other one belongs to.
    pub coming: String,
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
pub fn begin(ctx: &Ctx, record: &Record) -> Result<Journal> {
    let again = |place: &Place| own(COMMAND).words(place.words()).of_no_component();
    let operation = Operation {
        name: COMMAND.to_owned(),
        arguments: record.to.words().into_iter().map(str::to_owned).collect(),
        resume: again(&record.to),
        abort: again(&record.from),
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
        let swap = |it: &Swap| json!({"component": it.component, "leaving": it.leaving, "coming": it.coming, "parked": it.parked});
        json!({"from": saved(&self.from), "to": saved(&self.to), "swaps": self.swaps.iter().map(swap).collect::<Vec<_>>()})
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
                coming: text(it.get("coming").unwrap_or(&value["to"]))?,
                parked: text(&it["parked"])?,
            })
        };
        let swaps = value["swaps"].as_array().context("the journal has no list of databases")?;
        let swaps = swaps.iter().map(swap).collect::<Result<_>>()?;
        Ok(Record { from: read(&value["from"])?, to: read(&value["to"])?, swaps })
    }
}

/// A branch by its name, a commit by an object.
fn saved(place: &Place) -> Value {
    match place {
        Place::Branch(branch) => json!(branch),
        Place::Commit(commit) => json!({"commit": commit.as_str()}),
    }
}

fn read(value: &Value) -> Result<Place> {
    let Some(commit) = value.get("commit") else { return Ok(Place::Branch(text(value)?)) };
    Ok(Place::Commit(Oid::parse(&text(commit)?).context("the journal names no commit")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let swap = Swap {
            component: "manager".into(),
            leaving: "main".into(),
            coming: "feature/x".into(),
            parked: "b@main".into(),
        };
        let record = Record {
            from: Place::Commit(Oid::parse(&"a".repeat(40)).unwrap()),
            to: Place::Branch("feature/x".into()),
            swaps: vec![swap],
        };
        assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
        assert!(Record::from_json(&json!({})).is_err());
    }
}
