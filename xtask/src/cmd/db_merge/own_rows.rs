//! Whether a round trip has lost nothing but the rows in what the tested revisions make themselves. Since a rebase leaves
//! those rows where they are, the copy that is tested has them too, and a downgrade that drops its own table cannot keep
//! them: that says nothing against the revision.

use std::path::Path;

use serde_json::Value;

use crate::model::script_body::{self, made};
use crate::sys::files::read_script;

/// Looks at a round trip's results, as they stand in its JSON; `root` is the project's.
pub fn are_all_that_went(root: &Path, results: &Value) -> bool {
    let results = results.as_array().map(Vec::as_slice).unwrap_or_default();
    let findings = results.iter().filter(|it| {
        !["reversible", "irreversible", "unproven", "skipped"].iter().any(|verdict| it["verdict"] == *verdict)
    });
    let mut findings = findings.peekable();
    findings.peek().is_some() && findings.all(|it| is_own(root, it))
}

fn is_own(root: &Path, result: &Value) -> bool {
    let Some(path) = result["path"].as_str().map(Path::new) else { return false };
    let body = read_script(&root.join(path)).ok().and_then(|text| script_body::read(path, &text).ok());
    let upgrade = body.and_then(|body| body.upgrade).unwrap_or_default();
    let names: Vec<String> = made(&upgrade).into_iter().filter_map(|made| made.name).collect();
    let is_made = |name: &str| names.iter().any(|made| made == name.trim_matches('"'));
    let bare = |name: &Value| name.as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default().to_owned();
    let changes = result["data_changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own_change = |change: &Value| {
        let columns = change["columns_lost"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows_gone = change["after_rows"].as_u64() < change["before_rows"].as_u64();
        let columns_own = !columns.is_empty() && columns.iter().all(|it| is_made(&bare(&it["column"])));
        is_made(&bare(&change["table"])) || (!rows_gone && columns_own)
    };
    result["verdict"] == "data-lost" && !changes.is_empty() && changes.iter().all(own_change)
}
