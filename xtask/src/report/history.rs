//! The history as the contract's JSON.

use serde_json::{Value, json};

use crate::model::graph::Graph;
use crate::report::drawing::Known;

/// `"revisions"`, newest first, `"heads"`, `"bases"`; what git and the database said of them besides.
pub fn to_json(graph: &Graph, ids: &[&str], known: &Known) -> Value {
    let one = |id: &&str| {
        let script = graph.get(id);
        let added = known.added.get(*id);
        json!({
            "revision": id,
            "down_revisions": graph.parents(id),
            "depends_on": script.map(|script| script.depends_on.clone()).unwrap_or_default(),
            "branch_labels": graph.labels(id),
            "message": script.map(|script| script.message.clone()),
            "path": script.map(|script| script.path.display().to_string()),
            "is_head": graph.is_head(id),
            "is_base": graph.is_base(id),
            "is_branch_point": graph.is_branch_point(id),
            "is_merge_point": graph.is_merge_point(id),
            "is_current": known.current.as_ref().map(|current| current.iter().any(|row| row == id)),
            "is_own": known.own.as_ref().map(|own| own.contains(*id)),
            "author": added.map(|(author, _)| author),
            "date": added.map(|(_, date)| date),
        })
    };
    json!({
        "revisions": ids.iter().map(one).collect::<Vec<_>>(),
        "heads": graph.heads(),
        "bases": graph.bases(),
        "current": known.current,
    })
}
