//! Finds what stays of a walk that failed: by the version table, by the schema before and after, and by the rows that
//! were committed. 'Nothing was kept' is said only where that was looked at.

use super::looks::{Looks, Rows};
use super::{Walk, Walked, sorted, verb};
use crate::fail::{Fail, Kind};
use crate::model::catalog::{Change, What, diff};
use crate::model::graph::Graph;
use crate::model::script_body::{self, Function};
use crate::model::sql::leading_words;
use crate::model::status::{Revision, Standing};
use crate::model::target::Direction;
use crate::work::own_database::OwnDatabase;

/// How many objects are listed before they are only counted.
const LISTED: usize = 30;

/// Says it in the failure's details; where a part of a revision stays, the failure becomes one of that.
pub fn say(
    fail: Fail,
    own: &mut OwnDatabase<'_>,
    graph: &Graph,
    walk: &Walk,
    walked: &mut Walked,
    looks: &Looks,
) -> Fail {
    let heads = walked.heads.clone().unwrap_or_default();
    let done = walked.done.len();
    let at = standing(graph, &heads);
    // What the steps that are done have written is no concern of this.
    let rows = if done == 0 { looks.rows(own) } else { None };
    walked.rows_stay = rows.as_ref().map(|rows| rows.since.rows.clone()).unwrap_or_default();
    if done == 0 && sorted(&heads) != sorted(&walk.before) {
        return fail.details(format!("This run has changed nothing, but the database has moved: it is {at}"));
    }
    let now = own.catalog().ok();
    let stayed = looks.after(done).zip(now.as_ref()).map(|(before, now)| diff(before, now));
    let half = walk.steps.get(done).filter(|_| walked.begun > done);
    match (stayed, half) {
        (Some(changes), Some(step)) if !changes.is_empty() => {
            let fail = half_done(fail, own, &step.revision, &changes);
            walked.half_done = Some((step.revision.clone(), changes));
            let fail = rows.iter().filter_map(rows_line).fold(fail, Fail::details);
            fail.details(what_counts(walk, done, &at))
        }
        (None, _) => fail
            .details(what_counts(walk, done, &at))
            .details("Whether anything else stays was not looked at: the schema before or after could not be read"),
        (Some(_), half) => {
            let committed = half.and_then(|step| Some((&step.revision, commits(looks, walk, &step.revision)?)));
            let others = rows.as_ref().is_some_and(|rows| !rows.others.is_empty());
            // Whoever else is at work there writes rows, too; that is no reason not to begin again.
            walked.left_nothing = committed.is_none() && (walked.rows_stay.is_empty() || others);
            let is_told = rows.as_ref().is_some_and(|rows| rows.since.rows.is_empty());
            if done == 0 && walk.earlier == 0 && (is_told || rows.is_none() && committed.is_none()) {
                return fail.details(nothing_kept(&at, rows.as_ref()));
            }
            let fail = fail.details(what_counts(walk, done, &at));
            let fail = rows.iter().filter_map(rows_line).fold(fail, Fail::details);
            match committed {
                Some((id, line)) if !walked.rows_stay.is_empty() => {
                    fail.details(format!("{id} commits by itself (line {line})"))
                }
                Some((id, line)) if !is_told => fail.details(format!(
                    "The schema is as it was, but {id} commits by itself (line {line}): rows that it wrote may have stayed"
                )),
                _ => fail,
            }
        }
    }
}

fn nothing_kept(at: &str, rows: Option<&Rows>) -> String {
    match rows {
        None => format!(
            "Nothing of the schema was kept: the database is still {at}. Whether rows were written was not looked at: the \
             server does not count them (track_counts)"
        ),
        Some(rows) if !rows.since.sequences.is_empty() => format!(
            "Nothing of this run was kept but where sequences stand, which no rollback takes back ({}): the database is \
             still {at}",
            rows.since.sequences.join(", ")
        ),
        Some(_) => format!("Nothing of this run was kept: the database is still {at}"),
    }
}

/// The rows that were committed, and who may have written them.
fn rows_line(rows: &Rows) -> Option<String> {
    let first = rows.since.rows.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    let whose = match rows.others.first() {
        Some(other) => format!("by the script, or by others that are at work there ({})", other.words),
        None => "by the script, as it seems: nobody else is at work there".to_owned(),
    };
    (!first.is_empty()).then(|| format!("Rows were written meanwhile and stay written: {first}; {whose}"))
}

fn standing(graph: &Graph, heads: &[String]) -> String {
    let at: Vec<String> = Standing::new(graph, heads).current.iter().map(Revision::with_message).collect();
    if at.is_empty() { "at no revision".to_owned() } else { format!("at {}", at.join(", ")) }
}

/// What the version table says of it.
fn what_counts(walk: &Walk, done: usize, at: &str) -> String {
    match walk.earlier + done {
        0 => format!("The version table is as it was: the database counts as {at}"),
        _ => format!(
            "{} of {} revisions were {} and stay: the database is {at}",
            walk.earlier + done,
            walk.earlier + walk.steps.len(),
            verb(walk.direction())
        ),
    }
}

fn half_done(fail: Fail, own: &OwnDatabase<'_>, revision: &str, changes: &[Change]) -> Fail {
    let mut half = Fail { kind: Kind::HalfDone, details: String::new(), actions: Vec::new(), ..fail.clone() };
    half.summary = format!("Revision {revision} failed half-way, and a part of it stays");
    half = half.details(&fail.summary).details(&fail.details).details(format!("What stays of {revision}:"));
    for change in changes.iter().take(LISTED) {
        half = half.details(format!("  - {}", line(change)));
    }
    if changes.len() > LISTED {
        half = half.details(format!("  - … and {} more", changes.len() - LISTED));
    }
    half.actions = fail.actions;
    let sql: Option<Vec<String>> = in_order(changes).map(undo).collect();
    match sql {
        Some(sql) => half.action(format!(
            "Correct what the error names, take away what stays, then repeat: {}",
            own.psql(&sql.join("; "))
        )),
        None => half.action(format!(
            "Put by hand what stays of {revision} back as it was (what was taken away is in a backup only), then repeat"
        )),
    }
}

fn line(change: &Change) -> String {
    let is_invalid = change.attributes().iter().any(|it| it.name == "valid" && it.after.as_deref() == Some("no"));
    let invalid = if is_invalid { " (INVALID: not enforced and not used)" } else { "" };
    format!("{} was {}{invalid}", change.object, change.what.name())
}

/// What depends on something goes before it.
fn in_order(changes: &[Change]) -> impl Iterator<Item = &Change> {
    const ORDER: [&str; 5] = ["index", "constraint", "column", "table", "type"];
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by_key(|change| ORDER.iter().position(|kind| *kind == change.kind).unwrap_or(ORDER.len()));
    changes.into_iter()
}

/// The SQL that takes away what was added, for the kinds where that is one statement.
fn undo(change: &Change) -> Option<String> {
    let name = &change.key().name;
    let inside = |word: &str| {
        let table = &change.parent()?.name;
        let last = name.strip_prefix(table.as_str())?.strip_prefix('.')?;
        Some(format!("alter table {table} drop {word} {last}"))
    };
    match (change.what, change.kind.as_str()) {
        (What::Added, kind @ ("table" | "index" | "view" | "sequence")) => Some(format!("drop {kind} {name}")),
        (What::Added, "column") => inside("column"),
        (What::Added, "constraint") => inside("constraint"),
        _ => None,
    }
}

/// The line at which a script commits by itself.
fn commits(looks: &Looks, walk: &Walk, revision: &str) -> Option<usize> {
    let script = looks.script(revision)?;
    let body = script_body::read(script.path.as_ref(), &script.body).ok()?;
    let function = match walk.direction() {
        Direction::Up => body.upgrade,
        Direction::Down => body.downgrade,
    }?;
    commit(&function)
}

fn commit(function: &Function) -> Option<usize> {
    let by_sql = |text: &str| leading_words(text).iter().any(|words| ["commit", "end"].contains(&words[0].as_str()));
    let commits = function.calls.iter().find(|found| {
        found.in_autocommit || found.call.last() == "commit" || found.sql.as_ref().is_some_and(|sql| by_sql(&sql.text))
    });
    commits.map(|found| found.line)
}
