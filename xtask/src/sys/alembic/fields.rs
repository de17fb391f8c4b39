//! Fields of the driver's JSON objects. What is missing, or of another type than it should be, is read as absent.

use std::path::PathBuf;

use serde_json::Value;

use crate::model::statement::{Effect, Lock, Mode, Statement, Touched};
use crate::model::target::Step;

/// The step that an object names, if it names one.
pub fn step(value: &Value) -> Option<Step> {
    let revision = text(value, "revision")?;
    match value["direction"].as_str()? {
        "up" => Some(Step::up(revision)),
        "down" => Some(Step::down(revision)),
        _ => None,
    }
}

/// A field that is a text.
pub fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

/// A field that is a list of texts; anything else is an empty list.
pub fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A field that is a list of paths, read as [`texts`].
pub fn paths(value: &Value, name: &str) -> Vec<PathBuf> {
    texts(value, name).into_iter().map(PathBuf::from).collect()
}

/// A field that is a list of server processes.
pub fn pids(value: &Value, name: &str) -> Vec<i32> {
    list(value, name).iter().filter_map(|pid| i32::try_from(pid.as_i64()?).ok()).collect()
}

/// A field that is a line number.
pub fn line(value: &Value) -> Option<usize> {
    value["line"].as_u64().and_then(|line| usize::try_from(line).ok())
}

/// The statements of a step.
pub fn statements(value: &Value) -> Vec<Statement> {
    let one = |value: &Value| Statement {
        sql: text(value, "sql").unwrap_or_default(),
        count: value["count"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(1),
        seconds: value["seconds"].as_f64(),
        effect: value["effect"].as_object().map(|_| effect(&value["effect"])),
    };
    list(value, "statements").iter().map(one).collect()
}

fn effect(value: &Value) -> Effect {
    let touched = |row: &Value| Touched {
        table: row[0].as_str().unwrap_or_default().to_owned(),
        inserted: row[1].as_u64().unwrap_or_default(),
        updated: row[2].as_u64().unwrap_or_default(),
        deleted: row[3].as_u64().unwrap_or_default(),
    };
    let lock = |lock: &Value| {
        let mode = Mode::of(lock["mode"].as_str()?)?;
        Some(Lock { table: text(lock, "table")?, mode, held: lock["held"].as_f64().unwrap_or_default() })
    };
    Effect {
        rows: list(value, "rows").iter().map(touched).collect(),
        locks: list(value, "locks").iter().filter_map(lock).collect(),
        rewritten: texts(value, "rewritten"),
    }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
