//! The walk. What the database lacks is climbed and tested on the way up (up, down, up: the database below a revision
//! is then known as it was before that was ever applied); what it holds already is tested on the way down (down, up,
//! down). After a finding the last good state is put back, so nobody is blamed for what another revision has left
//! behind. Where a revision of a clone cannot be taken down, what lies below it is tested on a database made from empty,
//! as is what a clone cannot show.

mod downward;
mod retest;
mod upward;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::baseline::Baseline;
use super::facts::{Facts, cannot_prepare};
use super::resume::Log;
use super::sandbox::{Deed, Sandbox};
use super::trial::{Passed, Stuck};
use super::{baseline::seed, explain, result};
use crate::ctx::Ctx;
use crate::fail::Fail;
use crate::flags::DbRoundtrip;
use crate::model::roundtrip::Verdict;
use crate::model::route::applied_set;
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::interrupt;
use crate::sys::pg::Kept;
use crate::ui::Steps;

/// What all walkers of a run have in common.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    pub ctx: &'a Ctx,
    pub facts: &'a Facts<'a>,
    pub flags: &'a DbRoundtrip,
    pub log: &'a Log,
    pub progress: &'a Mutex<Steps>,
}

/// What one walker has come back with.
pub struct Walked {
    pub told: Vec<RevisionResult>,
    pub kept: Option<Kept>,
    /// What of the baseline is cached; none for a clone.
    pub cache: Option<CacheUse>,
    /// Why the database could not be brought to where a test begins.
    pub obstacle: Option<Fail>,
}

/// One walker.
pub struct Walk<'a> {
    shared: Shared<'a>,
    ctx: &'a Ctx,
    facts: &'a Facts<'a>,
    sandbox: Sandbox<'a>,
    /// A copy is to be made before the first step, since the database can be made again only with pains.
    to_save: bool,
    /// The seed's rows for a database that first stands are in it.
    is_seeded: bool,
    seeds: seed::Seeds,
    /// What is still to be tested.
    wanted: HashSet<String>,
    found: HashMap<String, RevisionResult>,
    /// What a clone has shown, and may have hidden.
    doubted: HashMap<String, RevisionResult>,
    /// What is to be said of every outcome from now on.
    note: Option<String>,
    obstacle: Option<Fail>,
}

impl<'a> Walk<'a> {
    /// Tests `wanted` on this database and puts it away.
    pub fn run(shared: Shared<'a>, baseline: Baseline, wanted: HashSet<String>) -> Result<Walked> {
        let Shared { ctx, facts, flags, .. } = shared;
        let (words, seeded) = (baseline.words.clone(), !baseline.is_clone);
        let mut walk = Walk {
            shared,
            ctx,
            facts,
            to_save: !baseline.from_empty && !baseline.cache.has() && wanted.len() > 1,
            is_seeded: baseline.is_seeded,
            sandbox: Sandbox::new(ctx, facts, flags.step_timeout, baseline)?,
            seeds: if seeded { seed::read(ctx, facts)? } else { seed::Seeds::default() },
            wanted,
            found: HashMap::new(),
            doubted: HashMap::new(),
            note: None,
            obstacle: None,
        };
        walk.everything().map_err(|error| cannot_prepare(&error, &words))?;
        walk.sandbox.prove_rows()?;
        let cache = seeded.then(|| walk.sandbox.cache().to_use());
        let (obstacle, kept) = (walk.obstacle, walk.sandbox.end(flags.keep)?);
        Ok(Walked { told: walk.found.into_values().collect(), kept, cache, obstacle })
    }

    fn everything(&mut self) -> Result<()> {
        let held = applied_set(&self.facts.graph, &self.sandbox.held()?);
        let (held, lacking) = self.facts.route.split(&held);
        if !held.is_empty() {
            self.seed_first()?;
        }
        if self.to_save {
            self.sandbox.save()?;
        }
        let on_both_sides = self.tests_any(&held) && self.tests_any(&lacking);
        self.upward(&lacking)?;
        if on_both_sides {
            // What holds revisions that are tested did not come with the seed's rows.
            self.is_seeded = false;
            self.sandbox.begin_again()?;
            self.seed_first()?;
        }
        let barred = self.downward(&held)?;
        self.once_more_from_empty(&barred)
    }

    fn tests_any(&self, ids: &[String]) -> bool {
        ids.iter().any(|id| self.wanted.contains(id))
    }

    /// Tests on a database made from empty what lies below a revision that cannot be taken down, and once more what a
    /// clone cannot show.
    fn once_more_from_empty(&mut self, barred: &HashMap<String, String>) -> Result<()> {
        self.wanted.extend(self.doubted.keys().cloned());
        if self.wanted.is_empty() {
            return Ok(());
        }
        let rest: Vec<String> = self.wanted.iter().cloned().collect();
        let needed: HashSet<String> = applied_set(&self.facts.graph, &rest);
        let order: Vec<String> = self.facts.route.order.iter().filter(|id| needed.contains(*id)).cloned().collect();
        let mut bars: Vec<&str> = barred.values().map(String::as_str).collect();
        bars.sort_unstable();
        bars.dedup();
        self.note = Some(format!("tested on a database made from empty, since {}", bars.join(", and ")));
        self.is_seeded = false;
        let tried = self.sandbox.begin_empty().and_then(|()| self.upward(&order));
        if let Err(error) = &tried {
            interrupt::check()?;
            let why = crate::fail::from_anyhow(error).summary;
            for id in self.wanted.clone() {
                let bar = barred.get(&id).map(|bar| format!("{bar}, and ")).unwrap_or_default();
                self.skip(&id, &format!("{bar}a database made from empty does not get there: {why}"));
            }
        }
        for (id, bar) in barred {
            if let Some(outcome) = self.found.get_mut(id).filter(|outcome| outcome.verdict == Verdict::Skipped)
                && let Some(reason) = &mut outcome.reason
                && !reason.starts_with(bar.as_str())
            {
                *reason = format!("{bar}, and on a database made from empty {reason}");
            }
        }
        Ok(())
    }

    // Both ways

    fn rebuild_if_more(&mut self) -> Result<()> {
        if self.wanted.is_empty() { Ok(()) } else { self.sandbox.rebuild() }
    }

    /// Puts in the rows that the project has for a database that stands at this revision; whether there were any.
    fn seed(&mut self, at: Option<&str>) -> Result<bool> {
        let mut any = false;
        for sql in self.seeds.at(at) {
            let deed = Deed::Seed(sql);
            if let Err(failure) = self.sandbox.attempt(&deed)? {
                return Err(failure.fail.into());
            }
            self.sandbox.keep(deed);
            any = true;
        }
        Ok(any)
    }

    /// The rows for a database that first stands, once.
    fn seed_first(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.is_seeded, true) {
            self.seed(None)?;
        }
        Ok(())
    }

    fn seed_all(&mut self, ids: &[String]) -> Result<()> {
        self.seed_first()?;
        ids.iter().try_for_each(|id| self.seed(Some(id)).map(|_| ()))
    }

    fn skip(&mut self, id: &str, reason: &str) {
        self.next(id);
        self.settle(RevisionResult::skipped(&self.facts.graph, id, reason.to_owned()));
    }

    /// The script says so itself, and is believed.
    fn declared(&mut self, id: &str, reason: String) {
        let outcome = RevisionResult::new(&self.facts.graph, id, Verdict::Irreversible);
        let notes = self.note.clone().into_iter().collect();
        self.settle(RevisionResult { reason: Some(reason), notes, ..outcome });
    }

    fn record(&mut self, id: &str, trial: Result<Stuck, Passed>) {
        let outcome = self.outcome(id, trial);
        self.settle(outcome);
    }

    fn outcome(&self, id: &str, trial: Result<Stuck, Passed>) -> RevisionResult {
        let said = explain::said(self.ctx, self.facts, id);
        let mut outcome = match trial {
            Ok(stuck) => result::of_failure(&self.facts.graph, id, stuck, &said),
            Err(passed) => result::of_passed(&self.facts.graph, id, passed, &said),
        };
        outcome.notes.extend(self.note.clone().filter(|_| !self.doubted.contains_key(id)));
        outcome
    }

    /// The verdict on a revision is final.
    fn settle(&mut self, outcome: RevisionResult) {
        let outcome = match self.doubted.remove(&outcome.revision.id) {
            Some(clone) => retest::decide(clone, outcome),
            None => outcome,
        };
        self.shared.log.add(self.ctx, &outcome);
        self.found.insert(outcome.revision.id.clone(), outcome);
    }

    /// The test of a revision begins.
    fn next(&mut self, id: &str) {
        self.wanted.remove(id);
        if !self.doubted.contains_key(id) {
            self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).next(id);
        }
    }
}
