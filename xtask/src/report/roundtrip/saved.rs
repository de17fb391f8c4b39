//! A result as it is written down for `--resume`: all that the reports need of it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::RevisionResult;
use crate::fail::{Fail, Kind};
use crate::model::action::{Action, Around};
use crate::model::catalog::{AttributeChange, Change, Key, What};
use crate::model::roundtrip::{Leg, Proof, Verdict};
use crate::model::rows::{ColumnLoss, DataChange};
use crate::model::status::Revision;

impl RevisionResult {
    /// Writes it down.
    pub fn save(&self, around: &Around) -> Value {
        json!({
            "revision": self.revision.id,
            "message": self.revision.message,
            "path": self.revision.path.as_ref().map(|path| path.display().to_string()),
            "verdict": self.verdict.name(),
            "proof": self.proof.map(Proof::name),
            "step": self.step.map(Leg::name),
            "schema_changes": self.schema_changes.iter().map(save_change).collect::<Vec<_>>(),
            "data_changes": self.data_changes.iter().map(save_data).collect::<Vec<_>>(),
            "error": self.error.as_ref().map(|fail| fail.to_json(around)),
            "cause": self.cause,
            "reason": self.reason,
            "to_prove": self.to_prove.as_ref().map(|action| action.text(around)),
            "notes": self.notes,
            "without_rows": self.without_rows,
            "second_opinion": self.second_opinion,
            "down": self.down,
            "up": self.up,
        })
    }

    /// Reads what [`RevisionResult::save`] has written; `None` for anything else.
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
            sql_up: None,
            sql_down: None,
            error: if value["error"].is_null() { None } else { Some(fail(&value["error"])?) },
            cause: text(&value["cause"]),
            reason: text(&value["reason"]),
            to_prove: text(&value["to_prove"]).map(Action::from),
            notes: list(&value["notes"]).filter_map(text).collect(),
            without_rows: value["without_rows"].as_bool()?,
            second_opinion: value["second_opinion"].as_array().map(|says| says.iter().filter_map(text).collect()),
            taken_over: true,
            down: value["down"].as_f64(),
            up: value["up"].as_f64(),
        })
    }
}

fn save_key(key: &Key) -> Value {
    json!([key.kind, key.name])
}

fn save_change(change: &Change) -> Value {
    let attribute = |it: &AttributeChange| json!([it.name, it.before, it.after]);
    json!({
        "what": change.what.name(),
        "key": save_key(change.key()),
        "parent": change.parent().map(save_key),
        "attributes": change.attributes().iter().map(attribute).collect::<Vec<_>>(),
        "cause": change.cause,
    })
}

fn save_data(change: &DataChange) -> Value {
    let column = |it: &ColumnLoss| json!([it.column, it.before_values, it.after_values, it.same_count_but_different]);
    json!({
        "table": change.table,
        "before": change.before_rows,
        "after": change.after_rows,
        "its_own": change.is_its_own,
        "columns": change.columns_lost.iter().map(column).collect::<Vec<_>>(),
    })
}

fn key(value: &Value) -> Option<Key> {
    Some(Key::new(value[0].as_str()?, value[1].as_str()?))
}

fn change(value: &Value) -> Option<Change> {
    let attribute =
        |it: &Value| Some(AttributeChange { name: text(&it[0])?, before: text(&it[1]), after: text(&it[2]) });
    let attributes = list(&value["attributes"]).map(attribute).collect::<Option<Vec<_>>>()?;
    let mut change =
        Change::new(What::parse(value["what"].as_str()?)?, &key(&value["key"])?, key(&value["parent"]), attributes);
    change.cause = text(&value["cause"]);
    Some(change)
}

fn data(value: &Value) -> Option<DataChange> {
    let column = |it: &Value| {
        Some(ColumnLoss {
            column: text(&it[0])?,
            before_values: it[1].as_u64()?,
            after_values: it[2].as_u64()?,
            same_count_but_different: it[3].as_bool()?,
        })
    };
    Some(DataChange {
        table: text(&value["table"])?,
        before_rows: value["before"].as_u64(),
        after_rows: value["after"].as_u64(),
        is_its_own: value["its_own"].as_bool().unwrap_or_default(),
        columns_lost: list(&value["columns"]).map(column).collect::<Option<_>>()?,
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
