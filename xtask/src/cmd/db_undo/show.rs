//! What `db-undo` prints: what the last thing was, the way back, what becomes of the rows, and what was done.

use anyhow::Result;
use serde_json::{Value, json};

use super::COMMAND;
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::model::action::own;
use crate::model::graph::Graph;
use crate::model::rebase::ids;
use crate::model::rows::counted;
use crate::model::status::Revision;
use crate::model::step::Direction;
use crate::report::json::revisions;
use crate::ui::Paint;
use crate::work::at_stake::AtStake;
use crate::work::last_change::{LastChange, What};
use crate::work::migrate::{Walk, verb};
use crate::work::own_database::OwnDatabase;
use crate::work::take_back::{Rows, TakeBack, TakenBack};

/// How many tables are listed.
const LISTED: usize = 10;

/// What is to be done, with the names of the revisions.
pub struct Planned {
    pub plan: TakeBack,
    pub rows: Rows,
    pub revisions: Vec<Revision>,
    /// Every step in a line.
    steps: Vec<String>,
}

impl Planned {
    pub fn new(graph: &Graph, plan: TakeBack, rows: Rows) -> Planned {
        let walk = Walk::new(plan.direction, &plan.ids, plan.heads.clone());
        let steps = plan.ids.iter().map(|id| walk.line(graph, id)).collect();
        let revisions = plan.ids.iter().map(|id| Revision::of(graph, id)).collect();
        Planned { plan, rows, revisions, steps }
    }
}

/// What the last thing was, in JSON.
pub fn change(change: &LastChange) -> Value {
    let (kind, revisions) = match &change.what {
        What::Walk(walked) => {
            (if walked.direction == Direction::Up { "upgrade" } else { "downgrade" }, walked.ids.clone())
        }
        What::Rebase(_) => ("rebase", Vec::new()),
        What::Merge(_) => ("merge", Vec::new()),
        What::Restore(_) => ("restore", Vec::new()),
        What::Whole(_) => ("whole", Vec::new()),
        What::Nothing(..) => ("nothing", Vec::new()),
    };
    json!({"command": change.command, "time": change.time, "kind": kind, "revisions": revisions, "ended": change.left.is_some()})
}

/// The plan in lines.
pub fn plan(planned: &Planned) -> Vec<String> {
    let Planned { plan, rows, steps, .. } = planned;
    let change = &plan.change;
    let ended = if change.left.is_none() { ", which did not end" } else { "" };
    let mut lines = vec![
        format!("Component: {}", plan.component),
        format!("Database: {} at {}", change.place, ids(&plan.heads)),
        format!("Last: {} of {}{ended}", change.command, change.time),
        format!("Taken back, it is at {}:", ids(&plan.after)),
    ];
    lines.extend(steps.iter().map(|line| format!("  - {line}")));
    lines.extend(steps.is_empty().then(|| "  - no revision goes or comes: rows alone are put back".to_owned()));
    lines.push("Rows:".to_owned());
    let before = lines.len();
    lines.extend(rows.at_stake.iter().map(|it| format!("  - {}", it.line())));
    let listed = |all: &[(String, u64)], many: &str, one: &str| {
        let line = |(table, rows): &(String, u64)| {
            format!("  - {table}: {} {}", counted(*rows, "row"), if *rows == 1 { one } else { many })
        };
        let more = all.len().saturating_sub(LISTED);
        let more = (more > 0).then(|| format!("  - … and in {} more", counted(more as u64, "table")));
        all.iter().take(LISTED).map(line).chain(more).collect::<Vec<_>>()
    };
    lines.extend(listed(&rows.come_back, "come back out of the backup", "comes back out of the backup"));
    let goes = |table: &str| rows.at_stake.iter().any(|it| it.is_loss() && names(it, table));
    match &rows.since {
        Some(since) => {
            let (go, stay): (Vec<_>, Vec<_>) = since.iter().cloned().partition(|(table, _)| goes(table));
            lines.extend(listed(&go, "were written since, and go", "was written since, and goes"));
            lines.extend(listed(&stay, "were written since, and stay", "was written since, and stays"));
        }
        None => lines.push("  - what was written since cannot be told; nothing of it is written over".to_owned()),
    }
    if plan.direction == Direction::Up && plan.backup.is_none() {
        lines.push("  - no backup was taken then: tables that are made again stay empty".to_owned());
    }
    if plan.direction == Direction::Down && plan.backup.is_none() {
        lines.push(
            "  - what the upgrade itself deleted or overwrote does not come back: no backup was taken then".to_owned(),
        );
    }
    if lines.len() == before {
        lines.push("  - none go".to_owned());
    }
    lines
}

/// Whether what goes is this table.
fn names(it: &AtStake, table: &str) -> bool {
    let bare = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
    let what = it.what.strip_prefix("table ").or_else(|| it.what.strip_prefix("rows of "));
    what.is_some_and(|what| what.rsplit('.').next().unwrap_or(what) == bare)
}

fn rows_json(rows: &Rows) -> Value {
    let list = |all: &[(String, u64)]| -> Value {
        all.iter().map(|(table, rows)| json!({"table": table, "rows": rows})).collect()
    };
    json!({
        "goes": rows.at_stake.iter().map(AtStake::json).collect::<Vec<_>>(),
        "written_since": rows.since.as_deref().map(list),
        "comes_back": list(&rows.come_back),
    })
}

/// `--dry-run`.
pub fn dry_run(ctx: &Ctx, planned: &Planned) -> Result<Exit> {
    let plan = &planned.plan;
    let mut fields = json!({
        "component": plan.component, "undone": change(&plan.change), "before": plan.heads, "after": plan.after,
        "rows": rows_json(&planned.rows), "backup": null, "dry_run": true,
    });
    fields[verb(plan.direction)] = revisions(&planned.revisions);
    ctx.ui.json(COMMAND, Exit::Done, fields, None);
    let mut lines = vec![ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed"), String::new()];
    lines.extend(self::plan(planned));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// It was taken back.
pub fn done(ctx: &Ctx, own_database: &OwnDatabase<'_>, done: &TakenBack) -> Result<Exit> {
    let plan = &done.plan;
    let graph = ctx.history(&own_database.config)?;
    let named: Vec<Revision> = plan.ids.iter().map(|id| Revision::of(&graph, id)).collect();
    let mut fields = json!({
        "component": plan.component, "undone": change(&plan.change), "before": plan.heads, "after": plan.after,
        "backup": done.now.as_ref().map(|path| path.display().to_string()),
        "put_back": done.report.as_ref().map(|report| report.to_json()),
    });
    fields[verb(plan.direction)] = revisions(&named);
    ctx.ui.json(COMMAND, Exit::Done, fields, None);
    let (paint, headline) = headline(done);
    let mut lines = vec![ctx.ui.paint(paint, headline), String::new(), format!("Component: {}", plan.component)];
    lines.push(format!("Database: {} at {}", own_database.place(), ids(&plan.after)));
    let what = if plan.direction == Direction::Down { "Reverted" } else { "Applied" };
    lines.extend((!plan.ids.is_empty()).then(|| format!("{what}: {}", plan.ids.join(", "))));
    lines.extend(done.report.iter().flat_map(|report| report.lines()));
    lines.extend(done.now.as_ref().map(|path| format!("Backup of what was there: {}", path.display())));
    lines.push(String::new());
    lines.push("Next steps:".to_owned());
    let next = |why: &str, name: &str| format!("  - {why}: {}", ctx.ui.shown(own(name).of(&plan.component)));
    lines.push(next("Verify", "db-status"));
    lines.push(next("That was a mistake", COMMAND));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// 'As it was' only where it was compared.
fn headline(done: &TakenBack) -> (Paint, &'static str) {
    match &done.report {
        None => {
            (Paint::Good, "✅ Taken back by the scripts; there is no backup of then that it could be compared with")
        }
        Some(report) if report.is_as_it_was => {
            (Paint::Good, "✅ Taken back: the database is as it was; schema, grants and rows were compared")
        }
        Some(report) if report.left.is_empty() => {
            (Paint::Good, "✅ Taken back: the database is as it was, but for what is listed below")
        }
        Some(_) => (Paint::Warn, "⚠️  Taken back, but not everything could be put back"),
    }
}
