//! `db-roundtrip`: proves on a throwaway database that revisions can be downgraded and upgraded again and leave schema
//! and rows as they were. `facts.rs` says what is tested, `baseline.rs` makes the database, `jobs.rs` shares the
//! revisions out, `walk.rs` tests them, `show.rs` makes the report, `merge.rs` makes one report of several; the
//! verdicts are in `model/roundtrip`.

mod baseline;
mod explain;
mod facts;
mod findings;
mod identity;
mod in_place;
mod jobs;
mod merge;
mod range;
mod result;
mod resume;
mod sandbox;
mod show;
mod trial;
mod walk;
mod watch;

use anyhow::Result;
use serde_json::json;

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, from_anyhow, refuse};
use crate::flags::DbRoundtrip;
use crate::report::roundtrip::{Report, Run};
use crate::sys::interrupt;
use crate::sys::pg::may_not_create;
use crate::sys::warm;
use crate::work::bystander::Bystanders;

use facts::{Facts, gather};
use findings::Findings;
pub use range::added;
pub use show::text;

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) before anything was made, a failure (exit 1) when the throwaway database cannot be made. What is
/// wrong with a revision is no error but a finding (exit 4).
pub fn run(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Exit> {
    if flags.clear_cache {
        return baseline::cache::clear(ctx);
    }
    if !flags.reports.is_empty() {
        return merge::run(ctx, flags);
    }
    if flags.watch {
        return watch::run(ctx, flags);
    }
    let facts = gather(ctx, flags).map_err(refuse)?;
    if facts.route.tested.is_empty() {
        let (component, run) = (&facts.component.name, identity::of(ctx, &facts, flags));
        let fail = facts.nothing_to_test();
        return Ok(told_nothing(ctx, component, &facts.chosen, &run, &fail));
    }
    let report = prove_facts(ctx, flags, facts)?;
    ctx.ui.json("db-roundtrip", report.exit(), report.to_json(ctx.ui.around()), None);
    ctx.ui.answer(text(ctx, &report));
    Ok(report.exit())
}

/// Makes the report for another command, and prints nothing but progress.
///
/// # Errors
/// As [`run`].
pub fn prove(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Report> {
    prove_facts(ctx, flags, gather(ctx, flags)?)
}

/// As [`prove`]; the report also has what each statement does to tables.
///
/// # Errors
/// As [`run`].
pub fn prove_and_look(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Report> {
    prove_facts(ctx, flags, Facts { effects: true, ..gather(ctx, flags)? })
}

/// Runs on the component's own server; where no database may be created there, on the embedded one.
fn prove_facts(ctx: &Ctx, flags: &DbRoundtrip, facts: Facts) -> Result<Report> {
    match prove_on(ctx, flags, &facts) {
        Err(error) if may_not_create(&from_anyhow(&error)) && !facts.database.embedded && !flags.in_place => {
            let (facts, _dumped) = facts.elsewhere(ctx)?;
            prove_on(ctx, flags, &facts)
        }
        proved => proved,
    }
}

fn prove_on(ctx: &Ctx, flags: &DbRoundtrip, facts: &Facts) -> Result<Report> {
    resume::check(ctx, facts, flags)?;
    let run = identity::of(ctx, facts, flags);
    let findings = if flags.in_place { in_place::run(ctx, facts, flags)? } else { on_fresh_files(ctx, facts, flags)? };
    let (report, log) = show::report(ctx, facts, findings, run);
    match (show::write_files(ctx, flags, &facts.graph, &report), log) {
        (Ok(()), Some(log)) => log.end(),
        // The verdicts are kept, for a run that can write the files.
        (Err(error), Some(log)) => return Err(log.broke_off(from_anyhow(&error)).into()),
        (written, None) => written?,
    }
    Ok(report)
}

/// Runs a second time where Python was forked from a warm process, and a file that this process had read has changed
/// meanwhile.
fn on_fresh_files(ctx: &Ctx, facts: &Facts, flags: &DbRoundtrip) -> Result<Findings> {
    let found = on_throwaway(ctx, facts, flags);
    // After an interruption, the error says what is kept.
    if found.is_err() && interrupt::requested() {
        return found;
    }
    let Some(changed) = warm::changed_meanwhile() else { return found };
    if let Ok(Findings { kept: Some(kept), .. }) = &found {
        ctx.ui.warn(format!("{} of the first try stays, too. Drop it: {}", kept.database, kept.drop));
    }
    drop(found);
    ctx.ui.status(format!("{changed} has changed meanwhile: once more, with a fresh Python"));
    warm::only_cold();
    // No verdict of the first try is taken over.
    on_throwaway(ctx, facts, &DbRoundtrip { resume: false, ..flags.clone() })
}

/// Runs on a throwaway database, and compares the own databases of the components before and after.
fn on_throwaway(ctx: &Ctx, facts: &Facts, flags: &DbRoundtrip) -> Result<Findings> {
    let own = Bystanders::look(ctx, &facts.config, facts.database.embedded, "db-roundtrip");
    let found = jobs::run(ctx, facts, flags);
    let touched = own.touched();
    match found {
        Ok(found) => Ok(found.beside(&touched)),
        Err(error) if touched.is_empty() => Err(error),
        Err(error) => Err(touched.iter().fold(from_anyhow(&error), |fail, it| fail.details(it.words())).into()),
    }
}

/// Prints a run that tested nothing, as JSON and as text.
fn told_nothing(ctx: &Ctx, component: &str, chosen: &str, run: &Run, fail: &Fail) -> Exit {
    let fields = json!({
        "component": component, "revisions": chosen, "baseline": null, "cache": null, "results": [], "tested": 0, "failed": 0,
        "run": run.to_json(ctx.strict()),
    });
    ctx.ui.json("db-roundtrip", fail.exit, fields, Some(fail));
    ctx.ui.error(fail);
    fail.exit
}
