//! Finds the revision that a person means (by a full or shortened id, or a branch label), by alembic's rules.

use super::{Graph, Links};
use crate::model::nearest;

/// Only keys longer than this can be shortened.
const SHORTEST: usize = 3;

/// Why there is no such revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) enum NotFound {
    /// Nothing begins like this; what may have been meant.
    Unknown(Vec<String>),
    /// Several ids or labels begin like this.
    Ambiguous(Vec<String>),
    /// No such label or id before the `@`; what may have been meant.
    UnknownBranch(Vec<String>),
    /// The revision is there, but not on the branch.
    NotOnBranch(String),
}

impl Graph {
    /// The revision of an id or branch label, which may be shortened to what is unique. With `branch` (a label or an
    /// id), it has to be an ancestor or descendant of that one, and only such revisions count for uniqueness.
    pub(in crate::model) fn find(&self, ident: &str, branch: Option<&str>) -> Result<usize, NotFound> {
        let lineage = branch.map(|label| self.lineage(label)).transpose()?;
        let on_branch = |at: usize| lineage.as_ref().is_none_or(|lineage| lineage[at]);
        let exact = self.by_id.get(ident).or_else(|| self.by_label.get(ident)).copied();
        let found = match exact {
            Some(at) => at,
            None => self.find_shortened(ident, on_branch)?,
        };
        if on_branch(found) { Ok(found) } else { Err(NotFound::NotOnBranch(self.id(found).to_owned())) }
    }

    /// Marks what shares a line with a label or id: its ancestors and its descendants, by parents only.
    pub(in crate::model) fn lineage(&self, label: &str) -> Result<Vec<bool>, NotFound> {
        let at = self.branch(label)?;
        let mut marked = self.closure(vec![at], Links::Parents);
        for (marked, above) in marked.iter_mut().zip(self.upward(vec![at], Links::Parents)) {
            *marked |= above;
        }
        Ok(marked)
    }

    /// The revision that a label (or an id in a label's place) stands for.
    pub(in crate::model) fn branch(&self, label: &str) -> Result<usize, NotFound> {
        self.find(label, None).map_err(|error| match error {
            NotFound::Unknown(_) => {
                NotFound::UnknownBranch(nearest::nearest(label, self.by_label.keys().map(String::as_str)))
            }
            other => other,
        })
    }

    fn find_shortened(&self, ident: &str, on_branch: impl Fn(usize) -> bool) -> Result<usize, NotFound> {
        let ids = self.nodes.iter().enumerate().map(|(at, node)| (node.script.id.as_str(), at));
        let labels = self.by_label.iter().map(|(label, &at)| (label.as_str(), at));
        let keys = ids.chain(labels);
        let fits =
            |&(key, at): &(&str, usize)| key.starts_with(ident) && key.chars().nth(SHORTEST).is_some() && on_branch(at);
        let found: Vec<(&str, usize)> = keys.clone().filter(fits).collect();
        match found[..] {
            [(_, at)] => Ok(at),
            [] => Err(NotFound::Unknown(nearest::nearest(ident, keys.map(|(key, _)| key)))),
            _ => Err(NotFound::Ambiguous(found.into_iter().map(|(key, _)| key.to_owned()).collect())),
        }
    }
}
