//! A round trip's report as files: JUnit XML for a CI system's page of tests, and one HTML page that needs nothing else.
//! Both are made from the JSON that `--json` prints, so they cannot say anything else.

mod html;
mod junit;

use serde_json::Value;

pub use html::page;
pub use junit::xml;

/// The findings of one result as lines of text: what differs, what failed, why.
fn lines(result: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| result[name].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let mut lines = Vec::new();
    for change in list("schema_changes") {
        lines.push(format!("{} {}", text(&change["change"]), text(&change["object"])));
        for (word, side) in [("before", &change["before"]), ("after", &change["after"])] {
            if let (Some(side), "changed") = (side.as_str(), text(&change["change"]).as_str()) {
                lines.extend(side.lines().map(|line| format!("  {word} {line}")));
            }
        }
        lines.extend(change["cause"].as_str().map(|cause| format!("  cause: {cause}")));
    }
    for change in list("data_changes") {
        let table = text(&change["table"]);
        if change["before_rows"] != change["after_rows"] {
            lines.push(format!("rows of {table}: {} -> {}", change["before_rows"], change["after_rows"]));
        }
        for column in change["columns_lost"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let (before, after) = (&column["before_values"], &column["after_values"]);
            let what = if before == after { "not the same ones" } else { "left" };
            lines.push(format!("values of {table}.{}: {before} -> {after} {what}", text(&column["column"])));
        }
    }
    let error = &result["error"];
    if error.is_object() {
        lines.push(format!("{} ({})", text(&error["summary"]), text(&error["kind"])));
        lines.extend(text(&error["details"]).lines().map(|line| format!("  {line}")));
    }
    lines.extend(result["cause"].as_str().map(|cause| format!("cause: {cause}")));
    lines.extend(result["reason"].as_str().map(str::to_owned));
    lines.extend(list("notes").map(|note| format!("note: {}", text(note))));
    lines
}

/// Whether a result is a defect.
fn is_finding(result: &Value) -> bool {
    matches!(result["verdict"].as_str(), Some("failed" | "schema-differs" | "data-lost"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> Value {
        json!({
            "component": "manager", "baseline": "empty", "server": "PostgreSQL 15", "revisions": "all",
            "tested": 2, "failed": 1,
            "results": [
                {"revision": "b2", "message": "a <b> & \"c\" \u{7}", "path": "b2.py", "verdict": "failed",
                 "step": "downgrade", "schema_changes": [], "data_changes": [], "cause": null, "reason": null,
                 "error": {"kind": "sql-error", "summary": "no", "details": "x < y"}, "notes": [],
                 "without_rows": false, "seconds": {"down": null, "up": null}},
                {"revision": "a1", "message": "", "path": null, "verdict": "irreversible", "step": null,
                 "schema_changes": [], "data_changes": [], "cause": null, "reason": "the keys are gone",
                 "error": null, "notes": [], "without_rows": true, "seconds": {"down": 0.5, "up": 0.25}},
            ],
        })
    }

    #[test]
    fn every_revision_is_a_case() {
        let xml = xml(&report());
        assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("name=\"b2 a &lt;b&gt; &amp; &quot;c&quot; \u{fffd}\""), "{xml}");
        assert!(xml.contains("<failure type=\"failed\" message=\"failed in the downgrade\">"), "{xml}");
        assert!(xml.contains("<skipped message=\"irreversible: the keys are gone\"/>"), "{xml}");
        assert!(xml.contains("time=\"0.750\""), "{xml}");
    }

    #[test]
    fn the_page_hides_nothing_and_executes_nothing() {
        let page = page(&report());
        for text in ["a &lt;b&gt; &amp;", "x &lt; y", "the keys are gone", "b2.py", "failed in the downgrade"] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
        assert!(!page.contains("<script") && !page.contains("http"), "{page}");
    }
}
