//! What a function takes away: structure that is dropped, rows that are deleted.

use super::{Call, Function, Operation, Value};
use crate::model::sql::{Object, Statement, Verb};

/// Something that is gone afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// `table users`, `column users.email`, `rows of users`.
    pub what: String,
    /// The line in the script, from 1.
    pub line: usize,
}

/// What a function drops, in the order of the text. What a name stands for that is only known when the script runs is
/// shown as the script has it, in braces.
pub fn dropped(function: &Function) -> Vec<Dropped> {
    let mut found: Vec<Dropped> = Vec::new();
    for call in &function.calls {
        if let Some(what) = call.operation.as_ref().and_then(by_operation) {
            found.push(Dropped { what, line: call.line });
        }
        if let Some(text) = &call.sql {
            let statements = crate::model::sql::statements(&text.text);
            found.extend(statements.iter().flat_map(by_sql).map(|what| Dropped { what, line: call.line }));
        }
        if call.operation.is_none() {
            found.extend(by_sqlalchemy(&call.call).map(|what| Dropped { what, line: call.line }));
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|dropped| seen.insert(dropped.what.clone()));
    found
}

fn by_operation(operation: &Operation) -> Option<String> {
    let drops = operation.name.starts_with("drop_") && operation.name != "drop_table_comment";
    drops.then(|| operation.label())
}

/// `sa.Enum(name="mood").drop(bind)`, `users.drop(bind)`, `sa.delete(users)`.
fn by_sqlalchemy(call: &Call) -> Option<String> {
    let shown = |value: &Value| match value {
        Value::Name(name) => Some(format!("{{{name}}}")),
        Value::Call(made) => {
            let kind = if made.last().to_lowercase().contains("enum") { "type" } else { "table" };
            let name = made.get("name").or_else(|| made.args.first()).and_then(Value::text)?;
            Some(format!("{kind} {}", name.text))
        }
        _ => None,
    };
    match call.last() {
        "drop" => shown(call.receiver.as_ref()?),
        "update" if call.name != "update" || !call.args.is_empty() => {
            let of = shown(call.args.first().or(call.receiver.as_ref())?)?;
            Some(format!("values of {}", of.trim_start_matches("table ")))
        }
        "delete" if call.name != "delete" || !call.args.is_empty() => {
            let from = shown(call.args.first().or(call.receiver.as_ref())?)?;
            Some(format!("rows of {}", from.trim_start_matches("table ")))
        }
        _ => None,
    }
}

fn by_sql(statement: &Statement) -> Vec<String> {
    let rows = || vec![format!("rows of {}", statement.name)];
    match (statement.verb, statement.object) {
        (Verb::Drop, _) => statement.names().map(|name| format!("{} {name}", statement.object.name())).collect(),
        (Verb::Delete | Verb::Truncate, _) => rows(),
        (Verb::Update, _) if statement.sets.is_empty() => vec![format!("values of {}", statement.name)],
        (Verb::Update, _) => {
            statement.sets.iter().map(|column| format!("values of {}.{column}", statement.name)).collect()
        }
        (Verb::Alter, Object::Table) => statement
            .actions
            .iter()
            .filter(|action| action.verb == Verb::Drop)
            .map(|action| match action.object {
                Object::Constraint => format!("constraint {} of {}", action.name, statement.name),
                object => format!("{} {}.{}", object.name(), statement.name, action.name),
            })
            .collect(),
        _ => Vec::new(),
    }
}
