//! Puts revisions on top of another one. Head by head: what only this head has below it keeps its shape, and whatever in
//! it stood on something else stands on what has been built so far. Where `depends_on` links between two own heads go
//! both ways, no order of the heads is right, and the revisions are put in one line instead.

use super::{Moved, Refusal};
use crate::model::graph::{Graph, Links};

/// The moves that put everything but `kept` on top of `tip`, in the order in which the revisions will be applied.
pub(super) fn on_top(graph: &Graph, kept: &[bool], tip: Option<usize>) -> Result<Vec<Moved>, Refusal> {
    let own: Vec<bool> = kept.iter().map(|kept| !kept).collect();
    let labelled = |&at: &usize| own[at] && tip.is_some() && graph.nodes[at].parents.is_empty() && has_label(graph, at);
    if let Some(base) = (0..graph.len()).find(labelled) {
        return Err(Refusal::Labelled(graph.id(base).to_owned()));
    }
    let mut building = Building { graph, placed: kept.to_vec(), tip, moved: Vec::new() };
    let mut heads = own_heads(graph, &own);
    while !heads.is_empty() {
        let next = building.next(&heads);
        let Some(next) = next else {
            return Ok(in_one_line(graph, &own, tip));
        };
        let head = heads.remove(next);
        building.put(head);
    }
    Ok(building.moved)
}

fn has_label(graph: &Graph, at: usize) -> bool {
    graph.get(graph.id(at)).is_some_and(|script| !script.branch_labels.is_empty())
}

/// Own revisions without children, in the order of loading.
fn own_heads(graph: &Graph, own: &[bool]) -> Vec<usize> {
    (0..graph.len()).filter(|&at| own[at] && graph.nodes[at].children.is_empty()).collect()
}

struct Building<'a> {
    graph: &'a Graph,
    placed: Vec<bool>,
    tip: Option<usize>,
    moved: Vec<Moved>,
}

impl Building<'_> {
    /// The head to go on with: one that depends on nothing that is still to come; of these, one that need not move.
    fn next(&self, heads: &[usize]) -> Option<usize> {
        let ready = |&at: &usize| {
            let group = self.group(heads[at]);
            let needed = self.graph.closure(vec![heads[at]], Links::WithDependencies);
            (0..needed.len()).all(|at| !needed[at] || self.placed[at] || group[at])
        };
        let ready: Vec<usize> = (0..heads.len()).filter(ready).collect();
        let stays = |&&at: &&usize| self.moves(&self.group(heads[at])).is_empty();
        ready.iter().find(stays).or(ready.first()).copied()
    }

    /// A head and what is below it, as far as it has no place yet.
    fn group(&self, head: usize) -> Vec<bool> {
        let mut group = self.graph.closure(vec![head], Links::Parents);
        group.iter_mut().zip(&self.placed).for_each(|(group, placed)| *group &= !placed);
        group
    }

    fn put(&mut self, head: usize) {
        let group = self.group(head);
        self.moved.extend(self.moves(&group));
        self.placed.iter_mut().zip(group).for_each(|(placed, group)| *placed |= group);
        self.tip = Some(head);
    }

    fn moves(&self, group: &[bool]) -> Vec<Moved> {
        let mut order: Vec<usize> = (0..group.len()).filter(|&at| group[at]).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(self.graph.rank[at]));
        order.into_iter().filter_map(|at| moved(self.graph, at, self.parents(group, at))).collect()
    }

    /// Parents inside the group stay; they stand on the tip in the end, and with it on all that was outside.
    fn parents(&self, group: &[bool], at: usize) -> Vec<usize> {
        let old = &self.graph.nodes[at].parents;
        let inside: Vec<usize> = old.iter().copied().filter(|&parent| group[parent]).collect();
        match self.tip {
            Some(tip) if inside.is_empty() => vec![tip],
            None if inside.is_empty() => old.clone(),
            _ => inside,
        }
    }
}

/// Every own revision on top of the one before it, in the order in which Alembic would apply them.
fn in_one_line(graph: &Graph, own: &[bool], tip: Option<usize>) -> Vec<Moved> {
    let last = (0..graph.len()).filter(|&at| own[at] && graph.nodes[at].followers.is_empty()).collect();
    let mut order = graph.sorted(own.to_vec(), last);
    order.reverse();
    let below = std::iter::once(tip).chain(order.iter().copied().map(Some));
    let pairs = order.iter().copied().zip(below);
    pairs.filter_map(|(at, below)| moved(graph, at, below.into_iter().collect())).collect()
}

/// The move, if it is one: the same parents in another order are the same parents.
fn moved(graph: &Graph, at: usize, to: Vec<usize>) -> Option<Moved> {
    let from = graph.nodes[at].parents.clone();
    let sorted = |mut list: Vec<usize>| {
        list.sort_unstable();
        list
    };
    if sorted(from.clone()) == sorted(to.clone()) {
        return None;
    }
    let named = |list: Vec<usize>| graph.ids(list).into_iter().map(str::to_owned).collect();
    Some(Moved { revision: graph.id(at).to_owned(), from: named(from), to: named(to) })
}
