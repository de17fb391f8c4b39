//! Upgrades that fail for a reason outside the revision: the embedded server lacks what the real one has, or the history
//! does not begin with an empty database. That is no verdict on a revision.

use super::Walk;
use crate::cmd::db_roundtrip::explain;
use crate::cmd::db_roundtrip::sandbox::Failure;
use crate::model::action::{Action, own};
use crate::model::roundtrip::Point;
use crate::model::route::applied_set;
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
        // On the component's own server db-migrate fails just so.
        if trouble.is_lacking_on_server() && self.facts.database.embedded {
            return Some(self.lacking_on_server(&trouble.message));
        }
        let by_command = matches!(self.facts.component.baseline, Some(Declared::Command { .. }));
        let is_there = is_there_already(trouble);
        if is_there
            && !self.is_clone
            && let Some(below) = self.makes_all_of_the_models(id)
        {
            return Some(format!(
                "{below}, below it, makes tables of the models as they are today (create_all), so what this revision makes is \
                 there already ({}): this history does not run from an empty database",
                trouble.message
            ));
        }
        if by_command && is_there && self.facts.graph.parents(id).is_empty() {
            return Some(format!(
                "the baseline command has made what this revision makes ({}) and stamped no revision: it must stamp what it \
                 has made, or make only what no revision makes",
                trouble.message
            ));
        }
        let is_first = before.schema.objects().all(|(key, _)| key.kind != "table");
        let is_missing = trouble.sqlstate.as_deref().is_some_and(|code| NOT_THERE.contains(&code));
        (is_first && is_missing && !trouble.is_lacking_on_server() && !self.makes_tables(id)).then(|| {
            format!(
                "it needs what no revision makes before it ({}): this history does not begin with an empty database, but \
                 with tables that were made otherwise (create_all and `alembic stamp`); name a dump or the command that \
                 makes them in the settings (`dump`, `baseline`)",
                trouble.message
            )
        })
    }

    fn lacking_on_server(&self, message: &str) -> String {
        let why = format!("the embedded server lacks what it needs ({message}); on the real one");
        let real = own("db-roundtrip").of(&self.facts.component.name).flag("--server", "configured");
        self.ctx.ui.shown(Action::run(why, real))
    }

    /// The revision below this one whose script calls `create_all`, where one does.
    fn makes_all_of_the_models(&self, id: &str) -> Option<String> {
        let below = applied_set(&self.facts.graph, &[id.to_owned()]);
        let calls = |other: &&String| {
            let upgrade = explain::upgrade(self.ctx, self.facts, other);
            // Tables that the script itself spells out are the same ever after.
            let spells_out =
                explain::script(self.ctx, self.facts, other).is_some_and(|text| text.contains("MetaData("));
            !spells_out
                && upgrade.is_some_and(|upgrade| upgrade.calls.iter().any(|found| found.call.last() == "create_all"))
        };
        self.facts.route.order.iter().filter(|other| *other != id && below.contains(*other)).find(calls).cloned()
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

/// Whether an upgrade meets what it makes.
pub(super) fn is_there_already(trouble: &Trouble) -> bool {
    trouble.sqlstate.as_deref().is_some_and(|code| THERE_ALREADY.contains(&code))
}
