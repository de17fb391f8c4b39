//! What a function makes in the schema, so that it can be looked for after it was undone.

use super::{Call, Found, Function, Operation, Subject, Value};
use crate::model::sql::{self, Object, Statement, Verb};

/// A schema object that a function makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its bare name; `None` where that only shows when the script runs, or is PostgreSQL's choice.
    pub name: Option<String>,
}

/// What a function makes, as far as the text shows it: tables, columns, indexes, constraints, types and whatever else
/// SQL creates. Rows are not looked at.
pub fn made(function: &Function) -> Vec<Made> {
    function.calls.iter().flat_map(by_call).collect()
}

fn by_call(found: &Found) -> Vec<Made> {
    let mut all: Vec<Made> = Vec::new();
    let mut add = |name: Option<&str>| {
        let name = name.filter(|name| !name.is_empty() && !name.contains('{')).map(str::to_owned);
        all.push(Made { name });
    };
    if let Some(operation) = found.operation.as_ref().filter(|operation| makes(operation)) {
        add(operation.object());
    } else if let Some(name) = by_sqlalchemy(&found.call) {
        add(name);
    }
    if let Some(text) = &found.sql {
        for statement in sql::statements(&text.text) {
            by_sql(&statement, &text.text, &mut add);
        }
    }
    all
}

fn makes(operation: &Operation) -> bool {
    let begins = ["create_", "add_"].iter().any(|start| operation.name.starts_with(start));
    begins && operation.name != "create_table_comment" && !matches!(operation.subject, Subject::Rows | Subject::Sql)
}

/// `sa.Enum(…, name="mood").create(bind)`, `users.create(bind)`, `Base.metadata.create_all(bind)`.
fn by_sqlalchemy(call: &Call) -> Option<Option<&str>> {
    match (call.last(), call.receiver.as_ref()) {
        ("create", Some(Value::Call(made))) => {
            let first = made.args.first().filter(|_| !made.last().to_lowercase().contains("enum"));
            Some(made.get("name").or(first).and_then(Value::str))
        }
        ("create" | "create_all", _) => Some(None),
        _ => None,
    }
}

fn by_sql(statement: &Statement, text: &str, add: &mut impl FnMut(Option<&str>)) {
    match (statement.verb, statement.object) {
        (Verb::Create, _) => add(Some(&statement.name)),
        (Verb::Alter, Object::Table) => {
            let added = statement.actions.iter().filter(|action| action.verb == Verb::Create);
            added.for_each(|action| add(Some(&action.name)));
        }
        // A `DO` block is a program of its own.
        (Verb::Other, _) if sql::mentions(text, "do") && text.to_ascii_lowercase().contains("create ") => add(None),
        _ => {}
    }
}
