//! `db-roundtrip`: proves on a throwaway database that revisions go down and up again and leave schema and rows as they
//! were. `baseline.rs` makes the database, `walk.rs` walks it, `show.rs` reports; the verdicts are in `model/roundtrip`.

mod baseline;
mod show;
mod walk;

use anyhow::Result;
use serde_json::json;

use crate::cmd::advice;
use crate::ctx::{Ctx, Database};
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::{DbRoundtrip, Range};
use crate::model::catalog::Change;
use crate::model::graph::Graph;
use crate::model::roundtrip::{Leg, Verdict};
use crate::model::route::{Route, Wanted, route};
use crate::model::rows::DataChange;
use crate::model::status::Revision;
use crate::model::target::{self, Direction, Target};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg;
use crate::sys::project::Component;

/// What is known before anything is made.
struct Facts<'a> {
    component: &'a Component,
    config: AlembicConfig,
    graph: Graph,
    database: Database,
    route: Route,
}

/// What was found about one revision.
struct Outcome {
    revision: Revision,
    verdict: Verdict,
    step: Option<Leg>,
    schema_changes: Vec<Change>,
    data_changes: Vec<DataChange>,
    error: Option<Fail>,
    /// Why it was skipped, or what it says of itself.
    reason: Option<String>,
    notes: Vec<String>,
    down: Option<f64>,
    up: Option<f64>,
}

/// What a run has found.
struct Findings {
    baseline: String,
    server: String,
    outcomes: Vec<Outcome>,
    /// How to get at the scratch database, with `--keep`.
    kept: Option<pg::Kept>,
}

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) before anything was made, a failure (exit 1) when the throwaway database cannot be made. What is
/// wrong with a revision is no error but a finding (exit 4).
pub fn run(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Exit> {
    let facts = gather(ctx, flags).map_err(refuse)?;
    if facts.route.low == facts.route.order.len() {
        return nothing_to_test(ctx, &facts);
    }
    let findings = walk::run(ctx, &facts, flags)?;
    show::report(ctx, &facts, &findings)
}

fn gather<'a>(ctx: &'a Ctx, flags: &DbRoundtrip) -> Result<Facts<'a>> {
    let component = ctx.component()?;
    let config = ctx.config(component)?;
    let graph = ctx.history(&config)?;
    let from = match &flags.range {
        Range::From(text) => Some(one_revision(ctx, &graph, component, text)?),
        _ => None,
    };
    let wanted = match (&flags.range, &from) {
        (Range::Steps(count), _) => Wanted::Newest(*count),
        (Range::All, _) => Wanted::All,
        (_, Some(id)) => Wanted::From(id),
        (_, None) => Wanted::Heads,
    };
    let route = route(&graph, wanted);
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let database = ctx.database(&config)?;
    for name in pg::sweep(&database.url).unwrap_or_default() {
        ctx.ui.status(format!("Swept what a run that was killed left behind: {name}"));
    }
    Ok(Facts { component, config, graph, database, route })
}

/// The full id of a revision that may be shortened.
fn one_revision(ctx: &Ctx, graph: &Graph, component: &Component, text: &str) -> Result<String> {
    let found = Target::parse(text).and_then(|target| target::resolve(graph, Direction::Up, &[], &target));
    let fail = |error| advice::target(&error, text, component, &ctx.component_flag(component));
    let destination = found.map_err(fail)?.destination;
    destination.into_iter().next().ok_or_else(|| {
        Fail::new(Kind::Usage, format!("`--from {text}` names no revision"))
            .action("The whole history: cargo xtask db-roundtrip --all")
            .into()
    })
}

/// A run that tested nothing is no proof of anything: exit 4.
fn nothing_to_test(ctx: &Ctx, facts: &Facts) -> Result<Exit> {
    let fail = Fail {
        exit: Exit::Findings,
        ..Fail::new(Kind::MigrationFileMissing, "There is nothing to test")
            .details(format!("The history of {} has no revision", facts.component.name))
            .action(format!("Look where the scripts are: {}", facts.config.path.display()))
            .related("cargo xtask doctor")
    };
    let fields = json!({
        "component": facts.component.name, "baseline": null, "results": [], "tested": 0, "failed": 0,
    });
    ctx.ui.json("db-roundtrip", Exit::Findings, fields, Some(&fail));
    ctx.ui.error(&fail);
    Ok(Exit::Findings)
}

impl Outcome {
    fn new(graph: &Graph, id: &str, verdict: Verdict) -> Outcome {
        Outcome {
            revision: Revision::of(graph, id),
            verdict,
            step: None,
            schema_changes: Vec::new(),
            data_changes: Vec::new(),
            error: None,
            reason: None,
            notes: Vec::new(),
            down: None,
            up: None,
        }
    }

    /// A step of it failed.
    fn failed(graph: &Graph, id: &str, leg: Leg, fail: Fail) -> Outcome {
        Outcome { step: Some(leg), error: Some(fail), ..Outcome::new(graph, id, Verdict::Failed) }
    }

    /// It was not tested.
    fn skipped(graph: &Graph, id: &str, reason: String) -> Outcome {
        Outcome { reason: Some(reason), ..Outcome::new(graph, id, Verdict::Skipped) }
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
