//! `--merge-reports`: reads the JSON reports of a run's parts and reports them as one run. It starts neither Python nor
//! PostgreSQL, but reads the checkout, since a report of another commit says nothing about this one.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::facts::nothing_to_test;
use super::{identity, show, told_nothing};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::DbRoundtrip;
use crate::model::action::{git, own};
use crate::model::graph::Graph;
use crate::report::roundtrip::{Report, Told, again, merged};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files;

/// Runs it.
///
/// # Errors
/// The refusal (exit 3), before anything is written, where the files are not all parts of one run of this checkout.
pub fn run(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Exit> {
    // A command that is printed names the component only where it has to.
    let _ = ctx.project()?;
    let read: Vec<(Told, Vec<String>)> = flags.reports.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let (told, gaps): (Vec<Told>, Vec<Vec<String>>) = read.into_iter().unzip();
    let report = merged(told)?;
    let config = config(ctx, &report)?;
    let graph = ctx.history(&config)?;
    is_of_this_checkout(ctx, &report, &graph)?;
    if report.strict {
        let _ = ctx.ui.clone().strict(true);
    }
    let report = Report { strict: report.strict || ctx.strict(), ..report };
    gaps.into_iter().flatten().for_each(|gap| ctx.ui.not_looked_at(gap));
    if report.run.chosen.is_empty() {
        let fail = nothing_to_test(&config, &graph, &report.component, &report.revisions);
        return Ok(told_nothing(ctx, &report.component, &report.revisions, &report.run, &fail));
    }
    show::write_files(ctx, flags, &graph, &report)?;
    ctx.ui.json("db-roundtrip", report.exit(), report.to_json(ctx.ui.around()), None);
    ctx.ui.answer(show::text(ctx, &report));
    Ok(report.exit())
}

/// Reads a report, and what that run could not look at.
fn read(path: &Path) -> Result<(Told, Vec<String>), Fail> {
    let file = path.display().to_string();
    let no_report = |why: String| {
        Fail { exit: Exit::Refused, ..Fail::new(Kind::Usage, format!("{file} is no report of a round trip")) }
            .details(why)
            .run("Make it anew, and write what that prints into the file", own("db-roundtrip").word("--json"))
            .related(own("help").word("db-roundtrip").plain())
    };
    let text = files::read_text(path).map_err(|error| no_report(format!("{error:#}")))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| no_report(format!("It is no JSON: {error}")))?;
    let tool = env!("CARGO_PKG_VERSION");
    if let Some(other) = value["run"]["tool"].as_str().filter(|other| *other != tool) {
        return Err(no_report(format!("Another version of the tool has made it: {other}; this is {tool}")));
    }
    let is_ours = value["command"] == "db-roundtrip";
    let report = Report::saved(&value).filter(|_| is_ours).ok_or_else(|| {
        no_report(match value["error"]["summary"].as_str().filter(|_| is_ours) {
            Some(summary) => format!("The run did not come to its end: {summary}"),
            None => "It is not what `db-roundtrip --json` prints".to_owned(),
        })
    })?;
    let gaps = value["not_looked_at"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok((Told { file, report }, gaps.map(str::to_owned).collect()))
}

fn config(ctx: &Ctx, report: &Report) -> Result<AlembicConfig> {
    if let Some(other) = ctx.common.component.as_ref().filter(|name| **name != report.component) {
        let why = format!("They are of {}; --component says {other}", report.component);
        return Err(elsewhere("component").details(why).into());
    }
    let component = ctx.project()?.component(Some(&report.component))?;
    ctx.config(component)
}

fn elsewhere(what: &str) -> Fail {
    Fail { exit: Exit::Refused, ..Fail::new(Kind::Usage, format!("The reports are of another {what}")) }
        .related(own("help").word("db-roundtrip").plain())
}

fn is_of_this_checkout(ctx: &Ctx, report: &Report, graph: &Graph) -> Result<()> {
    let run = &report.run;
    let commit = identity::commit(ctx);
    let words = |commit: &Option<String>| commit.clone().unwrap_or_else(|| "none, without git".to_owned());
    if run.commit != commit {
        let fail = elsewhere("commit than this checkout").details(format!(
            "Theirs: {}\nThis one: {}",
            words(&run.commit),
            words(&commit)
        ));
        let fail = match &run.commit {
            Some(theirs) => fail.run("Check theirs out", git(["switch", "--detach", theirs])),
            None => fail,
        };
        return Err(fail.run("Or test what is checked out", again(report, None)).into());
    }
    if run.scripts != identity::scripts(ctx, graph) {
        return Err(elsewhere("state than this checkout")
            .details("Scripts have changed here since, or had been changed there, without a commit")
            .run("See what is not committed here", git(["status", "--short"]))
            .run("Test what is here", again(report, None))
            .into());
    }
    Ok(())
}
