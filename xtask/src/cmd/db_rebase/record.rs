//! What the journal of a rebase holds: enough for another process to continue the rebase or to take it back, even when
//! only half of the files are written.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::database::Found;
use super::rows::Rows;
use crate::ctx::Ctx;
use crate::model::graph::Graph;
use crate::model::rebase::{Both, Moved, Touch, Trip};
use crate::model::status::Revision;
use crate::model::target::Direction;
use crate::report::moved::MovedRevision;
use crate::sys::journal;
use crate::sys::project::Component;
use crate::sys::saved::{number, text, texts};
use crate::work::migrate::Way;

/// The note's name in the journal.
const NOTE: &str = "rebase";

/// Where the journal of a rebase that did not end lies.
pub fn journal_folder(ctx: &Ctx) -> Result<PathBuf> {
    Ok(journal::folder(&ctx.project()?.root, "db-rebase"))
}

/// A rebase, in the form that the journal keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub component: String,
    /// The moved revisions, with their files.
    pub moved: Vec<MovedRevision>,
    /// The merge revision that is made instead.
    pub merge: Option<String>,
    /// What moved revisions and the ones that will be below them both touch.
    pub both: Vec<Both>,
    /// What the database goes through.
    pub trip: Trip,
    /// Which database that is.
    pub place: Option<String>,
    /// Whether it stays as it is: what the trip undoes is only taken out of the version table and put back.
    pub stays: bool,
    /// What becomes of its rows.
    pub rows: Option<Rows>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Backup,
    /// The database goes down with the old scripts.
    Down,
    Edit,
    /// The database goes up with the new scripts.
    Up,
}

impl Step {
    /// As it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Step::Backup => "backup",
            Step::Down => "downgrade",
            Step::Edit => "edit",
            Step::Up => "upgrade",
        }
    }
}

impl Work {
    pub fn new(
        component: &Component,
        graph: &Graph,
        moved: Vec<Moved>,
        merge: Option<String>,
        both: Vec<Both>,
        trip: &Trip,
        found: &Found,
    ) -> Work {
        let place = match found {
            Found::At { place, .. } if !trip.is_empty() => Some(place.clone()),
            _ => None,
        };
        let moved = moved.iter().map(|moved| MovedRevision::of(graph, moved)).collect();
        let trip = trip.clone();
        Work { component: component.name.clone(), moved, merge, both, trip, place, stays: false, rows: None }
    }

    pub fn steps(&self) -> Vec<Step> {
        if self.trip.is_empty() { vec![Step::Edit] } else { vec![Step::Backup, Step::Down, Step::Edit, Step::Up] }
    }

    /// What a step does, for the plan and for progress.
    pub fn words(&self, step: Step) -> impl fmt::Display {
        let count = self.moved.len();
        match step {
            Step::Backup => "Back up the database".to_owned(),
            Step::Down if self.stays => {
                format!("Take {} out of the version table; what they made stays", self.trip.down.join(", "))
            }
            Step::Up if self.stays => match self.lacking().join(", ") {
                none if none.is_empty() => format!("Put {} back into the version table", self.trip.down.join(", ")),
                lacking => {
                    format!("Run {lacking} on the database as it is, and put the others back into the version table")
                }
            },
            Step::Down => format!("Take the database down with the old scripts: {}", self.trip.down.join(", ")),
            Step::Edit => match &self.merge {
                Some(id) => format!("Write the merge revision {id}"),
                None => format!("Edit {count} file{}", if count == 1 { "" } else { "s" }),
            },
            Step::Up => format!("Take the database up with the new scripts: {}", self.trip.up.join(", ")),
        }
    }

    /// The way down, with the scripts as they were.
    pub fn way_down(&self) -> Way<'_> {
        Way { start: &self.trip.before, direction: Direction::Down, ids: &self.trip.down, kept: self.kept() }
    }

    /// The way up, with the scripts as they are.
    pub fn way_up(&self) -> Way<'_> {
        Way { start: &self.trip.between, direction: Direction::Up, ids: &self.trip.up, kept: self.kept() }
    }

    /// The revisions that stay as they are.
    pub fn kept(&self) -> &[String] {
        if self.stays { &self.trip.down } else { &[] }
    }

    /// The revisions that run their way down when it is taken back, in order.
    pub fn way_back_runs(&self) -> Vec<String> {
        self.trip.up.iter().rev().filter(|id| !self.kept().contains(id)).cloned().collect()
    }

    /// The revisions that the database never had.
    pub fn lacking(&self) -> Vec<&str> {
        self.trip.up.iter().filter(|id| !self.trip.down.contains(id)).map(String::as_str).collect()
    }

    pub fn notes(&self) -> Map<String, Value> {
        let trip = &self.trip;
        let note = json!({
            "component": self.component,
            "moved": self.moved.iter().map(MovedRevision::to_json).collect::<Value>(),
            "merge": self.merge,
            "both_sides": both_json(&self.both),
            "place": self.place,
            "stays": self.stays,
            "rows": self.rows.as_ref().map(Rows::note),
            "database": {
                "before": trip.before, "down": trip.down, "between": trip.between, "up": trip.up, "after": trip.after,
            },
        });
        Map::from_iter([(NOTE.to_owned(), note)])
    }

    /// From the journal's notes.
    ///
    /// # Errors
    /// When the journal is another command's, or not understood.
    pub fn from_note(noted: impl Fn(&str) -> Option<Value>) -> Result<Work> {
        let note = noted(NOTE).context("the journal is not one of db-rebase")?;
        let optional = |value: &Value| value.as_str().map(str::to_owned);
        let one = |value: &Value| -> Result<MovedRevision> {
            let id = text(&value["revision"])?;
            let message = optional(&value["message"]).unwrap_or_default();
            let revision = Revision { id: id.clone(), message, path: optional(&value["path"]).map(Into::into) };
            let moved = Moved { revision: id, from: texts(&value["from"])?, to: texts(&value["to"])? };
            Ok(MovedRevision { moved, revision })
        };
        let database = &note["database"];
        Ok(Work {
            component: text(&note["component"])?,
            moved: note["moved"].as_array().into_iter().flatten().map(one).collect::<Result<_>>()?,
            merge: optional(&note["merge"]),
            both: note["both_sides"].as_array().into_iter().flatten().map(both).collect::<Result<_>>()?,
            place: optional(&note["place"]),
            stays: note["stays"].as_bool().unwrap_or(false),
            rows: if note["rows"].is_null() { None } else { Some(Rows::from_note(&note["rows"])?) },
            trip: Trip {
                before: texts(&database["before"])?,
                down: texts(&database["down"])?,
                between: texts(&database["between"])?,
                up: texts(&database["up"])?,
                after: texts(&database["after"])?,
            },
        })
    }
}

/// `"both_sides"` of JSON.
pub fn both_json(both: &[Both]) -> Value {
    let touch = |touch: &Touch| json!({"revision": touch.revision, "path": touch.path.display().to_string(), "line": touch.line});
    both.iter()
        .map(|both| json!({"what": both.what, "moved": touch(&both.mine), "below": touch(&both.theirs)}))
        .collect()
}

fn both(value: &Value) -> Result<Both> {
    let touch = |it: &Value| -> Result<Touch> {
        let line = usize::try_from(number(&it["line"])?)?;
        Ok(Touch { revision: text(&it["revision"])?, path: text(&it["path"])?.into(), line })
    };
    Ok(Both { what: text(&value["what"])?, mine: touch(&value["moved"])?, theirs: touch(&value["below"])? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::at_stake::AtStake;

    #[test]
    fn what_is_noted_is_read_back() {
        let ids = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let touch = |id: &str, line| Touch { revision: id.into(), path: format!("v/{id}.py").into(), line };
        let at_stake = AtStake {
            revision: "b".into(),
            path: "v/b.py".into(),
            line: 7,
            what: "table t".into(),
            rows: Some(3),
            may_hold_rows: false,
        };
        let revision = Revision { id: "b".into(), message: "m".into(), path: Some("v/b.py".into()) };
        let work = Work {
            component: "manager".into(),
            moved: vec![MovedRevision {
                moved: Moved { revision: "b".into(), from: ids("a"), to: ids("c d") },
                revision,
            }],
            merge: Some("e".into()),
            both: vec![Both { what: "table t".into(), mine: touch("b", 3), theirs: touch("c", 4) }],
            trip: Trip { before: ids("b"), down: ids("b"), between: ids("a"), up: ids("c b"), after: ids("b") },
            place: Some("x on y".into()),
            stays: true,
            rows: Some(Rows { stay: Some(false), why: Some("so".into()), at_stake: vec![at_stake] }),
        };
        let notes = work.notes();
        assert_eq!(Work::from_note(|name| notes.get(name).cloned()).unwrap(), work);
        let bare = Work { rows: None, both: Vec::new(), merge: None, place: None, ..work };
        let notes = bare.notes();
        assert_eq!(Work::from_note(|name| notes.get(name).cloned()).unwrap(), bare);
    }
}
