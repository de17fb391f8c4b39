//! The walk. What the database lacks is climbed and tested on the way up (up, down, up: the database below a revision
//! is then known as it was before that was ever applied); what it holds already is tested on the way down (down, up,
//! down). After a finding the last good state is put back, so nobody is blamed for what another revision has left
//! behind. Where a revision of a clone cannot be taken down, what lies below it is tested on a database made from empty.

mod climb;
mod descend;

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::ground::{Deed, Ground};
use super::trip::{Passed, Stuck};
use super::{Facts, Findings, Outcome, baseline, cannot_prepare, cause, seed};
use crate::ctx::Ctx;
use crate::flags::DbRoundtrip;
use crate::model::roundtrip::Verdict;
use crate::model::route::applied_set;
use crate::sys::interrupt;
use crate::ui::Steps;

/// Makes the database, walks it, and puts everything away.
pub fn run(ctx: &Ctx, facts: &Facts, flags: &DbRoundtrip) -> Result<Findings> {
    let baseline = baseline::make(ctx, facts).map_err(|error| cannot_prepare(&error, "clone or empty database"))?;
    let (words, seeded) = (baseline.words.clone(), !baseline.is_clone);
    let mut walk = Walk {
        ctx,
        facts,
        to_save: !baseline.from_empty && facts.route.tested.len() > 1,
        ground: Ground::new(ctx, facts, flags.step_timeout, baseline)?,
        seeds: if seeded { seed::read(ctx, facts)? } else { seed::Seeds::default() },
        wanted: facts.route.tested.clone(),
        found: HashMap::new(),
        note: None,
        progress: ctx.ui.steps("Round trip", facts.route.tested.len()),
    };
    walk.everything().map_err(|error| cannot_prepare(&error, &words))?;
    let server = walk.ground.server()?;
    let mut found = walk.found;
    let kept = walk.ground.end(flags.keep)?;
    // Newest first, each of them once.
    let outcomes = facts.route.order.iter().rev().filter_map(|id| found.remove(id)).collect();
    Ok(Findings { baseline: words, server, outcomes, kept })
}

struct Walk<'a> {
    ctx: &'a Ctx,
    facts: &'a Facts<'a>,
    ground: Ground<'a>,
    /// A copy is to be made before the first step, since the database can be made again only with pains.
    to_save: bool,
    seeds: seed::Seeds,
    /// What is still to be tested.
    wanted: HashSet<String>,
    found: HashMap<String, Outcome>,
    /// What is to be said of every outcome from now on.
    note: Option<String>,
    progress: Steps,
}

impl<'a> Walk<'a> {
    fn everything(&mut self) -> Result<()> {
        let held = applied_set(&self.facts.graph, &self.ground.held()?);
        let (held, lacking) = self.facts.route.split(&held);
        if !held.is_empty() {
            self.seed(None)?;
        }
        if self.to_save {
            self.ground.save()?;
        }
        let on_both_sides = self.tests_any(&held) && self.tests_any(&lacking);
        self.climb(&lacking)?;
        if on_both_sides {
            self.ground.begin_again()?;
        }
        let barred = self.descend(&held)?;
        self.below_the_bar(&barred)
    }

    fn tests_any(&self, ids: &[String]) -> bool {
        ids.iter().any(|id| self.wanted.contains(id))
    }

    /// Tests what lies below a revision that cannot be taken down, on a database made from empty.
    fn below_the_bar(&mut self, barred: &HashMap<String, String>) -> Result<()> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        let rest: Vec<String> = self.wanted.iter().cloned().collect();
        let needed: HashSet<String> = applied_set(&self.facts.graph, &rest);
        let order: Vec<String> = self.facts.route.order.iter().filter(|id| needed.contains(*id)).cloned().collect();
        let bars: HashSet<&str> = barred.values().map(String::as_str).collect();
        let mut bars: Vec<&str> = bars.into_iter().collect();
        bars.sort_unstable();
        self.note = Some(format!("tested on a database made from empty, since {}", bars.join(", and ")));
        let tried = self.ground.begin_empty().and_then(|()| self.climb(&order));
        if let Err(error) = &tried {
            interrupt::check()?;
            let why = crate::fail::from_anyhow(error).summary;
            for id in std::mem::take(&mut self.wanted) {
                let bar = barred.get(&id).cloned().unwrap_or_default();
                self.note = None;
                self.skip(&id, &format!("{bar}, and a database made from empty does not get there: {why}"));
            }
        }
        for (id, bar) in barred {
            if let Some(outcome) = self.found.get_mut(id).filter(|outcome| outcome.verdict == Verdict::Skipped)
                && let Some(reason) = &mut outcome.reason
                && !reason.starts_with(bar.as_str())
            {
                *reason = format!("{bar}, and on a database made from empty {reason}");
                outcome.notes.clear();
            }
        }
        Ok(())
    }

    // Both ways

    fn rebuild_if_more(&mut self) -> Result<()> {
        if self.wanted.is_empty() { Ok(()) } else { self.ground.rebuild() }
    }

    /// Puts in the rows that the project has for a database that stands at this revision; whether there were any.
    fn seed(&mut self, at: Option<&str>) -> Result<bool> {
        let mut any = false;
        for sql in self.seeds.at(at) {
            let deed = Deed::Seed(sql);
            if let Err(failure) = self.ground.attempt(&deed)? {
                return Err(failure.fail.into());
            }
            self.ground.keep(deed);
            any = true;
        }
        Ok(any)
    }

    fn seed_all(&mut self, ids: &[String]) -> Result<()> {
        self.seed(None)?;
        ids.iter().try_for_each(|id| self.seed(Some(id)).map(|_| ()))
    }

    fn skip(&mut self, id: &String, reason: &str) {
        self.progress.next(id);
        self.wanted.remove(id);
        let outcome = Outcome::skipped(&self.facts.graph, id, reason.to_owned());
        self.found.insert(id.clone(), outcome);
    }

    /// The script says so itself, and is believed.
    fn declared(&mut self, id: &str, reason: String) {
        let outcome = Outcome::new(&self.facts.graph, id, Verdict::Irreversible);
        let notes = self.note.clone().into_iter().collect();
        self.found.insert(id.to_owned(), Outcome { reason: Some(reason), notes, ..outcome });
    }

    fn record(&mut self, id: &str, trial: Result<Stuck, Passed>) {
        let said = cause::said(self.ctx, self.facts, id);
        let mut outcome = match trial {
            Ok(stuck) => Outcome::of_failure(&self.facts.graph, id, stuck, &said),
            Err(passed) => Outcome::of_passed(&self.facts.graph, id, passed, &said),
        };
        outcome.notes.extend(self.note.clone());
        self.found.insert(id.to_owned(), outcome);
    }
}
