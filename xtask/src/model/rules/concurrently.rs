//! DB407: CONCURRENTLY inside of a transaction: PostgreSQL refuses it.

use super::body::functions;
use super::commits_itself::is_ended_before;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::Value;

pub(super) const RULE: Rule = Rule {
    code: "DB407",
    name: "concurrently-in-transaction",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB407.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let help = "Wrap it: with op.get_context().autocommit_block(): …; and drop there first what a failed build may have left: \
                DROP INDEX CONCURRENTLY IF EXISTS …";
    for (name, function) in functions(source) {
        let by_sql = function.statements().filter(|(statement, _)| statement.is_concurrent).map(|(_, found)| found);
        let is_set = |found: &&crate::model::script_body::Found| {
            found.operation.is_some() && found.call.get("postgresql_concurrently") == Some(&Value::Bool(true))
        };
        let all = by_sql.chain(function.calls.iter().filter(is_set));
        let all = all.filter(|found| !found.in_autocommit && !found.on_own_connection);
        for found in all.filter(|found| !is_ended_before(function, found)) {
            let message = format!(
                "CONCURRENTLY in {name}() without autocommit_block(): a migration runs in a transaction, and PostgreSQL \
                 refuses it there (ERROR: cannot run inside a transaction block)"
            );
            sink.at(&source.path, found.line, message, help);
        }
    }
}
