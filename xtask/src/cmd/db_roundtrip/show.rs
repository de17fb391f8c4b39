//! Makes the report of a run, writes the files that were asked for, and colours the text for the terminal.

use std::time::SystemTime;

use anyhow::Result;

use super::facts::Facts;
use super::findings::Findings;
use super::resume::Log;
use crate::ctx::Ctx;
use crate::flags::DbRoundtrip;
use crate::model::graph::Graph;
use crate::report::drawing::{Drawing, Known};
use crate::report::roundtrip::{Kept, Page, Report, Run, Tone};
use crate::sys::clock::utc_moment;
use crate::sys::files;
use crate::sys::git::Repo;
use crate::ui::Paint;

/// The report, and the log of verdicts, which ends when the report has been written.
pub fn report(ctx: &Ctx, facts: &Facts, findings: Findings, run: Run) -> (Report, Option<Log>) {
    let server = facts.database.remark.clone().unwrap_or_else(|| format!("PostgreSQL {}", findings.server));
    let kept = findings.kept.map(|kept| Kept { database: kept.database, psql: kept.psql, drop: kept.drop });
    let report = Report {
        component: facts.component.name.clone(),
        revisions: facts.chosen.clone(),
        baseline: findings.baseline,
        cache: findings.cache,
        server,
        notes: findings.notes,
        results: findings.results,
        kept,
        strict: ctx.strict(),
        run: Run { origin: Some(findings.origin), ..run },
    };
    (report, findings.log)
}

/// Writes the JUnit and HTML files that were asked for.
pub fn write_files(ctx: &Ctx, flags: &DbRoundtrip, graph: &Graph, report: &Report) -> Result<()> {
    if let Some(path) = &flags.junit {
        files::write_atomic(path, report.junit(ctx.ui.around(), &ctx.from_checkout()).as_bytes())?;
    }
    if let Some(path) = &flags.html {
        let page = Page { about: about(ctx, flags)?, history: Some(history(graph, report)) };
        files::write_atomic(path, report.html(ctx.ui.around(), &page).as_bytes())?;
    }
    Ok(())
}

/// The facts at the top of the HTML page: what was tested, when and with what.
fn about(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Vec<(&'static str, String)>> {
    let root = &ctx.project()?.root;
    let head = Repo::find(&ctx.ui, root).ok().flatten().and_then(|repo| repo.head().ok());
    let branch = head.as_ref().map(|head| head.branch.clone().unwrap_or_else(|| "(none is checked out)".to_owned()));
    let commit = head.and_then(|head| head.commit).map(|commit| commit.as_str().to_owned());
    let known = [
        ("Date", Some(utc_moment(SystemTime::now()))),
        ("Project", Some(root.display().to_string())),
        ("Branch", branch),
        ("Commit", commit),
        ("Tool", Some(format!("xtask {}", env!("CARGO_PKG_VERSION")))),
        ("Command", Some(ctx.ui.shown(flags.again()))),
    ];
    Ok(known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// A drawing of the tested part of the history, with the verdicts.
fn history(graph: &Graph, report: &Report) -> Drawing {
    let verdicts = report.results.iter().map(|result| (result.revision.id.clone(), result.verdict)).collect();
    let known = Known { verdicts, ..Known::default() };
    let is_in = |id: &&str| known.verdicts.contains_key(*id);
    let ids: Vec<&str> = graph.scripts().map(|script| script.id.as_str()).filter(is_in).collect();
    Drawing::new(graph, &ids, report.component.as_str(), &known)
}

/// The report as text.
pub fn text(ctx: &Ctx, report: &Report) -> String {
    report.text(ctx.ui.around(), &painter(ctx))
}

/// Colours words as the terminal has them.
pub fn painter(ctx: &Ctx) -> impl Fn(Tone, &str) -> String {
    |tone, word| {
        let paint = match tone {
            Tone::Good => Paint::Good,
            Tone::Bad => Paint::Bad,
            Tone::Warn => Paint::Warn,
            Tone::Headline => Paint::Bold,
        };
        ctx.ui.paint(paint, word)
    }
}
