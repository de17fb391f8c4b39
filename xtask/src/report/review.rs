//! What a branch's revisions do, as values. `parts.rs` makes the parts of a page of them; `markdown.rs` writes these as
//! a comment, `html.rs` as a page. Both say the same, but for what a comment has no room for.

mod html;
mod markdown;
mod parts;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::fail::Exit;
use crate::model::action::{Action, Around};
use crate::model::roundtrip::Verdict;
use crate::model::rules::{Finding, Level};
use crate::model::statement::{Effect, Lock, Statement, Touched};
use crate::model::status::Revision;
use crate::report::drawing::Drawing;
use crate::report::findings;
use crate::report::json::{revision, schema_change};
use crate::report::roundtrip::{Report, RevisionResult};

/// Everything that is said of a branch.
#[derive(Clone, Debug)]
pub struct Review {
    pub component: String,
    /// From the checkout to the project: whoever reads a pull request sees files from there.
    pub from_checkout: PathBuf,
    /// What the branch is compared with, as it was named.
    pub base: String,
    /// Name and value: date, branch, commit, versions.
    pub about: Vec<(&'static str, String)>,
    /// Newest first.
    pub revisions: Vec<Reviewed>,
    /// The round trip of these; `None` where there is none to test.
    pub report: Option<Report>,
    /// What `db-check --base` found, each with its line of text.
    pub findings: Vec<(Finding, String)>,
    /// The history as it is and as it will be, each with its heading.
    pub histories: Vec<(String, Drawing)>,
    /// What is to be said of the history after the merge: why it is not drawn, or its several heads.
    pub after_merge: Option<String>,
    /// Whether there are several heads after the merge.
    pub diverges: bool,
    /// The commands that repeat it.
    pub repeat: Vec<Action>,
}

/// A revision that the branch adds.
#[derive(Clone, Debug)]
pub struct Reviewed {
    pub revision: Revision,
    pub parents: Vec<String>,
    /// `None` where the round trip has nothing of it.
    pub result: Option<RevisionResult>,
}

impl Review {
    /// A revision that failed, a finding that is an error, several heads after the merge; where nothing may stay open also what was not proven.
    pub fn exit(&self) -> Exit {
        let is_bad = |report: &Report| report.exit() == Exit::Findings;
        let has_error = self.findings.iter().any(|(finding, _)| finding.severity == Level::Error);
        if has_error || self.diverges || self.report.as_ref().is_some_and(is_bad) { Exit::Findings } else { Exit::Done }
    }

    /// In a sentence, what came of it.
    pub fn summary(&self) -> String {
        let found: Vec<Finding> = self.findings.iter().map(|(finding, _)| finding.clone()).collect();
        let checked = format!("db-check found {}.", findings::count(&found));
        let heads = if self.diverges { " After the merge there are several heads." } else { "" };
        match &self.report {
            None => format!("The branch adds no revision of {} to {}. {checked}{heads}", self.component, self.base),
            Some(report) => format!("{} {checked}{heads}", report.summary()),
        }
    }

    /// The fields of the contract's `db-review`.
    pub fn to_json(&self, around: &Around) -> Value {
        let findings: Vec<Finding> = self.findings.iter().map(|(finding, _)| finding.clone()).collect();
        json!({
            "component": self.component,
            "base": self.base,
            "diverges": self.diverges,
            "revisions": self.revisions.iter().map(|one| one.to_json(around)).collect::<Vec<_>>(),
            "findings": findings::to_json(&findings, around),
        })
    }
}

impl Reviewed {
    fn to_json(&self, around: &Around) -> Value {
        let result = self.result.as_ref();
        let mut fields = result.map_or_else(|| revision(&self.revision), |result| result.to_json(around));
        fields["parents"] = json!(self.parents);
        let made = result.and_then(|result| result.made.as_ref());
        fields["upgrade_makes"] = json!(made.map(|made| made.iter().map(schema_change).collect::<Vec<_>>()));
        let up = result.and_then(|result| result.ran_up.as_deref());
        let down = result.and_then(|result| result.ran_down.as_deref());
        let texts = |all: &[Statement]| all.iter().map(|statement| statement.sql.clone()).collect::<Vec<_>>();
        fields["sql"] = json!({"up": up.map(texts), "down": down.map(texts)});
        fields["effects"] = json!({"up": up.map(effects), "down": down.map(effects)});
        fields
    }

    /// The verdict with its sign, as in the terminal.
    fn verdict(&self) -> String {
        let Some(result) = &self.result else { return "⚠️ not tested".to_owned() };
        let sign = match result.verdict {
            Verdict::Reversible => "✅",
            verdict if verdict.is_finding() => "❌",
            _ => "⚠️",
        };
        let bare = if result.without_rows { " (no rows in the tables it touches)" } else { "" };
        format!("{sign} {}{bare}", result.verdict_words())
    }

    /// How it was proven, or that it was not.
    fn proof(&self) -> String {
        match self.result.as_ref().and_then(|result| result.proof) {
            Some(proof) => proof.name().to_owned(),
            None => "not proven".to_owned(),
        }
    }
}

/// What the statements of a step did to tables.
fn effects(statements: &[Statement]) -> Value {
    let all = Effect::of_all(statements);
    let rows = |it: &Touched| json!({"table": it.table, "inserted": it.inserted, "updated": it.updated, "deleted": it.deleted});
    let lock = |it: &Lock| json!({"table": it.table, "mode": it.mode.name(), "seconds": it.held});
    json!({
        "rows": all.rows.iter().map(rows).collect::<Vec<_>>(),
        "locks": all.locks.iter().map(lock).collect::<Vec<_>>(),
        "rewritten": all.rewritten,
        "unseen": Statement::unseen(statements),
    })
}
