//! Which database env.py wants, asked of env.py itself: Python runs it up to its first connection, which is not made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::install;
use crate::model::url::Secret;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// The application may be imported for it.
const LIMIT: Duration = Duration::from_secs(120);

/// Whose env.py, and by what it is run.
pub struct Asking<'a> {
    pub python: &'a Path,
    pub project: &'a Path,
    pub config: &'a Path,
    /// As [`super::Launch::options`].
    pub options: &'a [String],
    /// As [`super::Launch::script_location`].
    pub script_location: Option<&'a Path>,
    pub state_dir: &'a Path,
}

/// What env.py would connect to, and what of the project and the environment was read on the way.
#[derive(Debug)]
pub struct Wanted {
    pub answer: Answer,
    pub variables: BTreeSet<String>,
    pub files: Vec<PathBuf>,
}

#[derive(Debug)]
pub enum Answer {
    Url(Secret),
    /// A database of another kind.
    Other(String),
    /// It ended without a connection, or by a way that cannot be seen.
    Nothing,
    /// What it raised.
    Raised(String),
}

/// Asks.
///
/// # Errors
/// When Python does not start, or says something that is no answer.
pub fn ask(ui: &Ui, asking: &Asking<'_>) -> Result<Wanted> {
    let script = install::driver(asking.state_dir)?.join("wanted.py");
    let question = json!({
        "project": asking.project.to_string_lossy(),
        "config": asking.config.to_string_lossy(),
        "options": asking.options,
        "script_location": asking.script_location.map(Path::to_string_lossy),
    });
    let cmd = Cmd::new(asking.python, asking.project).arg(script).stdin(question.to_string()).limit(LIMIT);
    let answer: Value = serde_json::from_str(&cmd.read(ui)?).context("reading which database env.py wants")?;
    let texts = |key: &str| {
        let list = answer[key].as_array().into_iter().flatten();
        list.filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<String>>()
    };
    Ok(Wanted {
        variables: texts("variables").into_iter().collect(),
        files: texts("files").into_iter().map(PathBuf::from).collect(),
        answer: match (&answer["url"], &answer["other"], &answer["raised"]) {
            (Value::String(url), ..) => Answer::Url(Secret::new(url.as_str())),
            (_, Value::String(name), _) => Answer::Other(name.clone()),
            (.., Value::String(error)) => Answer::Raised(error.clone()),
            _ => Answer::Nothing,
        },
    })
}
