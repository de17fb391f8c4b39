//! What a function does to a whole table while nobody can write it, or even read it: rewriting it, checking every row,
//! building an index.

use super::{Found, Function, Operation, Subject, Value};
use crate::model::sql::{Object, Statement, Verb, is_volatile, leading_words};

/// Work on a whole table under a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heavy {
    /// The table, as the script names it.
    pub table: String,
    /// What happens, in words.
    pub what: String,
    /// The line in the script, from 1.
    pub line: usize,
}

/// What a function does of this kind, in the order of the text. How large the table is, nobody knows here.
pub fn heavy(function: &Function) -> Vec<Heavy> {
    let by_operation = function.operations().filter_map(|(operation, found)| {
        let what = of_operation(operation, found)?;
        Some(Heavy { table: operation.table()?.to_owned(), what, line: found.line })
    });
    let by_sql = function.statements().flat_map(|(statement, found)| of_sql(&statement, found.line));
    let upkeep = function.calls.iter().filter_map(|found| Some((found.sql.as_ref()?, found.line)));
    let by_sql = by_sql.chain(upkeep.flat_map(|(sql, line)| upkeep_of(&sql.text, line)));
    let made: Vec<String> = created(function);
    let mut all: Vec<Heavy> = by_operation.chain(by_sql).filter(|it| !made.contains(&it.table)).collect();
    all.sort_by_key(|it| it.line);
    all
}

/// The tables that the function makes itself: nothing is in them.
fn created(function: &Function) -> Vec<String> {
    let by_operation = function.operations().filter(|(it, _)| it.name == "create_table");
    let by_sql = function.statements().filter(|(it, _)| it.verb == Verb::Create && it.object == Object::Table);
    let names = by_operation.filter_map(|(it, _)| it.table().map(str::to_owned));
    names.chain(by_sql.map(|(it, _)| it.name)).collect()
}

fn of_operation(operation: &Operation, found: &Found) -> Option<String> {
    let is = |name: &str, value: bool| found.call.get(name) == Some(&Value::Bool(value));
    let object = operation.object().unwrap_or("…");
    match (operation.name.as_str(), operation.subject) {
        ("alter_column", _) if found.call.get("type_").is_some() => Some(retyped(object)),
        ("alter_column", _) if is("nullable", false) => Some(required(object)),
        ("add_column", _) if fills_rows(found) => Some(filled(object)),
        ("create_index", _) if !is("postgresql_concurrently", true) => Some(indexed(object)),
        (name, Subject::Constraint) if name.starts_with("create_") && !is("postgresql_not_valid", true) => {
            Some(checked(object))
        }
        _ => None,
    }
}

fn of_sql(statement: &Statement, line: usize) -> Vec<Heavy> {
    let heavy = |table: &str, what: String| Heavy { table: table.to_owned(), what, line };
    match (statement.verb, statement.object, &statement.on) {
        (Verb::Create, Object::Index, Some(table)) if !statement.is_concurrent => {
            vec![heavy(table, indexed(&statement.name))]
        }
        (Verb::Alter, Object::Table, _) => statement
            .actions
            .iter()
            .filter_map(|action| match (action.verb, action.object) {
                _ if action.retyped.is_some() => Some(retyped(&action.name)),
                _ if action.becomes_required => Some(required(&action.name)),
                _ if action.fills_rows => Some(filled(&action.name)),
                (Verb::Create, Object::Constraint) => Some(checked(&action.name)),
                _ => None,
            })
            .map(|what| heavy(&statement.name, what))
            .collect(),
        _ => Vec::new(),
    }
}

/// `VACUUM FULL users`, `CLUSTER users USING ix`: no statements about structure.
fn upkeep_of(sql: &str, line: usize) -> Vec<Heavy> {
    let one = |words: Vec<String>| {
        let is_word = |word: &&str| word.contains(char::is_alphanumeric) && *word != "verbose";
        let words: Vec<&str> = words.iter().map(String::as_str).filter(is_word).collect();
        let (table, name) = match words.as_slice() {
            ["vacuum", "full", table, ..] => (*table, "VACUUM FULL"),
            ["cluster", table, ..] => (*table, "CLUSTER"),
            _ => return None,
        };
        let what = format!("{name} writes the whole table anew; nobody can read or write it meanwhile");
        Some(Heavy { table: table.to_owned(), what, line })
    };
    leading_words(sql).into_iter().filter_map(one).collect()
}

/// A column whose default is another value for each row, or that counts or computes it.
fn fills_rows(found: &Found) -> bool {
    let Some(Value::Call(column)) = found.call.args.iter().find(|value| matches!(value, Value::Call(_))) else {
        return false;
    };
    let is_made = |value: &Value| matches!(value, Value::Call(made) if ["Computed", "Identity"].contains(&made.last()));
    let default = match column.get("server_default") {
        Some(Value::Call(text)) if is_made(&Value::Call(text.clone())) => return true,
        Some(Value::Call(text)) => text.args.first().and_then(Value::text),
        default => default.and_then(Value::text),
    };
    column.args.iter().any(is_made) || default.is_some_and(|text| is_volatile(&text.text))
}

fn filled(column: &str) -> String {
    format!(
        "column {column} gets a value of its own in every row, which writes the whole table anew; nobody can read or write it meanwhile"
    )
}

fn retyped(column: &str) -> String {
    format!("a new type for {column} may write the whole table anew; nobody can read or write it meanwhile")
}

fn required(column: &str) -> String {
    format!("NOT NULL on {column} reads every row; nobody can read or write the table meanwhile")
}

fn indexed(index: &str) -> String {
    format!("index {index} is built; nobody can write the table meanwhile")
}

fn checked(constraint: &str) -> String {
    format!("constraint {constraint} is checked on every row; nobody can write the table meanwhile")
}
