//! The reports of `db-migrate`, in the seed's form.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::preflight::{Facts, Plan};
use super::{Outcome, outcome_json};
use crate::cmd::driving::{self, Labels};
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::model::revision;
use crate::model::status::{Revision, Standing, State};
use crate::report::json::revisions;
use crate::sys::alembic::Driver;
use crate::sys::files;
use crate::ui::Paint;

/// `--dry-run`.
pub fn dry_run(ctx: &Ctx, facts: &Facts, plan: &Plan) -> Result<Exit> {
    let planned: Vec<Revision> = plan.revisions().cloned().collect();
    let mut fields = outcome_json(plan, &Outcome::unchanged(plan, Duration::ZERO));
    let drops = drops(ctx, plan)?;
    fields["planned"] = revisions(&planned);
    for (revision, drops) in drops.iter().enumerate() {
        fields["planned"][revision]["drops"] = json!(drops);
    }
    ctx.ui.json("db-migrate", Exit::Done, fields, None);
    let mut lines = heading(ctx, Paint::Bold, "Dry run: nothing was changed", plan);
    if plan.steps.is_empty() {
        lines.push(format!("Nothing to do: {}", standing(facts, &plan.before)));
    } else {
        lines.push(format!("Would be {}:", plan.verb()));
        for (at, line) in plan.lines().enumerate() {
            lines.push(format!("  - {line}"));
            lines.extend(drops.get(at).into_iter().flatten().map(|phrase| format!("      drops {phrase}")));
        }
        lines.push(String::new());
        lines.push(format!("Then: {}", standing(facts, &plan.after)));
        lines.push(String::new());
        lines.push(format!("Run it: {}", plan.command(&facts.flag)));
    }
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// For a downgrade, what each script would drop, in the order of the plan; nothing for an upgrade.
fn drops(ctx: &Ctx, plan: &Plan) -> Result<Vec<Vec<String>>> {
    if !plan.is_downgrade() {
        return Ok(Vec::new());
    }
    let root = &ctx.project()?.root;
    let of_script = |revision: &Revision| match &revision.path {
        Some(path) => files::read_script(&root.join(path)).map(|text| revision::drops(path, &text)),
        None => Ok(Vec::new()),
    };
    plan.revisions().map(of_script).collect()
}

/// `--sql`: Alembic's offline SQL; the database is only asked where to begin.
pub fn sql(ctx: &Ctx, facts: &mut Facts, plan: &Plan) -> Result<Exit> {
    let labels = Labels::new(ctx, facts.component)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let launch = facts.launch(ctx)?;
    let mut driver = Driver::start(&ctx.ui, &launch)?;
    let steps: Vec<_> = plan.steps.iter().map(driving::step).collect();
    let text = {
        let _task = ctx.ui.task("Asking Alembic for the SQL");
        driver.offline_sql(&steps, &plan.before, &plan.target)
    };
    let text = text.map_err(|stop| stop.into_error(&labels.names()))?;
    driver.stop();
    let mut fields = outcome_json(plan, &Outcome::unchanged(plan, Duration::ZERO));
    fields["sql"] = json!(text);
    ctx.ui.json("db-migrate", Exit::Done, fields, None);
    ctx.ui.answer(text.trim_end());
    Ok(Exit::Done)
}

/// The database is where it should be already.
pub fn nothing_to_do(ctx: &Ctx, facts: &Facts, plan: &Plan, took: Duration) -> Result<Exit> {
    ctx.ui.json("db-migrate", Exit::Done, outcome_json(plan, &Outcome::unchanged(plan, took)), None);
    let mut lines = heading(ctx, Paint::Good, "✅ Nothing to do", plan);
    lines.push(format!("Status: {}", standing(facts, &plan.before)));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// The seed's report of a migration that went well.
pub fn done(ctx: &Ctx, facts: &Facts, plan: &Plan, outcome: &Outcome) -> Result<()> {
    ctx.ui.json("db-migrate", Exit::Done, outcome_json(plan, outcome), None);
    let mut lines = heading(ctx, Paint::Good, "✅ Migration successful", plan);
    let (title, mark) =
        if plan.is_downgrade() { ("Reverted migrations:", " (reverted)") } else { ("Applied migrations:", "") };
    lines.push(title.to_owned());
    lines.extend(plan.lines().map(|line| format!("  - {line}{mark}")));
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
    Ok(())
}

fn heading(ctx: &Ctx, paint: Paint, headline: &str, plan: &Plan) -> Vec<String> {
    vec![
        ctx.ui.paint(paint, headline),
        String::new(),
        format!("Component: {}", plan.component),
        format!("Direction: {}", plan.way.name()),
        format!("Target: {}", plan.target),
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

/// Where the database stands, in the seed's words.
fn standing(facts: &Facts, applied: &[String]) -> String {
    let standing = Standing::new(&facts.graph, applied);
    let ids: Vec<String> = standing.current.iter().map(Revision::with_message).collect();
    match standing.state {
        State::UpToDate => "Database is up-to-date".to_owned(),
        State::NoRevision => "Database has no revision".to_owned(),
        _ => format!("Database at revision {}, {} pending", ids.join(", "), standing.pending.len()),
    }
}
