//! The verdict on a revision that the database held already: from its test on the way down, from what the reference has
//! shown, and from what is known of the revisions above it, whose downgrades made the state that the test began at.

use crate::cmd::db_roundtrip::result::UNPROVEN;
use crate::model::catalog::Change;
use crate::model::roundtrip::is_shared;
use crate::model::roundtrip::{Leg, Proof, Verdict};
use crate::model::rows::DataChange;
use crate::report::roundtrip::RevisionResult;

/// What a reference has shown of a revision.
#[derive(Clone, Debug)]
pub struct Shown {
    pub result: RevisionResult,
    /// `a database made from empty`.
    pub place: String,
}

/// What is known of the revisions above one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Above {
    /// Each of them leaves what was there before it.
    Proven,
    /// These leave other rows than were there before.
    Rows(Vec<String>),
    /// Of these it is not known what they leave.
    Unproven(Vec<String>),
    /// The way in which the database was made may have made something else than the revision would; this is the note
    /// about it.
    Made(String),
    /// Some of them leave something else, or were only taken out of the version table: which, and why, a sentence each.
    Broken(Vec<String>),
    /// One of them cannot be taken out at all.
    Barred(String),
}

impl Above {
    /// Joins the two; the worse one counts.
    pub fn and(self, other: &Above) -> Above {
        match (self, other) {
            (Above::Unproven(mut ids), Above::Unproven(more)) => {
                ids.extend(more.iter().cloned());
                Above::Unproven(ids)
            }
            (Above::Rows(mut ids), Above::Rows(more)) => {
                ids.extend(more.iter().cloned());
                Above::Rows(ids)
            }
            (Above::Broken(mut whys), Above::Broken(more)) => {
                whys.extend(more.iter().cloned());
                Above::Broken(whys)
            }
            (one, other) if other.rank() > one.rank() => other.clone(),
            (one, _) => one,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Above::Proven => 0,
            Above::Made(_) => 1,
            Above::Rows(_) => 2,
            Above::Unproven(_) => 3,
            Above::Broken(_) => 4,
            Above::Barred(_) => 5,
        }
    }
}

/// The verdict on what was `found` on the way down.
pub fn decide(found: RevisionResult, reference: Option<&Shown>, above: &Above) -> RevisionResult {
    if let Some(shown) = reference.filter(|shown| leaves_something_else(&shown.result)) {
        let note = format!("seen on {}; the one under test held the revision already", shown.place);
        return with_note(shown.result.clone(), note);
    }
    let shown = reference.filter(|shown| shown.result.verdict == Verdict::Reversible);
    let result = as_far_as_known(found, shown.is_some(), above);
    let proof = shown.and_then(|shown| shown.result.proof);
    match (result.verdict, reference) {
        (Verdict::Unproven, Some(shown)) if proof.is_some() => {
            let without_rows = shown.result.without_rows;
            let (verdict, reason, to_prove) = (Verdict::Reversible, None, None);
            let mut result = RevisionResult { verdict, proof, without_rows, reason, to_prove, ..result };
            let more = shown.result.notes.iter().filter(|note| !result.notes.contains(note));
            let more: Vec<String> = more.map(|note| format!("on {}: {note}", shown.place)).collect();
            result.notes.extend(more);
            // The other proofs say by their names where they come from.
            let is_elsewhere = proof == Some(Proof::Climbed);
            if is_elsewhere { with_note(result, format!("compared on {}", shown.place)) } else { result }
        }
        (Verdict::DataLost | Verdict::DataDiffers, _) => RevisionResult { proof, ..result },
        // What could not be tested here was tested on the reference; an upgrade that fails there accuses no revision.
        (Verdict::Skipped, Some(Shown { result: seen, place }))
            if seen.verdict.is_tested() && seen.step != Some(Leg::Upgrade) =>
        {
            with_note(seen.clone(), format!("tested on {place} only: {}", result.reason.unwrap_or_default()))
        }
        (Verdict::Skipped, Some(shown)) => {
            let reason = format!("{}; {}", result.reason.clone().unwrap_or_default(), why_not(shown));
            RevisionResult { reason: Some(reason), ..result }
        }
        _ => result,
    }
}

/// Whether the state below is certainly not what it was, whatever the database under test holds.
fn leaves_something_else(shown: &RevisionResult) -> bool {
    let differs = matches!(shown.verdict, Verdict::SchemaDiffers | Verdict::DataLost | Verdict::DataDiffers);
    differs && shown.step == Some(Leg::Downgrade)
}

/// What was found below revisions that are not proven, or were only taken out of the version table: a difference or a
/// failure may be theirs.
fn as_far_as_known(found: RevisionResult, is_shown: bool, above: &Above) -> RevisionResult {
    match (above, found.verdict) {
        (Above::Proven, _) => found,
        (Above::Rows(_) | Above::Unproven(_) | Above::Broken(_), Verdict::DataDiffers)
            if found.step == Some(Leg::ReUpgrade) =>
        {
            without_rows(found, above)
        }
        (Above::Rows(_), _) => found,
        (_, Verdict::SchemaDiffers) => without_schema(found, above),
        (Above::Unproven(ids), Verdict::Failed) if !is_shown => {
            let note =
                format!("the downgrade of {} made the state that it began at: the cause may lie there", list(ids));
            with_note(found, note)
        }
        (Above::Broken(_) | Above::Unproven(_), Verdict::Failed) => {
            let step = found.verdict_words();
            let summary = found.error.as_ref().map(|fail| fail.summary.clone()).unwrap_or_default();
            let seen = format!("{}; here it {} ({summary})", above.words(), step.replacen("failed", "fails", 1));
            let (verdict, reason) =
                if is_shown { (Verdict::Unproven, None) } else { (Verdict::Skipped, Some(seen.clone())) };
            let result = RevisionResult { verdict, reason, step: None, error: None, cause: None, ..found };
            if is_shown { with_note(result, seen) } else { result }
        }
        (Above::Broken(_), Verdict::Unproven) if !is_shown => {
            with_note(found, format!("tested below this: {}", above.words()))
        }
        _ => found,
    }
}

impl Above {
    fn words(&self) -> String {
        match self {
            Above::Proven => String::new(),
            Above::Rows(ids) => format!("the downgrade of {} leaves other rows than it found", list(ids)),
            Above::Unproven(ids) => format!("the downgrade of {} made the state that it began at", list(ids)),
            Above::Made(why) | Above::Barred(why) => why.clone(),
            // The last one stands nearest: its downgrade ran last before the test.
            Above::Broken(whys) => match whys.as_slice() {
                [first @ .., last] if first.len() > 1 => format!("{last} (and {} others above it)", first.len()),
                whys => whys.join(", and "),
            },
        }
    }
}

/// The result without differences of the schema, which another revision may have made. Rows that are gone still count.
fn without_schema(mut found: RevisionResult, above: &Above) -> RevisionResult {
    let (shared, others): (Vec<Change>, Vec<Change>) =
        std::mem::take(&mut found.schema_changes).into_iter().partition(|change| is_shared(&change.kind));
    let objects: Vec<String> = others.into_iter().map(|change| change.object).collect();
    if objects.is_empty() && !shared.is_empty() {
        return RevisionResult { schema_changes: shared, ..found };
    }
    let verdict = match found.data_changes.as_slice() {
        _ if !shared.is_empty() => Verdict::SchemaDiffers,
        [] => Verdict::Unproven,
        changes if changes.iter().any(DataChange::is_loss) => Verdict::DataLost,
        _ => Verdict::DataDiffers,
    };
    let is_unproven = verdict == Verdict::Unproven;
    let (step, proof) = (found.step.filter(|_| !is_unproven), found.proof.filter(|_| !is_unproven));
    let note = format!("{}, and up again it gives other ones: {}", above.words(), objects.join(", "));
    with_note(RevisionResult { verdict, step, proof, schema_changes: shared, ..found }, note)
}

/// The result without rows that are other ones after the upgrade, where the test began with what another revision's
/// downgrade had left.
fn without_rows(mut found: RevisionResult, above: &Above) -> RevisionResult {
    let changes = std::mem::take(&mut found.data_changes);
    let tables = changes.into_iter().map(|change| change.table).collect::<Vec<_>>().join(", ");
    let note = format!("{}, and up again there are other ones in {tables}", above.words());
    with_note(RevisionResult { verdict: Verdict::Unproven, step: None, proof: None, ..found }, note)
}

/// Why an unproven revision is not proven.
pub fn why_unproven(reference: Option<&Shown>, none: Option<&str>) -> String {
    match (reference, none) {
        (Some(shown), _) => format!("{UNPROVEN}; {}", why_not(shown)),
        (None, Some(why)) => format!("{UNPROVEN}: {why}"),
        (None, None) => UNPROVEN.to_owned(),
    }
}

/// Why the reference proves nothing.
fn why_not(shown: &Shown) -> String {
    let result = &shown.result;
    let why = match (&result.reason, &result.error) {
        (Some(reason), _) => reason.clone(),
        (None, Some(error)) => format!("it {} ({})", result.verdict_words(), error.summary),
        (None, None) => format!("it is {}", result.verdict_words()),
    };
    format!("on {} {why}", shown.place)
}

/// What a verdict means for the revisions below; nothing where the state below is as it was. Revisions that were only
/// taken out of the version table are known already.
pub fn for_those_below(result: &RevisionResult) -> Option<Above> {
    let id = &result.revision.id;
    match (result.verdict, result.step) {
        (Verdict::Unproven, _) | (Verdict::SchemaDiffers, Some(Leg::ReUpgrade)) => {
            Some(Above::Unproven(vec![id.clone()]))
        }
        (Verdict::DataLost | Verdict::DataDiffers, _) if result.proof.is_none() => {
            Some(Above::Unproven(vec![id.clone()]))
        }
        (Verdict::DataLost | Verdict::DataDiffers, Some(Leg::Downgrade)) => Some(Above::Rows(vec![id.clone()])),
        (Verdict::SchemaDiffers, _) => {
            Some(Above::Broken(vec![format!("{id}, above it, does not leave what was there before")]))
        }
        (Verdict::Failed, Some(Leg::ReUpgrade)) => {
            Some(Above::Broken(vec![format!("{id}, above it, does not come up again")]))
        }
        _ => None,
    }
}

fn with_note(mut result: RevisionResult, note: String) -> RevisionResult {
    result.notes.push(note);
    result
}

fn list(ids: &[String]) -> String {
    match ids {
        [first, _, more @ ..] if !more.is_empty() => format!("{first} and {} others", ids.len() - 1),
        ids => ids.join(" and "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::{Fail, Kind};
    use crate::model::graph::Graph;

    fn result(verdict: Verdict, step: Option<Leg>, proof: Option<Proof>) -> RevisionResult {
        let graph = Graph::build(Vec::new()).unwrap();
        let error = (verdict == Verdict::Failed).then(|| Fail::new(Kind::SqlError, "no"));
        RevisionResult { step, proof, error, ..RevisionResult::new(&graph, "a", verdict) }
    }

    #[test]
    fn what_a_reference_shows_is_told_with_what_it_did_not_show() {
        let mut good = result(Verdict::Reversible, None, Some(Proof::FromEmpty));
        good.without_rows = true;
        good.notes.push("the upgrade changed nothing".to_owned());
        let shown = Shown { result: good, place: "another".to_owned() };
        let decided = decide(result(Verdict::Unproven, None, None), Some(&shown), &Above::Proven);
        assert_eq!((decided.proof, decided.without_rows), (Some(Proof::FromEmpty), true));
        assert_eq!(decided.notes, ["on another: the upgrade changed nothing"]);
    }

    #[test]
    fn no_pass_without_a_reference_and_no_blame_below_one_that_is_not_proven() {
        use Verdict::{DataDiffers, DataLost, Failed, Reversible, SchemaDiffers, Skipped, Unproven};
        let (down, up, again) = (Some(Leg::Downgrade), Some(Leg::Upgrade), Some(Leg::ReUpgrade));
        let good = result(Reversible, None, Some(Proof::FromEmpty));
        let (unproven, broken) = (Above::Unproven(vec!["b".to_owned()]), Above::Broken(vec!["b is bad".to_owned()]));
        let made = Above::Made("of models".to_owned());
        let rows = Above::Rows(vec!["b".to_owned()]);
        let table = [
            (Unproven, None, None, &Above::Proven, Unproven),
            (Unproven, None, Some(good.clone()), &Above::Proven, Reversible),
            (Unproven, None, Some(good.clone()), &broken, Reversible),
            (Unproven, None, Some(result(SchemaDiffers, down, Some(Proof::FromEmpty))), &Above::Proven, SchemaDiffers),
            (Unproven, None, Some(result(SchemaDiffers, again, Some(Proof::FromEmpty))), &Above::Proven, Unproven),
            (Unproven, None, Some(result(Failed, up, None)), &Above::Proven, Unproven),
            (Unproven, None, Some(result(Skipped, None, None)), &broken, Unproven),
            (SchemaDiffers, again, None, &Above::Proven, SchemaDiffers),
            (SchemaDiffers, again, None, &made, Unproven),
            (SchemaDiffers, again, Some(good.clone()), &made, Reversible),
            (Failed, down, None, &made, Failed),
            (SchemaDiffers, again, None, &unproven, Unproven),
            (SchemaDiffers, again, Some(good.clone()), &broken, Reversible),
            (Failed, down, None, &Above::Proven, Failed),
            (Failed, down, Some(good.clone()), &Above::Proven, Failed),
            (Failed, down, None, &unproven, Failed),
            (Failed, down, Some(good.clone()), &unproven, Reversible),
            (Failed, down, None, &broken, Skipped),
            (Failed, down, Some(result(Failed, down, None)), &broken, Failed),
            (Failed, down, Some(result(Failed, up, None)), &broken, Skipped),
            (DataLost, again, Some(good.clone()), &broken, DataLost),
            (DataDiffers, again, None, &Above::Proven, DataDiffers),
            (DataDiffers, again, None, &unproven, Unproven),
            (DataDiffers, again, Some(good.clone()), &rows, Reversible),
            (SchemaDiffers, again, Some(good), &rows, SchemaDiffers),
        ];
        for (verdict, step, reference, above, expected) in table {
            let reference = reference.map(|result| Shown { result, place: "another".to_owned() });
            let decided = decide(result(verdict, step, None), reference.as_ref(), above);
            assert_eq!(decided.verdict, expected, "{verdict:?} {step:?} {above:?} {reference:?}");
        }
    }
}
