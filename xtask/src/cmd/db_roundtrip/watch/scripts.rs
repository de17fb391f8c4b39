//! Remembers the scripts of the history as they were when they were read, so that a change is noticed.

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::cmd::db_roundtrip::facts::Facts;
use crate::ctx::Ctx;
use crate::model::graph::Graph;
use crate::sys::files;

/// A script as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    pub id: String,
    /// Where it stands in the history: its file, parents, dependencies and labels.
    pub place: String,
    /// A digest of all of it.
    pub text: Vec<u8>,
}

/// Every script, in the order of applying.
pub fn known(ctx: &Ctx, facts: &Facts<'_>) -> Result<Vec<Known>> {
    let root = &ctx.project()?.root;
    let one = |id: &String| {
        let path = facts.graph.get(id).map(|script| script.path.clone()).unwrap_or_default();
        // A file that is removed in this moment is noticed as the next change.
        let text = files::read(&root.join(&path)).unwrap_or_default();
        Known { id: id.clone(), place: place(&facts.graph, id, &path), text: Sha256::digest(text).to_vec() }
    };
    Ok(facts.route.order.iter().map(one).collect())
}

fn place(graph: &Graph, id: &str, path: &std::path::Path) -> String {
    format!("{path:?} {:?} {:?} {:?}", graph.parents(id), graph.dependencies(id), graph.labels(id))
}
