//! What a run has found, before a report is made of it.

use super::resume::Log;
use crate::model::roundtrip::Verdict;
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::pg;
use crate::work::bystander::Touched;

pub struct Findings {
    pub baseline: String,
    /// The same without what differs from run to run and from machine to machine.
    pub origin: String,
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
        self.results.iter_mut().filter(passed).for_each(|result| doubt(result, by_nobody));
        self
    }
}

/// The same for the one result of `--watch`.
pub fn beside(mut result: RevisionResult, touched: &[Touched]) -> RevisionResult {
    result.notes.extend(touched.iter().map(Touched::words));
    match touched.iter().find(|it| !it.is_explained()) {
        Some(by_nobody) if result.verdict == Verdict::Reversible => doubt(&mut result, by_nobody),
        _ => {}
    }
    result
}

fn doubt(result: &mut RevisionResult, by_nobody: &Touched) {
    result.verdict = Verdict::Unproven;
    result.proof = None;
    result.reason = Some(format!("goes down and up again alike; but {}", by_nobody.words()));
}
