//! DB415: `CREATE INDEX CONCURRENTLY IF NOT EXISTS`: a broken index counts as made.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Found, Function, Value};
use crate::model::sql::{Object, Verb};

pub(super) const RULE: Rule = Rule {
    code: "DB415",
    name: "concurrently-if-not-exists",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB415.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        for (index, found) in made(function) {
            if is_dropped_before(function, &index, found) {
                continue;
            }
            let message = format!(
                "CREATE INDEX CONCURRENTLY IF NOT EXISTS in {name}(): when the build fails it leaves {index} INVALID, and the \
                 next try takes that for the index; a unique one is then enforced by nobody"
            );
            let help =
                format!("Take away first what a failed build may have left: DROP INDEX CONCURRENTLY IF EXISTS {index}");
            sink.at(&source.path, found.line, message, help);
        }
    }
}

fn made(function: &Function) -> Vec<(String, &Found)> {
    let is_on = |found: &Found, name: &str| found.call.get(name) == Some(&Value::Bool(true));
    let by_operation = function.operations().filter(|(operation, found)| {
        operation.name == "create_index" && is_on(found, "postgresql_concurrently") && is_on(found, "if_not_exists")
    });
    let by_sql = function.statements().filter(|(statement, _)| {
        let makes = statement.verb == Verb::Create && statement.object == Object::Index;
        makes && statement.is_concurrent && statement.is_if_missing
    });
    let name = |text: Option<&str>| text.unwrap_or("the index").to_owned();
    let by_operation = by_operation.map(|(operation, found)| (name(operation.object()), found));
    by_operation.chain(by_sql.map(|(statement, found)| (statement.name, found))).collect()
}

fn is_dropped_before(function: &Function, index: &str, made: &Found) -> bool {
    let before = function.calls.iter().take_while(|found| !std::ptr::eq(*found, made));
    before.into_iter().any(|found| {
        let by_operation =
            found.operation.as_ref().is_some_and(|it| it.name == "drop_index" && it.object() == Some(index));
        let drops = |sql: &str| sql.to_lowercase().contains("drop index") && crate::model::sql::mentions(sql, index);
        by_operation || found.sql.as_ref().is_some_and(|sql| drops(&sql.text))
    })
}
