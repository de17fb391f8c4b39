//! DB416: `op.drop_constraint(None, …)`: what has no name cannot be dropped.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Call, Value};

pub(super) const RULE: Rule = Rule {
    code: "DB416",
    name: "drops-unnamed",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB416.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        for (operation, found) in function.operations().filter(|(_, found)| is_unnamed(&found.call)) {
            let message = format!(
                "{name}() calls {}(None): Alembic cannot drop what has no name, so this fails whenever it is run",
                operation.name
            );
            let table = operation.table().unwrap_or("TABLE");
            let help = format!(
                "Write the name that it has in the database: \\d {table} in psql shows it; and give it that name where it is \
                 created, too"
            );
            sink.at(&source.path, found.line, message, help);
        }
    }
}

/// A primary key gets its name from the naming convention, if there is one.
fn is_unnamed(call: &Call) -> bool {
    let is_drop = matches!(call.last(), "drop_constraint" | "drop_index");
    let key = if call.last() == "drop_index" { "index_name" } else { "constraint_name" };
    let is_primary = call.arg(2, "type_").and_then(Value::str) == Some("primary");
    is_drop && call.arg(0, key) == Some(&Value::None) && !is_primary
}
