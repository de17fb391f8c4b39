//! DB409: a change of type that rewrites the table under a lock.

use super::{Check, Level, Rule, Scene, Scope, Sink, Source};
use crate::model::script_body::Value;

pub(super) const RULE: Rule = Rule {
    code: "DB409",
    name: "type-rewrite",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB409.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Scene, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    let Some(upgrade) = &body.upgrade else { return };
    for (operation, call) in upgrade.operations().filter(|(operation, _)| operation.name == "alter_column") {
        let Some(to) = call.call.get("type_") else { continue };
        let using = call.call.get("postgresql_using");
        let from = call.call.get("existing_type");
        if using.is_some() || from.is_some_and(|from| rewrites(from, to)) {
            let message = format!(
                "The new type of {} makes PostgreSQL rewrite the whole table; until it is done nobody can read or write it",
                operation.label()
            );
            let help = "On a large table: add a column, fill it batch by batch, swap the two in a later revision; on a \
                        small one say so: # xtask: allow DB409: some hundred rows";
            sink.at(&source.path, call.line, message, help);
        }
    }
}

/// Whether one of SQLAlchemy's types does not become another by a change in the catalog alone. Of types that are not
/// known nothing is said.
fn rewrites(from: &Value, to: &Value) -> bool {
    let (Some((from, from_size)), Some((to, to_size))) = (known(from), known(to)) else { return false };
    match (from, to) {
        ("text", "text") => match (from_size, to_size) {
            (_, None) => false,
            (None, Some(_)) => false,
            (Some(from), Some(to)) => to < from,
        },
        _ => from != to,
    }
}

/// A family of types and its length.
fn known(value: &Value) -> Option<(&'static str, Option<usize>)> {
    let (name, size) = match value {
        Value::Call(call) => (call.last(), call.arg(0, "length")),
        Value::Name(name) => (name.rsplit('.').next()?, None),
        _ => return None,
    };
    let zone = value.call().and_then(|call| call.get("timezone")) == Some(&Value::Bool(true));
    let family = match name.to_uppercase().as_str() {
        "STRING" | "VARCHAR" | "TEXT" | "UNICODE" | "UNICODETEXT" => "text",
        "INTEGER" | "INT" => "integer",
        "BIGINTEGER" | "BIGINT" => "bigint",
        "SMALLINTEGER" | "SMALLINT" => "smallint",
        "BOOLEAN" => "boolean",
        "FLOAT" | "REAL" => "float",
        "DATE" => "date",
        "DATETIME" | "TIMESTAMP" if zone => "timestamptz",
        "DATETIME" | "TIMESTAMP" => "timestamp",
        "JSON" => "json",
        "JSONB" => "jsonb",
        "UUID" => "uuid",
        _ => return None,
    };
    // A length that is no plain number is as good as the one before.
    Some((family, size.and_then(Value::int)))
}
