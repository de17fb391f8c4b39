//! Reads a report's own JSON: the results that an interrupted run has left (`--resume`), the whole of a part
//! (`--merge-reports`).

use std::path::PathBuf;

use serde_json::Value;

use super::{Report, RevisionResult, Run};
use crate::fail::{Fail, Kind};
use crate::model::action::Action;
use crate::model::catalog::{AttributeChange, Change, Key, What};
use crate::model::roundtrip::{Leg, Proof, Verdict};
use crate::model::rows::{ColumnLoss, DataChange};
use crate::model::status::Revision;

impl Report {
    /// Reads the whole of [`Report::to_json`]; `None` for anything else. Neither a cached baseline nor the scratch database of
    /// another run is of use to a later one.
    pub fn saved(value: &Value) -> Option<Report> {
        Some(Report {
            component: text(&value["component"])?,
            revisions: text(&value["revisions"])?,
            baseline: text(&value["baseline"]).unwrap_or_default(),
            cache: None,
            server: text(&value["server"]).unwrap_or_default(),
            notes: list(&value["notes"]).filter_map(text).collect(),
            results: value["results"].as_array()?.iter().map(RevisionResult::saved).collect::<Option<_>>()?,
            kept: None,
            strict: value["run"]["strict"].as_bool()?,
            run: Run::saved(&value["run"])?,
        })
    }
}

impl RevisionResult {
    /// Reads what [`RevisionResult::to_json`] has made; `None` for anything else.
    pub fn saved(value: &Value) -> Option<RevisionResult> {
        let revision = Revision {
            id: text(&value["revision"])?,
            message: text(&value["message"])?,
            path: text(&value["path"]).map(PathBuf::from),
        };
        Some(RevisionResult {
            revision,
            verdict: Verdict::parse(value["verdict"].as_str()?)?,
            proof: value["proof"].as_str().and_then(Proof::parse),
            step: value["step"].as_str().and_then(Leg::parse),
            schema_changes: list(&value["schema_changes"]).map(change).collect::<Option<_>>()?,
            data_changes: list(&value["data_changes"]).map(data).collect::<Option<_>>()?,
            // What a review shows besides is of the run that it belongs to.
            made: None,
            ran_up: None,
            ran_down: None,
            error: if value["error"].is_null() { None } else { Some(fail(&value["error"])?) },
            cause: text(&value["cause"]),
            reason: text(&value["reason"]),
            to_prove: text(&value["to_prove"]).map(Action::from),
            notes: list(&value["notes"]).filter_map(text).collect(),
            without_rows: value["without_rows"].as_bool()?,
            second_opinion: value["second_opinion"].as_array().map(|says| says.iter().filter_map(text).collect()),
            taken_over: value["taken_over"].as_bool()?,
            down: value["seconds"]["down"].as_f64(),
            up: value["seconds"]["up"].as_f64(),
        })
    }
}

fn change(value: &Value) -> Option<Change> {
    let attribute =
        |it: &Value| Some(AttributeChange { name: text(&it[0])?, before: text(&it[1]), after: text(&it[2]) });
    let attributes = list(&value["attributes"]).map(attribute).collect::<Option<Vec<_>>>()?;
    let (object, kind) = (value["object"].as_str()?, value["kind"].as_str()?);
    let key = Key::new(kind, object.strip_prefix(kind)?.trim_start());
    let mut change = Change::new(What::parse(value["change"].as_str()?)?, &key, None, attributes);
    change.cause = text(&value["cause"]);
    Some(change)
}

fn data(value: &Value) -> Option<DataChange> {
    let column = |it: &Value| {
        let (before_values, after_values) = (it["before_values"].as_u64()?, it["after_values"].as_u64()?);
        // Without a loss it would not be told, so that as many are other ones.
        let same_count_but_different = before_values == after_values;
        Some(ColumnLoss { column: text(&it["column"])?, before_values, after_values, same_count_but_different })
    };
    Some(DataChange {
        table: text(&value["table"])?,
        before_rows: value["before_rows"].as_u64(),
        after_rows: value["after_rows"].as_u64(),
        is_its_own: value["its_own"].as_bool().unwrap_or_default(),
        columns_lost: list(&value["columns_lost"]).map(column).collect::<Option<_>>()?,
    })
}

fn fail(value: &Value) -> Option<Fail> {
    let kind = Kind::parse(value["kind"].as_str()?)?;
    let fail = Fail::new(kind, value["summary"].as_str()?).details(value["details"].as_str()?);
    let fail = list(&value["actions"]).filter_map(Value::as_str).fold(fail, Fail::action);
    Some(Fail {
        related: text(&value["related"]).map(|words| Box::new(Action::from(words))),
        sqlstate: text(&value["sqlstate"]),
        revision: text(&value["revision"]),
        file: text(&value["file"]),
        line: value["line"].as_u64().and_then(|line| usize::try_from(line).ok()),
        ..fail
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
