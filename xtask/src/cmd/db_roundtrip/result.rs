//! What was found about one revision, in the forms in which it is told: as JSON and as lines of text. In both forms it can
//! be written down and taken over by a later run.

use serde_json::{Value, json};

use super::outcome::Outcome;
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::Around;
use crate::model::roundtrip::Verdict;
use crate::model::rows::DataChange;
use crate::report::json::{data_change, revision, schema_change};
use crate::ui::Paint;

/// One result of the report.
#[derive(Clone, Debug)]
pub struct Told {
    /// The revision's id.
    pub id: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// As it stands in the JSON.
    pub result: Value,
    /// What the text says below the first line.
    pub lines: Vec<String>,
}

impl Told {
    /// Tells an outcome.
    pub fn of(outcome: &Outcome) -> Told {
        let id = outcome.revision.id.clone();
        Told { id, verdict: outcome.verdict, result: result(outcome), lines: lines(outcome) }
    }

    /// For the state of a run that may be interrupted.
    pub fn to_json(&self) -> Value {
        json!({"result": self.result, "lines": self.lines})
    }

    /// What [`Told::to_json`] has written; `None` for anything else.
    pub fn from_json(value: &Value) -> Option<Told> {
        let mut result = value["result"].clone();
        let verdict = Verdict::parse(result["verdict"].as_str()?)?;
        result["taken_over"] = json!(true);
        let lines = value["lines"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Some(Told { id: result["revision"].as_str()?.to_owned(), verdict, result, lines })
    }

    /// Whether an earlier run has found it.
    pub fn is_taken_over(&self) -> bool {
        self.result["taken_over"] == true
    }

    /// Whether the next run would come to the same on the same scripts: what hung or lost its connection may not.
    pub fn is_lasting(&self) -> bool {
        let passing = [Kind::StepTimeout, Kind::LockTimeout, Kind::ConnectionLost, Kind::ConnectionRefused];
        self.verdict.is_tested() && !passing.iter().any(|kind| self.result["error"]["kind"] == kind.name())
    }

    /// The lines of the text.
    pub fn text(&self, ctx: &Ctx) -> Vec<String> {
        let result = &self.result;
        let (paint, sign) = match self.verdict {
            Verdict::Reversible => (Paint::Good, "✅"),
            Verdict::SchemaDiffers | Verdict::DataLost | Verdict::Failed => (Paint::Bad, "❌"),
            Verdict::Irreversible | Verdict::Skipped => (Paint::Warn, "⚠️ "),
        };
        let name = self.verdict.name();
        let word = match (self.verdict, result["step"].as_str()) {
            (Verdict::Reversible, _) | (_, None) => name.to_owned(),
            (Verdict::Failed, Some(step)) => format!("failed in the {step}"),
            (_, Some(step)) => format!("{name} after the {step}"),
        };
        let word = ctx.ui.paint(paint, &word);
        let bare = if result["without_rows"] == true { "  (no rows in the tables it touches)" } else { "" };
        let before = if self.is_taken_over() { "  (found before the interruption)" } else { "" };
        let title = match result["message"].as_str().filter(|message| !message.is_empty()) {
            Some(message) => format!("{} ({message})", self.id),
            None => self.id.clone(),
        };
        let first = format!("{sign} {title}: {word}{}{bare}{before}", times(&result["seconds"]));
        std::iter::once(first).chain(self.lines.iter().cloned()).collect()
    }
}

fn times(seconds: &Value) -> String {
    match (seconds["down"].as_f64(), seconds["up"].as_f64()) {
        (Some(down), Some(up)) => format!("  (down {:.0} ms, up {:.0} ms)", down * 1000.0, up * 1000.0),
        _ => String::new(),
    }
}

fn lines(outcome: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
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

fn result(outcome: &Outcome) -> Value {
    let mut fields = revision(&outcome.revision);
    fields["verdict"] = json!(outcome.verdict.name());
    fields["step"] = json!(outcome.step.map(|step| step.name()));
    fields["schema_changes"] = outcome.schema_changes.iter().map(schema_change).collect();
    fields["data_changes"] = outcome.data_changes.iter().map(data_change).collect();
    fields["error"] = outcome.error.as_ref().map_or(Value::Null, |fail| fail.to_json(&Around::default()));
    fields["reason"] = json!(outcome.reason);
    fields["cause"] = json!(outcome.cause);
    fields["notes"] = json!(outcome.notes);
    fields["without_rows"] = json!(outcome.without_rows);
    fields["taken_over"] = json!(false);
    fields["seconds"] = json!({"down": outcome.down, "up": outcome.up});
    fields
}
