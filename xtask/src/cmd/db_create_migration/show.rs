//! The report on a new revision, in the form that all reports share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Review;
use super::preflight::Facts;
use crate::cmd::db_roundtrip;
use crate::ctx::{Ctx, shown};
use crate::fail::{Exit, Fail};
use crate::model::action::{Action, git, own};
use crate::model::autogenerate::{Operation, Unseen};
use crate::model::rules::Level;
use crate::model::target::Direction;
use crate::report::autogenerate::{operations_json, renames_json, unseen_json};
use crate::report::findings;
use crate::sys::alembic::Written;
use crate::ui::Paint;

/// How many differences are listed before only those of the tables in question are.
const LISTED: usize = 10;

pub fn report(ctx: &Ctx, facts: &Facts, review: &Review) {
    ctx.ui.json(super::COMMAND, review.exit(), to_json(ctx, facts, review), None);
    let mut lines = heading(ctx, facts, review);
    lines.extend(operations(review));
    lines.extend(stakes(review));
    lines.extend(renames(review));
    lines.extend(unseen(review));
    lines.extend(check(ctx, review));
    lines.extend(review.problem.iter().flat_map(|(direction, fail)| problem(ctx, *direction, fail)));
    if let Some(trip) = &review.roundtrip {
        lines.push(String::new());
        lines.push(db_roundtrip::text(ctx, trip));
    }
    lines.push(String::new());
    lines.extend(next_steps(ctx, facts, review));
    ctx.ui.answer(lines.join("\n"));
}

fn heading(ctx: &Ctx, facts: &Facts, review: &Review) -> Vec<String> {
    let (paint, headline) = match (review.written.is_empty(), review.exit()) {
        (true, _) => (Paint::Good, "✅ No model changes: no migration was made"),
        (false, Exit::Done) if !review.stakes.is_empty() => (Paint::Warn, "⚠️  Migration created, and it drops rows"),
        (false, Exit::Done) => (Paint::Good, "✅ Migration created"),
        (false, _) => (Paint::Warn, "⚠️  Migration created, and its review found something"),
    };
    let mut lines =
        vec![ctx.ui.paint(paint, headline), String::new(), format!("Component: {}", facts.subject.component.name)];
    let heads = facts.subject.graph.heads();
    let head = heads.first().map_or("(base)", |head| head);
    if review.written.is_empty() {
        lines.push(format!("Head: {head}"));
    }
    for script in &review.written {
        lines.push(format!("Revision: {} (follows {head})", script.revision));
        lines.push(format!("File: {}", relative(ctx, &script.path).display()));
    }
    lines.extend(review.compared_with.iter().map(|words| format!("Compared with: {words}")));
    lines
}

fn operations(review: &Review) -> Vec<String> {
    section("Operations:", review.operations.iter().map(Operation::to_string))
}

fn stakes(review: &Review) -> Vec<String> {
    let lines = review.stakes.iter().map(|stake| format!("{}: {}", stake.object, stake.held));
    section("⚠️  Would be dropped, and in the component's own database holds:", lines)
}

fn renames(review: &Review) -> Vec<String> {
    let line = |rename: &crate::model::autogenerate::Rename| format!("{rename}; if it is one: {}", rename.instead());
    section("Looks like a rename, and would lose the rows' values:", review.renames.iter().map(line))
}

/// What the migrations lack (or have too much) where autogenerate does not look. Long lists are old: only what concerns
/// the tables in question is listed then.
fn unseen(review: &Review) -> Vec<String> {
    let touched: BTreeSet<String> = review.operations.iter().filter_map(Operation::qualified_table).collect();
    let is_long = review.unseen.len() > LISTED;
    let listed: Vec<&Unseen> =
        review.unseen.iter().filter(|one| !is_long || touched.contains(&one.table)).take(LISTED).collect();
    let left = review.unseen.len() - listed.len();
    let line = |one: &&Unseen| match one.help() {
        Some(help) => format!("{one}\n      {help}"),
        None => one.to_string(),
    };
    let mut all: Vec<String> = listed.iter().map(line).collect();
    if left > 0 {
        let more = if listed.is_empty() { "" } else { " more" };
        all.push(format!("{left}{more} on other tables, most of them older than this revision: --json lists all"));
    }
    let mut lines = section("Autogenerate does not compare these; the models and the migrations differ in:", all);
    lines.extend(section("Could not be compared:", review.trouble.iter().take(LISTED).cloned()));
    lines
}

fn check(ctx: &Ctx, review: &Review) -> Vec<String> {
    if review.written.is_empty() {
        return Vec::new();
    }
    let paint =
        |level: Level, text: &str| ctx.ui.paint(if level == Level::Error { Paint::Bad } else { Paint::Warn }, text);
    let mut lines = vec![String::new()];
    if review.findings.is_empty() {
        lines.push("db-check: nothing found".to_owned());
    } else {
        lines.push("db-check:".to_owned());
        for (finding, line) in &review.findings {
            let text = findings::to_text(finding, line, ctx.ui.around(), paint);
            lines.extend(text.lines().map(|line| format!("  {line}")));
        }
    }
    lines
}

fn problem(ctx: &Ctx, direction: Direction, fail: &Fail) -> Vec<String> {
    let headline = match direction {
        Direction::Up => "❌ The new script does not run yet:",
        Direction::Down => "❌ The way down of the new script, its downgrade(), does not run yet:",
    };
    let mut lines = vec![String::new(), ctx.ui.paint(Paint::Bad, headline)];
    lines.push(format!("  {} ({})", fail.summary, fail.kind.name()));
    lines.extend(fail.details.lines().map(|line| format!("  {line}")));
    lines
}

fn next_steps(ctx: &Ctx, facts: &Facts, review: &Review) -> Vec<String> {
    let of = |name: &str| own(name).of(&facts.subject.component.name);
    if review.written.is_empty() {
        if review.unseen.is_empty() {
            return vec!["Nothing to do: the models agree with it.".to_owned()];
        }
        let by_hand = of("db-create-migration").words(["--empty", "-m", "what it does"]);
        return numbered(ctx, &[Action::run("For what is new in the list above, by hand", by_hand)]);
    }
    let paths: Vec<PathBuf> = review.written.iter().map(|it| relative(ctx, &it.path)).collect();
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let is_broken = review.problem.is_some();
    let first = format!("{} the file: {}", if is_broken { "Mend" } else { "Review" }, names.join(" "));
    let mut steps: Vec<Action> = vec![first.into()];
    if review.roundtrip.is_none() {
        steps.push(Action::run("Prove it on a throwaway database", of("db-roundtrip")));
    }
    if !is_broken {
        steps.push(Action::run("Apply it", of("db-migrate")));
    }
    if !review.is_added {
        steps.push(Action::run("Add it to git", git(["add", "--"]).words(names).at_root()));
    }
    steps.push("Commit it together with the models".into());
    numbered(ctx, &steps)
}

fn numbered(ctx: &Ctx, steps: &[Action]) -> Vec<String> {
    let lines = steps.iter().enumerate().map(|(at, step)| format!("  {}. {}", at + 1, ctx.ui.shown(step)));
    std::iter::once("Next steps:".to_owned()).chain(lines).collect()
}

/// A headline and its lines, with an empty line before; nothing where there are none.
fn section(headline: &str, lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines = lines.into_iter().map(|line| format!("  - {line}")).peekable();
    if lines.peek().is_none() {
        return Vec::new();
    }
    [String::new(), headline.to_owned()].into_iter().chain(lines).collect()
}

fn to_json(ctx: &Ctx, facts: &Facts, review: &Review) -> Value {
    let one = |script: &Written| {
        json!({
            "revision": script.revision,
            "message": facts.message,
            "path": relative(ctx, &script.path).display().to_string(),
        })
    };
    let found: Vec<_> = review.findings.iter().map(|(finding, _)| finding.clone()).collect();
    json!({
        "component": facts.subject.component.name,
        "revision": review.written.first().map(one),
        "revisions": review.written.iter().map(one).collect::<Vec<_>>(),
        "compared_with": review.compared_with,
        "operations": operations_json(&review.operations),
        "renames": renames_json(&review.renames),
        "unseen": unseen_json(&review.unseen),
        "not_compared": review.trouble,
        "findings": findings::to_json(&found, ctx.ui.around()),
        "drops": review.stakes.iter().map(|stake| json!({"object": stake.object, "holds": stake.held})).collect::<Vec<_>>(),
        "problem": review.problem.as_ref().map(|(_, fail)| ctx.ui.error_json(fail)),
        "roundtrip": review.roundtrip.as_ref().map(|trip| trip.to_json(ctx.ui.around())),
        "added": review.is_added,
    })
}

fn relative(ctx: &Ctx, path: &Path) -> PathBuf {
    ctx.project().map_or_else(|_| path.to_owned(), |project| shown(project, path))
}
