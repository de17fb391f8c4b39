//! Asks a Python program beside the driver one question: JSON on its stdin, JSON on its stdout.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::install;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// The application may be imported for it.
const LIMIT: Duration = Duration::from_secs(120);

/// Whose Alembic is asked, and by what it is run.
pub struct Asking<'a> {
    /// The project's interpreter.
    pub python: &'a Path,
    /// The project's root.
    pub project: &'a Path,
    /// The Alembic config, absolute.
    pub config: &'a Path,
    /// As [`super::Launch::options`].
    pub options: &'a [String],
    /// As [`super::Launch::script_location`].
    pub script_location: Option<&'a Path>,
    /// A folder for our own files.
    pub state_dir: &'a Path,
}

impl Asking<'_> {
    /// Runs the program with what every one of them has to know, and `more`.
    pub(super) fn ask(&self, ui: &Ui, program: &str, more: &Value) -> Result<Value> {
        let script = install::driver(self.state_dir)?.join(program);
        let mut question = json!({
            "project": self.project.to_string_lossy(),
            "config": self.config.to_string_lossy(),
            "options": self.options,
            "script_location": self.script_location.map(Path::to_string_lossy),
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            question[key.as_str()] = value.clone();
        }
        let cmd = Cmd::new(self.python, self.project).arg(script).stdin(question.to_string()).limit(LIMIT);
        serde_json::from_str(&cmd.read(ui)?).with_context(|| format!("reading what {program} says"))
    }
}
