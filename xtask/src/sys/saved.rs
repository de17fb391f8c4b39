//! Reads values out of JSON that this tool wrote itself: journals, records of backups. A value that is missing, or of
//! another type, is an error that shows what stands there instead.

use anyhow::{Context, Result};
use serde_json::Value;

/// A text.
///
/// # Errors
/// When it is none.
pub fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("a text is missing, there is {value}"))
}

/// A list of texts.
///
/// # Errors
/// When it is none.
pub fn texts(value: &Value) -> Result<Vec<String>> {
    value.as_array().with_context(|| format!("a list is missing, there is {value}"))?.iter().map(text).collect()
}

/// A whole number.
///
/// # Errors
/// When it is none.
pub fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("a number is missing, there is {value}"))
}
