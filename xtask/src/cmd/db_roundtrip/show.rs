//! The report of a round trip: a line per revision, below it what was found, at the end the count.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::outcome::Outcome;
use super::{Facts, Findings};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail};
use crate::flags::DbRoundtrip;
use crate::model::roundtrip::Verdict;
use crate::model::rows::DataChange;
use crate::report::json::{data_change, revision, schema_change};
use crate::report::roundtrip;
use crate::ui::Paint;

/// Prints it and decides the exit code.
pub fn report(ctx: &Ctx, flags: &DbRoundtrip, facts: &Facts, findings: &Findings) -> Result<Exit> {
    let tested = findings.outcomes.iter().filter(|outcome| outcome.verdict.is_tested()).count();
    let failed = findings.outcomes.iter().filter(|outcome| outcome.verdict.is_finding()).count();
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
    for outcome in &findings.outcomes {
        lines.extend(one(ctx, outcome));
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

/// The lines on one revision.
pub fn one(ctx: &Ctx, outcome: &Outcome) -> Vec<String> {
    let (paint, sign) = match outcome.verdict {
        Verdict::Reversible => (Paint::Good, "✅"),
        Verdict::SchemaDiffers | Verdict::DataLost | Verdict::Failed => (Paint::Bad, "❌"),
        Verdict::Irreversible | Verdict::Skipped => (Paint::Warn, "⚠️ "),
    };
    let word = match (outcome.verdict, outcome.step) {
        (Verdict::Reversible, _) | (_, None) => outcome.verdict.name().to_owned(),
        (Verdict::Failed, Some(step)) => format!("failed in the {}", step.name()),
        (_, Some(step)) => format!("{} after the {}", outcome.verdict.name(), step.name()),
    };
    let word = ctx.ui.paint(paint, &word);
    let bare = if outcome.without_rows { "  (no rows in the tables it touches)" } else { "" };
    let mut lines = vec![format!("{sign} {}: {word}{}{bare}", outcome.revision.with_message(), times(outcome))];
    if let Some(reason) = &outcome.reason {
        lines.push(format!("     {reason}"));
    }
    if let Some(path) = outcome.revision.path.as_ref().filter(|_| outcome.verdict.is_finding()) {
        lines.push(format!("     {}", path.display()));
    }
    for change in &outcome.schema_changes {
        lines.extend(change.to_string().lines().map(|line| format!("     {line}")));
    }
    lines.extend(outcome.data_changes.iter().flat_map(rows));
    if let Some(fail) = &outcome.error {
        lines.extend(error(fail));
    }
    lines.extend(outcome.cause.iter().map(|cause| format!("     cause: {cause}")));
    lines.extend(outcome.notes.iter().map(|note| format!("     note: {note}")));
    lines
}

fn times(outcome: &Outcome) -> String {
    match (outcome.down, outcome.up) {
        (Some(down), Some(up)) => format!("  (down {:.0} ms, up {:.0} ms)", down * 1000.0, up * 1000.0),
        _ => String::new(),
    }
}

fn rows(change: &DataChange) -> Vec<String> {
    let count = |rows: Option<u64>| rows.map_or_else(|| "no table".to_owned(), |rows| format!("{rows} rows"));
    let mut lines = Vec::new();
    if change.before_rows != change.after_rows {
        lines.push(format!(
            "     ~ rows of {}: {} -> {}",
            change.table,
            count(change.before_rows),
            count(change.after_rows)
        ));
    }
    for column in &change.columns_lost {
        let what = if column.same_count_but_different {
            format!("{} values, not the same ones", column.before_values)
        } else {
            format!("{} values -> {}", column.before_values, column.after_values)
        };
        lines.push(format!("     - values of {}.{}: {what}", change.table, column.column));
    }
    lines
}

fn error(fail: &Fail) -> Vec<String> {
    let mut lines = vec![format!("     {} ({})", fail.summary, fail.kind.name())];
    lines.extend(fail.details.lines().map(|line| format!("       {line}")));
    lines
}

fn count(findings: &Findings, tested: usize) -> String {
    let all = [
        Verdict::Reversible,
        Verdict::SchemaDiffers,
        Verdict::DataLost,
        Verdict::Failed,
        Verdict::Irreversible,
        Verdict::Skipped,
    ];
    let counted: Vec<String> = all
        .iter()
        .filter_map(|verdict| {
            let number = findings.outcomes.iter().filter(|outcome| outcome.verdict == *verdict).count();
            (number > 0).then(|| format!("{number} {}", verdict.name()))
        })
        .collect();
    let plural = if tested == 1 { "" } else { "s" };
    let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
    format!("Tested {tested} revision{plural}: {counted}.")
}

fn to_json(facts: &Facts, findings: &Findings, tested: usize, failed: usize) -> Value {
    json!({
        "component": facts.component.name,
        "revisions": facts.chosen,
        "baseline": findings.baseline,
        "server": server(facts, findings),
        "results": findings.outcomes.iter().map(result).collect::<Vec<_>>(),
        "tested": tested,
        "failed": failed,
        "kept": findings.kept.as_ref().map(|kept| json!({"database": kept.database, "psql": kept.psql, "drop": kept.drop})),
    })
}

fn result(outcome: &Outcome) -> Value {
    let mut fields = revision(&outcome.revision);
    fields["verdict"] = json!(outcome.verdict.name());
    fields["step"] = json!(outcome.step.map(|step| step.name()));
    fields["schema_changes"] = outcome.schema_changes.iter().map(schema_change).collect();
    fields["data_changes"] = outcome.data_changes.iter().map(data_change).collect();
    fields["error"] = outcome.error.as_ref().map_or(Value::Null, Fail::to_json);
    fields["reason"] = json!(outcome.reason);
    fields["cause"] = json!(outcome.cause);
    fields["notes"] = json!(outcome.notes);
    fields["without_rows"] = json!(outcome.without_rows);
    fields["seconds"] = json!({"down": outcome.down, "up": outcome.up});
    fields
}
