//! Upgrades that fail for a reason outside the revision: the embedded server lacks what the real one has, or the history
//! does not begin with an empty database. That is no verdict on a revision.

use super::Walk;
use crate::cmd::db_roundtrip::explain;
use crate::cmd::db_roundtrip::sandbox::Failure;
use crate::model::action::{Action, own};
use crate::model::roundtrip::Point;
use crate::model::script_body::Found;
use crate::model::sql::{self, Object, Verb};
use crate::sys::alembic::Trouble;
use crate::sys::project::Baseline as Declared;

/// PostgreSQL's codes for a table, column, type, function or schema that is not there.
const NOT_THERE: [&str; 5] = ["42P01", "42703", "42704", "42883", "3F000"];
/// PostgreSQL's codes for one that is there already.
const THERE_ALREADY: [&str; 4] = ["42P07", "42701", "42710", "42723"];

impl Walk<'_, '_> {
    /// The reason outside the revision, if it is one. `before` is the database before the upgrade.
    pub(super) fn outside_cause(&self, id: &str, failure: &Failure, before: &Point) -> Option<String> {
        let trouble = &failure.trouble;
        if self.facts.database.embedded && is_lacking(trouble) {
            let why = format!("the embedded server lacks what it needs ({}); on the real one", trouble.message);
            let real = own("db-roundtrip").of(&self.facts.component.name).flag("--server", "configured");
            return Some(self.ctx.ui.shown(Action::run(why, real)));
        }
        let by_command = matches!(self.facts.component.baseline, Some(Declared::Command { .. }));
        let is_there = trouble.sqlstate.as_deref().is_some_and(|code| THERE_ALREADY.contains(&code));
        if by_command && is_there && self.facts.graph.parents(id).is_empty() {
            return Some(format!(
                "the baseline command has made what this revision makes ({}) and stamped no revision: it must stamp what it \
                 has made, or make only what no revision makes",
                trouble.message
            ));
        }
        let is_first = before.schema.objects().all(|(key, _)| key.kind != "table");
        let is_missing = trouble.sqlstate.as_deref().is_some_and(|code| NOT_THERE.contains(&code));
        (is_first && is_missing && !self.makes_tables(id)).then(|| {
            format!(
                "it needs what no revision makes before it ({}): this history does not begin with an empty database, but \
                 with tables that were made otherwise (create_all and `alembic stamp`); name a dump or the command that \
                 makes them in the settings (`dump`, `baseline`)",
                trouble.message
            )
        })
    }

    /// Whether a first revision makes tables itself: then what it lacks is a defect of its own.
    fn makes_tables(&self, id: &str) -> bool {
        let by_sql =
            |text: &str| sql::statements(text).iter().any(|it| it.verb == Verb::Create && it.object == Object::Table);
        let makes = |found: &Found| {
            found.operation.as_ref().is_some_and(|operation| operation.name == "create_table")
                || matches!(found.call.last(), "create" | "create_all")
                || found.sql.as_ref().is_some_and(|text| by_sql(&text.text))
        };
        explain::upgrade(self.ctx, self.facts, id).is_none_or(|upgrade| upgrade.calls.iter().any(makes))
    }
}

/// An extension that is not installed, or a role that the project's own server has.
fn is_lacking(trouble: &Trouble) -> bool {
    let message = trouble.message.as_str();
    match trouble.sqlstate.as_deref() {
        Some("0A000" | "58P01" | "58000") => message.contains("extension"),
        Some("42704") => message.starts_with("role "),
        _ => false,
    }
}
