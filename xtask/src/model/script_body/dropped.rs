//! What a function takes away: structure that is dropped, rows that are deleted.

use super::{Call, Function, Operation, Value};
use crate::model::sql::{Action, Object, Statement, Verb};

/// Something that is gone afterwards, or has another name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// `table users`, `column users.email`, `rows of users`.
    pub what: String,
    /// The line in the script, from 1.
    pub line: usize,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It goes, or its rows do, or its values are others.
    #[default]
    Goes,
    /// It goes, and what depends on it.
    Cascades,
    /// Its values are computed into those of another type.
    Converted,
    /// It stays, under this name: of a table with its schema where it is known, of a column without the table.
    Renamed(String),
}

/// What a function drops, in the order of the text. What a name stands for that is only known when the script runs is
/// shown as the script has it, in braces.
pub fn dropped(function: &Function) -> Vec<Dropped> {
    let mut found: Vec<Dropped> = Vec::new();
    for call in &function.calls {
        let line = call.line;
        if let Some(operation) = &call.operation {
            found.extend(by_operation(operation, &call.call).map(|(what, fate)| Dropped { what, line, fate }));
        }
        if let Some(text) = &call.sql {
            let statements = crate::model::sql::statements(&text.text);
            found.extend(statements.iter().flat_map(by_sql).map(|(what, fate)| Dropped { what, line, fate }));
        }
        if call.operation.is_none() {
            found.extend(by_sqlalchemy(&call.call).map(|what| Dropped { what, line, fate: Fate::Goes }));
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|dropped| {
        if matches!(dropped.fate, Fate::Renamed(_)) {
            // From here on a name is another thing's.
            seen.clear();
            return true;
        }
        seen.insert(dropped.what.clone())
    });
    found
}

fn by_operation(operation: &Operation, call: &Call) -> Option<(String, Fate)> {
    let text = |name: &str| call.get(name).and_then(Value::text).map(|text| text.text.clone());
    match operation.name.as_str() {
        "drop_table_comment" => None,
        name if name.starts_with("drop_") => Some((operation.label(), Fate::Goes)),
        "rename_table" => {
            let to = call.arg(1, "new_table_name").and_then(Value::text)?;
            let schema = operation.schema.as_ref().map(|schema| format!("{}.", schema.text)).unwrap_or_default();
            Some((operation.label(), Fate::Renamed(schema + &to.text)))
        }
        "alter_column" => match (text("new_column_name"), text("postgresql_using")) {
            (Some(to), _) => Some((operation.label(), Fate::Renamed(to))),
            (None, Some(_)) => Some((operation.label().replacen("column ", "values of ", 1), Fate::Converted)),
            (None, None) => None,
        },
        _ => None,
    }
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

fn by_sql(statement: &Statement) -> Vec<(String, Fate)> {
    let table = statement.full_names.first().map_or("", String::as_str);
    match (statement.verb, statement.object) {
        (Verb::Drop, object) => {
            let fate = || if statement.is_cascade { Fate::Cascades } else { Fate::Goes };
            statement.full_names.iter().map(|name| (format!("{} {name}", object.name()), fate())).collect()
        }
        (Verb::Delete | Verb::Truncate, _) => {
            statement.full_names.iter().map(|name| (format!("rows of {name}"), Fate::Goes)).collect()
        }
        (Verb::Update, _) if statement.sets.is_empty() => vec![(format!("values of {table}"), Fate::Goes)],
        (Verb::Update, _) => {
            statement.sets.iter().map(|column| (format!("values of {table}.{column}"), Fate::Goes)).collect()
        }
        (Verb::Alter, Object::Table) => {
            statement.actions.iter().filter_map(|action| by_action(table, action)).collect()
        }
        _ => Vec::new(),
    }
}

fn by_action(table: &str, action: &Action) -> Option<(String, Fate)> {
    let Action { verb, object, name, to, .. } = action;
    match (verb, object) {
        (Verb::Drop, Object::Constraint) => Some((format!("constraint {name} of {table}"), Fate::Goes)),
        (Verb::Drop, object) => Some((format!("{} {table}.{name}", object.name()), Fate::Goes)),
        // A table stays in its schema, or keeps its name.
        (Verb::Rename, Object::Table) => {
            let schema = table.rsplit_once('.').map(|(schema, _)| format!("{schema}.")).unwrap_or_default();
            Some((format!("table {table}"), Fate::Renamed(schema + name)))
        }
        (Verb::Rename, Object::Schema) => {
            let bare = table.rsplit_once('.').map_or(table, |(_, bare)| bare);
            Some((format!("table {table}"), Fate::Renamed(format!("{name}.{bare}"))))
        }
        (Verb::Rename, Object::Column) => Some((format!("column {table}.{name}"), Fate::Renamed(to.clone()))),
        (Verb::Alter, Object::Column) if action.retyped.as_ref().is_some_and(|it| it.is_computed) => {
            Some((format!("values of {table}.{name}"), Fate::Converted))
        }
        _ => None,
    }
}
