//! Migrates a component's tenants, one after another, each as if it had been named. The first that fails ends it; the
//! tenants before it stay migrated and are listed.

use anyhow::Result;
use serde_json::{Value, json};

use super::Changed;
use super::preflight::COMMAND;
use crate::ctx::Ctx;
use crate::fail::{Exit, from_anyhow, refuse};
use crate::flags::DbMigrate;
use crate::model::action::quoted;
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
    let mut is_changed = false;
    for (at, name) in names.iter().enumerate() {
        let task = ctx.ui.task(format!("Tenant {name} ({} of {})", at + 1, names.len()));
        let step = ctx.for_tenant(ctx.ui.overheard(), component, name);
        let ran = interrupt::check().and_then(|()| super::one(&step, flags));
        drop(task);
        let said = step.ui.said();
        let mut fields = said.fields;
        fields["tenant"] = json!(name);
        rows.push(vec![name.clone(), in_words(ran.as_ref())]);
        done.push(fields);
        let changed = match ran {
            Ok(changed) => changed,
            Err(error) => return Err(stopped(ctx, component, &names[at..], (&rows, &done), is_changed, &error)),
        };
        is_changed |= changed.revisions > 0;
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

fn in_words(ran: Result<&Changed, &anyhow::Error>) -> String {
    match ran {
        Err(error) => format!("❌ {}", from_anyhow(error).summary),
        Ok(Changed { revisions: 0, .. }) => "nothing to do".to_owned(),
        Ok(Changed { revisions, is_downgrade: true }) => format!("{revisions} taken back"),
        Ok(Changed { revisions, is_downgrade: false }) => format!("{revisions} applied"),
    }
}

/// The failure of the first of `left`, with what was done before it.
fn stopped(
    ctx: &Ctx,
    component: &Component,
    left: &[String],
    (rows, done): (&[Vec<String>], &[Value]),
    is_changed: bool,
    error: &anyhow::Error,
) -> anyhow::Error {
    let before = done.len() - 1;
    let mut fail = from_anyhow(error).about(&component.name);
    // A refusal of one tenant is no refusal of the whole where another was changed.
    if fail.exit == Exit::Refused && is_changed {
        fail.exit = Exit::Failed;
    }
    let others = match left.len() - 1 {
        0 => "none is left".to_owned(),
        count => format!("{count} after it were not begun"),
    };
    let alone = component.x_of(&left[0]).map(|x| format!(". Commands about it alone take -x {}", quoted(&x)));
    let alone = alone.unwrap_or_default();
    fail = fail.details(format!("That is tenant {}: {before} came before it, {others}{alone}", left[0]));
    if before > 0 {
        ctx.ui.warn(format!("What was done before:\n{}", tenants(&rows[..before]).trim_end()));
    }
    ctx.ui.json(COMMAND, fail.exit, json!({"component": component.name, "tenants": done}), Some(&fail));
    fail.into()
}
