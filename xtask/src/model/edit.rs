//! Re-points one script: new parents in `down_revision` and in the docstring's `Revises:` line, and not a byte changed
//! anywhere else. The file's own quotes, brackets, layout and line ends are kept, and no comment is ever lost.
//!
//! What happens to a value: a string stays a string where there is one parent, a sequence stays a sequence. A string
//! that has to hold several parents becomes a tuple. No parents are `None`, or an empty sequence where comments stand in
//! it. Where parts of a string were joined, the new one stands in place of the last part and comments stay where they
//! were.

mod edits;
mod value;

use std::fmt;
use std::ops::Range;

use crate::model::revision::{Script, declared_encoding, is_utf8};

/// Where the values of a script stand, in bytes, a byte order mark included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The value of `down_revision`: one expression, without redundant parentheses around it.
    pub down_revision: Range<usize>,
    /// The docstring with its quotes.
    pub docstring: Option<Range<usize>>,
    /// The other values (`revision` first: its quotes are the file's), which must come out as they went in.
    pub others: Vec<Range<usize>>,
}

impl Places {
    /// Those of a script that was just read.
    pub fn of(script: &Script) -> Places {
        let spans = script.spans.clone();
        Places {
            down_revision: spans.down_revision.unwrap_or_default(),
            docstring: spans.docstring,
            others: [spans.revision, spans.depends_on, spans.branch_labels].into_iter().flatten().collect(),
        }
    }
}

/// Why a script is not edited. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The file is not UTF-8, or says that it is something else.
    NotUtf8 {
        /// The first line that is not.
        line: usize,
        /// The encoding that the file declares.
        declared: Option<String>,
    },
    /// The places are not places in this text.
    WrongPlaces,
    /// The value is something else than a string, `None`, a name, or a sequence of these.
    NotAValue {
        /// Where.
        line: usize,
    },
    /// Another name is bound to the very same value (`down_revision = depends_on = None`).
    Shared {
        /// Where.
        line: usize,
    },
    /// This cannot be a revision id.
    BadParent(String),
    /// The result would not read back as the new parents with every comment.
    Unsure {
        /// Where.
        line: usize,
    },
    /// It says so already.
    Unchanged,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EditError::NotUtf8 { line, declared: Some(name) } => {
                write!(f, "line {line} is not UTF-8 (the file declares {name}), save it as UTF-8")
            }
            EditError::NotUtf8 { line, declared: None } => write!(f, "line {line} is not UTF-8, save it as UTF-8"),
            EditError::WrongPlaces => f.write_str("the file is not the one that was read"),
            EditError::NotAValue { line } => {
                write!(f, "line {line}: `down_revision` is neither a string nor `None` nor a sequence of strings")
            }
            EditError::Shared { line } => {
                write!(f, "line {line}: `down_revision` shares its value with another name, give each its own")
            }
            EditError::BadParent(id) => write!(f, "{id:?} cannot stand in a script as a revision id"),
            EditError::Unsure { line } => {
                write!(f, "line {line}: the value of `down_revision` cannot be changed without harm, edit it by hand")
            }
            EditError::Unchanged => f.write_str("`down_revision` says so already"),
        }
    }
}

impl std::error::Error for EditError {}

/// The text with other parents.
///
/// # Errors
/// [`EditError`]; there is no text then that could be written by mistake.
pub fn repoint(text: &str, places: &Places, parents: &[String]) -> Result<String, EditError> {
    if let Some(bad) = parents.iter().find(|id| !can_stand_in_script(id)) {
        return Err(EditError::BadParent(bad.clone()));
    }
    let old = text.get(places.down_revision.clone()).filter(|old| !old.is_empty()).ok_or(EditError::WrongPlaces)?;
    let line = line_of(text, places.down_revision.start);
    if places.others.iter().any(|other| overlap(other, &places.down_revision)) {
        return Err(EditError::Shared { line });
    }
    let quotes = places.others.iter().find_map(|range| value::quotes_in(text.get(range.clone())?));
    let new = value::rewrite(old, parents, quotes).map_err(|trouble| match trouble {
        value::Trouble::NotAValue => EditError::NotAValue { line },
        value::Trouble::Unsure => EditError::Unsure { line },
    })?;
    let mut edits = vec![(places.down_revision.clone(), new)];
    edits.extend(revises(text, places, parents)?);
    // From the end, so that the places in front of an edit stay what they are.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut edited = text.to_owned();
    for (range, new) in edits {
        edited.replace_range(range, &new);
    }
    if edited == text { Err(EditError::Unchanged) } else { Ok(edited) }
}

/// As [`repoint`], for a file's bytes.
///
/// # Errors
/// As there; [`EditError::NotUtf8`] for a file in another encoding, in which the places could not be trusted.
pub fn repoint_bytes(bytes: &[u8], places: &Places, parents: &[String]) -> Result<Vec<u8>, EditError> {
    let declared = declared_encoding(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        EditError::NotUtf8 { line, declared: declared.clone() }
    })?;
    // ASCII is the same in every encoding that Python reads a file in, other letters are not.
    let is_utf8 = declared.as_deref().is_none_or(is_utf8);
    if !is_utf8 && parents.iter().any(|id| !id.is_ascii()) {
        return Err(EditError::NotUtf8 { line: 1, declared });
    }
    repoint(text, places, parents).map(String::into_bytes)
}

/// An id that needs no escapes between quotes and no thought in a list with commas.
fn can_stand_in_script(id: &str) -> bool {
    let stands = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\\' | ',');
    !id.is_empty() && id.chars().all(stands)
}

/// The `Revises:` line's edit, if the docstring has one that does not say so yet: `Revises: 3f2a, 9c41`, as alembic
/// writes it; nothing behind the colon for a base.
fn revises(text: &str, places: &Places, parents: &[String]) -> Result<Option<(Range<usize>, String)>, EditError> {
    let Some(range) = &places.docstring else { return Ok(None) };
    let docstring = text.get(range.clone()).ok_or(EditError::WrongPlaces)?;
    if overlap(range, &places.down_revision) {
        return Err(EditError::WrongPlaces);
    }
    let Some(value) = revises_value(docstring) else { return Ok(None) };
    let list = parents.join(", ");
    // A space stands behind the colon already, or comes with the first id.
    let spaced = docstring[..value.start].ends_with([' ', '\t']) || list.is_empty();
    let new = if spaced { list } else { format!(" {list}") };
    Ok(Some((range.start + value.start..range.start + value.end, new)))
}

/// Where the ids are in a docstring: after `Revises:` at the beginning of a line, below `Revision ID:` if there is one
/// (the message above may have any text). A comma at the end of a line makes the next one part of it.
fn revises_value(docstring: &str) -> Option<Range<usize>> {
    let start_of = |key: &str, from: usize| {
        let mut at = from;
        docstring[from..].split_inclusive('\n').find_map(|line| {
            let indent = line.len() - line.trim_start_matches([' ', '\t', '"', '\'']).len();
            let found = line[indent..].starts_with(key).then_some(at + indent + key.len());
            at += line.len();
            found
        })
    };
    let below = start_of("Revision ID:", 0).unwrap_or(0);
    let after_colon = start_of("Revises:", below)?;
    let behind = docstring[after_colon..].trim_start_matches([' ', '\t']);
    let start = docstring.len() - behind.len();
    let (mut at, mut end) = (start, start);
    for line in behind.split_inclusive('\n') {
        // The docstring itself may end on this line.
        let ids = line.split(['"', '\'', '\\']).next().unwrap_or_default().trim_end();
        if !ids.is_empty() {
            end = at + ids.len();
        }
        at += line.len();
        if !ids.ends_with(',') {
            break;
        }
    }
    Some(start..end)
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
