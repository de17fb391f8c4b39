//! Python's answer about a script's header, where the text alone does not show it.

use std::path::Path;

use super::{DEPENDENCIES, LABELS, Script, Spans, Unreadable, docstring, header, one_line};

/// The values of a header after its script was run, as alembic takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `revision`.
    pub id: String,
    /// `down_revision`, none for a base.
    pub down: Vec<String>,
    pub depends_on: Vec<String>,
    pub branch_labels: Vec<String>,
    /// The docstring's first paragraph.
    pub message: String,
}

/// Whether Python could tell more of a script than was read.
pub fn needs_python(header: &Result<Script, Unreadable>) -> bool {
    match header {
        Ok(script) => !script.unread.is_empty(),
        Err(unreadable) => unreadable.may_be_told,
    }
}

impl Told {
    /// A header with what could not be read filled in. What was read stays.
    pub fn complete(&self, path: &Path, text: &str, header: Result<Script, Unreadable>) -> Script {
        let mut script = header.unwrap_or_else(|_| self.script(path, text));
        for unread in std::mem::take(&mut script.unread) {
            match unread.name {
                LABELS => script.branch_labels.clone_from(&self.branch_labels),
                DEPENDENCIES => script.depends_on.clone_from(&self.depends_on),
                _ => {}
            }
        }
        script
    }

    /// A script whose values stand nowhere in the text, so that nothing can be edited in it.
    fn script(&self, path: &Path, text: &str) -> Script {
        let docstring = header::parse(path, text).ok().and_then(|header| docstring(header.statements()));
        Script {
            path: path.to_owned(),
            id: self.id.clone(),
            down: self.down.clone(),
            depends_on: self.depends_on.clone(),
            branch_labels: self.branch_labels.clone(),
            message: self.message.clone(),
            unread: Vec::new(),
            spans: Spans { docstring: docstring.map(|(_, range)| range), ..Spans::default() },
            line: 1,
            down_line: 1,
        }
    }

    /// Whether it can be a revision at all: it has an id, and so have those that it names.
    pub fn is_sound(&self) -> bool {
        let named = self.down.iter().chain(&self.depends_on);
        [&self.id].into_iter().chain(named).all(|id| !one_line(id).is_empty())
    }
}
