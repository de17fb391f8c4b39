//! DB409: a change of type that rewrites the table under a lock.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Function, Value};
use crate::model::sql::Action;

pub(super) const RULE: Rule = Rule {
    code: "DB409",
    name: "type-rewrite",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB409.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    let Some(upgrade) = &body.upgrade else { return };
    for (column, line) in by_operations(upgrade).chain(by_sql(upgrade)) {
        let message = format!(
            "The new type of {column} makes PostgreSQL rewrite the whole table; until it is done nobody can read or write it"
        );
        let help = "On a large table: add a column, fill it batch by batch, swap the two in a later revision; on a \
                    small one say so: # xtask: allow DB409: some hundred rows";
        sink.at(&source.path, line, message, help);
    }
}

fn by_operations(upgrade: &Function) -> impl Iterator<Item = (String, usize)> {
    let retyped = upgrade.operations().filter(|(operation, _)| operation.name == "alter_column");
    retyped.filter_map(|(operation, found)| {
        let to = found.call.get("type_")?;
        let from = found.call.get("existing_type");
        let is_computed = found.call.get("postgresql_using").is_some();
        (is_computed || from.is_some_and(|from| rewrites(from, to))).then(|| (operation.label(), found.line))
    })
}

fn by_sql(upgrade: &Function) -> impl Iterator<Item = (String, usize)> {
    upgrade.statements().flat_map(|(statement, found)| {
        let is_rewriting = |action: &&Action| {
            action.retyped.as_ref().is_some_and(|it| it.is_computed || OF_ONE_FORM.contains(&it.to.as_str()))
        };
        let columns: Vec<_> = statement
            .actions
            .iter()
            .filter(is_rewriting)
            .map(|action| (format!("column {}.{}", statement.name, action.name), found.line))
            .collect();
        columns
    })
}

/// SQL does not say what the type was. To one of these nothing leads but another form of the values, so each way there
/// rewrites; texts and numerics may only become longer, and nothing is said of them.
const OF_ONE_FORM: &[&str] = &[
    "smallint",
    "int2",
    "integer",
    "int",
    "int4",
    "bigint",
    "int8",
    "real",
    "float4",
    "double precision",
    "float8",
    "boolean",
    "bool",
    "date",
    "timestamp",
    "timestamp without time zone",
    "timestamptz",
    "timestamp with time zone",
    "json",
    "jsonb",
    "uuid",
    "bytea",
];

/// Whether one of SQLAlchemy's types does not become another by a change in the catalog alone. Of types that are not
/// known nothing is said.
fn rewrites(from: &Value, to: &Value) -> bool {
    let (Some((from, from_size)), Some((to, to_size))) = (known(from), known(to)) else { return false };
    match (from, to) {
        ("text", "text") => match (from_size, to_size) {
            (Size::Free, Size::Of(_)) => true,
            (Size::Of(from), Size::Of(to)) => to < from,
            _ => false,
        },
        _ => from != to,
    }
}

/// How long a text may be.
enum Size {
    Free,
    Of(usize),
    /// As long as something says that is no plain number.
    Unclear,
}

/// A family of types and its length.
fn known(value: &Value) -> Option<(&'static str, Size)> {
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
    let size = match size {
        None | Some(Value::None) => Size::Free,
        Some(size) => size.int().map_or(Size::Unclear, Size::Of),
    };
    Some((family, size))
}
