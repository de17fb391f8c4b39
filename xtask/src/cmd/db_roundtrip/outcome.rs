//! What was found about one revision, as the reports show it.

use super::explain;
use super::trial::{Passed, Stuck};
use crate::fail::Fail;
use crate::model::catalog::Change;
use crate::model::cause::Seen;
use crate::model::graph::Graph;
use crate::model::revision::Downgrade;
use crate::model::roundtrip::{Leg, Verdict};
use crate::model::rows::DataChange;
use crate::model::status::Revision;

/// What was found about one revision.
pub struct Outcome {
    pub revision: Revision,
    pub verdict: Verdict,
    pub step: Option<Leg>,
    pub schema_changes: Vec<Change>,
    pub data_changes: Vec<DataChange>,
    pub error: Option<Fail>,
    /// Why it failed, where the pattern is known.
    pub cause: Option<String>,
    /// Why it was skipped, or what it says of itself.
    pub reason: Option<String>,
    pub notes: Vec<String>,
    /// No table that it changes held a row.
    pub without_rows: bool,
    pub down: Option<f64>,
    pub up: Option<f64>,
}

impl Outcome {
    /// One of which only the verdict is known.
    pub fn new(graph: &Graph, id: &str, verdict: Verdict) -> Outcome {
        Outcome {
            revision: Revision::of(graph, id),
            verdict,
            step: None,
            schema_changes: Vec::new(),
            data_changes: Vec::new(),
            error: None,
            cause: None,
            reason: None,
            notes: Vec::new(),
            without_rows: false,
            down: None,
            up: None,
        }
    }

    /// It was not tested.
    pub fn skipped(graph: &Graph, id: &str, reason: String) -> Outcome {
        Outcome { reason: Some(reason), ..Outcome::new(graph, id, Verdict::Skipped) }
    }

    /// Every step went through.
    pub fn of_passed(graph: &Graph, id: &str, passed: Passed, said: &Downgrade) -> Outcome {
        let found = passed.judgement;
        let mut outcome = Outcome {
            step: found.step,
            schema_changes: found.schema_changes,
            data_changes: found.data_changes,
            notes: passed.notes.into_iter().chain(found.notes).collect(),
            without_rows: found.without_rows,
            down: Some(passed.down),
            up: Some(passed.up),
            ..Outcome::new(graph, id, found.verdict)
        };
        explain::explain(&mut outcome, said, None);
        outcome
    }

    /// A step failed, or the script said that it does not go that way.
    pub fn of_failure(graph: &Graph, id: &str, stuck: Stuck, said: &Downgrade) -> Outcome {
        let Stuck { leg, failure, upper, lower, down, notes, .. } = stuck;
        if leg == Leg::Downgrade && failure.trouble.is_declared() {
            let message = failure.trouble.message.clone();
            let reason = match failure.trouble.exception.as_deref() {
                Some(exception) if message.is_empty() || message == exception => exception.to_owned(),
                Some(exception) => format!("{exception}: {message}"),
                None => failure.fail.summary,
            };
            return Outcome { reason: Some(reason), notes, ..Outcome::new(graph, id, Verdict::Irreversible) };
        }
        let trouble = failure.trouble;
        let mut outcome = Outcome {
            step: Some(leg),
            error: Some(failure.fail),
            notes,
            down,
            ..Outcome::new(graph, id, Verdict::Failed)
        };
        let seen = Seen { upper: upper.as_ref(), lower: lower.as_ref() };
        explain::explain(&mut outcome, said, Some((&trouble, seen)));
        outcome
    }
}
