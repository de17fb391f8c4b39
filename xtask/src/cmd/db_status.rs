//! `db-status`: current revision, head, pending migrations, state. Reads the scripts, asks the database one question,
//! starts no Python and changes nothing. `look.rs` finds out, `tenants.rs` does so for each of a component's tenants,
//! `show.rs` prints it.

mod look;
mod show;
mod tenants;

use anyhow::{Result, anyhow};
use serde_json::json;

use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::flags;
use crate::sys::project::Component;

pub use look::{Report, look};
pub use show::component_json;

/// # Errors
/// What keeps a component from being looked at; with several, the first one's error.
pub fn run(ctx: &Ctx, flags: &flags::DbStatus) -> Result<Exit> {
    let reports = gather(ctx, flags)?;
    let exit = exit(flags, &reports);
    let error = reports.iter().find_map(|report| report.error.clone());
    let fields = json!({"components": reports.iter().map(|report| component_json(ctx, report)).collect::<Vec<_>>()});
    ctx.ui.json("db-status", exit, fields, error.as_ref());
    let in_a_table = flags.all || reports.iter().any(|report| report.is_one_of_several);
    if in_a_table {
        ctx.ui.answer(show::overview(ctx, &reports));
    }
    for report in &reports {
        if let (Some(standing), false) = (&report.standing, in_a_table) {
            ctx.ui.answer(show::one(ctx, report, standing));
        }
        if let Some(fail) = &report.error {
            ctx.ui.error(fail);
        }
    }
    Ok(exit)
}

fn gather(ctx: &Ctx, flags: &flags::DbStatus) -> Result<Vec<Report>> {
    let components: Vec<&Component> = if flags.all { ctx.every_component()? } else { vec![ctx.component()?] };
    let reports = std::thread::scope(|scope| {
        let looks: Vec<_> = components.iter().map(|component| scope.spawn(|| looks(ctx, component))).collect();
        looks
            .into_iter()
            .zip(&components)
            .map(|(look, component)| look.join().map_err(|_| component.name.clone()))
            .collect()
    });
    let reports: Result<Vec<Vec<Report>>, String> = reports;
    let reports = reports.map_err(|name| anyhow!("looking at {name} broke off"))?;
    Ok(reports.into_iter().flatten().collect())
}

fn looks(ctx: &Ctx, component: &Component) -> Vec<Report> {
    match &component.tenants {
        None => vec![look(ctx, component)],
        Some(_) => tenants::look(ctx, component),
    }
}

fn exit(flags: &flags::DbStatus, reports: &[Report]) -> Exit {
    let unreadable = reports.iter().any(|report| report.standing.is_none());
    let all_good = !reports.is_empty() && reports.iter().all(Report::is_good);
    let failed = reports.iter().any(|report| report.error.is_some());
    match () {
        () if unreadable => Exit::Failed,
        () if flags.check && !all_good => Exit::Findings,
        () if failed => Exit::Failed,
        () => Exit::Done,
    }
}
