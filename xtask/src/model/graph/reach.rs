//! Ancestors and descendants of a set of revisions.

use std::collections::HashSet;

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

    /// Whether one revision is an ancestor of another, by parents. The way down ends at what is no deeper than the one
    /// that is looked for, so that a question about neighbours costs little in a long history.
    pub fn is_ancestor(&self, ancestor: &str, of: &str) -> bool {
        let (Some(wanted), Some(from)) = (self.index(ancestor), self.index(of)) else { return false };
        let mut seen = HashSet::new();
        let mut todo = vec![from];
        while let Some(at) = todo.pop() {
            for &parent in &self.nodes[at].parents {
                if parent == wanted {
                    return true;
                }
                if self.depth[parent] > self.depth[wanted] && seen.insert(parent) {
                    todo.push(parent);
                }
            }
        }
        false
    }

    /// The revisions in groups that no parent links, each newest first.
    pub fn components(&self) -> Vec<Vec<&str>> {
        let mut group: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let mut count = 0;
        for start in 0..self.nodes.len() {
            if group[start].is_some() {
                continue;
            }
            let mut todo = vec![start];
            while let Some(at) = todo.pop() {
                if group[at].replace(count).is_none() {
                    todo.extend(self.nodes[at].parents.iter().chain(&self.nodes[at].children));
                }
            }
            count += 1;
        }
        let mut components = vec![Vec::new(); count];
        for &at in &self.history {
            components[group[at].unwrap_or_default()].push(self.id(at));
        }
        components
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
