//! A new revision's text and file name as Alembic itself would make them, by the project's own `script.py.mako`, without
//! writing anything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::install;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// A template is rendered in a moment; the application may be imported for it.
const LIMIT: Duration = Duration::from_secs(120);

/// Where and by what it is rendered.
pub struct Renderer<'a> {
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

/// The revision.
pub struct NewRevision<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its parents.
    pub parents: &'a [String],
    /// Its message.
    pub message: &'a str,
}

/// What would be written.
#[derive(Debug)]
pub struct Rendered {
    /// The file's name.
    pub name: PathBuf,
    /// Its text.
    pub text: String,
}

/// Renders a revision.
///
/// # Errors
/// What Python says: no Alembic, no template, a template that cannot be rendered.
pub fn render(ui: &Ui, renderer: &Renderer<'_>, revision: &NewRevision<'_>) -> Result<Rendered> {
    let script = install::driver(renderer.state_dir)?.join("template.py");
    let question = json!({
        "project": renderer.project.to_string_lossy(),
        "config": renderer.config.to_string_lossy(),
        "options": renderer.options,
        "script_location": renderer.script_location.map(Path::to_string_lossy),
        "folder": "",
        "revision": revision.id,
        "parents": revision.parents,
        "message": revision.message,
    });
    let cmd = Cmd::new(renderer.python, renderer.project).arg(script).stdin(question.to_string()).limit(LIMIT);
    let answer: Value = serde_json::from_str(&cmd.read(ui)?).context("reading the rendered template")?;
    let text = |key: &str| answer[key].as_str().with_context(|| format!("the rendered template has no {key}"));
    Ok(Rendered { name: text("name")?.into(), text: text("text")?.to_owned() })
}
