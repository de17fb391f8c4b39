//! The contract's JSON of a round trip.

use serde_json::{Value, json};

use super::{CacheUse, Kept, Report, RevisionResult};
use crate::model::action::Around;
use crate::model::catalog::{AttributeChange, Change};
use crate::model::roundtrip::Verdict;
use crate::report::json::{data_change, revision, schema_change};

impl Report {
    /// The fields of the contract's `db-roundtrip`.
    pub fn to_json(&self, around: &Around) -> Value {
        json!({
            "component": self.component,
            "revisions": self.revisions,
            "baseline": self.baseline,
            "cache": self.cache.as_ref().map(CacheUse::to_json),
            "server": self.server,
            "notes": self.notes,
            "results": self.results.iter().map(|result| result.to_json(around)).collect::<Value>(),
            "tested": self.tested(),
            "failed": self.findings().count(),
            "unproven": self.count(Verdict::Unproven),
            "taken_over": self.taken_over(),
            "kept": self.kept.as_ref().map(Kept::to_json),
            "run": self.run.to_json(self.strict),
        })
    }
}

impl RevisionResult {
    /// One of the contract's results; `saved.rs` reads it.
    pub fn to_json(&self, around: &Around) -> Value {
        let mut fields = revision(&self.revision);
        fields["verdict"] = json!(self.verdict.name());
        fields["proof"] = json!(self.proof.map(|proof| proof.name()));
        fields["step"] = json!(self.step.map(|step| step.name()));
        fields["schema_changes"] = self.schema_changes.iter().map(with_attributes).collect();
        fields["data_changes"] = self.data_changes.iter().map(data_change).collect();
        fields["error"] = self.error.as_ref().map_or(Value::Null, |fail| fail.to_json(around));
        fields["reason"] = json!(self.reason);
        fields["to_prove"] = json!(self.to_prove.as_ref().map(|action| action.text(around)));
        fields["cause"] = json!(self.cause);
        fields["notes"] = json!(self.notes);
        fields["without_rows"] = json!(self.without_rows);
        if let Some(says) = &self.second_opinion {
            fields["second_opinion"] = json!(says);
        }
        fields["taken_over"] = json!(self.taken_over);
        fields["seconds"] = json!({"down": self.down, "up": self.up});
        fields
    }
}

/// With its kind and its attributes each, so that it can be read again.
fn with_attributes(change: &Change) -> Value {
    let attribute = |it: &AttributeChange| json!([it.name, it.before, it.after]);
    let mut fields = schema_change(change);
    fields["kind"] = json!(change.kind);
    fields["attributes"] = change.attributes().iter().map(attribute).collect();
    fields
}

impl CacheUse {
    fn to_json(&self) -> Value {
        json!({
            "use": self.state,
            "database": self.database,
            "key": self.key,
            "age_seconds": self.age_seconds,
            "bytes": self.bytes,
            "changed": self.changed,
            "why": self.why,
        })
    }
}

impl Kept {
    fn to_json(&self) -> Value {
        json!({"database": self.database, "psql": self.psql, "drop": self.drop})
    }
}
