//! What a run has found, before a report is made of it.

use super::resume::Log;
use crate::model::roundtrip::Verdict;
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::pg;
use crate::work::bystander::Touched;

pub struct Findings {
    pub baseline: String,
    /// The same without the parts that differ from run to run and from machine to machine.
    pub origin: String,
    /// The cached baseline of the run, or why there is none; `None` for a clone.
    pub cache: Option<CacheUse>,
    pub server: String,
    /// Notes on the whole run.
    pub notes: Vec<String>,
    /// Newest first, each revision once.
    pub results: Vec<RevisionResult>,
    /// How to get at the scratch database, with `--keep`.
    pub kept: Option<pg::Kept>,
    /// Where the verdicts were written down, for a run that does not end.
    pub log: Option<Log>,
}

impl Findings {
    /// Adds that the component's own database was changed meanwhile. Where no other program is known to have changed
    /// it, a script may have done it, and no round trip has undone that: then nothing passes.
    pub fn beside(mut self, touched: &[Touched]) -> Findings {
        self.notes.extend(touched.iter().map(Touched::words));
        let Some(unexplained) = touched.iter().find(|it| !it.is_explained()) else { return self };
        let passed = |result: &&mut RevisionResult| result.verdict == Verdict::Reversible && !result.taken_over;
        self.results.iter_mut().filter(passed).for_each(|result| doubt(result, unexplained));
        self
    }
}

/// As [`Findings::beside`], for the one result of `--watch`.
pub fn beside(mut result: RevisionResult, touched: &[Touched]) -> RevisionResult {
    result.notes.extend(touched.iter().map(Touched::words));
    match touched.iter().find(|it| !it.is_explained()) {
        Some(unexplained) if result.verdict == Verdict::Reversible => doubt(&mut result, unexplained),
        _ => {}
    }
    result
}

fn doubt(result: &mut RevisionResult, unexplained: &Touched) {
    result.verdict = Verdict::Unproven;
    result.proof = None;
    result.reason = Some(format!("goes down and up again alike; but {}", unexplained.words()));
}
