//! One difference between two snapshots, and its text.

use std::fmt;

use super::{Key, reworded};

/// The kinds of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Not there before, there after.
    Added,
    /// There before, not after.
    Removed,
    /// There on both sides, not the same.
    Changed,
}

impl What {
    /// The word as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            What::Added => "added",
            What::Removed => "removed",
            What::Changed => "changed",
        }
    }

    /// The kind that is called so in JSON.
    pub fn parse(name: &str) -> Option<What> {
        [What::Added, What::Removed, What::Changed].into_iter().find(|what| what.name() == name)
    }
}

/// One attribute of an object on both sides; `None` where that side does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange {
    /// The attribute's name.
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl AttributeChange {
    pub(super) fn one_sided(what: What, name: String, value: String) -> AttributeChange {
        match what {
            What::Removed => AttributeChange { name, before: Some(value), after: None },
            _ => AttributeChange { name, before: None, after: Some(value) },
        }
    }
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Kind and name: `column public.users.email`.
    pub object: String,
    /// The object's kind alone.
    pub kind: String,
    /// Came, went, or is another.
    pub what: What,
    /// For a changed object the attributes that differ, else all it has, a line each; `None` when it was not there.
    pub before: Option<String>,
    /// The same on the other side.
    pub after: Option<String>,
    /// What the pattern says about the reason, where it is known.
    pub cause: Option<String>,
    key: Key,
    parent: Option<Key>,
    attributes: Vec<AttributeChange>,
}

impl Change {
    /// A difference of its parts; the cause is not known yet.
    pub fn new(what: What, key: &Key, parent: Option<Key>, attributes: Vec<AttributeChange>) -> Change {
        let mut change = Change {
            object: key.to_string(),
            kind: key.kind.clone(),
            what,
            before: None,
            after: None,
            cause: None,
            key: key.clone(),
            parent,
            attributes,
        };
        change.tell();
        change
    }

    /// What the object is called.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What it belongs to, for example the table of a column.
    pub fn parent(&self) -> Option<&Key> {
        self.parent.as_ref()
    }

    /// The attributes that differ; for an object that came or went, all of them.
    pub fn attributes(&self) -> &[AttributeChange] {
        &self.attributes
    }

    /// Whether an object is the same but for this attribute.
    pub fn is_only_about(&self, attribute: &str) -> bool {
        self.what == What::Changed && self.attributes.iter().all(|it| it.name == attribute)
    }

    /// Whether an object has another value of this attribute.
    pub fn is_about(&self, attribute: &str) -> bool {
        self.what == What::Changed && self.attributes.iter().any(|it| it.name == attribute)
    }

    /// Whether the two sides say the same, and only a dump that was restored has worded it anew.
    pub fn is_only_reworded(&self) -> bool {
        let is_same = |it: &AttributeChange| match (&it.before, &it.after) {
            (Some(before), Some(after)) => reworded::is_same(before, after),
            _ => false,
        };
        self.what == What::Changed && self.attributes.iter().all(is_same)
    }

    /// What sorts it: with its table, the table itself first.
    pub(super) fn place(&self) -> (&str, bool, &Key) {
        let home = self.parent.as_ref().unwrap_or(&self.key);
        (&home.name, self.parent.is_some(), &self.key)
    }

    fn tell(&mut self) {
        let side = |pick: fn(&AttributeChange) -> &Option<String>| {
            let line = |attribute: &AttributeChange| format!("{}: {}", attribute.name, text(pick(attribute)));
            self.attributes.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        let before = (self.what != What::Added).then(|| side(|attribute| &attribute.before));
        let after = (self.what != What::Removed).then(|| side(|attribute| &attribute.after));
        (self.before, self.after) = (before, after);
    }
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("(none)").trim()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.what {
            What::Added => '+',
            What::Removed => '-',
            What::Changed => '~',
        };
        write!(f, "{sign} {}", self.object)?;
        for attribute in self.attributes.iter().filter(|_| self.what == What::Changed) {
            write!(f, "\n    {}: {} -> {}", attribute.name, text(&attribute.before), text(&attribute.after))?;
        }
        match &self.cause {
            Some(cause) => write!(f, "\n    ({cause})"),
            None => Ok(()),
        }
    }
}

/// The changes that are not already among `known`: differences that an earlier revision left behind are carried along
/// and must not be reported for a later one. Of a changed object, only the attributes that are new stay.
pub fn without(changes: Vec<Change>, known: &[Change]) -> Vec<Change> {
    let mut left = Vec::new();
    for mut change in changes {
        let same_object = |other: &&Change| other.key == change.key && other.what == change.what;
        let Some(old) = known.iter().find(same_object) else {
            left.push(change);
            continue;
        };
        let all = change.attributes.len();
        change.attributes.retain(|attribute| !old.attributes.contains(attribute));
        if !change.attributes.is_empty() {
            if change.attributes.len() < all {
                change.tell();
            }
            left.push(change);
        }
    }
    left
}
