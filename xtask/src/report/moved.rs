//! Revisions that got other parents, or would get them: as text and as the contract's JSON.

use serde_json::{Value, json};

use crate::model::graph::Graph;
use crate::model::rebase::{Moved, ids};
use crate::model::status::Revision;

/// A moved revision, with what its script says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedRevision {
    pub moved: Moved,
    pub revision: Revision,
}

impl MovedRevision {
    pub fn of(graph: &Graph, moved: &Moved) -> MovedRevision {
        MovedRevision { moved: moved.clone(), revision: Revision::of(graph, &moved.revision) }
    }

    pub fn id(&self) -> &str {
        &self.moved.revision
    }

    /// `ab12: cd34 → ef56`, and the message where there is one.
    pub fn line(&self) -> String {
        let message = &self.revision.message;
        if message.is_empty() { self.moved.to_string() } else { format!("{}: {}", self.moved, self.revision.title()) }
    }

    /// The same as one of several components' revisions.
    pub fn line_of(&self, component: &str) -> String {
        format!("{} ({component}): {} → {}", self.id(), ids(&self.moved.from), ids(&self.moved.to))
    }

    /// An item of `"moved"`.
    pub fn to_json(&self) -> Value {
        json!({
            "revision": self.moved.revision,
            "message": self.revision.message,
            "from": self.moved.from,
            "to": self.moved.to,
            "path": self.revision.path.as_ref().map(|path| path.display().to_string()),
        })
    }

    /// The same where several components have some.
    pub fn to_json_of(&self, component: &str) -> Value {
        let mut object = self.to_json();
        object["component"] = json!(component);
        object
    }
}
