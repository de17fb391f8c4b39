//! What the journal of a merge holds: enough for another process to continue the merge or to take it back. The rebases
//! have journals of their own beside it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::fail::refuse;
use crate::flags::Merge;
use crate::model::action::{Around, Own, own};
use crate::report::steps::StepReport;
use crate::sys::git::Oid;
use crate::sys::journal::{self, Journal};
use crate::sys::saved::{text, texts};

/// The folder of the rebases that have ended, beside the journal.
pub const KEPT: &str = "rebases";

/// The command that continues a merge that stopped.
pub fn to_continue() -> Own {
    own("db-merge").word("--continue").of_no_component()
}

/// The command that takes it back.
pub fn to_abort() -> Own {
    own("db-merge").word("--abort").of_no_component()
}

/// The folder of the journal.
pub fn folder(ctx: &Ctx) -> Result<PathBuf> {
    Ok(journal::folder(&ctx.project()?.root, "db-merge"))
}

/// Refuses while a merge that stopped has not been continued or taken back.
///
/// # Errors
/// `already-running`.
pub fn check_nothing_pending(ctx: &Ctx) -> Result<()> {
    // If the project itself cannot be read, the command will say so.
    let Ok(folder) = folder(ctx) else { return Ok(()) };
    match Journal::pending(&folder).map_err(refuse)? {
        Some(journal) => Err(journal.unfinished().into()),
        None => Ok(()),
    }
}

/// What one process writes down about a merge for the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The flags of the command.
    pub flags: Merge,
    /// The one component, if one was named.
    pub component: Option<String>,
    /// The commit that is merged, if this command makes the merge.
    pub target: Option<Oid>,
    /// The commit of HEAD before the first step.
    pub head: Oid,
    /// The branch that was checked out.
    pub branch: Option<String>,
    /// Edited scripts that were put into the index, relative to the checkout.
    pub staged: Vec<PathBuf>,
    /// The databases that were migrated, or were about to be.
    pub migrated: Vec<Migrated>,
    /// The steps that were done.
    pub report: Vec<StepReport>,
    /// Whether taking back has begun; then it cannot be continued any more.
    pub is_taken_back: bool,
    /// Whether db-undo takes it back after its end: then its commit is removed, too.
    pub is_undone: bool,
    /// Components whose migration was taken back.
    pub unmigrated: Vec<String>,
}

/// A database on its way up.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrated {
    /// The component.
    pub component: String,
    /// Where its database is.
    pub place: String,
    /// What the version table held.
    pub start: Vec<String>,
    /// The revisions to apply, in order.
    pub steps: Vec<String>,
    /// The backup taken before, unless the rebase has an older one.
    pub backup: Option<PathBuf>,
    /// The transaction number of the database when the merge ended, if it has ended.
    pub end: Option<u64>,
}

impl Record {
    /// For the journal.
    pub fn to_json(&self, around: &Around) -> Value {
        let migrated = |it: &Migrated| {
            json!({
                "component": it.component, "place": it.place, "start": it.start, "steps": it.steps,
                "backup": it.backup.as_ref().map(|path| path.display().to_string()), "end": it.end,
            })
        };
        json!({
            "branch": self.flags.branch,
            "commit": self.flags.commit,
            "no-db": self.flags.no_db,
            "no-roundtrip": self.flags.no_roundtrip,
            "component": self.component,
            "target": self.target.as_ref().map(Oid::as_str),
            "head": self.head.as_str(),
            "checked-out": self.branch,
            "staged": self.staged.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "migrated": self.migrated.iter().map(migrated).collect::<Vec<_>>(),
            "report": self.report.iter().map(|step| step.to_json(around)).collect::<Vec<_>>(),
            "taken-back": self.is_taken_back,
            "undone": self.is_undone,
            "unmigrated": self.unmigrated,
        })
    }

    /// From the journal.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_json(value: &Value) -> Result<Record> {
        let is = |key: &str| value[key].as_bool().unwrap_or_default();
        let migrated = |it: &Value| -> Result<Migrated> {
            Ok(Migrated {
                component: text(&it["component"])?,
                place: text(&it["place"])?,
                start: texts(&it["start"])?,
                steps: texts(&it["steps"])?,
                backup: optional(&it["backup"]).map(PathBuf::from),
                end: it["end"].as_u64(),
            })
        };
        let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
        Ok(Record {
            flags: Merge {
                branch: optional(&value["branch"]),
                commit: is("commit"),
                no_db: is("no-db"),
                no_roundtrip: is("no-roundtrip"),
                svg: None,
            },
            component: optional(&value["component"]),
            target: value["target"].as_str().and_then(Oid::parse),
            head: Oid::parse(&text(&value["head"])?).context("`head` is no commit")?,
            branch: optional(&value["checked-out"]),
            staged: texts(&value["staged"])?.into_iter().map(PathBuf::from).collect(),
            migrated: list("migrated").iter().map(migrated).collect::<Result<_>>()?,
            report: list("report").iter().map(StepReport::from_json).collect::<Result<_>>()?,
            is_taken_back: is("taken-back"),
            is_undone: is("undone"),
            unmigrated: texts(&value["unmigrated"])?,
        })
    }
}

fn optional(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::Graph;
    use crate::model::roundtrip::Verdict;
    use crate::report::roundtrip::RevisionResult;
    use crate::report::steps::{ComponentReport, Outcome};

    #[test]
    fn what_is_written_is_read_back() {
        let graph = Graph::build(Vec::new()).unwrap();
        let part = ComponentReport {
            component: "manager".into(),
            outcome: Outcome::Skipped,
            seconds: 0.5,
            remark: "one head".into(),
            results: Some(vec![RevisionResult {
                taken_over: true,
                ..RevisionResult::new(&graph, "a", Verdict::Unproven)
            }]),
        };
        let report = StepReport {
            name: "db-rebase".into(),
            outcome: Outcome::Ok,
            seconds: 1.5,
            remark: String::new(),
            components: vec![part],
        };
        let record = Record {
            flags: Merge { branch: Some("main".into()), commit: true, no_db: false, no_roundtrip: true, svg: None },
            component: Some("manager".into()),
            target: Oid::parse(&"a".repeat(40)),
            head: Oid::parse(&"b".repeat(40)).unwrap(),
            branch: None,
            staged: vec!["v/a.py".into()],
            migrated: vec![Migrated {
                component: "manager".into(),
                place: "x on y".into(),
                start: vec!["p".into()],
                steps: vec!["a".into()],
                backup: Some("/b.dump".into()),
                end: Some(7),
            }],
            report: vec![report],
            is_taken_back: true,
            is_undone: true,
            unmigrated: vec!["manager".into()],
        };
        assert_eq!(Record::from_json(&record.to_json(&Around::default())).unwrap(), record);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(Record::from_json(&json!({})).is_err());
    }
}
