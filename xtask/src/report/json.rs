//! The pieces of the contract's JSON that several commands share.

use serde_json::{Value, json};

use crate::model::catalog::Change;
use crate::model::rows::DataChange;
use crate::model::status::Revision;

/// `{"revision", "message", "path"}`; `path` is null when no file holds it.
pub fn revision(revision: &Revision) -> Value {
    json!({
        "revision": revision.id,
        "message": revision.message,
        "path": revision.path.as_ref().map(|path| path.display().to_string()),
    })
}

pub fn revisions(list: &[Revision]) -> Value {
    list.iter().map(revision).collect()
}

/// `{"object", "change", "before", "after", "cause"}`; the cause is null where the pattern is not known.
pub fn schema_change(change: &Change) -> Value {
    json!({
        "object": change.object,
        "change": change.what.name(),
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
    })
}

/// `{"table", "before_rows", "after_rows", "columns_lost", "its_own"}`.
pub fn data_change(change: &DataChange) -> Value {
    let columns: Vec<Value> = change
        .columns_lost
        .iter()
        .map(|column| {
            json!({"column": column.column, "before_values": column.before_values, "after_values": column.after_values})
        })
        .collect();
    json!({
        "table": change.table,
        "before_rows": change.before_rows,
        "after_rows": change.after_rows,
        "columns_lost": columns,
        "its_own": change.is_its_own,
    })
}
