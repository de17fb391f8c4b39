//! The order in which alembic goes through a set of revisions, newest first. Applying goes the other way round.
//!
//! Alembic keeps a list of tips and walks down from one of them until it comes to a revision that another tip still
//! stands above; then it goes on at that other tip. It answers "stands above" by a set of ancestors for each tip. Here
//! it is answered by counting: in a set without gaps, a revision is free to go as soon as all that follow it directly
//! have gone. Only to find out which tip is the other one are the revisions above looked at.

use std::collections::VecDeque;

use super::{Graph, Links};

impl Graph {
    /// The wanted revisions, newest first, beginning at the tips in `heads`. `wanted` must have no gaps: what lies
    /// between two wanted revisions is wanted.
    pub(in crate::model) fn sorted(&self, wanted: Vec<bool>, heads: Vec<usize>) -> Vec<usize> {
        let mut heads: Vec<usize> = heads.into_iter().filter(|&at| wanted[at]).collect();
        heads.sort_unstable();
        heads.dedup();
        Walk::new(self, wanted, heads).run()
    }
}

impl Graph {
    /// The same where `wanted` may have gaps, as a range of a history with dependencies has: above stands then also what
    /// stands above by what is not wanted. It takes a look at all of history for each tip.
    pub(in crate::model) fn sorted_with_gaps(&self, wanted: Vec<bool>, heads: Vec<usize>) -> Vec<usize> {
        let marked: Vec<usize> = (0..wanted.len()).filter(|&at| wanted[at]).collect();
        let below = self.closure(marked.clone(), Links::WithDependencies);
        let above = self.upward(marked, Links::WithDependencies);
        if !(0..wanted.len()).any(|at| !wanted[at] && below[at] && above[at]) {
            return self.sorted(wanted, heads);
        }
        let mut todo = wanted;
        let mut tips: Vec<usize> = heads.into_iter().filter(|&at| todo[at]).collect();
        tips.sort_unstable();
        tips.dedup();
        let ancestors = |at: usize| self.closure(vec![at], Links::WithDependencies);
        let mut below: Vec<Vec<bool>> = tips.iter().map(|&at| ancestors(at)).collect();
        let (mut at, mut order) = (0, Vec::new());
        while let Some(&candidate) = tips.get(at) {
            if let Some(other) = (0..tips.len()).find(|&tip| tip != at && below[tip][candidate]) {
                at = other;
                continue;
            }
            if std::mem::take(&mut todo[candidate]) {
                order.push(candidate);
            }
            let down = self.nodes[candidate].down.iter().copied();
            let next: Vec<usize> = down.filter(|&down| todo[down] && !tips.contains(&down)).collect();
            match next.split_first() {
                None => {
                    tips.remove(at);
                    below.remove(at);
                    at = at.saturating_sub(1);
                }
                Some((first, others)) => {
                    (tips[at], below[at]) = (*first, ancestors(*first));
                    tips.extend(others);
                    below.extend(others.iter().map(|&at| ancestors(at)));
                }
            }
        }
        order
    }
}

/// How many revisions are looked at before all that stands above is marked.
const CLOSE: usize = 64;

struct Walk<'a> {
    graph: &'a Graph,
    wanted: Vec<bool>,
    /// How many revisions directly above are still to go, for each revision.
    waiting: Vec<usize>,
    tips: Vec<usize>,
    is_tip: Vec<bool>,
    at: usize,
    above: Above,
}

/// What stands above one revision. Kept, since the walk comes back to a branch point once for each of its branches.
struct Above {
    of: Option<usize>,
    stamp: usize,
    stamps: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, wanted: Vec<bool>, tips: Vec<usize>) -> Walk<'a> {
        let mut waiting = vec![0; wanted.len()];
        for (node, _) in graph.nodes.iter().zip(&wanted).filter(|&(_, &wanted)| wanted) {
            for &down in &node.down {
                waiting[down] += 1;
            }
        }
        let mut is_tip = vec![false; wanted.len()];
        for &tip in &tips {
            is_tip[tip] = true;
        }
        let above = Above { of: None, stamp: 0, stamps: vec![0; wanted.len()] };
        Walk { graph, wanted, waiting, tips, is_tip, at: 0, above }
    }

    fn run(mut self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.tips.len());
        while let Some(&candidate) = self.tips.get(self.at) {
            if self.waiting[candidate] > 0
                && let Some(other) = self.tip_above(candidate)
            {
                self.at = other;
                continue;
            }
            self.wanted[candidate] = false;
            order.push(candidate);
            self.step_down(candidate);
        }
        order
    }

    /// Replaces the tip that has just gone by what it follows.
    fn step_down(&mut self, gone: usize) {
        let node = &self.graph.nodes[gone];
        for &down in &node.down {
            self.waiting[down] -= 1;
        }
        self.is_tip[gone] = false;
        let next: Vec<usize> =
            node.down.iter().copied().filter(|&down| self.wanted[down] && !self.is_tip[down]).collect();
        if next.is_empty() {
            self.tips.remove(self.at);
            self.at = self.at.saturating_sub(1);
            return;
        }
        for &tip in &next {
            self.is_tip[tip] = true;
        }
        self.tips[self.at] = next[0];
        self.tips.extend_from_slice(&next[1..]);
    }

    /// The first other tip that the candidate is an ancestor of.
    fn tip_above(&mut self, candidate: usize) -> Option<usize> {
        if let Some(answer) = self.tip_close_above(candidate) {
            return answer;
        }
        self.above.find(self.graph, &self.wanted, candidate);
        let is_above = |tip: usize| tip != candidate && self.above.stamps[tip] == self.above.stamp;
        self.tips.iter().position(|&tip| is_above(tip))
    }
}

impl Walk<'_> {
    /// The same where it can be told by a few looks down from the tips, as it mostly can: a history with a branch at every
    /// revision would take time with the square of its length otherwise. `None` where it cannot.
    fn tip_close_above(&self, candidate: usize) -> Option<Option<usize>> {
        let mut seen = Vec::with_capacity(CLOSE);
        for (at, &tip) in self.tips.iter().enumerate().filter(|&(_, &tip)| tip != candidate) {
            let begin = seen.len();
            seen.push(tip);
            let mut next = begin;
            while let Some(&looked_at) = seen.get(next) {
                next += 1;
                for &down in &self.graph.nodes[looked_at].down {
                    if down == candidate {
                        return Some(Some(at));
                    }
                    if self.wanted[down] && !seen.contains(&down) {
                        seen.push(down);
                    }
                }
                if seen.len() >= CLOSE {
                    return None;
                }
            }
        }
        Some(None)
    }
}

impl Above {
    fn find(&mut self, graph: &Graph, wanted: &[bool], candidate: usize) {
        if self.of.replace(candidate) == Some(candidate) {
            return;
        }
        self.stamp += 1;
        let mut todo = VecDeque::from([candidate]);
        while let Some(at) = todo.pop_front() {
            if wanted[at] && std::mem::replace(&mut self.stamps[at], self.stamp) != self.stamp {
                todo.extend(&graph.nodes[at].followers);
            }
        }
    }
}
