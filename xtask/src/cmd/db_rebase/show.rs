//! What `db-rebase` prints: the plan with the changed lines of every file, and what was done.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::database::Found;
use super::facts::{Facts, refused};
use super::prepare::Prepared;
use super::record::{Work, both_json};
use super::rows::Rows;
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::model::action::{Action, git, own};
use crate::model::graph::{Graph, Links};
use crate::model::rebase::{self, Change, Touch, Trip, Why, ids};
use crate::model::status::Revision;
use crate::report::drawing::{Drawing, Known};
use crate::report::moved::MovedRevision;
use crate::sys::project::Component;
use crate::ui::Paint;
use crate::work::at_stake::AtStake;
use crate::work::put_back::Report;

/// How many pairs are listed before they are only counted.
const LISTED: usize = 20;

/// A step as it is reported.
pub struct Timed {
    /// Its name in JSON.
    pub name: &'static str,
    /// `ok`, `failed`, `planned`.
    pub outcome: &'static str,
    pub seconds: f64,
}

/// The JSON fields of a run.
pub fn report(work: &Work, timed: &[Timed], backup: Option<&Path>) -> Value {
    let steps: Vec<Value> =
        timed.iter().map(|step| json!({"name": step.name, "outcome": step.outcome, "seconds": step.seconds})).collect();
    json!({
        "component": work.component,
        "steps": steps,
        "moved": work.moved.iter().map(MovedRevision::to_json).collect::<Value>(),
        "merge": work.merge,
        "both_sides": both_json(&work.both),
        "database": {"before": work.trip.before, "reverted": work.trip.down, "applied": work.trip.up, "after": work.trip.after},
        "rows": work.rows.as_ref().map(Rows::to_json),
        "backup": backup.map(|path| path.display().to_string()),
    })
}

/// There is one head already.
pub fn nothing(ctx: &Ctx, component: &Component, graph: &Graph) -> Result<Exit> {
    let work = Work {
        component: component.name.clone(),
        moved: Vec::new(),
        merge: None,
        both: Vec::new(),
        trip: Trip::default(),
        place: None,
        stays: true,
        rows: None,
    };
    ctx.ui.json("db-rebase", Exit::Done, report(&work, &[], None), None);
    let heads: Vec<String> = graph.heads().into_iter().map(|id| Revision::of(graph, id).with_message()).collect();
    let head = if heads.is_empty() { "(none)".to_owned() } else { heads.join(", ") };
    ctx.ui.answer(ctx.ui.paint(Paint::Good, "✅ Nothing to do"));
    ctx.ui.answer(format!("\nComponent: {}\nHead Revision: {head}", component.name));
    Ok(Exit::Done)
}

/// `--dry-run`.
pub fn dry_run(ctx: &Ctx, facts: &Facts, prepared: &Prepared) -> Result<Exit> {
    let planned = |step: super::record::Step| Timed { name: step.name(), outcome: "planned", seconds: 0.0 };
    let timed: Vec<Timed> = prepared.work.steps().into_iter().map(planned).collect();
    ctx.ui.json("db-rebase", Exit::Done, report(&prepared.work, &timed, None), None);
    ctx.ui.answer(dry_run_text(ctx, facts, prepared));
    Ok(Exit::Done)
}

/// The same as text.
pub fn dry_run_text(ctx: &Ctx, facts: &Facts, prepared: &Prepared) -> String {
    let mut lines = vec![ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed"), String::new()];
    lines.extend(plan(ctx, facts, prepared));
    lines.push(String::new());
    lines.extend(left_behind(ctx, facts, prepared));
    lines.join("\n").trim_end().to_owned()
}

/// The history as it is and as it will be: what does not stand below every head, and what moves. `merge` is the merge revision
/// that is made instead.
pub fn drawn(graph: &Graph, change: &Change, merge: Option<&str>, component: &str) -> Result<[Drawing; 2]> {
    let after = rebase::applied(graph, change).map_err(|refusal| refused(&refusal))?;
    let below: Vec<HashSet<&str>> =
        graph.heads().iter().map(|head| graph.ancestors(&[head], Links::Parents).into_iter().collect()).collect();
    let moves = |id: &str| matches!(change, Change::Move(moved) if moved.iter().any(|it| it.revision == id));
    let ids = graph.scripts().map(|script| script.id.as_str());
    let about = ids.filter(|id| moves(id) || !below.iter().all(|below| below.contains(id))).collect();
    let own = graph.scripts().map(|script| script.id.clone()).filter(|id| moves(id)).collect();
    let known = Known { own: Some(own), ..Known::default() };
    let [mut before, mut after] = Drawing::pair([graph, &after], &about, component, &known);
    if let (Change::Merge { parents, .. }, Some(id)) = (change, merge) {
        after.join(id, parents);
    }
    before.title.push_str(", as it is");
    after.title.push_str(", as it will be");
    Ok([before, after])
}

/// The plan, before anything happens.
pub fn before(ctx: &Ctx, facts: &Facts, prepared: &Prepared) {
    ctx.ui.status(plan(ctx, facts, prepared).join("\n"));
    ctx.ui.status("");
    let left = left_behind(ctx, facts, prepared);
    if !left.is_empty() {
        ctx.ui.warn(left.join("\n"));
    }
}

fn plan(ctx: &Ctx, facts: &Facts, prepared: &Prepared) -> Vec<String> {
    let named = |id: &String| Revision::of(&facts.graph, id).with_message();
    let mut lines = vec![format!("Component: {}", facts.component.name), "Heads:".to_owned()];
    for head in &prepared.plan.heads {
        let whose = if facts.released.ids.contains(head) { "released" } else { "your own" };
        lines.push(format!("  - {}: {whose}", named(head)));
    }
    let ancestors: Vec<String> = prepared.plan.ancestors.iter().map(named).collect();
    let ancestors = if ancestors.is_empty() { "(none)".to_owned() } else { ancestors.join(", ") };
    lines.push(format!("Common Ancestor: {ancestors}"));
    lines.push(format!("Told by {}", facts.released.how));
    lines.push(String::new());
    lines.extend(change(facts, prepared));
    for edit in &prepared.edits {
        lines.push(String::new());
        lines.push(ctx.ui.paint(Paint::Bold, &edit.shown.display().to_string()));
        lines.extend(edit.diff().into_iter().map(|line| format!("  {line}")));
    }
    if !prepared.work.both.is_empty() {
        lines.push(String::new());
        lines.push(ctx.ui.paint(Paint::Warn, "⚠️  Both sides touch the same; from now on the order decides:"));
        lines.extend(prepared.work.both.iter().take(LISTED).map(|both| {
            let place = |touch: &Touch| format!("{} ({}:{})", touch.revision, touch.path.display(), touch.line);
            format!("  - {}: {} will run after {}", both.what, place(&both.mine), place(&both.theirs))
        }));
        let more = prepared.work.both.len().saturating_sub(LISTED);
        lines.extend((more > 0).then(|| format!("  - … and {more} more")));
    }
    lines.push(String::new());
    lines.extend(database(prepared));
    lines.push(String::new());
    lines.push("Steps:".to_owned());
    let steps = prepared.work.steps().into_iter().enumerate();
    lines.extend(steps.map(|(number, step)| format!("  {}. {}", number + 1, prepared.work.words(step))));
    lines
}

fn change(facts: &Facts, prepared: &Prepared) -> Vec<String> {
    match &prepared.plan.change {
        Change::Nothing => vec!["Nothing to do".to_owned()],
        Change::Merge { parents, why } => {
            let why = match why {
                Why::Asked => "as asked for",
                Why::ReleasedDiverged => "released revisions have diverged, and those are never edited",
            };
            vec![format!("An empty merge revision joins {}: {why}", parents.join(" and "))]
        }
        Change::Move(_) => {
            let onto = prepared.plan.onto.as_ref().map(|id| Revision::of(&facts.graph, id).with_message());
            let onto = onto.map_or_else(String::new, |onto| format!(" on top of {onto}"));
            let mut lines = vec![format!("Your own revisions move{onto}:")];
            lines.extend(moves(&prepared.work));
            lines
        }
    }
}

fn moves(work: &Work) -> impl Iterator<Item = String> + '_ {
    work.moved.iter().map(|moved| format!("  - {}", moved.line()))
}

/// What happens to the database.
fn database(prepared: &Prepared) -> Vec<String> {
    let trip = &prepared.trip;
    match &prepared.found {
        Found::NotAsked if prepared.work.merge.is_some() => {
            vec!["Database: stays as it is; a merge revision changes nothing that it holds".to_owned()]
        }
        Found::NotAsked => vec!["Database: is left alone (--no-db)".to_owned()],
        Found::Down(fail) => vec![format!("Database: cannot be asked ({})", fail.summary)],
        Found::At { place, .. } if trip.is_empty() => {
            vec![format!("Database: {place} holds no revision that moves, it stays as it is")]
        }
        Found::At { place, .. } => {
            let mut lines = vec![format!("Database: {place} holds {}", ids(&trip.before))];
            lines.extend(if prepared.work.stays { stays(&prepared.work) } else { goes_down(prepared) });
            lines
        }
    }
}

fn stays(work: &Work) -> Vec<String> {
    let lacking = work.lacking();
    let runs =
        if lacking.is_empty() { "nothing runs on it".to_owned() } else { format!("{} runs on it", lacking.join(", ")) };
    vec![
        format!(
            "  it stays as it is, and {runs}: copies have shown that this comes to the same schema as going down and up"
        ),
        "  all rows are kept".to_owned(),
    ]
}

fn goes_down(prepared: &Prepared) -> Vec<String> {
    let Prepared { trip, rows, .. } = prepared;
    let mut lines = vec![
        format!("  down with the old scripts: {} → at {}", trip.down.join(", "), ids(&trip.between)),
        format!("  up with the new scripts: {} → at {}", trip.up.join(", "), ids(&trip.after)),
    ];
    lines.extend(rows.why.iter().map(|why| format!("  it cannot stay as it is: {why}")));
    lines.extend(rows.at_stake.iter().map(|it| format!("  {}", it.line())));
    let lost = || rows.at_stake.iter().filter(|it| it.is_loss());
    if lost().any(AtStake::comes_back) {
        let how = "  they are carried over: when the tables and columns are there again, the rows come back out of the backup";
        lines.push(how.to_owned());
    }
    if lost().any(|it| !it.comes_back()) {
        let not =
            "  rows that a script deletes, or that only show when it runs, do not come back: they stay in the backup";
        lines.push(not.to_owned());
    }
    lines
}

/// What a database that was not looked at needs if it holds a moved revision: Alembic records only heads, so nobody
/// else would ever tell.
fn left_behind(ctx: &Ctx, facts: &Facts, prepared: &Prepared) -> Vec<String> {
    let unseen = matches!(prepared.found, Found::NotAsked | Found::Down(_)) && prepared.work.merge.is_none();
    if !unseen {
        return Vec::new();
    }
    let moved: Vec<&str> = prepared.work.moved.iter().map(MovedRevision::id).collect();
    let component = &facts.component.name;
    let target = match prepared.plan.ancestors.as_slice() {
        [one] => one.as_str(),
        _ => "base",
    };
    let never = format!("A database that holds {} already would never run what is below now.", moved.join(" or "));
    if facts.repo.as_ref().is_some_and(|repo| !matches!(repo.operation(), Ok(None))) {
        // A stash would end what git is in the middle of.
        let why = "  When git is done, see which revisions your database never ran, and what puts it right";
        return vec![never, ctx.ui.shown(Action::run(why, own("db-status").of(component)))];
    }
    let down = own("db-migrate").of(component).flag("--direction", "downgrade").flag("--target", target);
    let numbered = |number: usize, action: Action| format!("  {number}. {}", ctx.ui.shown(action));
    vec![
        never,
        "  If yours does, put it right before it is migrated again:".to_owned(),
        numbered(1, Action::run("Put the old files back, in this way or another", git(["stash"]))),
        numbered(2, down.into()),
        numbered(3, git(["stash", "pop"]).into()),
        numbered(4, own("db-migrate").of(component).into()),
    ]
}

/// The report of a rebase that went well.
pub fn done(ctx: &Ctx, work: &Work, backup: Option<&Path>, report: Option<&Report>) -> Result<()> {
    let mut lines = vec![ctx.ui.paint(Paint::Good, "✅ One head again"), String::new()];
    lines.push(format!("Component: {}", work.component));
    match &work.merge {
        Some(id) => lines.push(format!("Merge revision: {id}")),
        None => {
            lines.push("Moved revisions:".to_owned());
            lines.extend(moves(work));
        }
    }
    if work.stays && !work.trip.is_empty() {
        lines.push(format!("Database: stayed as it is, with all its rows; now at {}", ids(&work.trip.after)));
    } else if !work.trip.is_empty() {
        lines.push(format!("Database: went down to {} and up to {}", ids(&work.trip.between), ids(&work.trip.after)));
        let (done, left) = report.map(|it| (it.done.as_slice(), it.left.as_slice())).unwrap_or_default();
        lines.extend(done.iter().map(|line| format!("  - {line}")));
        lines.extend(left.iter().map(|line| format!("  - ⚠️  {line}")));
    }
    if let Some(path) = backup {
        lines.push(format!("Backup: {}", path.display()));
    }
    lines.push(String::new());
    lines.push("Next steps:".to_owned());
    let next = [
        Action::run("Review", git(["diff"])),
        Action::run("Put the files into your commit", git(["add", "FILES"])),
        Action::run("Apply what is pending", own("db-migrate").of(&work.component)),
        Action::run("Verify", own("db-status").of(&work.component)),
    ];
    lines.extend(next.map(|action| format!("  - {}", ctx.ui.shown(action))));
    ctx.ui.answer(lines.join("\n"));
    Ok(())
}

/// All is taken back. Without a report the database was not touched.
pub fn aborted(ctx: &Ctx, work: &Work, backup: Option<&Path>, report: Option<&Report>) -> Result<()> {
    let untouched = "✅ Taken back: the files are as they were, and the database was not changed";
    let headline = report.map_or(untouched, Report::headline);
    let is_whole = report.is_none_or(|report| report.left.is_empty());
    let paint = if is_whole { Paint::Good } else { Paint::Warn };
    let mut lines = vec![ctx.ui.paint(paint, headline), String::new(), format!("Component: {}", work.component)];
    lines.extend(report.map(Report::lines).unwrap_or_default());
    if let Some(path) = backup {
        lines.push(format!("Backup: {}", path.display()));
    }
    ctx.ui.answer(lines.join("\n"));
    Ok(())
}

/// It is forgotten, and nothing was changed.
pub fn forgotten(ctx: &Ctx, work: &Work, backup: Option<&Path>) {
    let mut lines = vec![ctx.ui.paint(Paint::Warn, "Forgotten: files and database stay as they are"), String::new()];
    lines.push(format!("Component: {}", work.component));
    lines.extend(backup.map(|path| format!("Backup: {}", path.display())));
    lines.push(ctx.ui.shown(Action::run("See where things are", own("db-status").of(&work.component))));
    ctx.ui.answer(lines.join("\n"));
}

/// The files alone were taken back.
pub fn database_was_kept(ctx: &Ctx, work: &Work) {
    let status = own("db-status").of(&work.component);
    ctx.ui.answer(ctx.ui.shown(Action::run("Database: left as it is; see where it stands", status)));
}
