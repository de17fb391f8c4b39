//! What a run has found, before a report is made of it.

use super::resume::Log;
use crate::model::roundtrip::Verdict;
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::pg;
use crate::work::bystander::Touched;

pub struct Findings {
    pub baseline: String,
    /// What of the baseline is cached; `None` for a clone.
    pub cache: Option<CacheUse>,
    pub server: String,
    /// What is to be said of the whole run.
    pub notes: Vec<String>,
    /// Newest first, each revision once.
    pub results: Vec<RevisionResult>,
    /// How to get at the scratch database, with `--keep`.
    pub kept: Option<pg::Kept>,
    /// Where the verdicts were written down, in case that the run does not come to its end.
    pub log: Option<Log>,
}

impl Findings {
    /// The same where the component's own database was touched meanwhile. What is not known to be somebody else's work may
    /// be a script's, and then a round trip has not undone it: no pass.
    pub fn beside(mut self, touched: &[Touched]) -> Findings {
        self.notes.extend(touched.iter().map(Touched::words));
        let Some(by_nobody) = touched.iter().find(|it| !it.is_explained()) else { return self };
        let passed = |result: &&mut RevisionResult| result.verdict == Verdict::Reversible && !result.taken_over;
        for result in self.results.iter_mut().filter(passed) {
            result.verdict = Verdict::Unproven;
            result.proof = None;
            result.reason = Some(format!("goes down and up again alike; but {}", by_nobody.words()));
        }
        self
    }
}
