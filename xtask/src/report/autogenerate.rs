//! What autogenerate found and did not find, as JSON.

use serde_json::{Value, json};

use crate::model::autogenerate::{Operation, Rename, Unseen};

/// `[{"operation", "object", "detail"}]`.
pub fn operations_json(operations: &[Operation]) -> Value {
    let one = |operation: &Operation| json!({"operation": operation.operation, "object": operation.object(), "detail": operation.detail});
    operations.iter().map(one).collect()
}

/// `[{"table", "from", "to", "help"}]`; the table is null where it is a table itself that may be renamed.
pub fn renames_json(renames: &[Rename]) -> Value {
    let one = |rename: &Rename| json!({"table": rename.table, "from": rename.from, "to": rename.to, "help": rename.instead()});
    renames.iter().map(one).collect()
}

/// `[{"kind", "object", "models", "database", "help"}]`; a side is null where it has no such thing.
pub fn unseen_json(unseen: &[Unseen]) -> Value {
    let one = |one: &Unseen| {
        json!({
            "kind": one.kind.name(),
            "object": one.object(),
            "models": one.models,
            "database": one.database,
            "help": one.help(),
        })
    };
    unseen.iter().map(one).collect()
}
