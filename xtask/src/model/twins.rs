//! Twins: two revisions with the same fix. A fix that a maintained line needs is put in twice: once below the released
//! revisions of the main line, where the maintained line picks it up, and once, guarded, on top, for databases that are
//! past that place already. It does not matter which of the two was there first.
//!
//! Whether two revisions are twins is judged by what they do: the same changes, whatever guards them. What their texts say
//! about each other (an id in a comment, the same message) is a hint that only counts as long as the code does not
//! contradict it.

mod changes;
mod guard;
mod index;

use super::revision::Script;
use super::script_body::{Body, Function};

pub use changes::{Change, Changes, changes};
pub use guard::{Unguarded, unguarded};
pub use index::Index;

/// A revision with all that can be read of it.
#[derive(Clone, Copy, Debug)]
pub struct Revision<'a> {
    /// Its header.
    pub script: &'a Script,
    /// The whole file.
    pub text: &'a str,
    /// What its functions do.
    pub body: &'a Body,
}

/// How sure it is that two revisions are twins; the surer one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// Their texts say so, and what can be read of the code does not contradict.
    Alike,
    /// One does everything that the other does.
    Same,
}

/// The other one of a pair.
#[derive(Clone, Debug)]
pub struct Twin<'a> {
    /// The revision that was found.
    pub revision: Revision<'a>,
    /// How sure it is.
    pub likeness: Likeness,
    /// The first change of the twin's upgrade that would fail, or be done twice, where both revisions run; `None` where
    /// every change looks first.
    pub unguarded: Option<Unguarded>,
}

/// The most certain twin of a revision among others: `Same` before `Alike`, and of two alike ones the guarded one. The
/// caller chooses the others (those above, or those that a database has run); the revision itself is left out.
pub fn twin<'a>(of: &Revision<'_>, among: impl IntoIterator<Item = Revision<'a>>) -> Option<Twin<'a>> {
    let others = among.into_iter().filter(|other| other.script.id != of.script.id);
    let twins = others.filter_map(|revision| {
        let likeness = likeness(of, &revision)?;
        Some(Twin { revision, likeness, unguarded: unguarded(revision.body) })
    });
    twins.max_by_key(|twin| (twin.likeness, twin.unguarded.is_none()))
}

/// How sure it is that two revisions are twins; `None` where they are none. It is the same in both directions.
pub fn likeness(one: &Revision<'_>, other: &Revision<'_>) -> Option<Likeness> {
    let (Some(up), Some(other_up)) = (works(one.body), works(other.body)) else { return None };
    let (changes, other_changes) = (changes(up), changes(other_up));
    if changes::covers(&changes, &other_changes) || changes::covers(&other_changes, &changes) {
        return Some(Likeness::Same);
    }
    let says_so =
        names(one, &other.script.id) || names(other, &one.script.id) || same_message(one.script, other.script);
    // Two revisions that say so and have nothing in common do not do the same.
    let is_contradicted =
        !changes.is_partial && !other_changes.is_partial && !changes::overlap(&changes, &other_changes);
    (says_so && !is_contradicted).then_some(Likeness::Alike)
}

fn works(body: &Body) -> Option<&Function> {
    body.upgrade.as_ref().filter(|upgrade| upgrade.kind == super::script_body::Kind::Works)
}

/// Whether a script names a revision anywhere but where every child names its parent.
fn names(revision: &Revision<'_>, id: &str) -> bool {
    let spans = &revision.script.spans;
    let is_header = |at: usize| {
        let line = revision.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = revision.text[line..].trim_start();
        let values = [&spans.down_revision, &spans.revision, &spans.depends_on];
        line.starts_with("Revises:") || values.into_iter().flatten().any(|range| range.contains(&at))
    };
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    // An id of one or two letters is a word of any language.
    id.len() > 3
        && revision.text.match_indices(id).any(|(at, found)| {
            let is_whole = !is_word(revision.text[..at].chars().next_back())
                && !is_word(revision.text[at + found.len()..].chars().next());
            is_whole && !is_header(at)
        })
}

/// Whether two messages are the same but for a remark in brackets: `add notes`, `Add notes (backport)`.
fn same_message(one: &Script, other: &Script) -> bool {
    message(one).is_some_and(|one| Some(one) == message(other))
}

/// A message without a remark in brackets; `None` where it says nothing, as "merge" and "fix" do.
fn message(script: &Script) -> Option<String> {
    let title = script.title();
    let bare = title.split('(').next().unwrap_or_default().trim().trim_end_matches('.').to_lowercase();
    (bare.split_whitespace().count() > 2).then_some(bare)
}

#[cfg(test)]
mod tests;
