//! Makes the result of one revision from what its trial has shown.

use super::explain;
use super::facts::Facts;
use super::trial::{Passed, Stuck};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::catalog::Change;
use crate::model::cause::Seen;
use crate::model::graph::Graph;
use crate::model::revision::Downgrade;
use crate::model::roundtrip::{Leg, Proof, Verdict};
use crate::report::roundtrip::RevisionResult;
use crate::sys::pg::is_closed;

/// The reason of an unproven revision.
pub const UNPROVEN: &str = "goes down and up again alike; what stood below it before is not known here";

/// The result, from what a trial has shown and from the script itself.
pub fn of(ctx: &Ctx, facts: &Facts<'_>, id: &str, trial: Result<Stuck, Passed>) -> RevisionResult {
    let said = explain::said(ctx, facts, id);
    let text = explain::script(ctx, facts, id).unwrap_or_default().to_lowercase();
    let mut passed = match trial {
        Ok(mut stuck) => {
            let shared = std::mem::take(&mut stuck.shared);
            let by_it = shared.iter().filter(|change| names(&text, change));
            stuck.notes.extend(by_it.map(|change| {
                let object = change.object.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("it changes what the server has for all its databases ({object}), and that stays")
            }));
            return of_failure(&facts.graph, id, stuck, &said);
        }
        Err(passed) => passed,
    };
    // A merge revision need not do anything.
    let does_something = || explain::upgrade(ctx, facts, id).is_some_and(|upgrade| !upgrade.calls.is_empty());
    if passed.judgement.changed_nothing && does_something() {
        passed.notes.push("the upgrade changed nothing here, neither schema nor rows".to_owned());
    }
    let is_about_roles = ["role", "user ", "group "].iter().any(|word| text.contains(word));
    passed.judgement.reaches_beyond(|change| names(&text, change), is_about_roles);
    of_passed(&facts.graph, id, passed, &said)
}

/// Whether a script, in small letters, names an object of the server: `"ann in staff"` by both parts.
fn names(text: &str, change: &Change) -> bool {
    let name = change.key().name.to_lowercase();
    name.split(" in ").all(|part| text.contains(part.trim_matches('"')))
}

/// The result where every step passed.
fn of_passed(graph: &Graph, id: &str, passed: Passed, said: &Downgrade) -> RevisionResult {
    let found = passed.judgement;
    let mut result = RevisionResult {
        proof: found.proof,
        reason: (found.verdict == Verdict::Unproven).then(|| UNPROVEN.to_owned()),
        step: found.step,
        schema_changes: found.schema_changes,
        made: Some(found.made),
        data_changes: found.data_changes,
        notes: passed.notes.into_iter().chain(found.notes).collect(),
        without_rows: found.without_rows,
        second_opinion: found.second_opinion,
        down: Some(passed.down),
        up: Some(passed.up),
        ..RevisionResult::new(graph, id, found.verdict)
    };
    explain::explain(&mut result, said, None);
    result
}

/// The result where the revision's own downgrade has made the state below: that it makes the same state again proves
/// nothing.
pub fn held_before(result: RevisionResult) -> RevisionResult {
    if result.verdict != Verdict::Reversible {
        return result;
    }
    let to_prove = Some(own("db-roundtrip").into());
    RevisionResult { verdict: Verdict::Unproven, proof: None, reason: Some(UNPROVEN.to_owned()), to_prove, ..result }
}

/// The result where the schema below is the one that db-migrate saw there before it applied the revision.
pub fn as_recorded(result: RevisionResult) -> RevisionResult {
    let proof = (result.verdict == Verdict::Reversible).then_some(Proof::Recorded).or(result.proof);
    RevisionResult { proof, ..result }
}

/// The result where a step failed, or the script says that it has no downgrade.
pub fn of_failure(graph: &Graph, id: &str, stuck: Stuck, said: &Downgrade) -> RevisionResult {
    let Stuck { leg, failure, upper, lower, down, notes, .. } = stuck;
    if leg == Leg::Downgrade && failure.trouble.is_declared() {
        let message = failure.trouble.message.clone();
        let reason = match failure.trouble.exception.as_deref() {
            Some(exception) if message.is_empty() || message == exception => exception.to_owned(),
            Some(exception) => format!("{exception}: {message}"),
            None => failure.fail.summary,
        };
        return RevisionResult { reason: Some(reason), notes, ..RevisionResult::new(graph, id, Verdict::Irreversible) };
    }
    if is_closed(&failure.trouble.message) {
        let reason = format!("it uses what leads to another database, and is closed here: {}", failure.trouble.message);
        return RevisionResult { notes, ..RevisionResult::skipped(graph, id, reason) };
    }
    let seen = Seen { upper: upper.as_ref(), lower: lower.as_ref() };
    let mut result = RevisionResult {
        step: Some(leg),
        error: Some(failure.fail.clone()),
        notes,
        down,
        ..RevisionResult::new(graph, id, Verdict::Failed)
    };
    explain::explain(&mut result, said, Some((&failure, seen)));
    result
}

/// Whether another run with the same scripts would have the same result; a step that hung or lost its connection may
/// pass the next time.
pub fn is_lasting(result: &RevisionResult) -> bool {
    result.verdict.is_tested() && !result.error.as_ref().is_some_and(is_passing)
}

/// Whether a failure may be gone the next time, though nothing is changed.
pub fn is_passing(fail: &Fail) -> bool {
    use Kind::{ConnectionLost, ConnectionRefused, DiskFull, LockTimeout, StepTimeout};
    [StepTimeout, LockTimeout, ConnectionLost, ConnectionRefused, DiskFull].contains(&fail.kind)
}
