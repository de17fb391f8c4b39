//! The reports of `db-migrate`, in the form that all reports share.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::preflight::{Facts, NOT_THERE, Plan};
use super::{Outcome, outcome_json};
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::model::script_body::{self, Dropped, dropped};
use crate::model::status::{Revision, Standing, State};
use crate::report::json::revisions;
use crate::sys::alembic::Driver;
use crate::sys::files;
use crate::sys::pg::InvalidIndex;
use crate::ui::Paint;
use crate::work::driver::Labels;
use crate::work::own_database::OwnDatabase;

/// `--dry-run`.
pub fn dry_run(ctx: &Ctx, facts: &Facts, plan: &Plan) -> Result<Exit> {
    let mut fields = outcome_json(plan, &Outcome::unchanged(plan, Duration::ZERO));
    fields["planned"] = revisions(&plan.revisions);
    let drops = if plan.is_downgrade() { drops(ctx, facts, plan)? } else { BTreeMap::new() };
    if plan.is_downgrade() {
        fields["drops"] = drops_json(&drops);
    }
    ctx.ui.json("db-migrate", Exit::Done, fields, None);
    let mut lines = heading(ctx, Paint::Bold, "Dry run: nothing was changed", plan);
    if plan.walk.steps.is_empty() {
        lines.push(format!("Nothing to do: {}", standing(facts, &plan.walk.before)));
    } else {
        lines.push(format!("Would be {}:", plan.verb()));
        for (line, revision) in plan.lines(&facts.graph).zip(&plan.revisions) {
            lines.push(format!("  - {line}"));
            let drops = drops.get(&revision.id).into_iter().flatten();
            lines.extend(drops.map(|dropped| format!("      drops {} (line {})", dropped.what, dropped.line)));
        }
        lines.push(String::new());
        lines.push(format!("Then: {}", standing(facts, &plan.after)));
        lines.push(String::new());
        lines.push(format!("Run it: {}", plan.command(&facts.flag)));
    }
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// What each script's `downgrade()` drops, by revision. Read off the text: what a script only decides when it runs is shown
/// as the script has it, or not at all.
fn drops(ctx: &Ctx, facts: &Facts, plan: &Plan) -> Result<BTreeMap<String, Vec<Dropped>>> {
    let root = &ctx.project()?.root;
    let mut found = BTreeMap::new();
    for revision in &plan.revisions {
        let Some(script) = facts.graph.get(&revision.id) else { continue };
        let text = files::read_script(&root.join(&script.path))?;
        // A syntax error is Alembic's to report when it comes to it; here it only means that nothing can be said.
        let body = script_body::read(&script.path, &text).unwrap_or_default();
        found.insert(revision.id.clone(), body.downgrade.as_ref().map(dropped).unwrap_or_default());
    }
    Ok(found)
}

fn drops_json(drops: &BTreeMap<String, Vec<Dropped>>) -> Value {
    let list = |dropped: &Vec<Dropped>| -> Value {
        dropped.iter().map(|dropped| json!({"what": dropped.what, "line": dropped.line})).collect()
    };
    drops.iter().map(|(id, dropped)| (id.clone(), list(dropped))).collect::<serde_json::Map<_, _>>().into()
}

/// What failed builds of indexes have left: nothing else ever tells.
pub fn warn_of_invalid<'i>(ctx: &Ctx, own: &OwnDatabase<'_>, indexes: impl IntoIterator<Item = &'i InvalidIndex>) {
    for InvalidIndex { index, table, is_unique } in indexes {
        let effect = if *is_unique { "PostgreSQL does not enforce it" } else { "PostgreSQL does not use it" };
        let mend = own.psql(&format!("reindex index concurrently {index}"));
        ctx.ui.warn(format!(
            "The index {index} on {table} is INVALID: its build has failed, and {effect}\n  Mend it, or drop it: {mend}"
        ));
    }
}

/// `--sql`: Alembic's offline SQL; the database is only asked where to begin.
pub fn sql(ctx: &Ctx, facts: &mut Facts, plan: &Plan) -> Result<Exit> {
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
    Ok(Exit::Done)
}

/// The database is where it should be already.
pub fn nothing_to_do(ctx: &Ctx, facts: &Facts, plan: &Plan, took: Duration) -> Result<Exit> {
    ctx.ui.json("db-migrate", Exit::Done, outcome_json(plan, &Outcome::unchanged(plan, took)), None);
    let mut lines = heading(ctx, Paint::Good, "✅ Nothing to do", plan);
    lines.push(format!("Status: {}", standing(facts, &plan.walk.before)));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// The report of a migration that went well.
pub fn done(ctx: &Ctx, facts: &Facts, plan: &Plan, outcome: &Outcome) -> Result<()> {
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
    Ok(())
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
