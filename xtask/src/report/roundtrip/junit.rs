//! JUnit XML: a test case for each revision. A case that passed says how it was proven. Revisions that are unproven,
//! declared irreversible by their script or could not be tested are skipped cases, since none of them passed.

use std::path::Path;

use super::{Report, RevisionResult};
use crate::model::action::Around;
use crate::model::roundtrip::Verdict;
use crate::report::xml::escaped;

impl Report {
    /// The whole JUnit document; its files are named from the checkout's root, in which the project is at `project`.
    pub fn junit(&self, around: &Around, project: &Path) -> String {
        let failures = self.results.iter().filter(|result| self.is_failure(result)).count();
        let skipped = self.results.iter().filter(|result| !self.is_failure(result) && is_skipped(result)).count();
        let time: f64 = self.results.iter().map(seconds).sum();
        let all = self.results.len();
        let component = escaped(&self.component);
        let cases: String = self.results.iter().map(|result| self.case(around, project, &component, result)).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites tests=\"{all}\" failures=\"{failures}\" errors=\"0\" time=\"{time:.3}\">\n  \
             <testsuite name=\"db-roundtrip {component}\" tests=\"{all}\" failures=\"{failures}\" errors=\"0\" \
             skipped=\"{skipped}\" time=\"{time:.3}\">\n{cases}  </testsuite>\n</testsuites>\n"
        )
    }

    /// With `--strict`, what is not proven does not pass.
    fn is_failure(&self, result: &RevisionResult) -> bool {
        result.verdict.is_finding() || (self.strict && result.verdict.is_gap())
    }

    fn case(&self, around: &Around, project: &Path, component: &str, result: &RevisionResult) -> String {
        let name = format!("{} {}", result.revision.id, result.revision.title());
        let path = result.revision.path.as_ref();
        let path = path
            .map(|path| format!(" file=\"{}\"", escaped(&project.join(path).display().to_string())))
            .unwrap_or_default();
        let head = format!(
            "    <testcase classname=\"db-roundtrip.{component}\" name=\"{}\"{path} time=\"{:.3}\"",
            escaped(name.trim_end()),
            seconds(result)
        );
        let proof = result.proof.map(|proof| format!("proof: {}", proof.name()));
        let all = escaped(&proof.into_iter().chain(result.lines(around)).collect::<Vec<_>>().join("\n"));
        let (verdict, words) = (result.verdict.name(), escaped(&result.verdict_words()));
        let body = if self.is_failure(result) {
            format!("      <failure type=\"{verdict}\" message=\"{words}\">{all}</failure>\n")
        } else if is_skipped(result) {
            let reason = escaped(result.reason.as_deref().unwrap_or_default());
            format!("      <skipped message=\"{verdict}: {reason}\"/>\n")
        } else if all.is_empty() {
            return format!("{head}/>\n");
        } else {
            format!("      <system-out>{all}</system-out>\n")
        };
        format!("{head}>\n{body}    </testcase>\n")
    }
}

fn is_skipped(result: &RevisionResult) -> bool {
    matches!(result.verdict, Verdict::Skipped | Verdict::Irreversible | Verdict::Unproven)
}

fn seconds(result: &RevisionResult) -> f64 {
    result.down.unwrap_or_default() + result.up.unwrap_or_default()
}
