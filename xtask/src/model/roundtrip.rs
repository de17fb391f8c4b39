//! The verdict on one revision, from what was seen: the database at the revision, one below it, and at the revision again.
//! Pure: whoever walks brings the points, this file says what they mean.

use super::catalog::{self, Change, Snapshot};
use super::rows::{self, DataChange, Rows};

/// What the database holds at one moment.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its schema.
    pub schema: Snapshot,
    /// Its rows.
    pub rows: Rows,
}

/// What can be said of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Down and up again leave schema and rows as they were.
    Reversible,
    /// The schema is not what it was.
    SchemaDiffers,
    /// The rows are not what they were.
    DataLost,
    /// A step failed.
    Failed,
    /// The script says of itself that it cannot be undone.
    Irreversible,
    /// Not tested, for a reason that is said.
    Skipped,
}

impl Verdict {
    /// The word as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Reversible => "reversible",
            Verdict::SchemaDiffers => "schema-differs",
            Verdict::DataLost => "data-lost",
            Verdict::Failed => "failed",
            Verdict::Irreversible => "irreversible",
            Verdict::Skipped => "skipped",
        }
    }

    /// Whether the run has found something.
    pub fn is_finding(self) -> bool {
        matches!(self, Verdict::SchemaDiffers | Verdict::DataLost | Verdict::Failed)
    }

    /// Whether the revision was put to the test.
    pub fn is_tested(self) -> bool {
        self != Verdict::Skipped
    }
}

/// Where in the round trip something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The way up to the revision, the first time.
    Upgrade,
    /// The way down from it.
    Downgrade,
    /// The way up again.
    ReUpgrade,
}

impl Leg {
    /// The word as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Leg::Upgrade => "upgrade",
            Leg::Downgrade => "downgrade",
            Leg::ReUpgrade => "re-upgrade",
        }
    }
}

/// What was found about one revision whose steps all went through.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// After which step the difference showed first.
    pub step: Option<Leg>,
    /// The objects that differ.
    pub schema_changes: Vec<Change>,
    /// The tables whose rows differ.
    pub data_changes: Vec<DataChange>,
    /// What is worth knowing and no defect: columns that came back at another place.
    pub notes: Vec<String>,
}

/// One revision's round trip.
pub struct Trip<'a> {
    /// The database at the revision, before anything.
    pub upper: &'a Point,
    /// The database one below, as it was before the revision was ever applied; `None` when that was never seen (a clone
    /// of a database that had the revision already).
    pub lower_true: Option<&'a Point>,
    /// The database after the downgrade.
    pub lower: &'a Point,
    /// The database after the upgrade that followed.
    pub again: &'a Point,
    /// Differences to `lower_true` that revisions above have left behind already.
    pub carried: &'a [Change],
}

/// Judges one round trip. The downgrade is looked at first: what it leaves behind is often hidden again by the upgrade
/// that follows.
pub fn judge(trip: &Trip<'_>) -> Judgement {
    let down = trip.lower_true.map(|truth| compare(truth, trip.lower, trip.carried));
    let up = compare(trip.upper, trip.again, &[]);
    let notes = catalog::order_notes(&trip.upper.schema, &trip.again.schema);
    let first = [down.map(|seen| (Leg::Downgrade, seen)), Some((Leg::ReUpgrade, up))];
    let mut verdict = Judgement {
        verdict: Verdict::Reversible,
        step: None,
        schema_changes: Vec::new(),
        data_changes: Vec::new(),
        notes,
    };
    for (leg, (schema, data)) in first.into_iter().flatten() {
        // The upgrade often shows the same object again; the first sight of it is the one that counts.
        let new_schema = catalog::without(schema, &verdict.schema_changes);
        let seen: Vec<String> = verdict.data_changes.iter().map(|change| change.table.clone()).collect();
        let new_data: Vec<DataChange> = data.into_iter().filter(|change| !seen.contains(&change.table)).collect();
        if verdict.step.is_none() && !(new_schema.is_empty() && new_data.is_empty()) {
            verdict.step = Some(leg);
        }
        verdict.schema_changes.extend(new_schema);
        verdict.data_changes.extend(new_data);
    }
    verdict.verdict = match (verdict.schema_changes.is_empty(), verdict.data_changes.is_empty()) {
        (false, _) => Verdict::SchemaDiffers,
        (true, false) => Verdict::DataLost,
        (true, true) => Verdict::Reversible,
    };
    verdict
}

fn compare(before: &Point, after: &Point, known: &[Change]) -> (Vec<Change>, Vec<DataChange>) {
    let schema = catalog::without(catalog::diff(&before.schema, &after.schema), known);
    (schema, rows::diff(&before.rows, &after.rows))
}
