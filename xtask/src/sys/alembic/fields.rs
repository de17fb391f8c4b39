//! Fields of the driver's JSON objects. What is missing, or of another type than it should be, is read as absent.

use std::path::PathBuf;

use serde_json::Value;

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
    let list = value[name].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A field that is a list of paths, read as [`texts`].
pub fn paths(value: &Value, name: &str) -> Vec<PathBuf> {
    texts(value, name).into_iter().map(PathBuf::from).collect()
}

/// A field that is a list of server processes.
pub fn pids(value: &Value, name: &str) -> Vec<i32> {
    let list = value[name].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|pid| i32::try_from(pid.as_i64()?).ok()).collect()
}

/// A field that is a line number.
pub fn line(value: &Value) -> Option<usize> {
    value["line"].as_u64().and_then(|line| usize::try_from(line).ok())
}
