//! What a clone cannot show: it held the revision already, so the state below it was never seen, and an upgrade that
//! tolerates what its downgrade has left behind (`IF NOT EXISTS`) makes that look whole. Such a revision is tested once
//! more on a database made from empty, where the state below is known.

use super::Walk;
use crate::cmd::db_roundtrip::explain;
use crate::cmd::db_roundtrip::trial::Passed;
use crate::model::catalog::{self, Key};
use crate::model::roundtrip::{Leg, Verdict};
use crate::model::script_body::{Made, made};
use crate::report::roundtrip::RevisionResult;

impl Walk<'_> {
    /// Whether a revision that passed from above may hide something: its upgrade makes something that its downgrade did
    /// not take away.
    pub(super) fn is_doubtful(&self, id: &str, passed: &Passed) -> bool {
        if passed.judgement.verdict != Verdict::Reversible {
            return false;
        }
        let made = explain::upgrade(self.ctx, self.facts, id).map(|upgrade| made(&upgrade)).unwrap_or_default();
        let back: Vec<&Key> = catalog::differing(&passed.lower.schema, &passed.again.schema).collect();
        made.iter().any(|made| stayed(made, &back))
    }
}

/// Whether an object is not among what came back with the upgrade. One without a name is, where anything did.
fn stayed(made: &Made, back: &[&Key]) -> bool {
    let named =
        |key: &Key, name: &str| key.name.split(['.', '(', '"', ' ']).any(|part| part.eq_ignore_ascii_case(name));
    match &made.name {
        Some(name) => !back.iter().any(|key| named(key, name)),
        None => made.may_be_there || back.is_empty(),
    }
}

/// The verdict from both tests. The one on the clone has seen real rows and counts, unless the other one has seen that
/// the downgrade leaves something behind.
pub(super) fn decide(clone: RevisionResult, empty: RevisionResult) -> RevisionResult {
    let differs = matches!(empty.verdict, Verdict::SchemaDiffers | Verdict::DataLost);
    if differs && empty.step == Some(Leg::Downgrade) {
        let note = "seen on a database made from empty; on the clone the upgrade tolerates what the downgrade leaves";
        return with_note(empty, note.to_owned());
    }
    let note = match (empty.verdict, &empty.reason, &empty.error) {
        (Verdict::Skipped, Some(reason), _) => reason.clone(),
        (Verdict::Failed, _, Some(error)) => error.summary.clone(),
        _ => return clone,
    };
    with_note(
        clone,
        format!(
            "whether its downgrade leaves something behind that the upgrade tolerates could not be seen: {note}, on a \
             database made from empty"
        ),
    )
}

fn with_note(mut outcome: RevisionResult, note: String) -> RevisionResult {
    outcome.notes.push(note);
    outcome
}
