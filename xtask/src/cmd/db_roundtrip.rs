//! `db-roundtrip`: proves on a throwaway database that revisions go down and up again and leave schema and rows as they
//! were. `baseline.rs` makes the database, `crew.rs` says who walks what of it, `walk.rs` walks, `show.rs` reports; the
//! verdicts are in `model/roundtrip`.

mod baseline;
mod explain;
mod in_place;
mod jobs;
mod outcome;
mod range;
mod result;
mod resume;
mod sandbox;
mod show;
mod trial;
mod walk;
mod watch;

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::{Ctx, Database};
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::DbRoundtrip;
use crate::model::graph::Graph;
use crate::model::route::Route;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg;
use crate::sys::project::Component;

use outcome::Outcome;
use result::Told;
pub use show::Report;

/// What is known before anything is made.
struct Facts<'a> {
    component: &'a Component,
    config: AlembicConfig,
    graph: Graph,
    database: Database,
    route: Route,
    /// How the revisions were chosen: `--steps 3`, `the newest revision`.
    chosen: String,
    /// The dump that the command line names.
    dump: Option<PathBuf>,
    /// `--no-cache`.
    no_cache: bool,
    /// Files that this run writes: no baseline depends on them.
    outputs: Vec<PathBuf>,
}

/// What a run has found.
struct Findings {
    baseline: String,
    /// What of the baseline is cached; none for a clone.
    cache: Value,
    server: String,
    /// Newest first, each of them once.
    results: Vec<Told>,
    /// How to get at the scratch database, with `--keep`.
    kept: Option<pg::Kept>,
    /// Where the verdicts were written down, in case that the run does not come to its end.
    log: Option<resume::Log>,
}

impl Findings {
    /// How many verdicts an earlier run has found.
    fn taken_over(&self) -> usize {
        self.results.iter().filter(|told| told.is_taken_over()).count()
    }
}

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) before anything was made, a failure (exit 1) when the throwaway database cannot be made. What is
/// wrong with a revision is no error but a finding (exit 4).
pub fn run(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Exit> {
    if flags.clear_cache {
        return baseline::cache::clear(ctx);
    }
    if flags.watch {
        return watch::run(ctx, flags);
    }
    let facts = gather(ctx, flags).map_err(refuse)?;
    if facts.route.tested.is_empty() {
        return nothing_to_test(ctx, &facts);
    }
    let report = prove_facts(ctx, flags, &facts)?;
    ctx.ui.json("db-roundtrip", report.exit, report.json, None);
    ctx.ui.answer(report.text);
    Ok(report.exit)
}

/// The same for a command that has more to say; prints nothing but progress.
///
/// # Errors
/// As [`run`].
pub fn prove(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Report> {
    prove_facts(ctx, flags, &gather(ctx, flags)?)
}

fn prove_facts(ctx: &Ctx, flags: &DbRoundtrip, facts: &Facts) -> Result<Report> {
    resume::check(ctx, facts, flags)?;
    let findings = if flags.in_place { in_place::run(ctx, facts, flags)? } else { jobs::run(ctx, facts, flags)? };
    match (show::report(ctx, flags, facts, &findings), findings.log) {
        (Ok(report), Some(log)) => {
            log.end();
            Ok(report)
        }
        // The verdicts are kept, for a run that can write them.
        (Err(error), Some(log)) => Err(log.broke_off(from_anyhow(&error)).into()),
        (report, None) => report,
    }
}

fn gather<'a>(ctx: &'a Ctx, flags: &DbRoundtrip) -> Result<Facts<'a>> {
    let component = ctx.component()?;
    let config = ctx.config(component)?;
    let graph = ctx.history(&config)?;
    let (route, chosen) = range::choose(ctx, &graph, component, flags)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let database = ctx.database(&config)?;
    for name in pg::sweep(&database.url).unwrap_or_default() {
        ctx.ui.status(format!("Swept what a run that was killed left behind: {name}"));
    }
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let dump = flags.baseline.as_ref().map(absolute);
    let outputs = flags.junit.iter().chain(&flags.html).map(absolute).collect();
    let no_cache = flags.no_cache;
    Ok(Facts { component, config, graph, database, route, chosen, dump, no_cache, outputs })
}

fn nothing_because(facts: &Facts) -> String {
    if facts.graph.is_empty() {
        return format!("The history of {} has no revision", facts.component.name);
    }
    format!("No revision of {} was chosen: {}", facts.component.name, facts.chosen)
}

/// A run that tested nothing is no proof of anything: exit 4.
fn nothing_to_test(ctx: &Ctx, facts: &Facts) -> Result<Exit> {
    let fail = nothing(facts);
    let fields = json!({
        "component": facts.component.name, "baseline": null, "cache": null, "results": [], "tested": 0, "failed": 0,
    });
    ctx.ui.json("db-roundtrip", Exit::Findings, fields, Some(&fail));
    ctx.ui.error(&fail);
    Ok(Exit::Findings)
}

fn nothing(facts: &Facts) -> Fail {
    Fail {
        exit: Exit::Findings,
        ..Fail::new(Kind::MigrationFileMissing, "There is nothing to test")
            .details(nothing_because(facts))
            .action("The whole history: cargo xtask db-roundtrip --all")
            .action(format!("See where the scripts are: {}", facts.config.path.display()))
            .related("cargo xtask doctor")
    }
}

/// The failure to end with when the throwaway database itself could not be made.
fn cannot_prepare(error: &anyhow::Error, how: &str) -> anyhow::Error {
    let fail = from_anyhow(error);
    if fail.kind == Kind::Interrupted {
        return fail.into();
    }
    fail.details(format!("This happened while the throwaway database was made ({how}); your own was not touched"))
        .into()
}
