//! Findings as SARIF 2.1.0, the format of code scanning services.

use serde_json::{Value, json};

use crate::model::action::Around;
use crate::model::rules::{Finding, Level, Rule};
use crate::report::findings::{help, shown};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The whole log, with all rules in it.
pub fn log(findings: &[Finding], rules: &[&Rule], around: &Around) -> String {
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, rules, around)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "xtask db-check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "the root of the checkout"}}},
            "results": results,
        }],
    });
    format!("{log:#}")
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": title(rule)},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"enabled": rule.level != Level::Off, "level": level(rule.level)},
    })
}

/// The sentence under the page's heading.
fn title(rule: &Rule) -> &str {
    rule.page.lines().skip(1).find(|line| !line.trim().is_empty()).unwrap_or(rule.name)
}

fn result(finding: &Finding, rules: &[&Rule], around: &Around) -> Value {
    let index = rules.iter().position(|rule| rule.code == finding.code);
    let place = json!({
        "artifactLocation": {"uri": uri(&shown(&finding.path)), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": finding.line.max(1)},
    });
    json!({
        "ruleId": finding.code,
        "ruleIndex": index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1),
        "level": level(finding.severity),
        "message": {"text": format!("{}. {}", finding.message, help(finding, around).join("\n"))},
        "locations": [{"physicalLocation": place}],
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Off => "none",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// A path as a relative URI.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
