//! Makes a new revision's text and file name as Alembic itself would, with the project's own `script.py.mako`, and
//! writes nothing.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use super::once::Asking;
use crate::ui::Ui;

pub struct NewRevision<'a> {
    pub id: &'a str,
    pub parents: &'a [String],
    pub message: &'a str,
}

/// What would be written.
#[derive(Debug)]
pub struct Rendered {
    /// The file's name.
    pub name: PathBuf,
    pub text: String,
}

/// Renders a revision.
///
/// # Errors
/// What Python says: no Alembic, no template, a template that cannot be rendered.
pub fn render(ui: &Ui, asking: &Asking<'_>, revision: &NewRevision<'_>) -> Result<Rendered> {
    let question = json!({
        "folder": "",
        "revision": revision.id,
        "parents": revision.parents,
        "message": revision.message,
    });
    let answer = asking.ask(ui, "template.py", &question)?;
    let text = |key: &str| answer[key].as_str().with_context(|| format!("the rendered template has no {key}"));
    Ok(Rendered { name: text("name")?.into(), text: text("text")?.to_owned() })
}
