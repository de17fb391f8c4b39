//! Asks env.py itself which database it wants: Python runs it up to its first connection, which is not made.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

use super::mask::Mask;
use super::once::Asking;
use crate::model::url::Secret;
use crate::ui::Ui;

/// What env.py would connect to, and what of the project and the environment was read on the way.
#[derive(Debug)]
pub struct Wanted {
    pub answer: Answer,
    pub variables: BTreeSet<String>,
    /// Whether somebody took the whole environment.
    pub walks: bool,
    pub files: Vec<PathBuf>,
}

#[derive(Debug)]
pub enum Answer {
    Url(Secret),
    /// A database of another kind.
    Other(String),
    /// It ended without a connection, or by a way that cannot be seen.
    Nothing,
    Raised(String),
}

/// Asks.
///
/// # Errors
/// When Python does not start, or says something that is no answer.
pub fn ask(ui: &Ui, asking: &Asking<'_>) -> Result<Wanted> {
    let answer = asking.ask(ui, "wanted.py", &Value::Null)?;
    let texts = |key: &str| {
        let list = answer[key].as_array().into_iter().flatten();
        list.filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<String>>()
    };
    Ok(Wanted {
        variables: texts("variables").into_iter().collect(),
        walks: answer["walks"] == true,
        files: texts("files").into_iter().map(PathBuf::from).collect(),
        answer: match (&answer["url"], &answer["other"], &answer["raised"]) {
            (Value::String(url), ..) => Answer::Url(Secret::new(url.as_str())),
            (_, Value::String(name), _) => Answer::Other(name.clone()),
            (.., Value::String(error)) => Answer::Raised(Mask::default().apply(error)),
            _ => Answer::Nothing,
        },
    })
}
