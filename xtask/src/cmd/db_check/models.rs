//! `db-check --models`: finds changes of the models that no migration makes. This is the only part of db-check that
//! needs Python and a server.

use anyhow::Result;

use crate::ctx::{Ctx, shown};
use crate::fail::{Exit, refuse};
use crate::flags::{DbCheck, Look};
use crate::model::action::{Action, own};
use crate::model::autogenerate::{self, Operation, Unseen};
use crate::model::rules::{self, Finding, Place, model_change, unseen_model_change};
use crate::sys::alembic::Draft;
use crate::sys::pg::models::{Sides, sides};
use crate::sys::project::Component;
use crate::ui::Paint;
use crate::work::models::{HeadDatabase, Subject};

/// What was found of a component.
struct Compared<'a> {
    subject: Subject<'a>,
    compared_with: String,
    is_clone: bool,
    operations: Vec<Operation>,
    /// What the models say besides, where autogenerate does not look.
    unseen: Vec<Unseen>,
}

/// How many of those are listed as text.
const LISTED: usize = 12;

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
    let Sides { models, database: made, trouble } = sides(at_head.db(), &compared.models)?;
    let mut unseen = autogenerate::unseen(&models, &made);
    unseen.retain(|one| one.models.is_some());
    if let [first, more @ ..] = trouble.as_slice() {
        let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
        ctx.ui.not_looked_at(format!("what autogenerate does not compare of {first}{more}"));
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
    at_head.end(ctx)?;
    Ok(Compared { subject, compared_with: words, is_clone, operations, unseen })
}

fn found(ctx: &Ctx, one: &Compared) -> Result<Vec<Finding>> {
    let project = ctx.project()?;
    let (path, line) = one.subject.config.place("script_location");
    let path = shown(project, path);
    let place = Place { component: &one.subject.component.name, path: &path, line: line.unwrap_or(1) };
    let seen = one.operations.iter().filter_map(|operation| model_change(operation, &place, &project.rules));
    let unseen = one.unseen.iter().filter_map(|unseen| unseen_model_change(unseen, &place, &project.rules));
    Ok(seen.chain(unseen).collect())
}

fn show(ctx: &Ctx, one: &Compared) {
    let component = &one.subject.component.name;
    let of = |sign: String, words: String| sign + &format!(" in {component}: {words}");
    let mut lines = vec![match (one.operations.len(), one.is_clone, one.unseen.len()) {
        // It may have been made from the models, and models compared with themselves never differ.
        (0, true, 0) => of(ctx.ui.paint(Paint::Warn, "⚠️  Not proven"), "models and database agree".to_owned()),
        (0, false, 0) if !ctx.ui.gaps().is_empty() => {
            of(ctx.ui.paint(Paint::Warn, "⚠️  Not proven"), "what was looked at agrees".to_owned())
        }
        (0, false, 0) => of(ctx.ui.paint(Paint::Good, "✅ No model changes"), "models and migrations agree".to_owned()),
        (0, _, number) => {
            let sign = ctx.ui.paint(Paint::Warn, "⚠️  Model changes without a migration");
            of(sign, format!("{number}, none of which autogenerate compares"))
        }
        (number, ..) => of(ctx.ui.paint(Paint::Bad, "❌ Model changes without a migration"), number.to_string()),
    }];
    let compared = format!("Compared with {}", one.compared_with);
    if one.operations.is_empty() && one.unseen.is_empty() {
        lines.push(compared);
        return ctx.ui.answer(lines.join("\n"));
    }
    lines.push(String::new());
    lines.extend(one.operations.iter().map(|operation| format!("  - {operation}")));
    if !one.unseen.is_empty() {
        lines.extend((!one.operations.is_empty()).then(|| "Autogenerate does not compare:".to_owned()));
        lines.extend(one.unseen.iter().take(LISTED).map(|unseen| format!("  - {unseen}")));
        let more = one.unseen.len().saturating_sub(LISTED);
        lines.extend((more > 0).then(|| format!("  … and {more} more: --json lists all")));
    }
    lines.extend([String::new(), compared]);
    let make = own("db-create-migration").of(component);
    let make = if one.operations.is_empty() { make.word("--empty") } else { make }.words(["-m", "what it does"]);
    lines.push(ctx.ui.shown(Action::run("Make the migration", make)));
    ctx.ui.answer(lines.join("\n"));
}
