//! What `db-check` found, for people and as the contract's JSON. The other formats have files of their own.

use std::path::Path;

use serde_json::{Value, json};

use crate::model::action::Around;
use crate::model::harmless::{harmless, on_a_line};
use crate::model::rules::{Finding, Level};
use crate::report::table::cut;

/// How much of a script's line is shown.
const LINE: usize = 300;

/// `[{"code", "name", "severity", "path", "line", "message", "help"}]`.
pub fn to_json(findings: &[Finding], around: &Around) -> Value {
    let one = |finding: &Finding| {
        json!({
            "code": finding.code,
            "name": finding.name,
            "severity": finding.severity.name(),
            "path": shown(&finding.path),
            "line": finding.line,
            "message": finding.message,
            "help": help(finding, around).join("\n"),
        })
    };
    findings.iter().map(one).collect()
}

/// What to do about a finding: a line each, a command at its end.
pub fn help(finding: &Finding, around: &Around) -> Vec<String> {
    finding.help.iter().map(|action| action.text(around)).collect()
}

/// One finding as a compiler would put it; `paint` gives the first word its colour, `line` is the script's text there.
pub fn to_text(finding: &Finding, line: &str, around: &Around, paint: impl Fn(Level, &str) -> String) -> String {
    let head = paint(finding.severity, &format!("{}[{}]", finding.severity.name(), finding.code));
    let mut text = format!("{head} {}: {}\n", finding.name, on_a_line(&finding.message));
    text.push_str(&format!("  --> {}:{}\n", on_a_line(&shown(&finding.path)), finding.line));
    if !line.trim().is_empty() {
        text.push_str(&format!("   | {}\n", cut(&harmless(line.trim_end()), Some(LINE))));
    }
    let help = help(finding, around).into_iter().map(|line| format!("  help: {line}"));
    text + &help.collect::<Vec<_>>().join("\n")
}

/// `2 errors, 1 warning`.
pub fn count(findings: &[Finding]) -> String {
    let of = |level: Level| findings.iter().filter(|finding| finding.severity == level).count();
    let words = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    };
    let parts = [words(of(Level::Error), "error"), words(of(Level::Warning), "warning")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// A path with slashes, as every format wants it.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
