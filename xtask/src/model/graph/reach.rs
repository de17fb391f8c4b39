//! Ancestors and descendants of a set of revisions.

use super::{Graph, Node};

/// Which links to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Parents and children only: a branch.
    Parents,
    /// Dependencies too: what has to be applied before.
    WithDependencies,
}

impl Graph {
    /// The revisions of `ids` and all their ancestors, newest first; unknown ids count for nothing.
    pub fn ancestors(&self, ids: &[impl AsRef<str>], links: Links) -> Vec<&str> {
        self.newest_first(&self.closure(self.indices(ids), links))
    }

    /// The revisions of `ids` and all their descendants, newest first; unknown ids count for nothing.
    pub fn descendants(&self, ids: &[impl AsRef<str>], links: Links) -> Vec<&str> {
        self.newest_first(&self.upward(self.indices(ids), links))
    }

    /// Marks the given revisions and their ancestors.
    pub(in crate::model) fn closure(&self, from: Vec<usize>, links: Links) -> Vec<bool> {
        self.spread(from, |node| match links {
            Links::Parents => &node.parents,
            Links::WithDependencies => &node.down,
        })
    }

    /// Marks the given revisions and their descendants.
    pub(in crate::model) fn upward(&self, from: Vec<usize>, links: Links) -> Vec<bool> {
        self.spread(from, |node| match links {
            Links::Parents => &node.children,
            Links::WithDependencies => &node.followers,
        })
    }

    fn spread<'a>(&'a self, from: Vec<usize>, next: impl Fn(&'a Node) -> &'a [usize]) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        let mut todo = from;
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                todo.extend_from_slice(next(&self.nodes[at]));
            }
        }
        seen
    }

    fn newest_first(&self, marked: &[bool]) -> Vec<&str> {
        self.ids(self.history.iter().copied().filter(|&at| marked[at]))
    }
}
