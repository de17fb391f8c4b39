//! Folds long straight runs: revisions about which a drawing says nothing but that they follow each other become one.

use std::collections::HashMap;

use super::{Drawing, Node};
use crate::model::roundtrip::Verdict;

/// A shorter run stays as it is.
const SHORTEST: usize = 4;

impl Drawing {
    /// The same with long straight runs as one node each.
    pub fn folded(&self) -> Drawing {
        let mut children: HashMap<&str, usize> = HashMap::new();
        for id in self.nodes.iter().flat_map(|node| node.parents.iter().chain(&node.dependencies)) {
            *children.entry(id).or_default() += 1;
        }
        let number: HashMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect();
        let is_plain = |node: &Node| node.says_nothing() && children.get(node.id.as_str()) == Some(&1);
        let mut taken = vec![false; self.nodes.len()];
        let mut nodes = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if taken[at] {
                continue;
            }
            let run = self.run(at, &number, &is_plain);
            match run[..] {
                [newest, .., oldest] if run.len() >= SHORTEST => {
                    run.iter().for_each(|&at| taken[at] = true);
                    nodes.push(self.as_one(newest, oldest, run.len()));
                }
                _ => nodes.push(node.clone()),
            }
        }
        Drawing { title: self.title.clone(), nodes, revisions: self.revisions }
    }

    /// The plain revisions from one downwards.
    fn run(&self, from: usize, number: &HashMap<&str, usize>, is_plain: &impl Fn(&Node) -> bool) -> Vec<usize> {
        let mut run = Vec::new();
        let mut next = Some(from);
        let verdict = self.nodes[from].verdict;
        while let Some(at) = next.filter(|&at| is_plain(&self.nodes[at]) && self.nodes[at].verdict == verdict) {
            run.push(at);
            next = self.nodes[at].parents.first().and_then(|id| number.get(id.as_str())).copied();
        }
        run
    }

    fn as_one(&self, newest: usize, oldest: usize, count: usize) -> Node {
        let (newest, oldest) = (&self.nodes[newest], &self.nodes[oldest]);
        let all = newest.verdict.map(|verdict| format!(", all {}", verdict.name())).unwrap_or_default();
        Node {
            id: newest.id.clone(),
            message: format!("{count} revisions{all}, {} to {}", oldest.id, newest.id),
            parents: oldest.parents.clone(),
            side: newest.side,
            folded: Some((count, oldest.id.clone())),
            ..Node::default()
        }
    }
}

impl Node {
    fn says_nothing(&self) -> bool {
        let is_marked = self.is_current || self.is_head || self.is_base || self.is_branch_point || self.is_merge_point;
        let is_passed = self.verdict.is_none_or(|verdict| verdict == Verdict::Reversible);
        let has_more = !self.labels.is_empty() || !self.dependencies.is_empty() || !is_passed;
        self.parents.len() == 1 && !is_marked && !has_more && !self.is_own
    }
}
