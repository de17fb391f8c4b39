//! `doctor`: checks each tool, version, config and connection, at the same time, and prints a line and a fix for each.
//! It starts no server. `tools.rs` checks programs, `component.rs` configs and databases, `leftovers.rs` what earlier
//! runs have left; `mend.rs` makes the fixes that are safe.

mod component;
mod leftovers;
mod mend;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::ctx::Ctx;
use crate::fail::{Exit, from_anyhow};
use crate::flags::Doctor;
use crate::model::check::{Check, State};
use crate::report::checks;
use crate::sys::interrupt;
use crate::sys::side_by_side::{Look, each_within};
use crate::work::services;

const COMMAND: &str = "doctor";
/// A cold start of Python, or a server behind a slow line.
const LIMIT: Duration = Duration::from_secs(15);

type Work = Box<dyn FnOnce() -> Vec<Check> + Send>;

/// Runs it.
///
/// # Errors
/// `interrupted`; what is missing is its answer (exit 4 when something that is needed is).
pub fn run(ctx: &Ctx, flags: Doctor) -> Result<Exit> {
    let mended = if flags.fix { mend::mend(ctx) } else { Vec::new() };
    let found = look(ctx);
    interrupt::check()?;
    let is_failed = found.iter().any(|check| check.state == State::Failed);
    let exit = if is_failed { Exit::Findings } else { Exit::Done };
    let mut fields = json!({"checks": checks::json(&found, ctx.ui.around())});
    if flags.fix {
        fields["mended"] = json!(mended);
        match mended.is_empty() {
            true => ctx.ui.answer("Nothing was mended."),
            false => ctx.ui.answer(format!("Mended:\n  {}\n", mended.join("\n  "))),
        }
    }
    ctx.ui.json(COMMAND, exit, fields, None);
    for check in &found {
        ctx.ui.answer(checks::text(check, ctx.ui.around()));
    }
    Ok(exit)
}

/// Everything, in a fixed order.
fn look(ctx: &Ctx) -> Vec<Check> {
    let shared = Arc::new(ctx.for_step(ctx.ui.clone(), None));
    let mut looks: Vec<(String, Work)> =
        vec![work("git", &shared, tools::git), work("project", &shared, tools::project)];
    if let Ok(project) = shared.project() {
        // What is printed for the rest depends on it, and the whole run has the same.
        let _ = ctx.project();
        looks.push(work("python", &shared, tools::python));
        looks.push(work("warm python", &shared, tools::warm_python));
        looks.push(work("postgresql", &shared, tools::postgresql));
        looks.push(work("docker", &shared, tools::docker));
        if project.components.is_empty() {
            let root = project.root.display().to_string();
            looks.push(work("components", &shared, move |_| {
                let check =
                    Check::failed("components", format!("no Alembic config was found in {root}: no database is known"));
                vec![check.fix("Name the project's folder: --project=DIR")]
            }));
        }
        for one in &project.components {
            let name = one.name.clone();
            let of = move |ctx: &Ctx| component::checks(ctx, &name);
            looks.push(work(&one.name, &shared, of));
        }
        looks.push(work("files", &shared, |ctx| {
            ctx.project().map(|project| services::checkout(ctx, &project.root)).unwrap_or_default()
        }));
        looks.push(work("hooks", &shared, leftovers::hooks));
        looks.push(work("operations", &shared, leftovers::journals));
        looks.push(work("backups", &shared, leftovers::backups));
        looks.push(work("server", &shared, leftovers::servers));
    }
    let (names, works): (Vec<String>, Vec<Work>) = looks.into_iter().unzip();
    let answers = each_within(works.into_iter().map(|work| Look { limit: LIMIT, work }).collect());
    let late = |name: &str| vec![Check::failed(name, format!("no answer within {} s", LIMIT.as_secs()))];
    names.iter().zip(answers).flat_map(|(name, answer)| answer.unwrap_or_else(|| late(name))).collect()
}

/// A look under a name, which is also that of the line where it has one.
fn work(name: &str, ctx: &Arc<Ctx>, look: impl FnOnce(&Ctx) -> Vec<Check> + Send + 'static) -> (String, Work) {
    let ctx = Arc::clone(ctx);
    (name.to_owned(), Box::new(move || look(&ctx)))
}

/// A line that stands alone: what was found, or what keeps it from being found.
fn line(name: &str, found: Result<Check>) -> Vec<Check> {
    vec![found.unwrap_or_else(|error| checks::of_fail(name, &from_anyhow(&error)))]
}
