//! DB401: a downgrade that does nothing while the upgrade does something.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::graph::Links;
use crate::model::script_body::{Body, Found, Function, Kind, Subject};
use crate::model::sql::{Action, Object, Verb, mentions};
use crate::model::twins::{self, changes};

pub(super) const RULE: Rule = Rule {
    code: "DB401",
    name: "downgrade-missing",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB401.md"),
    check: Check::Each(check),
};

const HELP: &str = "Write the way back, or say that there is none: raise NotImplementedError(\"why\")";

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    let Some(upgrade) = body.upgrade.as_ref().filter(|upgrade| upgrade.kind == Kind::Works) else { return };
    match &body.downgrade {
        None => {
            let message = "There is no downgrade(): going back fails with an AttributeError, and nobody meant it to";
            sink.at(&source.path, upgrade.line, message, HELP);
        }
        Some(downgrade) if downgrade.kind == Kind::Empty => {
            if !is_taken_back_by_a_twin(source, context) {
                empty(source, upgrade, downgrade, sink);
            }
        }
        Some(_) => {}
    }
}

fn empty(source: &Source, upgrade: &Function, downgrade: &Function, sink: &mut Sink<'_>) {
    if is_structural(upgrade) {
        let message = "downgrade() does nothing while upgrade() changes the structure: the database is then recorded as \
                       older than it is, and the next upgrade meets what is there already";
        sink.at(&source.path, downgrade.line, message, HELP);
        return;
    }
    // What cannot be told apart from what was there before is left as it is, by somebody who thought about it.
    let changes = changes(upgrade);
    let is_repair = !changes.is_partial && !changes.all.is_empty() && !changes.all.iter().any(|change| change.is_rows);
    let is_foreign = upgrade.is_partly_foreign && changes.all.is_empty() && !changes.is_partial;
    if downgrade.is_explained || is_repair || is_foreign {
        return;
    }
    let does = if changes.all.iter().any(|change| change.is_rows) { "changes rows" } else { "does something" };
    let message = format!(
        "downgrade() does nothing while upgrade() {does}, and does not say why: was it forgotten, or is there nothing to \
         take back?"
    );
    let help = "Write the way back, or a comment in downgrade() that says why what was done may stay; if it must not be \
                taken back at all: raise NotImplementedError(\"why\")";
    sink.at(&source.path, downgrade.line, message, help);
}

/// Whether the revision is the guarded half of a pair: what it does is the other one's to take back.
fn is_taken_back_by_a_twin(source: &Source, context: &Context) -> bool {
    let Some(own) = context.revision(source).filter(|own| twins::unguarded(own.body).is_none()) else { return false };
    let Ok(graph) = &context.graph else { return false };
    let goes_back = |body: &Body| body.downgrade.as_ref().is_some_and(|downgrade| downgrade.kind != Kind::Empty);
    let others = context.like(&own).filter(|other| other.path != source.path);
    let others: Vec<_> =
        others.filter_map(|other| context.revision(other)).filter(|other| goes_back(other.body)).collect();
    if others.is_empty() {
        return false;
    }
    let below = graph.ancestors(&[own.script.id.as_str()], Links::Parents);
    twins::twin(&own, others.into_iter().filter(|other| below.contains(&other.script.id.as_str()))).is_some()
}

/// Whether an object of the schema certainly exists, or is gone, afterwards. With `IF NOT EXISTS`, or a check before
/// it, a revision repairs what another one made; a new value of an enumerated type stays in any case.
fn is_structural(function: &Function) -> bool {
    let is_sure = |found: &Found| !found.is_conditional && found.call.get("if_not_exists").is_none();
    let by_operation = function.operations().any(|(operation, found)| {
        !matches!(operation.subject, Subject::Rows | Subject::Sql)
            && !operation.name.ends_with("comment")
            && is_sure(found)
    });
    let by_sql = function.statements().any(|(statement, found)| {
        let makes = |verb: Verb| matches!(verb, Verb::Create | Verb::Drop | Verb::Rename);
        // A type, a default, NOT NULL.
        let alters = |action: &Action| action.verb == Verb::Alter && action.object == Object::Column;
        let is_making = matches!(statement.verb, Verb::Create | Verb::Drop)
            || statement.actions.iter().any(|action| makes(action.verb) || alters(action));
        is_making && is_sure(found) && !found.sql.as_ref().is_some_and(|sql| mentions(&sql.text, "exists"))
    });
    // A helper that looks first and returns leaves no mark on what follows it.
    let looks = function.calls.iter().any(|found| matches!(found.call.last(), "inspect" | "get_table_names"));
    (by_operation || by_sql) && !looks
}
