//! DB408: a NOT NULL column without a default on a table that may have rows.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Call, Found, Function, Operation, Value};
use crate::model::sql::{Object, Statement, Verb};

pub(super) const RULE: Rule = Rule {
    code: "DB408",
    name: "required-column",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB408.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        for (table, column, line) in required(function) {
            if !is_empty_table(function, &table) {
                let message = format!(
                    "{name}() adds {table}.{column} as NOT NULL without a default: PostgreSQL refuses it as soon as the \
                     table has a row"
                );
                let help = format!(
                    "Give the rows that are there a value: server_default=…; then, if the default is not to stay: \
                     op.alter_column(\"{table}\", \"{column}\", server_default=None)"
                );
                sink.at(&source.path, line, message, help);
            }
        }
    }
}

/// Table, column and line of the columns that need a value.
fn required(function: &Function) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    for (operation, call) in function.operations().filter(|(operation, _)| operation.name == "add_column") {
        // In a batch the column comes first.
        let column = call.call.args.iter().chain(call.call.get("column")).find_map(Value::call);
        if let (Some(column), Some(table), Some(name)) = (column, operation.table(), operation.object())
            && is_required(column)
        {
            found.push((table.to_owned(), name.to_owned(), call.line));
        }
    }
    for (statement, call) in function.statements() {
        let required = statement.actions.iter().filter(|action| action.is_required);
        found.extend(required.map(|action| (statement.name.clone(), action.name.clone(), call.line)));
    }
    found
}

/// A column that is no `sa.Column` (an application's own) may bring a default.
fn is_required(column: &Call) -> bool {
    let fills_itself = |value: &Value| value.call().is_some_and(|call| matches!(call.last(), "Computed" | "Identity"));
    let has_default = column.get("server_default").is_some_and(|value| *value != Value::None);
    column.last() == "Column"
        && column.get("nullable") == Some(&Value::Bool(false))
        && !has_default
        && !column.is_open
        && column.get("primary_key") != Some(&Value::Bool(true))
        && !column.args.iter().any(fills_itself)
}

/// Made here, or emptied here: then there is no row.
fn is_empty_table(function: &Function, table: &str) -> bool {
    let made =
        |(operation, _): (&Operation, &Found)| operation.name == "create_table" && operation.table() == Some(table);
    let emptied = |(statement, _): (Statement, &Found)| {
        let all = statement.verb == Verb::Truncate || (statement.verb == Verb::Delete && !statement.has_where);
        (all || (statement.verb == Verb::Create && statement.object == Object::Table))
            && statement.names().any(|name| name == table)
    };
    function.operations().any(made) || function.statements().any(emptied)
}
