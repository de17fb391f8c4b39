//! What `db-merge` prints: the steps with their times, what was changed, what is left to do.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use super::flow::{Flow, Step};
use super::git::Where;
use crate::cmd::db_rebase::Kept;
use crate::cmd::db_status::component_json;
use crate::flags::Merge;
use crate::model::action::{Action, Around, git, own};
use crate::report::moved::MovedRevision;
use crate::report::steps::{Outcome, StepReport, steps};
use crate::sys::git::{Operation, State, Status};
use crate::ui::Paint;
use crate::work::put_back::Report;

/// The fields of db-merge's JSON.
pub fn to_json(flow: &Flow) -> Result<Value> {
    let kept = flow.kept_all()?;
    let conflicts: Vec<String> = flow.repo.conflicts()?.iter().map(|it| it.path.display().to_string()).collect();
    Ok(json!({
        "branch": flow.record.flags.branch,
        "operation": flow.repo.operation()?.map(|operation| operation.name()),
        "head_before": flow.record.head.as_str(),
        "steps": flow.record.report.iter().map(|step| step.to_json(flow.ctx.ui.around())).collect::<Vec<_>>(),
        "moved": moved_json(&kept),
        "merges": merges_json(&kept),
        "conflicts": conflicts,
        "staged": flow.record.staged.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "backups": backups(flow, &kept),
        "rows": rows_json(&kept),
        "components": flow.components.iter().map(|it| component_json(flow.ctx, it)).collect::<Value>(),
    }))
}

fn moved_json(kept: &[(String, Kept)]) -> Vec<Value> {
    let of =
        |(component, kept): &(String, Kept)| kept.moved.iter().map(|it| it.to_json_of(component)).collect::<Vec<_>>();
    kept.iter().flat_map(of).collect()
}

fn merges_json(kept: &[(String, Kept)]) -> Vec<Value> {
    let made = kept.iter().filter_map(|(component, kept)| Some((component, kept.merge.as_ref()?)));
    made.map(|(component, id)| json!({"component": component, "revision": id})).collect()
}

/// What became of the rows of each database that a rebase was about.
fn rows_json(kept: &[(String, Kept)]) -> Vec<Value> {
    let of = |(component, kept): &(String, Kept)| {
        let mut rows = kept.rows.as_ref()?.to_json();
        rows["component"] = json!(component);
        rows["put_back"] = json!(kept.put_back.as_ref().map(Report::to_json));
        Some(rows)
    };
    kept.iter().filter_map(of).collect()
}

/// What became of the rows, as text.
fn rows(kept: &[(String, Kept)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (component, kept) in kept {
        let Some(rows) = &kept.rows else { continue };
        if rows.stay == Some(true) {
            lines.push(format!("Rows of {component}: all kept, the database stayed as it is"));
            continue;
        }
        lines.push(format!("Rows of {component}: the database went down and up"));
        let put_back = kept.put_back.iter();
        lines.extend(put_back.clone().flat_map(|it| &it.done).map(|line| format!("  - {line}")));
        lines.extend(put_back.flat_map(|it| &it.left).map(|line| format!("  - ⚠️  {line}")));
    }
    if lines.is_empty() { lines } else { [vec![String::new()], lines].concat() }
}

fn backups(flow: &Flow, kept: &[(String, Kept)]) -> Vec<String> {
    let rebases = kept.iter().filter_map(|(_, kept)| kept.backup.as_ref());
    let all = rebases.chain(flow.record.migrated.iter().filter_map(|migrated| migrated.backup.as_ref()));
    all.map(|path| path.display().to_string()).collect()
}

/// The steps of a dry run.
pub fn planned(flags: &Merge, around: &Around) -> Vec<Value> {
    let planned = |step: Step| {
        let report = StepReport {
            name: step.name().to_owned(),
            outcome: Outcome::Planned,
            seconds: 0.0,
            remark: String::new(),
            components: Vec::new(),
        };
        report.to_json(around)
    };
    Step::all(flags).into_iter().map(planned).collect()
}

/// The text of a merge that was resolved.
pub fn done(flow: &Flow) -> Result<String> {
    let kept = flow.kept_all()?;
    let is_nothing = flow.record.report.iter().all(|step| step.outcome == Outcome::Skipped || step.name == "db-status");
    let headline = if is_nothing { "✅ Nothing to do" } else { "✅ Merge resolved" };
    let mut lines = vec![flow.ctx.ui.paint(Paint::Good, headline), String::new(), steps(&flow.record.report)];
    lines.extend(moves(&kept));
    lines.extend(rows(&kept));
    for path in backups(flow, &kept) {
        lines.push(String::new());
        lines.push(format!("Backup: {path}"));
    }
    let next = next(flow, &kept)?;
    if !next.is_empty() {
        lines.push(String::new());
        lines.push("Next steps:".to_owned());
        lines.extend(next.into_iter().map(|action| format!("  - {}", flow.ctx.ui.shown(action))));
    }
    Ok(lines.join("\n"))
}

fn moves(kept: &[(String, Kept)]) -> Vec<String> {
    let line = |component: &String, moved: &MovedRevision| format!("  - {}", moved.line_of(component));
    let of = |(component, kept): &(String, Kept)| kept.moved.iter().map(|it| line(component, it)).collect::<Vec<_>>();
    let moved: Vec<String> = kept.iter().flat_map(of).collect();
    let merges =
        kept.iter().filter_map(|(component, kept)| Some(format!("  - {} ({component})", kept.merge.as_ref()?)));
    let merges: Vec<String> = merges.collect();
    let section = |title: &str, lines: Vec<String>| match lines.is_empty() {
        true => Vec::new(),
        false => [vec![String::new(), title.to_owned()], lines].concat(),
    };
    [section("Moved revisions:", moved), section("Merge revisions:", merges)].concat()
}

/// The actions that are left, such as the commit.
fn next(flow: &Flow, kept: &[(String, Kept)]) -> Result<Vec<Action>> {
    let files = kept.iter().flat_map(|(_, kept)| &kept.files).filter_map(|path| flow.repo.relative(path).ok());
    let files: Vec<PathBuf> = files.collect();
    let status = if files.is_empty() { Status::default() } else { flow.repo.status(&files)? };
    let is_beside =
        |path: &&PathBuf| matches!(status.of(path), State::Untracked | State::Changed { unstaged: true, .. });
    let rest: Vec<String> = files.iter().filter(is_beside).map(|path| path.display().to_string()).collect();
    let mut actions = Vec::new();
    let in_index =
        if flow.record.staged.is_empty() { Status::default() } else { flow.repo.status(&flow.record.staged)? };
    let staged: Vec<String> = in_index.changed().map(|path| path.display().to_string()).collect();
    if !staged.is_empty() {
        let review = git(["diff", "--cached"]).words(staged).inside(flow.repo.root());
        actions.push(Action::run("Review what was put into the index", review));
    }
    let operation = flow.repo.operation()?;
    if !rest.is_empty() {
        let add = git(["add"]).words(&rest).inside(flow.repo.root());
        actions.push(Action::run("Put the edited scripts into your commit", add));
    }
    match operation {
        Some(Operation::Merge { .. }) => actions.push(Action::run("Commit the merge", git(["commit"]))),
        Some(operation) => actions.push(Action::run("Go on", git([operation.name(), "--continue"]))),
        None if !rest.is_empty() => actions.push(git(["commit"]).into()),
        None => {}
    }
    if !flow.record.migrated.is_empty() {
        actions.push("Verify application functionality, and restart affected services if needed".into());
    }
    Ok(actions)
}

/// What was changed so far, as lines of a failure.
pub fn changed(flow: &Flow) -> Vec<String> {
    let branch = flow.record.flags.branch.as_deref().unwrap_or_default();
    let mut lines = Vec::new();
    match flow.merge_is() {
        Ok(Where::InProgress) => lines.push(format!("The merge of {branch} is in progress, not committed")),
        Ok(Where::Forwarded) => lines.push(format!("The branch was moved to {branch} (fast-forward)")),
        _ => {}
    }
    for (component, kept) in flow.kept_all().unwrap_or_default() {
        lines.push(match &kept.merge {
            Some(id) => format!("{component}: the merge revision {id} was made"),
            None => format!("{component}: {} moved", kept.ids().join(", ")),
        });
    }
    for migrated in &flow.record.migrated {
        let from = if migrated.start.is_empty() { "base".to_owned() } else { migrated.start.join(", ") };
        lines.push(format!("{}: {} was at {from} before db-migrate", migrated.component, migrated.place));
        lines.extend(migrated.backup.iter().map(|path| format!("The backup taken before: {}", path.display())));
    }
    lines
}

/// The text of a merge that was taken back.
pub fn aborted(flow: &Flow, keep_database: bool) -> String {
    let what = match keep_database {
        true => "✅ Taken back: the merge and the files; the databases stay as they are",
        false => "✅ Taken back: the merge, the files, and what was migrated for it",
    };
    let mut lines = vec![
        flow.ctx.ui.paint(Paint::Good, what),
        String::new(),
        format!("Head: {} ({})", flow.record.head.short(), flow.record.branch.as_deref().unwrap_or("detached")),
    ];
    if let Ok(Some(operation)) = flow.repo.operation() {
        lines.push(format!("The {} that was in progress before is still so", operation.name()));
    }
    let backups = flow.record.migrated.iter().filter_map(|migrated| migrated.backup.as_ref());
    lines.extend(backups.map(|path| format!("The backup taken before: {}", path.display())));
    if keep_database {
        let status = own("db-status").of_no_component().word("--all");
        lines.push(flow.ctx.ui.shown(Action::run("See what they hold that the files do not have", status)));
    }
    lines.join("\n")
}

/// The text of a merge that was forgotten.
pub fn forgotten(flow: &Flow) -> String {
    let mut lines =
        vec![flow.ctx.ui.paint(Paint::Warn, "Forgotten: merge, files and databases stay as they are"), String::new()];
    lines.extend(changed(flow));
    let status = own("db-status").of_no_component().word("--all");
    lines.push(flow.ctx.ui.shown(Action::run("See where things are", status)));
    lines.join("\n")
}
