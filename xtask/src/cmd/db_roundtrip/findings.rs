//! What a run has found, before a report is made of it.

use super::resume::Log;
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::pg;

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
