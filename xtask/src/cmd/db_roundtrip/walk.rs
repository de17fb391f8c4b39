//! The walk. What the database lacks is climbed and tested on the way up (up, down, up: the database below a revision
//! is then known as it was before that was ever applied); what it holds already is tested on the way down (down, up,
//! down). After a finding the last good state is put back, so nobody is blamed for what another revision has left
//! behind. Where a revision of a clone cannot be taken down, what lies below it is tested on a database made from empty.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::ground::{Deed, Failure, Ground, Mode};
use super::trip::{self, Passed, Stuck, Trial, depends_on_mode};
use super::{Facts, Findings, Outcome, baseline, cannot_prepare, cause, seed};
use crate::ctx::Ctx;
use crate::fail::Fail;
use crate::flags::DbRoundtrip;
use crate::model::roundtrip::{Leg, Point, Verdict};
use crate::model::route::applied_set;
use crate::model::target::Direction;
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

    // Upwards

    /// Applies what is wanted of `ids`, in their order, and what lies below it; the wanted ones are tested on the way.
    fn climb(&mut self, ids: &[String]) -> Result<()> {
        let Some(last) = ids.iter().rposition(|id| self.wanted.contains(id)) else { return Ok(()) };
        let mut blocked: HashMap<String, String> = HashMap::new();
        let mut failure = None;
        let mut waiting: Vec<String> = Vec::new();
        let mut lower = None;
        for id in &ids[..=last] {
            interrupt::check()?;
            if !self.wanted.contains(id) {
                waiting.push(id.clone());
                continue;
            }
            if !waiting.is_empty() {
                lower = None;
                failure = self.apply(&std::mem::take(&mut waiting), &mut blocked)?.or(failure);
            }
            if let Some(reason) = self.blocker(id, &blocked) {
                self.skip(id, &reason);
                blocked.insert(id.clone(), reason);
                continue;
            }
            lower = self.trip_from_below(id, lower.take(), &mut blocked)?;
        }
        match failure {
            // Nothing could be tested since the database could not be made: that is no finding about a revision.
            Some(fail) if self.note.is_none() && !self.found.values().any(|outcome| outcome.verdict.is_tested()) => {
                Err(fail.into())
            }
            _ => Ok(()),
        }
    }

    /// Applies revisions that are not tested, as the project itself would; where that fails, one by one.
    ///
    /// Gives the first failure; what does not go up, and why, is added to `blocked`.
    fn apply(&mut self, ids: &[String], blocked: &mut HashMap<String, String>) -> Result<Option<Fail>> {
        let _task = self.ctx.ui.task(format!("Upgrading the throwaway database ({} revisions)", ids.len()));
        let all = Deed::steps(Direction::Up, ids, Mode::Own);
        if !ids.iter().any(|id| self.blocker(id, blocked).is_some()) {
            match self.ground.attempt(&all)? {
                Ok(_) => {
                    self.ground.keep(all);
                    return self.seed_all(ids).map(|()| None);
                }
                Err(failure) if !depends_on_mode(&failure) => {}
                Err(failure) => self.ctx.ui.warn(format!(
                    "`alembic upgrade` of everything at once fails ({}); going on one revision at a time",
                    failure.fail.summary
                )),
            }
            self.ground.rebuild()?;
        }
        let mut first = None;
        for id in ids {
            if let Some(reason) = self.blocker(id, blocked) {
                blocked.insert(id.clone(), reason);
                continue;
            }
            let one = Deed::steps(Direction::Up, std::slice::from_ref(id), Mode::Walk);
            if let Err(failure) = self.ground.attempt(&one)? {
                blocked.insert(id.clone(), does_not_go_up(id, &failure));
                first = first.or(Some(failure.fail));
                self.ground.rebuild()?;
                continue;
            }
            self.ground.keep(one);
            self.seed(Some(id))?;
        }
        Ok(first)
    }

    /// Why a revision cannot be reached: something below it does not go up.
    fn blocker(&self, id: &str, blocked: &HashMap<String, String>) -> Option<String> {
        let graph = &self.facts.graph;
        let mut below = graph.parents(id).into_iter().chain(graph.dependencies(id));
        below.find_map(|below| blocked.get(below).cloned())
    }

    /// Gives what the database then holds, where that was seen.
    fn trip_from_below(
        &mut self,
        id: &String,
        before: Option<Point>,
        blocked: &mut HashMap<String, String>,
    ) -> Result<Option<Point>> {
        self.progress.next(id);
        self.wanted.remove(id);
        let before = match before {
            Some(point) => point,
            None => self.ground.point()?,
        };
        let ids = std::slice::from_ref(id);
        let declared = cause::said(self.ctx, self.facts, id).irreversible;
        let trial = match &declared {
            Some(_) => trip::only_up(&mut self.ground, ids, &before)?,
            None => trip::from_below(&mut self.ground, ids, Mode::Walk, &before)?,
        };
        match trial {
            Trial::Up(point) => {
                self.ground.keep(Deed::steps(Direction::Up, ids, Mode::Walk));
                self.declared(id, declared.unwrap_or_default());
                let seeded = self.seed(Some(id))?;
                Ok((!seeded).then_some(*point))
            }
            Trial::Passed(passed) => self.passed_from_below(id, ids, *passed),
            Trial::Failed(stuck) if stuck.leg == Leg::Upgrade => self.cannot_climb(id, *stuck, &before, blocked),
            Trial::Failed(stuck) => {
                self.ground.keep(Deed::steps(Direction::Up, ids, stuck.mode));
                let (undamaged, upper) = (stuck.undamaged, stuck.upper.clone());
                self.record(id, Ok(*stuck));
                let seeded = self.seed(Some(id))?;
                if undamaged && !seeded {
                    return Ok(upper);
                }
                self.rebuild_if_more().map(|()| None)
            }
        }
    }

    fn passed_from_below(&mut self, id: &str, ids: &[String], passed: Passed) -> Result<Option<Point>> {
        self.ground.keep(Deed::steps(Direction::Up, ids, passed.mode));
        let clean = passed.restored || passed.judgement.verdict == Verdict::Reversible;
        let again = passed.again.clone();
        self.record(id, Err(passed));
        if !clean {
            self.rebuild_if_more()?;
        }
        let seeded = self.seed(Some(id))?;
        Ok((clean && !seeded).then_some(again))
    }

    /// An upgrade that fails alone is tried together with the revision before it, as the project would run both.
    fn cannot_climb(
        &mut self,
        id: &str,
        stuck: Stuck,
        before: &Point,
        blocked: &mut HashMap<String, String>,
    ) -> Result<Option<Point>> {
        if !stuck.undamaged {
            self.ground.rebuild()?;
        }
        if depends_on_mode(&stuck.failure)
            && let Some(passed) = self.with_the_one_before(id)?
        {
            let Passed { notes, mut judgement, .. } = *passed;
            judgement.notes.push(trip::only_in_own_mode(Leg::Upgrade, &stuck.failure));
            judgement.notes.extend(notes);
            self.record(id, Err(Passed { judgement, notes: Vec::new(), ..*passed }));
            self.rebuild_if_more()?;
            return Ok(None);
        }
        blocked.insert(id.to_owned(), does_not_go_up(id, &stuck.failure));
        self.record(id, Ok(stuck));
        Ok(self.ground.is_at(before)?.then(|| before.clone()))
    }

    fn with_the_one_before(&mut self, id: &str) -> Result<Option<Box<Passed>>> {
        let Some(last) = self.ground.take_back() else { return Ok(None) };
        let previous = match &last {
            Deed::Steps(steps, Mode::Walk) if steps.len() == 1 => steps[0].revision.clone(),
            _ => {
                self.ground.keep(last);
                return Ok(None);
            }
        };
        self.ground.rebuild()?;
        let both = [previous, id.to_owned()];
        let before = self.ground.point()?;
        match trip::from_below(&mut self.ground, &both, Mode::Own, &before)? {
            Trial::Passed(passed) => {
                self.ground.keep(Deed::steps(Direction::Up, &both, Mode::Own));
                Ok(Some(passed))
            }
            Trial::Up(_) | Trial::Failed(_) => {
                self.ground.keep(last);
                self.ground.rebuild()?;
                Ok(None)
            }
        }
    }

    // Downwards

    /// From the highest of `ids` down to the lowest that is wanted. Gives what could not be reached: the revision that
    /// is in the way, for each that is left.
    fn descend(&mut self, ids: &[String]) -> Result<HashMap<String, String>> {
        let mut barred: HashMap<String, String> = HashMap::new();
        let Some(lowest) = ids.iter().position(|id| self.wanted.contains(id)) else { return Ok(barred) };
        let mut upper = None;
        for id in ids[lowest..].iter().rev() {
            interrupt::check()?;
            if let Some(bar) = self.bar(id, &barred) {
                barred.insert(id.clone(), bar);
                continue;
            }
            if self.wanted.contains(id) {
                upper = self.trip_from_above(id, upper.take(), &mut barred)?;
                continue;
            }
            upper = None;
            let down = Deed::steps(Direction::Down, std::slice::from_ref(id), Mode::Walk);
            match self.ground.attempt(&down)? {
                Ok(_) => self.ground.keep(down),
                Err(failure) => {
                    barred.insert(id.clone(), format!("{id} cannot be taken down ({})", failure.fail.summary));
                    self.ground.rebuild()?;
                }
            }
        }
        barred.retain(|id, _| self.wanted.contains(id));
        Ok(barred)
    }

    /// What stands on a revision and cannot be taken down.
    fn bar(&self, id: &str, barred: &HashMap<String, String>) -> Option<String> {
        let graph = &self.facts.graph;
        let stands_on = |above: &&String| graph.parents(above).contains(&id) || graph.dependencies(above).contains(&id);
        barred.keys().find(stands_on).and_then(|above| barred.get(above).cloned())
    }

    /// Gives what the database then holds, where that was seen.
    fn trip_from_above(
        &mut self,
        id: &String,
        upper: Option<Point>,
        barred: &mut HashMap<String, String>,
    ) -> Result<Option<Point>> {
        self.progress.next(id);
        self.wanted.remove(id);
        let upper = if self.seed(Some(id))? { None } else { upper };
        let upper = match upper {
            Some(point) => point,
            None => self.ground.point()?,
        };
        if let Some(reason) = cause::said(self.ctx, self.facts, id).irreversible {
            barred.insert(id.clone(), format!("{id} declares that it cannot be undone"));
            self.declared(id, reason);
            return Ok(Some(upper));
        }
        let ids = std::slice::from_ref(id);
        match trip::from_above(&mut self.ground, ids, upper)? {
            Trial::Up(point) => Ok(Some(*point)),
            Trial::Passed(mut passed) => {
                if self.facts.component.baseline.is_some() && passed.judgement.verdict == Verdict::SchemaDiffers {
                    let words = "the baseline command made the database: the models and this script may disagree";
                    passed.notes.push(words.to_owned());
                }
                self.passed_from_above(id, ids, *passed, barred)
            }
            Trial::Failed(stuck) if stuck.leg == Leg::Downgrade => {
                barred.insert(id.clone(), format!("{id} cannot be taken down"));
                let (undamaged, upper) = (stuck.undamaged, stuck.upper.clone());
                self.record(id, Ok(*stuck));
                if undamaged {
                    return Ok(upper);
                }
                self.rebuild_if_more().map(|()| None)
            }
            Trial::Failed(stuck) => {
                self.ground.keep(Deed::steps(Direction::Down, ids, stuck.mode));
                self.record(id, Ok(*stuck));
                self.rebuild_if_more().map(|()| None)
            }
        }
    }

    fn passed_from_above(
        &mut self,
        id: &String,
        ids: &[String],
        passed: Passed,
        barred: &mut HashMap<String, String>,
    ) -> Result<Option<Point>> {
        let down = Deed::steps(Direction::Down, ids, passed.mode);
        let clean = passed.restored;
        let lower = passed.lower.clone();
        self.record(id, Err(passed));
        if self.wanted.is_empty() {
            return Ok(None);
        }
        self.ground.keep(down.clone());
        if !clean {
            return self.ground.rebuild().map(|()| None);
        }
        if let Err(failure) = self.ground.attempt(&down)? {
            // It went down before and does not now: the way up was not the way back.
            self.ground.take_back();
            barred.insert(id.to_owned(), format!("{id} cannot be taken down a second time"));
            let notes = vec!["it went down once, and not again after the re-upgrade".to_owned()];
            let stuck = Stuck {
                leg: Leg::Downgrade,
                failure,
                undamaged: false,
                upper: None,
                mode: Mode::Walk,
                down: None,
                notes,
            };
            self.record(id, Ok(stuck));
            return self.ground.rebuild().map(|()| None);
        }
        Ok(Some(lower))
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

fn does_not_go_up(id: &str, failure: &Failure) -> String {
    format!("{id}, below it, does not go up ({})", failure.fail.summary)
}
