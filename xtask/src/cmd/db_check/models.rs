//! `db-check --models`: is there a change of the models without a migration? The one part of db-check that takes Python
//! and a server.

use anyhow::Result;

use crate::ctx::{Ctx, shown};
use crate::fail::{Exit, refuse};
use crate::flags::DbCheck;
use crate::model::action::{Action, own};
use crate::model::autogenerate::Operation;
use crate::model::rules::{self, Finding, model_change};
use crate::sys::alembic::Draft;
use crate::sys::project::Component;
use crate::ui::Paint;
use crate::work::models::{Ground, Subject};

/// What was found of a component.
struct Compared<'a> {
    subject: Subject<'a>,
    ground: String,
    is_clone: bool,
    operations: Vec<Operation>,
}

/// Runs it, component by component.
///
/// # Errors
/// What keeps a throwaway database from being made, and what env.py and the models may meet.
pub fn run(ctx: &Ctx, flags: &DbCheck, components: &[&Component]) -> Result<Exit> {
    let mut compared = Vec::new();
    for component in components {
        compared.push(compare(ctx, component)?);
    }
    let mut findings: Vec<Finding> = Vec::new();
    for one in &compared {
        findings.extend(found(ctx, one)?);
    }
    Ok(super::print(ctx, flags, &rules::of_models(), &findings, || compared.iter().for_each(|one| show(ctx, one))))
}

fn compare<'a>(ctx: &'a Ctx, component: &'a Component) -> Result<Compared<'a>> {
    let subject = Subject::gather(ctx, component).map_err(refuse)?;
    ctx.python().and_then(|python| python.require_alembic(&ctx.ui, ctx.project()?)).map_err(refuse)?;
    let database = ctx.database(&subject.config).map_err(refuse)?;
    let mut ground = Ground::make(ctx, &subject, &database, "db-check")?;
    let draft = Draft { autogenerate: true, ..Draft::default() };
    let operations = ground.compare(ctx, &draft)?.operations;
    let (words, is_clone) = (ground.words.clone(), ground.is_clone);
    ground.end()?;
    Ok(Compared { subject, ground: words, is_clone, operations })
}

fn found(ctx: &Ctx, one: &Compared) -> Result<Vec<Finding>> {
    let project = ctx.project()?;
    let (path, line) = one.subject.config.place("script_location");
    let path = shown(project, path);
    let flag = ctx.component_flag(one.subject.component);
    let finding = |operation| model_change(operation, &path, line.unwrap_or(1), &flag, &project.rules);
    Ok(one.operations.iter().filter_map(finding).collect())
}

fn show(ctx: &Ctx, one: &Compared) {
    let component = &one.subject.component.name;
    if one.operations.is_empty() {
        let sign = ctx.ui.paint(Paint::Good, "✅ No model changes");
        // A clone proves nothing about migrations: it may have been made from the models.
        let other = if one.is_clone { "database" } else { "migrations" };
        ctx.ui.answer(format!("{sign} in {component}: models and {other} agree"));
        ctx.ui.answer(format!("Compared with {}", one.ground));
        return;
    }
    let sign = ctx.ui.paint(Paint::Bad, "❌ Model changes without a migration");
    let mut lines = vec![format!("{sign} in {component}: {}", one.operations.len()), String::new()];
    lines.extend(one.operations.iter().map(|operation| format!("  - {operation}")));
    lines.push(String::new());
    lines.push(format!("Compared with {}", one.ground));
    let make = own("db-create-migration").of(component).words(["-m", "what it does"]);
    lines.push(ctx.ui.shown(Action::run("Make the migration", make)));
    ctx.ui.answer(lines.join("\n"));
}
