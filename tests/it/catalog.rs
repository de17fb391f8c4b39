//! The schema comparison against its judge: on every change of `catalog/*.sql` our `diff` says 'equal' exactly when
//! `pg_dump --schema-only` is equal.
//!
//! All cases stand in one database, each in a schema of its own (`case017`) and with names of its own outside of
//! schemas, so three dumps and three snapshots do for all of them: at the start, after every change, after every undo.
//! A dump is cut into its entries, an entry belongs to the case whose name is in it.

mod gate;
mod judge;
mod taking;

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;
use xtask::model::catalog::{Change, Key, Snapshot, What, diff, order_notes};
use xtask::sys::pg::catalog::{Options, take};

use crate::support::pg::{Cluster, cluster};
use judge::{Dump, Verdict};

/// One change and, where there is one, what takes it back; `@` stands for the case's own name.
struct Case {
    name: String,
    setup: String,
    change: String,
    undo: String,
    /// Something that `pg_dump` does not write and we look at all the same.
    more_than_pg_dump: bool,
}

/// The cases of a file that this server can run. The title may say more in brackets: `(since 15)`, `(before 18)`,
/// `(icu)`, `(more than pg_dump)`.
fn cases(text: &str, server: Server) -> Vec<Case> {
    let mut cases = Vec::new();
    for part in text.split("-- case ").skip(1) {
        let (title, body) = part.split_once('\n').unwrap();
        let (setup, rest) = body.split_once("-- change\n").unwrap_or_else(|| panic!("{title}: no change"));
        let (change, undo) = rest.split_once("-- undo\n").unwrap_or((rest, ""));
        let mut notes = title.split(" (");
        let name = notes.next().unwrap().to_owned();
        let notes: Vec<&str> = notes.map(|note| note.trim_end_matches(')')).collect();
        let runs = notes.iter().all(|note| match note.split_once(' ') {
            Some(("since", version)) => server.major >= version.parse().unwrap(),
            Some(("before", version)) => server.major < version.parse().unwrap(),
            _ if *note == "icu" => server.icu,
            _ => *note == MORE || panic!("{title}: what is that?"),
        });
        if runs {
            let text = |sql: &str| sql.trim().to_owned();
            let more_than_pg_dump = notes.contains(&MORE);
            cases.push(Case { more_than_pg_dump, name, setup: text(setup), change: text(change), undo: text(undo) });
        }
    }
    cases
}

const MORE: &str = "more than pg_dump";

/// The cases of all files, each with its tag.
fn all_cases(server: Server) -> Vec<(String, Case)> {
    let files = [
        include_str!("catalog/tables.sql"),
        include_str!("catalog/columns.sql"),
        include_str!("catalog/constraints.sql"),
        include_str!("catalog/types.sql"),
        include_str!("catalog/code.sql"),
        include_str!("catalog/others.sql"),
        include_str!("catalog/versions.sql"),
        include_str!("catalog/attributes.sql"),
    ];
    let cases = files.into_iter().flat_map(|text| cases(text, server));
    cases.enumerate().map(|(index, case)| (format!("case{index:03}"), case)).collect()
}

/// What decides which cases a server can run.
#[derive(Clone, Copy)]
struct Server {
    major: u32,
    icu: bool,
}

fn server(client: &mut Client) -> Server {
    let row = client
        .query_one(
            "select current_setting('server_version_num')::int, (select count(*) > 9 from pg_collation where collprovider = 'i')",
            &[],
        )
        .unwrap();
    Server { major: row.get::<_, i32>(0).unsigned_abs() / 10_000, icu: row.get(1) }
}

/// Runs one part of every case, and names all that do not run.
fn run_all(client: &mut Client, cases: &[(String, Case)], part: fn(&Case) -> &str) {
    let mut failed = Vec::new();
    for (tag, case) in cases.iter().filter(|(_, case)| !part(case).is_empty()) {
        let sql = part(case).replace('@', tag);
        if let Err(error) = client.batch_execute(&sql) {
            failed.push(format!("{tag} {}: {}\n  {sql}", case.name, error.as_db_error().unwrap().message()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Both views of the database at one moment.
struct Moment {
    snapshot: Snapshot,
    dump: Dump,
}

fn moment(cluster: &Cluster, client: &mut Client, database: &str) -> Moment {
    let snapshot = take(client, &Options::default()).unwrap();
    Moment { snapshot, dump: judge::dump(cluster, database) }
}

/// To which case each object belongs: the one whose name is in it.
fn homes(a: &Snapshot, b: &Snapshot) -> BTreeMap<Key, Option<String>> {
    let objects = a.objects().chain(b.objects());
    objects.map(|(key, object)| (key.clone(), judge::tag(&format!("{key} {object:?}")))).collect()
}

/// Our side for one pair of moments: the changes and the notes on column order, by case.
fn ours(a: &Moment, b: &Moment) -> BTreeMap<String, (Vec<Change>, Vec<String>)> {
    let homes = homes(&a.snapshot, &b.snapshot);
    let mut by_case: BTreeMap<String, (Vec<Change>, Vec<String>)> = BTreeMap::new();
    for change in diff(&a.snapshot, &b.snapshot) {
        let tag = homes[change.key()].clone().unwrap_or_else(|| panic!("belongs to no case: {change}"));
        by_case.entry(tag).or_default().0.push(change);
    }
    for note in order_notes(&a.snapshot, &b.snapshot) {
        let tag = judge::tag(&note).unwrap_or_else(|| panic!("belongs to no case: {note}"));
        by_case.entry(tag).or_default().1.push(note);
    }
    by_case
}

/// What is wrong with our answer for one case or walk, if anything.
fn complaint(more_than_pg_dump: bool, judged: &Verdict, changes: &[Change], notes: &[String]) -> Option<String> {
    let told: String = changes.iter().map(|change| format!("\n  {change}")).collect();
    match judged {
        Verdict::Equal if !changes.is_empty() && !more_than_pg_dump => {
            Some(format!("pg_dump sees nothing, we see{told}"))
        }
        Verdict::Differs(lines) if changes.is_empty() => Some(format!("we see nothing, pg_dump sees\n{lines}")),
        Verdict::OrderOnly(lines) if changes.is_empty() && notes.is_empty() => {
            Some(format!("we note no order, pg_dump has\n{lines}"))
        }
        _ => None,
    }
}

/// A database in which every case has been set up.
fn set_up() -> (String, Client, Vec<(String, Case)>) {
    set_up_every(1, 0)
}

/// The same with every so many of the cases, from one of them on.
fn set_up_every(every: usize, first: usize) -> (String, Client, Vec<(String, Case)>) {
    let cluster = cluster();
    judge::prepare(cluster);
    let database = cluster.database();
    let mut client = cluster.client(&database);
    let tagged: Vec<_> = all_cases(server(&mut client)).into_iter().skip(first).step_by(every).collect();
    run_all(&mut client, &tagged, |_| "create schema @");
    run_all(&mut client, &tagged, |case| &case.setup);
    (database, client, tagged)
}

#[test]
fn equal_exactly_when_pg_dump_is_equal() {
    let (database, mut client, tagged) = set_up();
    let start = moment(cluster(), &mut client, &database);
    run_all(&mut client, &tagged, |case| &case.change);
    let changed = moment(cluster(), &mut client, &database);
    run_all(&mut client, &tagged, |case| &case.undo);
    let undone = moment(cluster(), &mut client, &database);

    let mut wrong = Vec::new();
    let mut counts = [0, 0, 0];
    for (what, a, b) in [("change", &start, &changed), ("undo", &changed, &undone), ("both", &start, &undone)] {
        let ours = ours(a, b);
        for (tag, case) in &tagged {
            let judged = a.dump.against(&b.dump, tag);
            let none = Default::default();
            let (changes, notes) = ours.get(tag).unwrap_or(&none);
            counts[judged.index()] += 1;
            if let Some(text) = complaint(case.more_than_pg_dump, &judged, changes, notes) {
                wrong.push(format!("{tag} {} ({what}): {text}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong of {counts:?}:\n{}", wrong.len(), wrong.join("\n"));
    // The judge must have had something to judge on both sides.
    assert!(counts[0] > 150 && counts[2] > 300, "equal, order only, different: {counts:?}");
}

/// A step of a generator that repeats for the same seed (splitmix64), below `limit`.
fn random(state: &mut u64, limit: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % limit as u64) as usize
}

/// Changes that have not been taken back yet, by number.
type Open = Vec<usize>;

/// Goes on with one walk: takes changes and undoes them in any order. What does not run in the present state is left
/// out.
fn walk(client: &mut Client, tag: &str, steps: &[Case], seed: &mut u64, length: usize, open: &mut Open) {
    for _ in 0..length {
        let forward = open.is_empty() || random(seed, 3) > 0;
        let pick = random(seed, if forward { steps.len() } else { open.len() });
        let step = if forward { pick } else { open.remove(pick) };
        let sql = if forward { &steps[step].change } else { &steps[step].undo };
        if client.batch_execute(&sql.replace('@', tag)).is_ok() && forward {
            open.push(step);
        }
    }
}

#[test]
fn random_walks_are_told_as_pg_dump_tells_them() {
    const WALKS: usize = 60;
    let seed: u64 = std::env::var("XTASK_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    let cluster = cluster();
    judge::prepare(cluster);
    let database = cluster.database();
    let mut client = cluster.client(&database);
    let steps = cases(include_str!("catalog/steps.sql"), server(&mut client));
    let mut walks: Vec<(String, u64, Open)> =
        (0..WALKS).map(|n| (format!("walk{n:03}"), seed.wrapping_mul(n as u64 + 1), Open::new())).collect();
    for (tag, ..) in &walks {
        client
            .batch_execute(&format!("create schema {tag};{}", include_str!("catalog/base.sql").replace('@', tag)))
            .unwrap();
    }
    let mut moments = vec![moment(cluster, &mut client, &database)];
    for (tag, state, open) in &mut walks {
        let length = 1 + random(state, 12);
        walk(&mut client, tag, &steps, state, length, open);
    }
    moments.push(moment(cluster, &mut client, &database));
    for (tag, _, open) in &mut walks {
        for step in open.drain(..).rev() {
            let _ = client.batch_execute(&steps[step].undo.replace('@', tag));
        }
    }
    moments.push(moment(cluster, &mut client, &database));
    let mut wrong = Vec::new();
    let mut counts = [0, 0, 0];
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        let (a, b) = (&moments[a], &moments[b]);
        let ours = ours(a, b);
        for (tag, ..) in &walks {
            let judged = a.dump.against(&b.dump, tag);
            let none = Default::default();
            let (changes, notes) = ours.get(tag).unwrap_or(&none);
            counts[judged.index()] += 1;
            wrong.extend(complaint(false, &judged, changes, notes).map(|text| format!("{tag}: {text}")));
        }
    }
    assert!(wrong.is_empty(), "seed {seed}: {} wrong of {counts:?}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts[0] > 20 && counts[2] > 60, "equal, order only, different: {counts:?}");
}

/// What tells a change: the attributes that differ, or the object itself.
fn attributes_of(change: &Change) -> Vec<String> {
    match change.what {
        What::Changed => {
            change.attributes().iter().map(|attribute| format!("{}: {}", change.kind, attribute.name)).collect()
        }
        _ => vec![change.object.clone()],
    }
}

/// Attributes that no case shows alone: they come with another one, or there is nothing else to put in their place.
const WITHOUT_CASE: &[&str] = &[
    // The built-in access methods have one handler of each type, text search one parser, conversions a pair of
    // encodings to each function.
    "access method: type",
    "text search parser: end",
    "text search parser: lextypes",
    "text search parser: start",
    "text search parser: token",
    "conversion: from",
    "conversion: function",
    "conversion: to",
    // With the functions they fit: what an aggregate, an operator or a cast returns.
    "aggregate: direct arguments",
    "aggregate: moving state type",
    "aggregate: returns",
    "aggregate: state type",
    "operator: returns",
    "cast: method",
    // With another attribute of the same object, or of the table.
    "collation: collencoding",
    "collation: collprovider",
    "constraint: replica identity",
    "operator class: members",
    "operator class: type",
    "type: element",
    "type: form",
    "type: multirange",
    "type: subtype",
    "type: typbyval",
    "type: typinput",
    "type: typoutput",
    "type: typsubscript",
    "user mapping: options",
    "column: not null inherited",
    "column: not null validated",
    // Not on every server: ICU, access methods of tables.
    "collation: collisdeterministic",
    "collation: colllocale",
    "materialized view: access method",
    "table: access method",
];

#[test]
fn every_attribute_has_a_case_that_only_it_tells() {
    let (_, mut client, tagged) = set_up();
    let before = take(&mut client, &Options::default()).unwrap();
    run_all(&mut client, &tagged, |case| &case.change);
    let after = take(&mut client, &Options::default()).unwrap();
    // An attribute is needed when some object differs in nothing else, or came or went with nothing else.
    let mut known = BTreeSet::new();
    let mut needed = BTreeSet::new();
    for (key, object) in before.objects().chain(after.objects()) {
        known.extend(object.attributes.iter().map(|(name, _)| format!("{}: {name}", key.kind)));
    }
    let changes = diff(&before, &after);
    let mut by_case: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
    let homes = homes(&before, &after);
    for change in &changes {
        by_case.entry(homes[change.key()].clone().unwrap()).or_default().push(change);
    }
    for changes in by_case.values() {
        let told: BTreeSet<String> = changes.iter().flat_map(|change| attributes_of(change)).collect();
        if told.len() == 1 {
            needed.extend(told);
        }
    }
    let missing: Vec<&String> =
        known.iter().filter(|name| !needed.contains(*name) && !WITHOUT_CASE.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "{} of {} without a case of their own: {missing:#?}", missing.len(), known.len());
}
