//! The history: every revision, its parents, and the order in which alembic runs them.
//!
//! A [`Graph`] is sound by construction: ids are unique, every parent exists and there is no cycle, so that the
//! questions below cannot fail. Nothing in here recurses; the work grows with the number of revisions and links. Where
//! alembic 1.13 has an order of its own, this has the same one; the exception is several `depends_on` (or a `set` of
//! parents), whose order alembic leaves to Python's hash seed: here it is the order in the file.

mod build;
mod find;
mod heads;
mod labels;
mod order;
mod problem;
mod reach;

use std::collections::{BTreeMap, HashMap};

use crate::model::revision::Script;
pub(in crate::model) use find::NotFound;
pub use heads::HeadError;
pub use problem::{Place, Problem};
pub use reach::Links;

/// A sound history.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(in crate::model) nodes: Vec<Node>,
    by_id: HashMap<String, usize>,
    by_label: BTreeMap<String, usize>,
    /// Newest first, as `alembic history` has it.
    history: Vec<usize>,
    /// The inverse of `history`.
    pub(in crate::model) rank: Vec<usize>,
    /// How many revisions the longest way down to a base has.
    depth: Vec<usize>,
}

/// A revision and its links, as indices into `Graph::nodes`, which is in the order of loading.
#[derive(Clone, Debug)]
pub(in crate::model) struct Node {
    script: Script,
    pub(in crate::model) parents: Vec<usize>,
    /// `depends_on` with labels resolved.
    dependencies: Vec<usize>,
    /// Parents, then dependencies that no ancestor has already: what alembic calls the normalized down revisions, and
    /// what its version table is kept by.
    pub(in crate::model) down: Vec<usize>,
    pub(in crate::model) children: Vec<usize>,
    /// Children, and revisions that depend on this one.
    pub(in crate::model) followers: Vec<usize>,
    /// Its own and inherited branch labels, sorted.
    labels: Vec<String>,
}

impl Graph {
    /// Builds the history. `scripts` come in alembic's order of loading: version locations in the order of the config,
    /// files of a folder sorted by name. It decides between revisions that are otherwise equal.
    ///
    /// # Errors
    /// Everything that is wrong with the history, each problem once. Alembic only warns of a duplicate id and then sees
    /// wrong heads, and it does not notice every cycle; here both are errors.
    pub fn build(scripts: Vec<Script>) -> Result<Graph, Vec<Problem>> {
        build::build(scripts)
    }

    /// How many revisions there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no revision at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The script of a full revision id.
    pub fn get(&self, id: &str) -> Option<&Script> {
        self.index(id).map(|at| &self.nodes[at].script)
    }

    /// All scripts, newest first, in the order of `alembic history`.
    pub fn scripts(&self) -> impl DoubleEndedIterator<Item = &Script> + ExactSizeIterator {
        self.history.iter().map(|&at| &self.nodes[at].script)
    }

    /// The revisions without children, in the order of loading.
    pub fn heads(&self) -> Vec<&str> {
        self.select(|node| node.children.is_empty())
    }

    /// What `upgrade heads` goes to: the heads that no other revision depends on. Applying one of these applies the other
    /// heads as well.
    pub fn effective_heads(&self) -> Vec<&str> {
        self.select(|node| node.followers.is_empty())
    }

    /// The revisions without parents, in the order of loading.
    pub fn bases(&self) -> Vec<&str> {
        self.select(|node| node.parents.is_empty())
    }

    /// The parents of a revision as written; nothing for an unknown id.
    pub fn parents(&self, id: &str) -> Vec<&str> {
        self.linked(id, |node| &node.parents)
    }

    /// The revisions that have this one as a parent, in the order of loading; nothing for an unknown id.
    pub fn children(&self, id: &str) -> Vec<&str> {
        self.linked(id, |node| &node.children)
    }

    /// The revisions that this one depends on, branch labels resolved; nothing for an unknown id.
    pub fn dependencies(&self, id: &str) -> Vec<&str> {
        self.linked(id, |node| &node.dependencies)
    }

    /// The branch labels that a revision has or inherits, sorted.
    pub fn labels(&self, id: &str) -> &[String] {
        self.index(id).map_or(&[], |at| &self.nodes[at].labels)
    }

    /// Whether nothing has this revision as a parent.
    pub fn is_head(&self, id: &str) -> bool {
        self.is(id, |node| node.children.is_empty())
    }

    /// Whether this revision has no parent.
    pub fn is_base(&self, id: &str) -> bool {
        self.is(id, |node| node.parents.is_empty())
    }

    /// Whether several revisions have this one as a parent.
    pub fn is_branch_point(&self, id: &str) -> bool {
        self.is(id, |node| node.children.len() > 1)
    }

    /// Whether this revision has several parents.
    pub fn is_merge_point(&self, id: &str) -> bool {
        self.is(id, |node| node.parents.len() > 1)
    }

    /// The ids out of `current` that no script has.
    pub fn unknown<'a>(&self, current: &'a [String]) -> Vec<&'a str> {
        current.iter().map(String::as_str).filter(|id| self.index(id).is_none()).collect()
    }

    /// What `upgrade heads` would apply to a database at `current`, in that order. Unknown ids count as nothing applied.
    pub fn pending(&self, current: &[String]) -> Vec<&str> {
        let applied = self.closure(self.indices(current), Links::WithDependencies);
        let wanted: Vec<bool> = applied.iter().map(|applied| !applied).collect();
        let heads = (0..self.nodes.len()).filter(|&at| self.nodes[at].followers.is_empty()).collect();
        let mut order = self.sorted(wanted, heads);
        order.reverse();
        self.ids(order)
    }

    pub(in crate::model) fn index(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(in crate::model) fn indices(&self, ids: &[impl AsRef<str>]) -> Vec<usize> {
        ids.iter().filter_map(|id| self.index(id.as_ref())).collect()
    }

    pub(in crate::model) fn id(&self, at: usize) -> &str {
        &self.nodes[at].script.id
    }

    pub(in crate::model) fn ids(&self, indices: impl IntoIterator<Item = usize>) -> Vec<&str> {
        indices.into_iter().map(|at| self.id(at)).collect()
    }

    fn select(&self, wanted: impl Fn(&Node) -> bool) -> Vec<&str> {
        self.nodes.iter().filter(|node| wanted(node)).map(|node| node.script.id.as_str()).collect()
    }

    fn linked(&self, id: &str, links: impl Fn(&Node) -> &Vec<usize>) -> Vec<&str> {
        self.index(id).map(|at| self.ids(links(&self.nodes[at]).iter().copied())).unwrap_or_default()
    }

    fn is(&self, id: &str, property: impl Fn(&Node) -> bool) -> bool {
        self.index(id).is_some_and(|at| property(&self.nodes[at]))
    }
}

#[cfg(test)]
mod tests;
