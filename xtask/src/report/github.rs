//! Findings as GitHub's workflow commands, which it shows as annotations beside the line.

use crate::model::action::Around;
use crate::model::harmless::harmless;
use crate::model::rules::{Finding, Level};
use crate::report::findings::{help, shown};

/// A line for each finding; nothing for none.
pub fn annotations(findings: &[Finding], around: &Around) -> String {
    findings.iter().map(|finding| annotation(finding, around)).collect::<Vec<_>>().join("\n")
}

fn annotation(finding: &Finding, around: &Around) -> String {
    let command = if finding.severity == Level::Error { "error" } else { "warning" };
    let title = format!("{} {}", finding.code, finding.name);
    let message = format!("{}\n{}", finding.message, help(finding, around).join("\n"));
    format!(
        "::{command} file={},line={},title={}::{}",
        property(&shown(&finding.path)),
        finding.line,
        property(&title),
        data(&message)
    )
}

fn data(text: &str) -> String {
    harmless(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
