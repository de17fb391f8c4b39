//! DB413: an `autocommit_block()` behind other operations: it commits them.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Found, Function};
use crate::model::sql::Verb;

pub(super) const RULE: Rule = Rule {
    code: "DB413",
    name: "autocommit-after-operations",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB413.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        if let Some((before, block)) = late(function) {
            let message = format!(
                "autocommit_block() in {name}() stands behind other work (line {}): it commits that first, so a failure here \
                 leaves half of the revision done, and the next try meets it",
                before.line
            );
            let help = "Put what needs autocommit into a revision of its own, or at the very top of this one";
            sink.at(&source.path, block.line, message, help);
        }
    }
}

/// The first call in an autocommit block that has a change above it outside of one.
fn late(function: &Function) -> Option<(&Found, &Found)> {
    let is_outside = |found: &&Found| !found.in_autocommit && !found.on_own_connection;
    let before = function.calls.iter().find(|found| is_outside(found) && changes(found))?;
    let block =
        function.calls.iter().skip_while(|found| !std::ptr::eq(*found, before)).find(|found| found.in_autocommit)?;
    Some((before, block))
}

fn changes(found: &Found) -> bool {
    let reads = |sql: &str| {
        let statements = crate::model::sql::statements(sql);
        statements.iter().all(|statement| statement.verb == Verb::Select)
            || crate::model::sql::leading_words(sql)
                .iter()
                .all(|words| matches!(words[0].as_str(), "select" | "set" | "show"))
    };
    match (&found.operation, &found.sql) {
        (_, Some(sql)) => !reads(&sql.text),
        (Some(_), None) => true,
        (None, None) => false,
    }
}
