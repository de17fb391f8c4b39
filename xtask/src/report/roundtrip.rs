//! What a round trip has found, as values, and the forms of its report: JSON (`json.rs`), text (`text.rs`), JUnit XML
//! (`junit.rs`), one HTML page (`html.rs`). `saved.rs` reads the JSON again (`--resume`), `merge.rs` makes one report
//! of several.

mod html;
mod json;
mod junit;
mod merge;
mod run;
mod saved;
mod text;

#[cfg(test)]
mod tests;

use crate::fail::{Exit, Fail};
use crate::model::action::Action;
use crate::model::catalog::Change;
use crate::model::graph::Graph;
use crate::model::roundtrip::{Leg, Proof, Verdict};
use crate::model::rows::DataChange;
use crate::model::statement::Statement;
use crate::model::status::Revision;

pub use html::{Page, STYLE};
pub use merge::{Told, again, merged};
pub use run::Run;
pub use text::{Tone, rows as rows_lines};

/// What a run has found.
#[derive(Clone, Debug)]
pub struct Report {
    pub component: String,
    /// How the revisions were chosen, in words.
    pub revisions: String,
    /// How the database came to be, in words.
    pub baseline: String,
    /// What of the baseline is cached; `None` for a clone.
    pub cache: Option<CacheUse>,
    pub server: String,
    /// What is to be said of the whole run.
    pub notes: Vec<String>,
    /// Newest first, each revision once.
    pub results: Vec<RevisionResult>,
    /// How to get at the scratch database, with `--keep`.
    pub kept: Option<Kept>,
    /// Whether what could not be proven or looked at fails the run.
    pub strict: bool,
    /// What tells this run from others.
    pub run: Run,
}

/// What was found about one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionResult {
    pub revision: Revision,
    pub verdict: Verdict,
    /// What the state below the revision was compared with.
    pub proof: Option<Proof>,
    pub step: Option<Leg>,
    pub schema_changes: Vec<Change>,
    pub data_changes: Vec<DataChange>,
    /// What the upgrade makes of the schema, where that was compared.
    pub made: Option<Vec<Change>>,
    /// The statements of the steps that went through here, where they did.
    pub ran_up: Option<Vec<Statement>>,
    /// See `ran_up`.
    pub ran_down: Option<Vec<Statement>>,
    pub error: Option<Fail>,
    /// Why it failed, where the pattern is known.
    pub cause: Option<String>,
    /// Why it was skipped or is unproven, or what the script says of itself.
    pub reason: Option<String>,
    /// What would prove it.
    pub to_prove: Option<Action>,
    pub notes: Vec<String>,
    /// No table that it changes held a row.
    pub without_rows: bool,
    /// Where `pg_dump` does not say the same as we, a defect of this tool; `None` where it was not asked.
    pub second_opinion: Option<Vec<String>>,
    /// An earlier run has found it.
    pub taken_over: bool,
    /// Seconds of the downgrade.
    pub down: Option<f64>,
    /// Seconds of the upgrade that followed.
    pub up: Option<f64>,
}

/// The cached baseline of a run, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// `hit`, `stored` or `none`.
    pub state: &'static str,
    pub database: Option<String>,
    pub key: Option<String>,
    pub age_seconds: Option<u64>,
    pub bytes: Option<u64>,
    /// The parts of the key that are not those of the last one that was kept.
    pub changed: Vec<String>,
    /// Why the baseline is in no cache.
    pub why: Option<String>,
}

/// A scratch database that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub database: String,
    /// A command that connects to it.
    pub psql: String,
    /// A command that drops it.
    pub drop: String,
}

impl Report {
    /// How many revisions were put to the test.
    pub fn tested(&self) -> usize {
        self.results.iter().filter(|result| result.verdict.is_tested()).count()
    }

    /// The results that say that something is wrong with a revision.
    pub fn findings(&self) -> impl Iterator<Item = &RevisionResult> {
        self.results.iter().filter(|result| result.verdict.is_finding())
    }

    /// How many results have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.results.iter().filter(|result| result.verdict == verdict).count()
    }

    /// How many verdicts an earlier run has found.
    pub fn taken_over(&self) -> usize {
        self.results.iter().filter(|result| result.taken_over).count()
    }

    /// Findings, nothing tested at all, or `pg_dump` that says otherwise; with `--strict` also what could not be proven or looked at.
    pub fn exit(&self) -> Exit {
        let has_gap = self.results.iter().any(|result| result.verdict.is_gap());
        let contradicted =
            |result: &RevisionResult| result.second_opinion.as_ref().is_some_and(|says| !says.is_empty());
        let is_contradicted = self.results.iter().any(contradicted);
        let is_bad =
            self.findings().next().is_some() || self.tested() == 0 || (self.strict && has_gap) || is_contradicted;
        if is_bad { Exit::Findings } else { Exit::Done }
    }
}

impl RevisionResult {
    /// A result of which only the verdict is known.
    pub fn new(graph: &Graph, id: &str, verdict: Verdict) -> RevisionResult {
        RevisionResult {
            revision: Revision::of(graph, id),
            verdict,
            proof: None,
            step: None,
            schema_changes: Vec::new(),
            data_changes: Vec::new(),
            made: None,
            ran_up: None,
            ran_down: None,
            error: None,
            cause: None,
            reason: None,
            to_prove: None,
            notes: Vec::new(),
            without_rows: false,
            second_opinion: None,
            taken_over: false,
            down: None,
            up: None,
        }
    }

    /// The revision was not tested.
    pub fn skipped(graph: &Graph, id: &str, reason: String) -> RevisionResult {
        RevisionResult { reason: Some(reason), ..RevisionResult::new(graph, id, Verdict::Skipped) }
    }

    /// The verdict, with the step where there is one: `failed in the downgrade`.
    pub fn verdict_words(&self) -> String {
        match (self.verdict, self.step) {
            (Verdict::Failed, Some(step)) => format!("failed in the {}", step.name()),
            (verdict, Some(step)) if verdict.is_finding() => format!("{} after the {}", verdict.name(), step.name()),
            (verdict, _) => verdict.name().to_owned(),
        }
    }
}
