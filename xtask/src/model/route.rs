//! Which revisions a round trip tests and in which order the whole history is walked for it. The revisions that are
//! tested come last, so that they can be taken down first; every order that comes out is one in which the history can
//! be applied.

use std::collections::HashSet;

use super::graph::{Graph, Links};

/// Which revisions are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Those that nothing follows.
    Heads,
    /// The newest so many.
    Newest(usize),
    /// This one and everything above it. A full id of the history.
    From(&'a str),
    /// All.
    All,
}

/// An order of the whole history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Every revision, in an order in which they can be applied.
    pub order: Vec<String>,
    /// From this position on they are tested.
    pub low: usize,
}

/// Puts the wanted revisions at the end.
pub fn route(graph: &Graph, wanted: Wanted<'_>) -> Route {
    let order = graph.pending(&[]);
    let last: HashSet<&str> = match wanted {
        // What only a `depends_on` follows cannot be taken down first either.
        Wanted::Heads => graph.effective_heads().into_iter().collect(),
        Wanted::Newest(count) => order.iter().rev().take(count).copied().collect(),
        Wanted::From(id) => graph.descendants(&[id], Links::WithDependencies).into_iter().chain([id]).collect(),
        Wanted::All => order.iter().copied().collect(),
    };
    let (tested, others): (Vec<&str>, Vec<&str>) = order.into_iter().partition(|id| last.contains(id));
    Route { low: others.len(), order: others.into_iter().chain(tested).map(str::to_owned).collect() }
}

/// The revisions that a version table with these rows stands for.
pub fn applied_set(graph: &Graph, heads: &[String]) -> HashSet<String> {
    let below = graph.ancestors(heads, Links::WithDependencies).into_iter().map(str::to_owned);
    below.chain(heads.iter().cloned()).collect()
}
