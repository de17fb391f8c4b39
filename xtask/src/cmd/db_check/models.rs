//! `db-check --models`: is there a change of the models without a migration? This is the only part of db-check that
//! needs Python and a server.

use anyhow::Result;

use crate::ctx::{Ctx, shown};
use crate::fail::{Exit, refuse};
use crate::flags::{DbCheck, Look};
use crate::model::action::{Action, own};
use crate::model::autogenerate::Operation;
use crate::model::rules::{self, Finding, model_change};
use crate::sys::alembic::Draft;
use crate::sys::project::Component;
use crate::ui::Paint;
use crate::work::models::{HeadDatabase, Subject};

/// What was found of a component.
struct Compared<'a> {
    subject: Subject<'a>,
    compared_with: String,
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
        compared.push(compare(ctx, component, flags)?);
    }
    let mut findings: Vec<Finding> = Vec::new();
    for one in &compared {
        findings.extend(found(ctx, one)?);
    }
    Ok(super::print(ctx, flags, &rules::of_models(), &findings, || compared.iter().for_each(|one| show(ctx, one))))
}

fn compare<'a>(ctx: &'a Ctx, component: &'a Component, flags: &DbCheck) -> Result<Compared<'a>> {
    let subject = Subject::gather(ctx, component).map_err(refuse)?;
    ctx.python().and_then(|python| python.require_alembic(&ctx.ui, ctx.project()?)).map_err(refuse)?;
    let database = ctx.database(&subject.config).map_err(refuse)?;
    let base = match &flags.look {
        Look::Since(reference) => Some(reference.as_str()),
        _ => None,
    };
    let mut at_head = HeadDatabase::before_the_change(ctx, &subject, &database, "db-check", base)?;
    let draft = Draft { autogenerate: true, ..Draft::default() };
    let compared = at_head.compare(ctx, &draft)?;
    if compared.models.tables.is_empty() {
        ctx.ui.not_looked_at(format!("any model of {}: target_metadata of env.py has no tables", component.name));
    }
    let operations = compared.operations;
    let (words, is_clone) = (at_head.words.clone(), at_head.is_clone);
    if is_clone && operations.is_empty() {
        ctx.ui.not_looked_at(format!(
            "whether {} lacks a migration: its history does not run from empty, and the clone may have been made from \
             these models",
            component.name
        ));
    }
    at_head.end()?;
    Ok(Compared { subject, compared_with: words, is_clone, operations })
}

fn found(ctx: &Ctx, one: &Compared) -> Result<Vec<Finding>> {
    let project = ctx.project()?;
    let (path, line) = one.subject.config.place("script_location");
    let path = shown(project, path);
    let component = &one.subject.component.name;
    let finding = |operation| model_change(operation, component, &path, line.unwrap_or(1), &project.rules);
    Ok(one.operations.iter().filter_map(finding).collect())
}

fn show(ctx: &Ctx, one: &Compared) {
    let component = &one.subject.component.name;
    if one.operations.is_empty() {
        let line = match one.is_clone {
            // It may have been made from the models, and models compared with themselves never differ.
            true => {
                ctx.ui.paint(Paint::Warn, "⚠️  Not proven") + &format!(" in {component}: models and database agree")
            }
            false => {
                ctx.ui.paint(Paint::Good, "✅ No model changes")
                    + &format!(" in {component}: models and migrations agree")
            }
        };
        ctx.ui.answer(line);
        ctx.ui.answer(format!("Compared with {}", one.compared_with));
        return;
    }
    let sign = ctx.ui.paint(Paint::Bad, "❌ Model changes without a migration");
    let mut lines = vec![format!("{sign} in {component}: {}", one.operations.len()), String::new()];
    lines.extend(one.operations.iter().map(|operation| format!("  - {operation}")));
    lines.push(String::new());
    lines.push(format!("Compared with {}", one.compared_with));
    let make = own("db-create-migration").of(component).words(["-m", "what it does"]);
    lines.push(ctx.ui.shown(Action::run("Make the migration", make)));
    ctx.ui.answer(lines.join("\n"));
}
