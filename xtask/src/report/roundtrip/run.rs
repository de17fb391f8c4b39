//! What identifies a run: the tool, the commit, the scripts, the revisions, the baseline, and which part of all it is.

use serde_json::{Value, json};

use crate::model::route::Part;

/// What parts of one run have in common, but for the part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The version of this tool.
    pub tool: String,
    pub partition: Option<Part>,
    /// What is checked out, where git knows.
    pub commit: Option<String>,
    /// A digest of all scripts of the history.
    pub scripts: String,
    /// All revisions that were chosen, whatever the part: the newest first.
    pub chosen: Vec<String>,
    /// The flags that choose the same revisions and the same baseline again.
    pub flags: Vec<String>,
    /// What the baseline was made of; `None` where nothing was tested.
    pub origin: Option<String>,
}

impl Run {
    pub fn to_json(&self, strict: bool) -> Value {
        json!({
            "tool": self.tool,
            "partition": self.partition.map(|part| part.to_string()),
            "commit": self.commit,
            "scripts": self.scripts,
            "chosen": self.chosen,
            "flags": self.flags,
            "origin": self.origin,
            "strict": strict,
        })
    }

    /// Reads it again; `None` for anything else.
    pub(super) fn saved(value: &Value) -> Option<Run> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let texts = |name: &str| {
            value[name].as_array()?.iter().map(|it| it.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let partition = match &value["partition"] {
            Value::Null => None,
            partition => Some(Part::parse(partition.as_str()?)?),
        };
        Some(Run {
            tool: text("tool")?,
            partition,
            commit: text("commit"),
            scripts: text("scripts")?,
            chosen: texts("chosen")?,
            flags: texts("flags")?,
            origin: text("origin"),
        })
    }

    /// Its part; a run that was not divided is the only one.
    pub fn part(&self) -> Part {
        self.partition.unwrap_or(Part { number: 1, of: 1 })
    }
}
