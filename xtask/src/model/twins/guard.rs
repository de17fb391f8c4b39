//! Whether a revision can run where its changes are there already.

use crate::model::script_body::{Body, Found, Function, Operation, Subject, Value};
use crate::model::sql::{self, Statement, Verb};

/// A change that does not look first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unguarded {
    /// `column users.email`, `create index ix`.
    pub what: String,
    /// The line in the script, from 1.
    pub line: usize,
}

/// The first change of `upgrade()` that would fail, or be done a second time, in a database that has it already.
pub fn unguarded(body: &Body) -> Option<Unguarded> {
    let upgrade = body.upgrade.as_ref()?;
    if looks_first(upgrade) {
        return None;
    }
    upgrade.calls.iter().filter(|found| !found.is_conditional).find_map(|found| {
        let by_operation = found.operation.as_ref().filter(|operation| !is_guarded(operation, found));
        let what = match by_operation {
            Some(operation) => Some(operation.label()),
            None => found.sql.as_ref().and_then(|text| in_sql(&text.text)),
        };
        what.map(|what| Unguarded { what, line: found.line })
    })
}

/// Whether a function asks the catalog for what is there before it does anything; what follows depends on the answer in
/// ways that leave no mark on the operations (a helper that returns, a list that is empty).
fn looks_first(function: &Function) -> bool {
    let asks = |found: &Found| {
        let names =
            matches!(found.call.last(), "inspect" | "get_table_names" | "get_columns" | "get_indexes" | "has_table");
        let catalog = |text: &str| {
            ["information_schema.", "pg_catalog.", "from pg_", "to_regclass"].iter().any(|it| text.contains(it))
        };
        names || found.sql.as_ref().is_some_and(|text| catalog(&text.text.to_lowercase()))
    };
    function.calls.iter().any(asks)
}

fn is_guarded(operation: &Operation, found: &Found) -> bool {
    let says = |name: &str| found.call.get(name).is_some_and(|value| *value != Value::Bool(false));
    match operation.subject {
        Subject::Sql => true,
        // A new type, default or comment is the same the second time; another name is not.
        Subject::Column if operation.name == "alter_column" => found.call.get("new_column_name").is_none(),
        _ => ["if_not_exists", "if_exists", "checkfirst"].into_iter().any(says) || operation.name.ends_with("_comment"),
    }
}

/// The first statement of a text that does not look first.
fn in_sql(text: &str) -> Option<String> {
    let guards = ["exists", "conflict", "replace", "do"];
    if guards.into_iter().any(|word| sql::mentions(text, word)) {
        return None;
    }
    let statements = sql::statements(text);
    let open = statements.iter().find(|statement| !is_repeatable(statement, text))?;
    Some(format!("{} {}", open.verb.name(), open.name))
}

/// An `UPDATE` that says which rows, or that sets what does not depend on what was there, gives the same the second time.
fn is_repeatable(statement: &Statement, text: &str) -> bool {
    match statement.verb {
        Verb::Select | Verb::Delete | Verb::Other => true,
        Verb::Update => statement.has_where || !adds_up(text),
        Verb::Alter => {
            statement.actions.iter().all(|action| action.verb == Verb::Alter) && !statement.actions.is_empty()
        }
        _ => false,
    }
}

/// `SET n = n + 1`.
fn adds_up(text: &str) -> bool {
    ['+', '-', '*', '|'].iter().any(|mark| text.contains(*mark))
}
