//! Identifies a run, so that the reports of its parts can be put together again.

use sha2::{Digest, Sha256};

use super::facts::Facts;
use crate::ctx::Ctx;
use crate::flags::DbRoundtrip;
use crate::model::graph::Graph;
use crate::report::roundtrip::Run;
use crate::sys::files;
use crate::sys::git::Repo;

/// The identity of a run, before anything is tested.
pub fn of(ctx: &Ctx, facts: &Facts<'_>, flags: &DbRoundtrip) -> Run {
    let same = DbRoundtrip { partition: None, junit: None, html: None, keep: false, jobs: 1, ..flags.clone() };
    Run {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        partition: flags.partition,
        commit: commit(ctx),
        scripts: scripts(ctx, &facts.graph),
        chosen: facts.route.chosen.iter().rev().cloned().collect(),
        flags: same.again().written().into_iter().skip(1).map(str::to_owned).collect(),
        origin: None,
    }
}

/// The commit that is checked out, where git knows it.
pub fn commit(ctx: &Ctx) -> Option<String> {
    let repo = Repo::find(&ctx.ui, &ctx.project().ok()?.root).ok()??;
    repo.head().ok()?.commit.map(|commit| commit.as_str().to_owned())
}

/// A digest of all scripts; one that cannot be read counts as empty.
pub fn scripts(ctx: &Ctx, graph: &Graph) -> String {
    let Ok(project) = ctx.project() else { return String::new() };
    let mut scripts: Vec<_> = graph.scripts().collect();
    scripts.sort_by(|one, other| one.id.cmp(&other.id));
    let mut digest = Sha256::new();
    for script in scripts {
        digest.update(format!("{}\0", script.id));
        digest.update(Sha256::digest(files::read(&project.root.join(&script.path)).unwrap_or_default()));
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
