//! The walk upwards: the revisions that the database lacks are applied, and those that are to be tested are tested on
//! the way (up, down, up).

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::Walk;
use super::outside::is_there_already;
use crate::cmd::db_roundtrip::sandbox::{Deed, Failure, Mode};
use crate::cmd::db_roundtrip::trial::{self, Passed, Stuck, Trial, depends_on_mode, upgrading};
use crate::cmd::db_roundtrip::{explain, result};
use crate::fail::Fail;
use crate::model::catalog;
use crate::model::graph::Links;
use crate::model::roundtrip::{Leg, Point, Verdict};
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::interrupt;

impl Walk<'_, '_> {
    /// Applies the wanted ones of `ids`, in their order, and the revisions below them; the wanted ones are tested on
    /// the way. Returns why some of them could not be applied.
    pub(super) fn upward(&mut self, ids: &[String]) -> Result<Option<Fail>> {
        let Some(last) = ids.iter().rposition(|id| self.wanted.contains(id)) else { return Ok(None) };
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
            lower = self.try_from_below(id, lower.take(), &mut blocked)?;
        }
        Ok(failure)
    }

    /// Applies revisions that are not tested, as the project itself would; where that fails, one by one.
    ///
    /// Returns the first failure; each revision that cannot be applied is added to `blocked`, with the reason.
    pub(super) fn apply(&mut self, ids: &[String], blocked: &mut HashMap<String, String>) -> Result<Option<Fail>> {
        let _task = self.ctx.ui.task(upgrading(ids.len()));
        let all = Deed::steps(Direction::Up, ids, Mode::Own);
        if !ids.iter().any(|id| self.blocker(id, blocked).is_some()) {
            match self.sandbox.attempt(&all)? {
                Ok(seconds) => {
                    self.sandbox.keep(all);
                    self.seed_all(ids)?;
                    return self.sandbox.keep_baseline(ids, seconds).map(|()| None);
                }
                Err(failure) if !depends_on_mode(&failure) => {}
                Err(failure) => self.say_one_by_one(&failure),
            }
            self.sandbox.rebuild()?;
        }
        let mut first = None;
        for id in ids {
            if let Some(reason) = self.blocker(id, blocked) {
                blocked.insert(id.clone(), reason);
                continue;
            }
            let one = Deed::steps(Direction::Up, std::slice::from_ref(id), Mode::Walk);
            if let Err(failure) = self.sandbox.attempt_fairly(&one)? {
                blocked.insert(id.clone(), does_not_go_up(id, &failure));
                first = first.or(Some(failure.fail));
                self.sandbox.rebuild()?;
                continue;
            }
            self.sandbox.keep(one);
            self.seed(Some(id))?;
        }
        Ok(first)
    }

    fn say_one_by_one(&self, failure: &Failure) {
        let words = format!(
            "`alembic upgrade` of everything at once fails ({}); going on one revision at a time",
            failure.fail.summary
        );
        if self.reference.is_walked() { self.ctx.ui.verbose(words) } else { self.ctx.ui.warn(words) }
    }

    /// Why a revision cannot be reached: something below it does not go up.
    fn blocker(&self, id: &str, blocked: &HashMap<String, String>) -> Option<String> {
        let graph = &self.facts.graph;
        let mut below = graph.parents(id).into_iter().chain(graph.dependencies(id));
        below.find_map(|below| blocked.get(below).cloned())
    }

    /// Returns what the database holds afterwards, where that was read.
    fn try_from_below(
        &mut self,
        id: &String,
        before: Option<Point>,
        blocked: &mut HashMap<String, String>,
    ) -> Result<Option<Point>> {
        self.next(id);
        let before = match before {
            Some(point) => point,
            None => self.sandbox.point()?,
        };
        let ids = std::slice::from_ref(id);
        let declared = explain::said(self.ctx, self.facts, id).irreversible;
        let trial = match &declared {
            Some(_) => trial::only_up(self.sandbox, ids, &before)?,
            None => trial::from_below(self.sandbox, ids, Mode::Walk, &before)?,
        };
        match trial {
            Trial::Up(point) => {
                self.sandbox.keep(Deed::steps(Direction::Up, ids, Mode::Walk));
                let made = catalog::diff(&before.schema, &point.schema);
                self.declared(id, declared.unwrap_or_default(), Some(made));
                let seeded = self.seed(Some(id))?;
                Ok((!seeded).then_some(*point))
            }
            Trial::Passed(passed) => self.passed_from_below(id, ids, *passed),
            Trial::Failed(stuck) if stuck.leg == Leg::Upgrade => self.cannot_go_up(id, *stuck, &before, blocked),
            Trial::Failed(stuck) => {
                self.sandbox.keep(Deed::steps(Direction::Up, ids, stuck.mode));
                let (undamaged, upper) = (stuck.undamaged, stuck.upper.clone());
                let made = upper.as_ref().map(|upper| catalog::diff(&before.schema, &upper.schema));
                let result = result::of(self.ctx, self.facts, id, Ok(*stuck));
                self.settle(RevisionResult { made, ..result });
                let seeded = self.seed(Some(id))?;
                if undamaged && !seeded {
                    return Ok(upper);
                }
                self.rebuild_if_more().map(|()| None)
            }
        }
    }

    fn passed_from_below(&mut self, id: &str, ids: &[String], passed: Passed) -> Result<Option<Point>> {
        self.sandbox.keep(Deed::steps(Direction::Up, ids, passed.mode));
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
    fn cannot_go_up(
        &mut self,
        id: &str,
        stuck: Stuck,
        before: &Point,
        blocked: &mut HashMap<String, String>,
    ) -> Result<Option<Point>> {
        if !stuck.undamaged {
            self.sandbox.rebuild()?;
        }
        if depends_on_mode(&stuck.failure)
            && let Some(passed) = self.with_the_one_before(id)?
        {
            let Passed { notes, mut judgement, .. } = *passed;
            judgement.notes.push(trial::only_in_own_mode(Leg::Upgrade, &stuck.failure));
            judgement.notes.extend(notes);
            let passed = Passed { judgement, notes: Vec::new(), ..*passed };
            let result = result::of(self.ctx, self.facts, id, Err(passed));
            // What the two make together is not what this one makes.
            self.settle(RevisionResult { made: None, ..result });
            self.rebuild_if_more()?;
            return Ok(None);
        }
        blocked.insert(id.to_owned(), does_not_go_up(id, &stuck.failure));
        match self.outside_cause(id, &stuck.failure, before) {
            Some(reason) => self.settle(RevisionResult::skipped(&self.facts.graph, id, reason)),
            None => match self.shown_elsewhere(id, &stuck.failure)? {
                Some(result) => {
                    self.lacks_one = true;
                    self.settle(result);
                }
                None => self.record(id, Ok(stuck)),
            },
        }
        Ok(self.sandbox.is_at(before)?.then(|| before.clone()))
    }

    /// What the component's own database holds beside its revisions (made by hand, by `create_all`, by a branch) is no fault
    /// of a revision that makes it: the verdict is that of a database which upgrades have made, where one can be had.
    fn shown_elsewhere(&mut self, id: &str, failure: &Failure) -> Result<Option<RevisionResult>> {
        if !self.is_clone || self.reference.is_walked() || !is_there_already(&failure.trouble) {
            return Ok(None);
        }
        // What is above it cannot be tried in this database, either.
        let above = self.facts.graph.descendants(&[id], Links::WithDependencies);
        let mut ids: HashSet<String> = self.wanted.iter().filter(|it| above.contains(&it.as_str())).cloned().collect();
        ids.insert(id.to_owned());
        self.consult(ids)?;
        self.notes.append(&mut self.reference.notes);
        let shown = self.reference.of(id).filter(|shown| shown.result.verdict.is_tested());
        Ok(shown.filter(|shown| shown.result.step != Some(Leg::Upgrade)).map(|shown| {
            let mut result = shown.result.clone();
            result.notes.push(format!(
                "tested on {} only: the component's own database has already what it makes ({}), and db-migrate fails there",
                shown.place, failure.trouble.message
            ));
            result
        }))
    }

    fn with_the_one_before(&mut self, id: &str) -> Result<Option<Box<Passed>>> {
        let Some(last) = self.sandbox.take_back() else { return Ok(None) };
        let previous = match &last {
            Deed::Steps(steps, Mode::Walk) if steps.len() == 1 => steps[0].revision.clone(),
            _ => {
                self.sandbox.keep(last);
                return Ok(None);
            }
        };
        self.sandbox.rebuild()?;
        let both = [previous, id.to_owned()];
        let before = self.sandbox.point()?;
        match trial::from_below(self.sandbox, &both, Mode::Own, &before)? {
            Trial::Passed(passed) => {
                self.sandbox.keep(Deed::steps(Direction::Up, &both, Mode::Own));
                Ok(Some(passed))
            }
            Trial::Up(_) | Trial::Failed(_) => {
                self.sandbox.keep(last);
                self.sandbox.rebuild()?;
                Ok(None)
            }
        }
    }
}

fn does_not_go_up(id: &str, failure: &Failure) -> String {
    format!("{id}, below it, does not go up ({})", failure.fail.summary)
}
