//! Findings as JUnit XML: a test case for each rule and, where it found something, for each finding. Only errors are
//! failures; a warning is a passed case with its text, since a check with warnings passes.

use crate::model::action::Around;
use crate::model::rules::{Finding, Level, Rule};
use crate::report::findings::{help, shown};
use crate::report::xml::escaped;

/// The whole document.
pub fn report(findings: &[Finding], rules: &[&Rule], around: &Around) -> String {
    let failed = findings.iter().filter(|finding| finding.severity == Level::Error).count();
    let silent = rules.iter().filter(|rule| !findings.iter().any(|finding| finding.code == rule.code));
    let silent: Vec<String> = silent.map(|rule| passed(rule)).collect();
    let counts = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\"", silent.len() + findings.len());
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    xml.push_str(&format!("<testsuites {counts}>\n  <testsuite name=\"db-check\" {counts} skipped=\"0\">\n"));
    findings.iter().for_each(|finding| xml.push_str(&case(finding, around)));
    xml.push_str(&silent.concat());
    xml.push_str("  </testsuite>\n</testsuites>");
    xml
}

fn passed(rule: &Rule) -> String {
    format!("    <testcase classname=\"db-check.{}\" name=\"{}\"/>\n", rule.code, escaped(rule.name))
}

fn case(finding: &Finding, around: &Around) -> String {
    let path = shown(&finding.path);
    let head = format!(
        "    <testcase classname=\"db-check.{}\" name=\"{}\" file=\"{}\" line=\"{}\">\n",
        finding.code,
        escaped(&format!("{} {path}:{}", finding.name, finding.line)),
        escaped(&path),
        finding.line
    );
    let text = format!("{path}:{}: {}\nhelp: {}", finding.line, finding.message, help(finding, around).join("\n"));
    let body = match finding.severity {
        Level::Error => format!(
            "      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
            finding.code,
            escaped(&finding.message),
            escaped(&text)
        ),
        _ => format!("      <system-out>{}</system-out>\n", escaped(&text)),
    };
    format!("{head}{body}    </testcase>\n")
}
