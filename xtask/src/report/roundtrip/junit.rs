//! JUnit XML: a test case for each revision. What the script declares irreversible and what could not be tested are
//! skipped cases, since neither passed.

use serde_json::Value;

use super::{is_finding, lines};
use crate::report::xml::escaped;

/// The whole document.
pub fn xml(report: &Value) -> String {
    let results = report["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failures = results.iter().filter(|result| is_finding(result)).count();
    let skipped = results.iter().filter(|result| is_skipped(result)).count();
    let time: f64 = results.iter().map(seconds).sum();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{time:.3}\"",
        results.len()
    );
    let component = escaped(report["component"].as_str().unwrap_or_default());
    let cases: String = results.iter().map(|result| case(&component, result)).collect();
    let counts_of_all = counts.replace(&format!(" skipped=\"{skipped}\""), "");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts_of_all}>\n  \
         <testsuite name=\"db-roundtrip {component}\" {counts}>\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(component: &str, result: &Value) -> String {
    let text = |name: &str| escaped(result[name].as_str().unwrap_or_default());
    let name = format!("{} {}", text("revision"), text("message"));
    let path = result["path"].as_str().map(|path| format!(" file=\"{}\"", escaped(path))).unwrap_or_default();
    let head = format!(
        "    <testcase classname=\"db-roundtrip.{component}\" name=\"{}\"{path} time=\"{:.3}\"",
        name.trim_end(),
        seconds(result)
    );
    let all = escaped(&lines(result).join("\n"));
    let body = if is_finding(result) {
        let message = match (result["verdict"].as_str(), result["step"].as_str()) {
            (Some("failed"), Some(step)) => format!("failed in the {step}"),
            (Some(verdict), Some(step)) => format!("{verdict} after the {step}"),
            (verdict, _) => verdict.unwrap_or_default().to_owned(),
        };
        format!("      <failure type=\"{}\" message=\"{message}\">{all}</failure>\n", text("verdict"))
    } else if is_skipped(result) {
        format!("      <skipped message=\"{}: {}\"/>\n", text("verdict"), text("reason"))
    } else if all.is_empty() {
        return format!("{head}/>\n");
    } else {
        format!("      <system-out>{all}</system-out>\n")
    };
    format!("{head}>\n{body}    </testcase>\n")
}

fn is_skipped(result: &Value) -> bool {
    matches!(result["verdict"].as_str(), Some("skipped" | "irreversible"))
}

fn seconds(result: &Value) -> f64 {
    let part = |name: &str| result["seconds"][name].as_f64().unwrap_or_default();
    part("down") + part("up")
}
