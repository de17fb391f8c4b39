//! A component's tenants, one after another, each as if it had been named. The first that fails ends it; what was done before
//! stays, and is said.

use anyhow::Result;
use serde_json::{Value, json};

use super::preflight::COMMAND;
use crate::ctx::Ctx;
use crate::fail::{Exit, from_anyhow, refuse};
use crate::flags::DbMigrate;
use crate::report::table::{count, table};
use crate::sys::interrupt;
use crate::sys::project::Component;

/// Migrates each.
///
/// # Errors
/// As for one; what is said before tells who has been migrated.
pub fn each(ctx: &Ctx, flags: &DbMigrate, component: &Component) -> Result<Exit> {
    let (db, names) = ctx.tenants(component, COMMAND).map_err(refuse)?;
    // Nobody else may be connected while one is migrated.
    drop(db);
    let (mut rows, mut done): (Vec<Vec<String>>, Vec<Value>) = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        let task = ctx.ui.task(format!("Tenant {name} ({} of {})", at + 1, names.len()));
        let step = ctx.for_tenant(ctx.ui.overheard(), component, name);
        let ran = interrupt::check().and_then(|()| super::run(&step, flags));
        drop(task);
        let said = step.ui.said();
        let mut fields = said.fields;
        fields["tenant"] = json!(name);
        rows.push(vec![name.clone(), in_words(&fields, ran.as_ref().err())]);
        done.push(fields);
        if let Err(error) = ran {
            return Err(stopped(ctx, component, &names[at..], (&rows, &done), &error));
        }
        if flags.show.is_some() {
            ctx.ui.answer(format!("-- tenant {name}\n{}", said.text.trim_end()));
        }
    }
    ctx.ui.json(COMMAND, Exit::Done, json!({"component": component.name, "tenants": done}), None);
    if flags.show.is_none() {
        let all = count(names.len(), "tenant");
        ctx.ui.answer(format!("✅ All {all} of {}\n\n{}", component.name, tenants(&rows)));
    }
    Ok(Exit::Done)
}

fn tenants(rows: &[Vec<String>]) -> String {
    table(&["Tenant", "Result"], rows)
}

fn in_words(fields: &Value, error: Option<&anyhow::Error>) -> String {
    let count = |key: &str| fields[key].as_array().map_or(0, Vec::len);
    match (error, count("applied"), count("reverted")) {
        (Some(error), ..) => format!("❌ {}", from_anyhow(error).summary),
        (None, 0, 0) => "nothing to do".to_owned(),
        (None, 0, back) => format!("{back} taken back"),
        (None, applied, _) => format!("{applied} applied"),
    }
}

/// The failure of the first of `left`, with what was done before it.
fn stopped(
    ctx: &Ctx,
    component: &Component,
    left: &[String],
    (rows, done): (&[Vec<String>], &[Value]),
    error: &anyhow::Error,
) -> anyhow::Error {
    let before = done.len() - 1;
    let mut fail = from_anyhow(error).about(&component.name);
    let is_changed =
        |it: &Value| ["applied", "reverted"].iter().any(|key| it[*key].as_array().is_some_and(|all| !all.is_empty()));
    // A refusal of one tenant is no refusal of the whole where another was changed.
    if fail.exit == Exit::Refused && done[..before].iter().any(is_changed) {
        fail.exit = Exit::Failed;
    }
    let others = match left.len() - 1 {
        0 => "none is left".to_owned(),
        count => format!("{count} after it were not begun"),
    };
    let alone = component.x_of(&left[0]).map_or_else(String::new, |x| format!(". Commands about it alone take -x {x}"));
    fail = fail.details(format!("That is tenant {}: {before} came before it, {others}{alone}", left[0]));
    if before > 0 {
        ctx.ui.warn(format!("What was done before:\n{}", tenants(&rows[..before]).trim_end()));
    }
    ctx.ui.json(COMMAND, fail.exit, json!({"component": component.name, "tenants": done}), Some(&fail));
    fail.into()
}
