//! The report of a round trip: a line per revision, below it what was found, at the end the count.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Facts, Findings};
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::flags::DbRoundtrip;
use crate::model::roundtrip::Verdict;
use crate::report::roundtrip;
use crate::ui::Paint;

/// Prints it and decides the exit code.
pub fn report(ctx: &Ctx, flags: &DbRoundtrip, facts: &Facts, findings: &Findings) -> Result<Exit> {
    let tested = findings.results.iter().filter(|outcome| outcome.verdict.is_tested()).count();
    let failed = findings.results.iter().filter(|outcome| outcome.verdict.is_finding()).count();
    let exit = if failed > 0 || tested == 0 { Exit::Findings } else { Exit::Done };
    let report = to_json(facts, findings, tested, failed);
    write_files(flags, &report)?;
    ctx.ui.json("db-roundtrip", exit, report, None);
    let mut lines = vec![
        ctx.ui.paint(Paint::Bold, "Round trip: down, up again, compared with what was there before"),
        String::new(),
        format!("Component: {}", facts.component.name),
        format!("Revisions: {}", facts.chosen),
        format!("Baseline: {}", findings.baseline),
        format!("Server: {}", server(facts, findings)),
        String::new(),
    ];
    for told in &findings.results {
        lines.extend(told.text(ctx));
    }
    lines.push(String::new());
    lines.push(count(findings, tested));
    if let Some(kept) = &findings.kept {
        lines.push(String::new());
        lines.push(format!("The scratch database {} was kept: {}", kept.database, kept.psql));
        lines.push(format!("Drop it when you are done: {}", kept.drop));
    }
    ctx.ui.answer(lines.join("\n"));
    Ok(exit)
}

/// The files that were asked for besides.
fn write_files(flags: &DbRoundtrip, report: &Value) -> Result<()> {
    let files = [
        (&flags.junit, roundtrip::xml as fn(&Value) -> String),
        (&flags.html, roundtrip::page as fn(&Value) -> String),
    ];
    for (path, make) in files {
        if let Some(path) = path {
            std::fs::write(path, make(report)).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

fn server(facts: &Facts, findings: &Findings) -> String {
    facts.database.remark.clone().unwrap_or_else(|| format!("PostgreSQL {}", findings.server))
}

fn count(findings: &Findings, tested: usize) -> String {
    let counted: Vec<String> = Verdict::ALL
        .iter()
        .filter_map(|verdict| {
            let number = findings.results.iter().filter(|outcome| outcome.verdict == *verdict).count();
            (number > 0).then(|| format!("{number} {}", verdict.name()))
        })
        .collect();
    let plural = if tested == 1 { "" } else { "s" };
    let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
    let before = match findings.taken_over() {
        0 => String::new(),
        count => format!(" {count} of these verdicts were found before the interruption."),
    };
    format!("Tested {tested} revision{plural}: {counted}.{before}")
}

fn to_json(facts: &Facts, findings: &Findings, tested: usize, failed: usize) -> Value {
    json!({
        "component": facts.component.name,
        "revisions": facts.chosen,
        "baseline": findings.baseline,
        "server": server(facts, findings),
        "results": findings.results.iter().map(|told| &told.result).collect::<Vec<_>>(),
        "tested": tested,
        "failed": failed,
        "taken_over": findings.taken_over(),
        "kept": findings.kept.as_ref().map(|kept| json!({"database": kept.database, "psql": kept.psql, "drop": kept.drop})),
    })
}
