//! The ledger on the way of every walk: read before, written after. Whatever keeps it from being written is said under
//! `--verbose` and stops nobody.

use std::collections::BTreeMap;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::ctx::Ctx;
use crate::model::graph::Graph;
use crate::model::ledger::{Entry, How, Ledger, links};
use crate::model::target::Direction;
use crate::sys::pg::{Db, SCHEMA, VersionTable, Writing};

/// The ledger as it was before a change.
pub struct Book {
    table: VersionTable,
    command: &'static str,
    old: Option<Ledger>,
    begun: BTreeMap<String, Entry>,
}

/// What a walk has done.
pub struct Change<'a> {
    /// Which way.
    pub direction: Direction,
    /// What was applied or reverted for good.
    pub done: &'a [String],
    /// What the version table holds now.
    pub heads: &'a [String],
    /// Whether Alembic's autogenerate would see the ledger; not known after a failure.
    pub sees_ledger: Option<bool>,
}

impl Book {
    /// Opens it for a database at `heads`.
    pub fn open(db: &mut Db, table: &VersionTable, command: &'static str, graph: &Graph, heads: &[String]) -> Book {
        let old = db.ledger(table);
        let begun = old.as_ref().unwrap_or(&Ledger::default()).begun(graph, heads);
        Book { table: table.clone(), command, old, begun }
    }

    /// Writes down what a walk has done.
    pub fn close(self, ctx: &Ctx, db: &mut Db, graph: &Graph, change: &Change<'_>) {
        if self.old.is_none() && change.sees_ledger == Some(true) {
            ctx.ui.verbose(format!(
                "no ledger is made: env.py lets autogenerate look into the schema {SCHEMA} (include_schemas), so that it \
                 would propose to drop it"
            ));
            return;
        }
        match self.write(ctx, db, graph, change) {
            Ok(true) => {}
            Ok(false) => ctx.ui.verbose("there is no ledger to write into"),
            Err(error) => ctx.ui.verbose(format!("the ledger could not be written: {error:#}")),
        }
    }

    fn write(mut self, ctx: &Ctx, db: &mut Db, graph: &Graph, change: &Change<'_>) -> Result<bool> {
        for id in change.done {
            match change.direction {
                Direction::Up => {
                    let entry = Entry { parents: links(graph, id), how: How::Ran };
                    self.begun.insert(id.clone(), entry);
                }
                Direction::Down => _ = self.begun.remove(id),
            }
        }
        let old = self.old.as_ref().map(|ledger| &ledger.entries);
        let is_new = |id: &String, entry: &Entry| {
            change.done.contains(id) || old.and_then(|old| old.get(id)).is_none_or(|old| old != entry)
        };
        let root = &ctx.project()?.root;
        let mut entries = Vec::new();
        for (id, entry) in self.begun.iter().filter(|(id, entry)| is_new(id, entry)) {
            // A revision of an older ledger may have no file here.
            let text = graph.get(id).map(|script| std::fs::read(root.join(&script.path))).transpose();
            let digest = text.ok().flatten().map(|text| hex(&text)).unwrap_or_default();
            entries.push((id.as_str(), entry, digest));
        }
        let gone = old.into_iter().flat_map(BTreeMap::keys).filter(|id| !self.begun.contains_key(*id));
        let forget: Vec<String> = gone.cloned().collect();
        let by = format!("xtask {}, {}", env!("CARGO_PKG_VERSION"), self.command);
        let may_make = change.sees_ledger == Some(false);
        db.write_ledger(
            &self.table,
            &Writing { forget: &forget, entries: &entries, heads: change.heads, by: &by, may_make },
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
