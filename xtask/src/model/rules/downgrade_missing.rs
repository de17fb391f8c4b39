//! DB401: a downgrade that does nothing while the upgrade does something.

use super::{Check, Level, Rule, Scene, Scope, Sink, Source};
use crate::model::script_body::{Found, Function, Kind, Subject};
use crate::model::sql::{Verb, mentions};

pub(super) const RULE: Rule = Rule {
    code: "DB401",
    name: "downgrade-missing",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB401.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Scene, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    let Some(upgrade) = body.upgrade.as_ref().filter(|upgrade| upgrade.kind == Kind::Works) else { return };
    let help = "Write the way back, or say that there is none: raise NotImplementedError(\"why\")";
    match &body.downgrade {
        None => {
            let message = "There is no downgrade(): going back fails with an AttributeError, and nobody meant it to";
            sink.at(&source.path, upgrade.line, message, help);
        }
        Some(downgrade) if downgrade.kind == Kind::Empty && is_structural(upgrade) => {
            let message = "downgrade() does nothing while upgrade() changes the structure: the database is then recorded \
                           as older than it is, and the next upgrade meets what is there already";
            sink.at(&source.path, downgrade.line, message, help);
        }
        // Rows that cannot be told apart from others are left as they are, by somebody who thought about it.
        Some(downgrade) if downgrade.kind == Kind::Empty && !downgrade.is_explained => {
            let message = "downgrade() does nothing while upgrade() changes rows, and does not say why: was it forgotten, \
                           or is there nothing to take back?";
            let help = "Write the way back, or a comment in downgrade() that says why the rows may stay; if it must not be \
                        taken back at all: raise NotImplementedError(\"why\")";
            sink.at(&source.path, downgrade.line, message, help);
        }
        Some(_) => {}
    }
}

/// Whether something in the schema is there or gone afterwards, whatever was before: `IF NOT EXISTS` and a look before
/// it are how a revision repairs what another one made, and a new value of an enumerated type stays in any case.
fn is_structural(function: &Function) -> bool {
    let is_sure = |found: &Found| !found.is_conditional && found.call.get("if_not_exists").is_none();
    let by_operation = function.operations().any(|(operation, found)| {
        !matches!(operation.subject, Subject::Rows | Subject::Sql)
            && !operation.name.ends_with("comment")
            && is_sure(found)
    });
    let by_sql = function.statements().any(|(statement, found)| {
        let makes = |verb: Verb| matches!(verb, Verb::Create | Verb::Drop);
        let is_making = makes(statement.verb) || statement.actions.iter().any(|action| makes(action.verb));
        is_making && is_sure(found) && !found.sql.as_ref().is_some_and(|sql| mentions(&sql.text, "exists"))
    });
    // A helper that looks first and returns leaves no mark on what follows it.
    let looks = function.calls.iter().any(|found| matches!(found.call.last(), "inspect" | "get_table_names"));
    (by_operation || by_sql) && !looks
}
