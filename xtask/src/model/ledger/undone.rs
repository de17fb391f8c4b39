//! Finds what ran in a database though its files no longer say so. db-rebase and db-merge change files and database
//! together; if only the files are taken back afterwards (`git merge --abort`, `git reset`, `git rebase --abort`), the
//! database holds more than its version table says with these files.

use std::collections::BTreeSet;

use super::{How, Ledger, Reparented, links};
use crate::model::graph::{Graph, Links};

/// What these files know nothing of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Revisions that ran and that what the version table holds does not imply any more.
    pub revisions: Vec<String>,
    /// Those of them that no file has.
    pub gone: Vec<String>,
    /// Held revisions that ran on other parents than the files give them.
    pub moved: Vec<Reparented>,
}

impl Undone {
    /// Whether files and database agree.
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty()
    }
}

impl Ledger {
    /// What ran in a database at `heads` though these files no longer say so. Nothing is reported where somebody else
    /// has written the version table, nor for revisions in whose place the files have others: those were renamed or
    /// joined.
    pub fn undone(&self, graph: &Graph, heads: &[String]) -> Undone {
        if !self.is_unbroken(heads) || !graph.unknown(heads).is_empty() {
            return Undone::default();
        }
        let held: BTreeSet<&str> = graph.ancestors(heads, Links::WithDependencies).into_iter().collect();
        let moved: Vec<Reparented> = held.iter().filter_map(|id| self.moved(graph, id)).collect();
        let is_replaced =
            held.iter().any(|id| !self.entries.contains_key(*id)) || moved.iter().any(|it| it.is.is_empty());
        let ran = self.entries.iter().filter(|(id, entry)| entry.how == How::Ran && !held.contains(id.as_str()));
        let (known, gone): (Vec<String>, Vec<String>) =
            ran.map(|(id, _)| id.clone()).partition(|id| graph.get(id).is_some());
        let gone = if is_replaced { Vec::new() } else { gone };
        let revisions: Vec<String> = known.into_iter().chain(gone.iter().cloned()).collect();
        let moved = if revisions.is_empty() { Vec::new() } else { moved };
        Undone { revisions, gone, moved }
    }

    fn moved(&self, graph: &Graph, id: &str) -> Option<Reparented> {
        let was = &self.entries.get(id)?.parents;
        let is = links(graph, id);
        let differs = was.iter().collect::<BTreeSet<_>>() != is.iter().collect::<BTreeSet<_>>();
        differs.then(|| Reparented { revision: id.to_owned(), was: was.clone(), is })
    }
}
