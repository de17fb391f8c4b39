//! The schema before, between and after the steps of a walk. Where a project runs everything in one transaction,
//! another session can only see the schema before the first and after the last step; between the steps it is read
//! through the migration's own session, in a savepoint that is rolled back.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{Walk, sorted};
use crate::ctx::Ctx;
use crate::model::catalog::Snapshot;
use crate::model::graph::Graph;
use crate::model::ledger::{Delta, Run};
use crate::model::target::Direction;
use crate::model::written::{Since, Written};
use crate::sys::alembic::Inside;
use crate::sys::pg::{Busy, Script};
use crate::work::ledger;
use crate::work::own_database::OwnDatabase;

/// Of a long walk only the last steps are looked at through the migration's session: the newest revisions are those that are
/// tried, and each look takes its time.
const LOOKED_THROUGH: usize = 50;

/// What was seen, by the number of steps that were done.
pub struct Looks {
    seen: BTreeMap<usize, Snapshot>,
    /// The steps' scripts, by revision.
    scripts: BTreeMap<String, Script>,
    /// Whether a session of our own sees what a step has done.
    sees_steps: bool,
    /// Whether the migration's own session lets us look through it.
    looks_through: bool,
    /// What showed of rows before the first step, and when that was by the server's clock.
    written: Option<(Written, SystemTime)>,
}

/// What became of rows while a walk was under way.
pub struct Rows {
    /// What was committed.
    pub since: Since,
    /// Who else was at work there.
    pub others: Vec<Busy>,
}

impl Looks {
    /// Looks before the first step.
    pub fn begin(ctx: &Ctx, own: &mut OwnDatabase<'_>, graph: &Graph, walk: &Walk) -> Looks {
        let scripts = ledger::scripts(ctx, graph, &walk.steps);
        let (table, db) = own.table_and_db();
        let written = db.written(table).ok().flatten().and_then(|written| Some((written, db.now().ok()?)));
        let mut looks = Looks { seen: BTreeMap::new(), scripts, sees_steps: true, looks_through: true, written };
        looks.at(own, 0);
        looks
    }

    /// Looks between two steps, while the driver waits.
    pub fn between(
        &mut self,
        own: &mut OwnDatabase<'_>,
        inside: &mut Inside<'_>,
        graph: &Graph,
        walk: &Walk,
        done: usize,
    ) {
        let heads = walk.after(graph, done).unwrap_or_default();
        let mut seen = if self.sees_steps { own.catalog_at(&sorted(&heads)) } else { None };
        self.sees_steps = seen.is_some();
        let left = walk.steps.len().saturating_sub(done);
        if seen.is_none() && self.looks_through && left <= LOOKED_THROUGH {
            seen = own.catalog_through(&mut |queries| inside.look(queries));
            self.looks_through = seen.is_some();
        }
        self.seen.extend(seen.map(|seen| (done, seen)));
    }

    /// Looks where nothing is under way.
    pub fn at(&mut self, own: &mut OwnDatabase<'_>, done: usize) {
        // What cannot be seen is not known, and said to be so.
        self.seen.extend(own.catalog().ok().map(|seen| (done, seen)));
    }

    /// What was committed of rows since the first step, when the sessions of the walk have ended; `None` where that cannot be
    /// seen.
    pub fn rows(&self, own: &mut OwnDatabase<'_>) -> Option<Rows> {
        let (before, at) = self.written.as_ref()?;
        let (table, db) = own.table_and_db();
        db.wait_for_counters(*at).ok()?;
        let since = db.written(table).ok()??.since(before);
        Some(Rows { since, others: db.busy(Some(*at)).ok()?.1 })
    }

    /// What was seen when so many steps were done.
    pub fn after(&self, done: usize) -> Option<&Snapshot> {
        self.seen.get(&done)
    }

    /// The script of a revision, as it was before the walk.
    pub fn script(&self, revision: &str) -> Option<&Script> {
        self.scripts.get(revision)
    }

    /// The runs of the first `done` steps, with their scripts by digest.
    pub fn runs(&self, walk: &Walk, done: usize) -> (Vec<Run>, BTreeMap<String, Script>) {
        let mut scripts = BTreeMap::new();
        let mut runs = Vec::new();
        let digests: BTreeMap<usize, String> =
            self.seen.iter().map(|(at, schema)| (*at, ledger::digest(schema))).collect();
        for (at, step) in walk.steps[..done].iter().enumerate() {
            let Some(script) = self.scripts.get(&step.revision) else { continue };
            if !walk.runs(&step.revision) {
                continue;
            }
            scripts.insert(script.digest.clone(), script.clone());
            let (below, above) = if step.direction == Direction::Up { (at, at + 1) } else { (at + 1, at) };
            let both = self.seen.get(&below).zip(self.seen.get(&above));
            runs.push(Run {
                revision: step.revision.clone(),
                direction: step.direction,
                digest: script.digest.clone(),
                below: digests.get(&below).cloned(),
                above: digests.get(&above).cloned(),
                delta: both.map(|(below, above)| Delta::between(below, above)),
            });
        }
        (runs, scripts)
    }
}
