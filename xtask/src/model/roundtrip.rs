//! The verdict on one revision, from what was seen: the database at the revision, one below it, and at the revision
//! again. The walk brings what it has seen; this file judges it.

use super::catalog::{self, Change, Key, Snapshot, What};
use super::rows::{self, ColumnLoss, DataChange, Rows, Sequences};
use super::second_opinion::{Dumped, disagreement};

/// What the database holds at one moment.
#[derive(Clone, Debug)]
pub struct Point {
    pub schema: Snapshot,
    pub rows: Rows,
    /// Where its sequences stand.
    pub sequences: Sequences,
    /// What it shares with the other databases of its server, where there are others.
    pub shared: Snapshot,
    /// Its schema as `pg_dump` sees it, where that was asked.
    pub dumped: Option<Dumped>,
}

/// What can be said of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Down and up again leave schema and rows as they were, and the state below is the one that was there before.
    Reversible,
    /// The schema is not what it was.
    SchemaDiffers,
    /// Rows or values are gone.
    DataLost,
    /// Rows or values were added or changed; none is gone.
    DataDiffers,
    /// A step failed.
    Failed,
    /// The script says of itself that it cannot be undone.
    Irreversible,
    /// Down and up again leave all as it was, but nothing says what stood below before.
    Unproven,
    /// Not tested, for a reason that is said.
    Skipped,
}

impl Verdict {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Verdict; 8] = [
        Verdict::Reversible,
        Verdict::SchemaDiffers,
        Verdict::DataLost,
        Verdict::DataDiffers,
        Verdict::Failed,
        Verdict::Irreversible,
        Verdict::Unproven,
        Verdict::Skipped,
    ];

    /// The word as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Reversible => "reversible",
            Verdict::SchemaDiffers => "schema-differs",
            Verdict::DataLost => "data-lost",
            Verdict::DataDiffers => "data-differs",
            Verdict::Failed => "failed",
            Verdict::Irreversible => "irreversible",
            Verdict::Unproven => "unproven",
            Verdict::Skipped => "skipped",
        }
    }

    /// The verdict that is called so in JSON.
    pub fn parse(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// `good`, `bad` or `warn`, as pages and pictures colour it.
    pub fn tone(self) -> &'static str {
        match self {
            Verdict::Reversible => "good",
            verdict if verdict.is_finding() => "bad",
            _ => "warn",
        }
    }

    /// A finding: something is wrong with the revision. The one definition that every command uses.
    pub fn is_finding(self) -> bool {
        matches!(self, Verdict::SchemaDiffers | Verdict::DataLost | Verdict::DataDiffers | Verdict::Failed)
    }

    /// Neither passed nor found wanting: what `--strict` does not let pass.
    pub fn is_gap(self) -> bool {
        matches!(self, Verdict::Unproven | Verdict::Skipped)
    }

    /// Whether the revision was put to the test.
    pub fn is_tested(self) -> bool {
        self != Verdict::Skipped
    }
}

/// What the state below a revision was compared with: a state that the downgrade under test did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The database stood below the revision when the test began.
    Climbed,
    /// A database that was made from empty by upgrades.
    FromEmpty,
    /// What db-migrate wrote down when it applied the revision.
    Recorded,
    /// A database restored from a dump that was taken below the revision.
    Dump,
}

impl Proof {
    /// All of them, the strongest first.
    pub const ALL: [Proof; 4] = [Proof::Climbed, Proof::Dump, Proof::Recorded, Proof::FromEmpty];

    /// The word as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Proof::Climbed => "climbed",
            Proof::FromEmpty => "from-empty",
            Proof::Recorded => "recorded",
            Proof::Dump => "dump",
        }
    }

    /// The proof that is called so in JSON.
    pub fn parse(name: &str) -> Option<Proof> {
        Proof::ALL.into_iter().find(|proof| proof.name() == name)
    }

    /// What it means, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Proof::Climbed => "the database stood below the revision; what the downgrade left was compared with that",
            Proof::FromEmpty => {
                "the database held the revision already; the downgrade was compared on another one, made from empty by \
                 upgrades"
            }
            Proof::Recorded => {
                "the database held the revision already; the schema that the downgrade left was compared with what \
                 db-migrate had written down before it applied the revision"
            }
            Proof::Dump => "the database was restored from a dump that was taken below the revision",
        }
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

    /// The step that is called so in JSON.
    pub fn parse(name: &str) -> Option<Leg> {
        [Leg::Upgrade, Leg::Downgrade, Leg::ReUpgrade].into_iter().find(|leg| leg.name() == name)
    }
}

/// What was found about one revision whose steps all went through.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    /// What the state below was compared with, where something was.
    pub proof: Option<Proof>,
    /// After which step the difference showed first.
    pub step: Option<Leg>,
    /// The objects that differ.
    pub schema_changes: Vec<Change>,
    /// The tables whose rows differ.
    pub data_changes: Vec<DataChange>,
    /// What is worth knowing and no defect: columns that came back at another place, values that are new each time,
    /// sequences that went back.
    pub notes: Vec<String>,
    /// No table that the revision changes held a row, so that little was proven.
    pub without_rows: bool,
    /// What the upgrade after the downgrade makes of the schema.
    pub made: Vec<Change>,
    /// The upgrade has changed neither schema nor rows.
    pub changed_nothing: bool,
    /// Where `pg_dump` does not say the same as we; `None` where it was not asked.
    pub second_opinion: Option<Vec<String>>,
    /// What has changed meanwhile for every database of the server: by the script, or by somebody else.
    pub shared_changes: Vec<(Leg, Change)>,
}

/// One revision's round trip.
pub struct Trip<'a> {
    /// The database at the revision, before anything.
    pub upper: &'a Point,
    /// The database one below, as it was before the revision was ever applied; `None` when that was never seen (a clone
    /// of a database that had the revision already), so that the downgrade alone says what stands below.
    pub lower_true: Option<&'a Point>,
    /// Where that was not seen: the schema below, as it was written down when the revision was applied.
    pub recorded: Option<&'a Snapshot>,
    /// The database after the downgrade.
    pub lower: &'a Point,
    /// The database after the upgrade that followed.
    pub again: &'a Point,
    /// After one more way down and up, where that was gone to tell values that each upgrade makes anew.
    pub once_more: Option<&'a Point>,
}

/// Judges one round trip. The downgrade is looked at first: what it leaves behind is often hidden again by the upgrade
/// that follows.
pub fn judge(trip: &Trip<'_>) -> Judgement {
    let down = trip.lower_true.map(|truth| {
        let (schema, mut data) = compare(truth, trip.lower);
        let filled = rows::filled(&truth.rows, &trip.lower.rows);
        data.extend(
            filled.into_iter().filter(|new| !data.iter().any(|old| old.table == new.table)).collect::<Vec<_>>(),
        );
        (schema, data)
    });
    let down = down.or_else(|| trip.recorded.map(|schema| (catalog::diff(schema, &trip.lower.schema), Vec::new())));
    let mut up = compare(trip.upper, trip.again);
    up.1.iter_mut().for_each(|change| change.is_its_own = is_its_own(change, &trip.lower.schema));
    let mut notes = catalog::order_notes(&trip.upper.schema, &trip.again.schema);
    if let Some(truth) = trip.lower_true {
        let below = catalog::order_notes(&truth.schema, &trip.lower.schema);
        notes.extend(below.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
    }
    let is_seen = trip.lower_true.is_some();
    notes.extend(trip.once_more.map(|once_more| set_made_anew_aside(&mut up.1, trip, once_more)).unwrap_or_default());
    if is_seen && down.as_ref().is_some_and(|(schema, data)| schema.is_empty() && data.is_empty()) {
        notes.extend(set_new_values_aside(&mut up.1, trip.lower, |_, _| true));
    }
    if trip.lower_true.is_none() {
        notes.extend(set_added_rows_aside(&mut up.1));
    }
    let is_other_schema = trip.recorded.is_some() && down.as_ref().is_some_and(|(schema, _)| !schema.is_empty());
    let mut found = Judgement {
        verdict: Verdict::Reversible,
        proof: trip
            .lower_true
            .map(|_| Proof::Climbed)
            .or_else(|| (is_other_schema || is_recorded(trip)).then_some(Proof::Recorded)),
        step: None,
        schema_changes: Vec::new(),
        data_changes: Vec::new(),
        notes,
        without_rows: touches_no_rows(trip),
        made: catalog::diff(&trip.lower.schema, &trip.again.schema),
        changed_nothing: changed_nothing(trip),
        second_opinion: second_opinion(trip),
        shared_changes: shared_changes(trip),
    };
    for (leg, seen) in [(Leg::Downgrade, down), (Leg::ReUpgrade, Some(up))] {
        found.add(leg, seen.unwrap_or_default());
    }
    if found.data_changes.is_empty() {
        found.notes.extend(sequences_that_went_back(trip));
    }
    found.verdict = match (found.schema_changes.is_empty(), found.data_changes.is_empty()) {
        (false, _) => Verdict::SchemaDiffers,
        (true, false) if found.data_changes.iter().any(DataChange::is_loss) => Verdict::DataLost,
        (true, false) => Verdict::DataDiffers,
        (true, true) if found.proof.is_some() => Verdict::Reversible,
        (true, true) => Verdict::Unproven,
    };
    found
}

fn is_recorded(trip: &Trip<'_>) -> bool {
    trip.recorded.is_some() && is_proven_by_schema(trip.upper, trip.lower)
}

/// Whether a recorded schema proves what a downgrade leaves. It knows no rows. So it proves nothing where the downgrade
/// changes rows, where the revision is only about rows, where it gives a column with values another type, or where the
/// downgrade makes a table, or a column of a table with rows, anew.
pub fn is_proven_by_schema(upper: &Point, lower: &Point) -> bool {
    let schema = catalog::diff(&lower.schema, &upper.schema);
    let has_rows = |key: &Key| upper.rows.tables.get(&key.name).is_some_and(|table| table.rows > 0);
    let is_about_rows = |change: &Change| {
        let is_filled = change.key().kind == "column" && change.parent().is_some_and(has_rows);
        let is_anew = change.what == What::Removed;
        is_anew && change.key().kind == "table" || is_filled && (is_anew || change.is_about("type"))
    };
    !schema.is_empty() && !schema.iter().any(is_about_rows) && !rows::are_changed(&upper.rows, &lower.rows)
}

/// Where no row is lost: a sequence below the values that it has given already.
fn sequences_that_went_back(trip: &Trip<'_>) -> Vec<String> {
    let down = trip.lower_true.map(|truth| rows::sequence_notes(&truth.sequences, &trip.lower.sequences));
    let mut notes = down.unwrap_or_default();
    let up = rows::sequence_notes(&trip.upper.sequences, &trip.again.sequences);
    notes.extend(up.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
    notes
}

type Differences = (Vec<Change>, Vec<DataChange>);

impl Judgement {
    /// Adds what was seen after a step. The upgrade often shows the same object again; the first sight of it counts.
    fn add(&mut self, leg: Leg, (schema, data): Differences) {
        let new_schema = catalog::without(schema, &self.schema_changes);
        let seen: Vec<String> = self.data_changes.iter().map(|change| change.table.clone()).collect();
        let new_data: Vec<DataChange> = data.into_iter().filter(|change| !seen.contains(&change.table)).collect();
        if self.step.is_none() && !(new_schema.is_empty() && new_data.is_empty()) {
            self.step = Some(leg);
        }
        self.schema_changes.extend(new_schema);
        self.data_changes.extend(new_data);
    }
}

fn compare(before: &Point, after: &Point) -> Differences {
    (catalog::diff(&before.schema, &after.schema), rows::diff(&before.rows, &after.rows))
}

/// Whether what a change is about is not there below the revision.
fn is_its_own(change: &DataChange, lower: &Snapshot) -> bool {
    let is_there = |kind: &str, name: String| lower.get(&Key::new(kind, name)).is_some();
    if !is_there("table", change.table.clone()) {
        return true;
    }
    let is_below = |column: &str| is_column(lower, &change.table, column);
    let same_rows = change.before_rows == change.after_rows;
    same_rows && !change.columns_lost.is_empty() && !change.columns_lost.iter().any(|lost| is_below(&lost.column))
}

fn is_column(schema: &Snapshot, table: &str, column: &str) -> bool {
    let quoted = format!("\"{}\"", column.replace('"', "\"\""));
    [column, &quoted].iter().any(|column| schema.get(&Key::new("column", format!("{table}.{column}"))).is_some())
}

/// Whether no value of a column was there when the upgrade began, so that it can have written over none.
fn holds_nothing_below(lower: &Point, table: &str, column: &str) -> bool {
    let held = lower.rows.tables.get(table).and_then(|table| table.columns.get(column));
    !is_column(&lower.schema, table, column) || held.is_none_or(|held| held.values == 0)
}

/// Whether one more way down and up may tell that values which differ are made anew by each upgrade: they stand in
/// columns that hold nothing below the revision. What the upgrade writes over is not asked about.
pub fn may_be_made_anew(trip: &Trip<'_>) -> bool {
    let changes = rows::diff(&trip.upper.rows, &trip.again.rows);
    trip.lower_true.is_none()
        && changes.iter().filter(|change| change.before_rows == change.after_rows).any(|change| {
            let mut differs = change.columns_lost.iter().filter(|column| column.same_count_but_different);
            differs.any(|lost| holds_nothing_below(trip.lower, &change.table, &lost.column))
        })
}

/// Values that differ again after one more way down and up, where the upgrade can have written over none.
fn set_made_anew_aside(changes: &mut Vec<DataChange>, trip: &Trip<'_>, once_more: &Point) -> Vec<String> {
    let made_anew = rows::diff(&trip.again.rows, &once_more.rows);
    set_new_values_aside(changes, trip.lower, |table, column| {
        holds_nothing_below(trip.lower, table, column) && is_made_anew(&made_anew, table, column)
    })
}

fn is_made_anew(made_anew: &[DataChange], table: &str, column: &str) -> bool {
    let columns = made_anew.iter().filter(|change| change.table == table).flat_map(|change| &change.columns_lost);
    columns.into_iter().any(|lost| lost.column == column && lost.same_count_but_different)
}

/// Two upgrades began at the very same state, so values that differ, as many as they were, are values that the upgrade
/// makes up anew each time (`now()`, `gen_random_uuid()`): nobody's loss.
fn set_new_values_aside(
    changes: &mut Vec<DataChange>,
    lower: &Point,
    is_new: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut notes = Vec::new();
    for change in changes.iter_mut().filter(|change| change.before_rows == change.after_rows) {
        let table = &change.table;
        let (new, lost): (Vec<_>, Vec<_>) = std::mem::take(&mut change.columns_lost)
            .into_iter()
            .partition(|column| column.same_count_but_different && is_new(table, &column.column));
        change.columns_lost = lost;
        notes.extend(new.iter().map(|ColumnLoss { column, .. }| {
            let goes = !is_column(&lower.schema, table, column);
            let gone = if goes { "; those that it held are gone with the downgrade" } else { "" };
            format!("values of {table}.{column} are new in each upgrade{gone}")
        }));
    }
    changes.retain(|change| change.before_rows != change.after_rows || !change.columns_lost.is_empty());
    notes
}

/// Whoever made the database may never have run this upgrade (its tables were made from the models, say), so rows that
/// only come with it now are no loss.
fn set_added_rows_aside(changes: &mut Vec<DataChange>) -> Vec<String> {
    let (lost, added): (Vec<_>, Vec<_>) =
        std::mem::take(changes).into_iter().partition(|change| !change.is_only_more());
    *changes = lost;
    let count = |rows: Option<u64>| rows.unwrap_or_default();
    let added = added.iter().map(|change| (&change.table, count(change.after_rows) - count(change.before_rows)));
    added.map(|(table, rows)| format!("the upgrade adds {rows} rows to {table} that were not there before")).collect()
}

/// Holds what `pg_dump` sees against each of our comparisons.
fn second_opinion(trip: &Trip<'_>) -> Option<Vec<String>> {
    let compare = |leg: Leg, before: &Point, after: &Point| {
        let (one, other) = before.dumped.as_ref().zip(after.dumped.as_ref())?;
        // Whether a materialized view holds its rows is no matter of `pg_dump -s`.
        let is_schema = |change: &&Change| !change.is_only_about("populated");
        let we_see = catalog::diff(&before.schema, &after.schema).iter().filter(is_schema).count();
        let order_only = !catalog::order_notes(&before.schema, &after.schema).is_empty();
        let says = disagreement(one, other, we_see, order_only);
        Some(says.map(|says| format!("after the {}: {says}", leg.name())))
    };
    let down = trip.lower_true.map(|truth| compare(Leg::Downgrade, truth, trip.lower));
    let all: Option<Vec<Option<String>>> =
        down.into_iter().chain([compare(Leg::ReUpgrade, trip.upper, trip.again)]).collect();
    all.map(|all| all.into_iter().flatten().collect())
}

/// Whether objects of this kind belong to the whole server.
pub fn is_shared(kind: &str) -> bool {
    matches!(kind, "role" | "membership" | "settings" | "database" | "tablespace")
}

/// Each change by the step in which it happened; also one that the next step takes back.
fn shared_changes(trip: &Trip<'_>) -> Vec<(Leg, Change)> {
    let between = |leg: Leg, before: &Point, after: &Point| {
        catalog::diff(&before.shared, &after.shared).into_iter().map(move |change| (leg, change))
    };
    let up = trip.lower_true.into_iter().flat_map(|before| between(Leg::Upgrade, before, trip.upper));
    let down = between(Leg::Downgrade, trip.upper, trip.lower);
    up.chain(down).chain(between(Leg::ReUpgrade, trip.lower, trip.again)).collect()
}

impl Judgement {
    /// Roles, databases and tablespaces belong to the whole server: a script that changes them is a finding, whatever
    /// else it does. `names` tells whether the script names an object; somebody else may have changed an object that it
    /// does not name, which is noted where the script is about roles at all.
    pub fn reaches_beyond(&mut self, names: impl Fn(&Change) -> bool, is_about_roles: bool) {
        for (leg, mut change) in std::mem::take(&mut self.shared_changes) {
            if !names(&change) && !is_about_roles {
                continue;
            }
            if !names(&change) {
                self.notes.push(format!(
                    "the server's {} has changed meanwhile, by another session or by what the script calls",
                    change.object
                ));
                continue;
            }
            change.cause = Some(
                "it belongs to the whole server: the script changes it for every other database too; try it with \
                 --server=embedded"
                    .to_owned(),
            );
            let is_known =
                self.schema_changes.iter().any(|known| known.object == change.object && known.what == change.what);
            if !is_known {
                self.schema_changes.push(change);
            }
            self.step = self.step.or(Some(leg));
            self.verdict = Verdict::SchemaDiffers;
        }
    }
}

/// Whether the database is the same on both sides of the revision.
fn changed_nothing(trip: &Trip<'_>) -> bool {
    let same = |lower: &Point| lower.schema == trip.upper.schema && lower.rows == trip.upper.rows;
    same(trip.lower) && trip.lower_true.is_none_or(same)
}

/// Whether the revision changes tables and none of them held a row on either side.
fn touches_no_rows(trip: &Trip<'_>) -> bool {
    let changes = catalog::diff(&trip.lower.schema, &trip.upper.schema);
    let mut tables = changes.iter().flat_map(|change| [Some(change.key()), change.parent()]).flatten();
    let mut tables = tables.by_ref().filter(|key| key.kind == "table").map(|key| key.name.as_str()).peekable();
    let rows = |point: &Point, table: &str| point.rows.tables.get(table).map_or(0, |table| table.rows);
    tables.peek().is_some() && tables.all(|table| rows(trip.upper, table) == 0 && rows(trip.lower, table) == 0)
}
