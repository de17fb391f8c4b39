//! Which branch labels a revision has: its own, those of its ancestors, and those of a revision further up that is alone
//! on its line. The last rule is alembic's: from the tip of a labelled branch it hands the label down until it comes to a
//! branch point or a merge point, so that a label set late still names the whole branch.

use super::{Graph, Links};

impl Graph {
    /// Whether there are several heads that nobody means. Beside one line without a name, branches that somebody has named
    /// are several heads on purpose.
    pub fn is_diverged(&self) -> bool {
        self.heads().iter().filter(|id| self.labels(id).is_empty()).count() > 1
    }

    /// What an upgrade without a target goes to.
    pub fn usual_target(&self) -> &'static str {
        if self.heads().len() > 1 && !self.is_diverged() { "heads" } else { "head" }
    }

    /// Hands out all labels. Needs all links.
    pub(super) fn spread_labels(&mut self) {
        for (label, at) in std::mem::take(&mut self.by_label) {
            let mut marked = self.upward(vec![at], Links::Parents);
            self.mark_downward(&mut marked, at);
            for (node, _) in self.nodes.iter_mut().zip(&marked).filter(|&(_, &marked)| marked) {
                node.labels.push(label.clone());
            }
            self.by_label.insert(label, at);
        }
    }

    fn mark_downward(&self, marked: &mut [bool], from: usize) {
        let goes_on = |at: usize| self.nodes[at].followers.len() <= 1 && self.nodes[at].parents.len() <= 1;
        // Alembic starts at a tip: anything but a plain line up there stops it before it comes down to `from`.
        let mut at = from;
        while let [child] = self.nodes[at].children[..] {
            at = child;
            if !goes_on(at) {
                return;
            }
        }
        at = from;
        while goes_on(at) {
            marked[at] = true;
            let [parent] = self.nodes[at].parents[..] else { return };
            at = parent;
        }
    }
}
