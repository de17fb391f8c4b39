//! The reports of `db-migrate`, in the form that all reports share.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::exact::Exact;
use super::preflight::{Facts, NOT_THERE, Plan};
use super::{Outcome, outcome_json};
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::model::action::Action;
use crate::model::status::{Revision, Standing, State};
use crate::report::json::revisions;
use crate::sys::alembic::Driver;
use crate::ui::Paint;
use crate::work::at_stake::{AtStake, LargeWork};
use crate::work::driver::Labels;

/// `--dry-run`.
pub fn dry_run(ctx: &Ctx, facts: &Facts, plan: &Plan, exact: Option<&Exact>) {
    let mut fields = outcome_json(plan, &Outcome::unchanged(plan, Duration::ZERO));
    fields["planned"] = revisions(&plan.revisions);
    if plan.is_downgrade() || !plan.at_stake.is_empty() {
        fields["drops"] = drops_json(&plan.at_stake);
    }
    if !plan.large.is_empty() {
        fields["large_tables"] = plan.large.iter().map(LargeWork::json).collect();
    }
    if let Some(exact) = exact {
        fields["exact"] = exact.json();
    }
    ctx.ui.json("db-migrate", Exit::Done, fields, None);
    let mut lines = heading(ctx, Paint::Bold, "Dry run: nothing was changed", plan);
    if plan.walk.steps.is_empty() {
        lines.push(format!("Nothing to do: {}", standing(facts, &plan.walk.before)));
    } else {
        lines.push(format!("Would be {}:", plan.verb()));
        for (line, revision) in plan.lines(&facts.graph).zip(&plan.revisions) {
            lines.push(format!("  - {line}"));
            let goes = plan.at_stake.iter().filter(|it| it.revision == revision.id);
            lines.extend(goes.map(|it| format!("      {}", it.in_plan())));
            let large = plan.large.iter().filter(|it| it.revision == revision.id);
            lines.extend(large.map(|it| format!("      {}", it.line())));
        }
        if let Some(exact) = exact {
            lines.push(String::new());
            lines.extend(exact.lines());
        }
        lines.push(String::new());
        lines.push(format!("Then: {}", standing(facts, &plan.after)));
        lines.push(String::new());
        lines.push(ctx.ui.shown(Action::run("Run it", plan.command())));
    }
    ctx.ui.answer(lines.join("\n"));
}

/// `"drops"` of JSON: by revision what goes, with what is in it now.
pub fn drops_json(at_stake: &[AtStake]) -> Value {
    let mut drops = serde_json::Map::new();
    for it in at_stake {
        if let Some(list) = drops.entry(it.revision.clone()).or_insert_with(|| json!([])).as_array_mut() {
            list.push(json!({"what": it.what, "line": it.line, "rows": it.rows}));
        }
    }
    drops.into()
}

/// Before a walk: what goes with it that cannot be made again, and what it does to large tables.
pub fn what_goes(ctx: &Ctx, plan: &Plan) {
    let is_told = |it: &&AtStake| it.changes_rows() && (plan.is_downgrade() || it.rows.is_some());
    let lost: Vec<String> = plan.at_stake.iter().filter(is_told).map(AtStake::line).collect();
    if !lost.is_empty() {
        ctx.ui.status(format!("This goes with the {}:\n  {}", plan.way.name(), lost.join("\n  ")));
    }
    for large in &plan.large {
        ctx.ui.warn(large.line());
    }
}

/// `--sql`: Alembic's offline SQL; the database is only asked where to begin.
pub fn sql(ctx: &Ctx, facts: &mut Facts, plan: &Plan) -> Result<()> {
    let labels = Labels::new(ctx, facts.component)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let launch = facts.own.as_mut().context(NOT_THERE)?.launch(ctx)?;
    let mut driver = Driver::start(&ctx.ui, &launch)?;
    let text = {
        let _task = ctx.ui.task("Asking Alembic for the SQL");
        driver.offline_sql(&plan.walk.for_driver())
    };
    let text = text.map_err(|stop| stop.into_error(&labels.names()))?;
    driver.stop();
    let mut fields = outcome_json(plan, &Outcome::unchanged(plan, Duration::ZERO));
    fields["sql"] = json!(text);
    ctx.ui.json("db-migrate", Exit::Done, fields, None);
    ctx.ui.exact_answer(text.trim_end());
    Ok(())
}

/// The database is where it should be already.
pub fn nothing_to_do(ctx: &Ctx, facts: &Facts, plan: &Plan, took: Duration) {
    ctx.ui.json("db-migrate", Exit::Done, outcome_json(plan, &Outcome::unchanged(plan, took)), None);
    let mut lines = match facts.graph.is_empty() {
        true => heading(ctx, Paint::Warn, "⚠️  Nothing to do: there is no migration script", plan),
        false => heading(ctx, Paint::Good, "✅ Nothing to do", plan),
    };
    lines.push(format!("Status: {}", standing(facts, &plan.walk.before)));
    ctx.ui.answer(lines.join("\n"));
}

/// The report of a migration that went well.
pub fn done(ctx: &Ctx, facts: &Facts, plan: &Plan, outcome: &Outcome) {
    ctx.ui.json("db-migrate", Exit::Done, outcome_json(plan, outcome), None);
    let mut lines = heading(ctx, Paint::Good, "✅ Migration successful", plan);
    let (title, mark) =
        if plan.is_downgrade() { ("Reverted migrations:", " (reverted)") } else { ("Applied migrations:", "") };
    lines.push(title.to_owned());
    lines.extend(plan.lines(&facts.graph).map(|line| format!("  - {line}{mark}")));
    lines.push(String::new());
    lines.push(format!("New status: {}", standing(facts, &plan.after)));
    if let Some(remark) = &facts.database.remark {
        lines.push(format!("Server: {remark}"));
    }
    if let Some(path) = &outcome.backup {
        lines.push(format!("Backup: {}", path.display()));
    }
    lines.push(String::new());
    lines.extend(after_words(ctx, facts, plan));
    ctx.ui.answer(lines.join("\n"));
}

fn heading(ctx: &Ctx, paint: Paint, headline: &str, plan: &Plan) -> Vec<String> {
    vec![
        ctx.ui.paint(paint, headline),
        String::new(),
        format!("Component: {}", plan.component),
        format!("Direction: {}", plan.way.name()),
        format!("Target: {}", plan.walk.target),
        String::new(),
    ]
}

fn after_words(ctx: &Ctx, facts: &Facts, plan: &Plan) -> Vec<String> {
    if plan.is_downgrade() {
        let warning = ctx.ui.paint(Paint::Warn, "Warning:");
        return vec![
            format!("{warning} Downgrade may have removed data or features."),
            "Verify application compatibility.".to_owned(),
        ];
    }
    let services = &facts.component.services;
    let restart = if services.is_empty() {
        "Restart affected services if needed".to_owned()
    } else {
        format!("Restart affected services if needed: {}", services.join(", "))
    };
    vec!["Next steps:".to_owned(), "  - Verify application functionality".to_owned(), format!("  - {restart}")]
}

/// Where the database stands, in the words of the reports.
fn standing(facts: &Facts, applied: &[String]) -> String {
    let standing = Standing::new(&facts.graph, applied);
    let ids: Vec<String> = standing.current.iter().map(Revision::with_message).collect();
    match standing.state {
        State::UpToDate => "Database is up-to-date".to_owned(),
        State::NoRevision => "Database has no revision".to_owned(),
        _ => format!("Database at revision {}, {} pending", ids.join(", "), standing.pending.len()),
    }
}
