//! The walk downwards. The revisions that the database holds already are downgraded, the newest first, and those that
//! are to be tested are tested on the way (down, up, down). A revision whose downgrade fails is only taken out of the
//! version table, as a person would do with `alembic stamp`, and the walk goes on below it.

use anyhow::Result;

use super::Walk;
use super::verdict::{self, Above};
use crate::cmd::db_roundtrip::sandbox::{Deed, Failure, Mode};
use crate::cmd::db_roundtrip::trial::{self, Passed, Stuck, Trial};
use crate::cmd::db_roundtrip::{explain, result};
use crate::model::graph::Links;
use crate::model::roundtrip::{Leg, Point, Verdict};
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::interrupt;
use crate::sys::project::Baseline as Declared;

impl Walk<'_, '_> {
    /// Walks from the highest of `ids` down to the lowest one that is to be tested.
    pub(super) fn downward(&mut self, ids: &[String]) -> Result<()> {
        let Some(lowest) = ids.iter().position(|id| self.wanted.contains(id)) else { return Ok(()) };
        let mut upper = None;
        for id in ids[lowest..].iter().rev() {
            interrupt::check()?;
            if let Above::Barred(why) = self.above(id) {
                upper = None;
                self.barred(id, why);
            } else if self.wanted.contains(id) {
                upper = self.try_from_above(id, upper.take())?;
            } else {
                upper = None;
                self.pass_by(id)?;
            }
        }
        self.weigh_again()
    }

    /// The schema that db-migrate recorded proves nothing below a revision whose downgrade does not restore what was
    /// there: for the revisions below it, the references are asked after all.
    fn weigh_again(&mut self) -> Result<()> {
        let found = &self.found;
        let is_gap = |id: &str| found.get(id).is_some_and(|result| result.verdict.is_gap());
        self.open.retain(|(result, _)| is_gap(&result.revision.id));
        let open = std::mem::take(&mut self.open);
        self.consult(open.iter().map(|(result, _)| result.revision.id.clone()).collect())?;
        // In the order of the walk: a revision that is proven now says nothing against those below it.
        for (result, above) in open {
            let id = result.revision.id.clone();
            let above = match above {
                Above::Unproven(_) | Above::Rows(_) => self.bears_on(&result),
                above => above,
            };
            let result = self.reference.weigh(&self.facts.component.name, result, &above);
            let is_weak = |what: &Above| matches!(what, Above::Unproven(_) | Above::Rows(_));
            self.above.retain(|(other, what)| *other != id || !is_weak(what));
            self.above.extend(verdict::for_those_below(&result).map(|bears| (id, bears)));
            self.settle(result);
        }
        self.notes.append(&mut self.reference.notes);
        Ok(())
    }

    /// What the revisions above make uncertain about this one: the worst of what is known of them.
    fn above(&self, id: &str) -> Above {
        let above = self.facts.graph.descendants(&[id], Links::WithDependencies);
        let bears = self.above.iter().filter(|(other, _)| above.contains(&other.as_str())).map(|(_, what)| what);
        bears.fold(Above::Proven, |worst, what| worst.and(what))
    }

    /// A revision that cannot even be taken out of the version table ends the walk; of those below it only the
    /// reference can say something.
    fn barred(&mut self, id: &str, why: String) {
        if !self.wanted.contains(id) {
            return;
        }
        self.next(id);
        let result = RevisionResult::skipped(&self.facts.graph, id, why.clone());
        self.decide_and_settle(result, &Above::Broken(vec![why]));
    }

    /// Downgrades a revision that is not tested.
    fn pass_by(&mut self, id: &str) -> Result<()> {
        if explain::said(self.ctx, self.facts, id).irreversible.is_some() {
            return self.stamp(id, declares(id));
        }
        let ids = [id.to_owned()];
        let down = Deed::steps(Direction::Down, &ids, Mode::Walk);
        match self.sandbox.attempt_fairly(&down)? {
            Ok(_) => {
                self.sandbox.keep(down);
                self.above.push((id.to_owned(), Above::Unproven(vec![id.to_owned()])));
                Ok(())
            }
            Err(failure) => {
                self.sandbox.rebuild()?;
                self.stamp(id, cannot(id, &failure))
            }
        }
    }

    /// Takes a revision out of the version table, and nothing else: the walk goes on below it.
    fn stamp(&mut self, id: &str, why: String) -> Result<()> {
        let deed = Deed::Stamp(id.to_owned());
        let bears = match self.sandbox.attempt(&deed)? {
            Ok(_) => {
                self.sandbox.keep(deed);
                self.notes.push(format!("{why}; it was stamped away, and the walk went on below it"));
                Above::Broken(vec![why])
            }
            Err(_) => {
                self.sandbox.rebuild()?;
                Above::Barred(why)
            }
        };
        self.above.push((id.to_owned(), bears));
        Ok(())
    }

    /// Returns what the database holds afterwards, where that was read.
    fn try_from_above(&mut self, id: &String, upper: Option<Point>) -> Result<Option<Point>> {
        self.next(id);
        let upper = if self.seed(Some(id))? { None } else { upper };
        let upper = match upper {
            Some(point) => point,
            None => self.sandbox.point()?,
        };
        if let Some(reason) = explain::said(self.ctx, self.facts, id).irreversible {
            self.declared(id, reason, None);
            return self.stamp_if_more(id, declares(id)).map(|()| Some(upper));
        }
        let ids = std::slice::from_ref(id);
        match trial::from_above(self.sandbox, ids, upper)? {
            Trial::Up(point) => Ok(Some(*point)),
            Trial::Passed(passed) => self.passed_from_above(id, ids, *passed),
            Trial::Failed(stuck) if stuck.leg == Leg::Downgrade => {
                let (undamaged, upper, why) = (stuck.undamaged, stuck.upper.clone(), cannot(id, &stuck.failure));
                self.found_from_above(id, Ok(*stuck));
                if !undamaged {
                    self.rebuild_if_more()?;
                }
                self.stamp_if_more(id, why).map(|()| upper)
            }
            Trial::Failed(stuck) => {
                self.sandbox.keep(Deed::steps(Direction::Down, ids, stuck.mode));
                self.found_from_above(id, Ok(*stuck));
                self.rebuild_if_more().map(|()| None)
            }
        }
    }

    fn stamp_if_more(&mut self, id: &str, why: String) -> Result<()> {
        if self.wanted.is_empty() { Ok(()) } else { self.stamp(id, why) }
    }

    fn passed_from_above(&mut self, id: &String, ids: &[String], passed: Passed) -> Result<Option<Point>> {
        let down = Deed::steps(Direction::Down, ids, passed.mode);
        let (clean, lower) = (passed.restored, passed.lower.clone());
        if self.wanted.is_empty() {
            // Nothing is tested below the last revision, so that it need not go down once more.
            self.found_from_above(id, Err(passed));
            return Ok(None);
        }
        self.sandbox.keep(down.clone());
        if !clean {
            self.found_from_above(id, Err(passed));
            return self.sandbox.rebuild().map(|()| None);
        }
        let Err(failure) = self.sandbox.attempt_fairly(&down)? else {
            self.found_from_above(id, Err(passed));
            return Ok(Some(lower));
        };
        // Its first downgrade passed and this one fails: the upgrade between them has made something else.
        self.sandbox.take_back();
        let notes = vec!["it went down once, and not again after the re-upgrade".to_owned()];
        let stuck = Stuck { notes, ..Stuck::new(Leg::Downgrade, failure, Mode::Walk) };
        self.found_from_above(id, Ok(stuck));
        self.sandbox.rebuild()?;
        self.stamp(id, format!("{id} cannot be taken down a second time")).map(|()| None)
    }

    fn found_from_above(&mut self, id: &str, trial: Result<Stuck, Passed>) {
        let mut result = result::of(self.ctx, self.facts, id, trial);
        let above = self.bears_on(&result);
        if let Some(why) = self.edited.get(id).filter(|_| self.reference.knows(id)) {
            result = RevisionResult::skipped(&self.facts.graph, id, why.clone());
        }
        self.decide_and_settle(result, &above);
    }

    /// What makes a result uncertain: the revisions above it, and the way in which the database was made.
    fn bears_on(&self, result: &RevisionResult) -> Above {
        let made =
            if self.may_be_of_newer_models(result) { Above::Made(NEWER_MODELS.to_owned()) } else { Above::Proven };
        let edited = self.edited.get(&result.revision.id).map_or(Above::Proven, |why| Above::Broken(vec![why.clone()]));
        self.above(&result.revision.id).and(&made).and(&edited)
    }

    /// Whether a difference may only mean that a baseline command made the database from newer models, where nothing
    /// else proves it.
    fn may_be_of_newer_models(&self, result: &RevisionResult) -> bool {
        let by_command = matches!(self.facts.component.baseline, Some(Declared::Command { .. }));
        by_command && result.verdict == Verdict::SchemaDiffers && result.proof.is_none()
    }

    /// The verdict, and what it means for the revisions below.
    fn decide_and_settle(&mut self, result: RevisionResult, above: &Above) {
        let id = result.revision.id.clone();
        if !self.reference.was_asked(&id) {
            self.open.push((result.clone(), above.clone()));
        }
        let result = self.reference.weigh(&self.facts.component.name, result, above);
        let edited = self.edited.get(&id).map(|why| Above::Broken(vec![why.clone()]));
        if let Some(bears) = edited.or_else(|| verdict::for_those_below(&result)) {
            self.above.push((id, bears));
        }
        self.settle(result);
    }
}

/// A database that a command has made from the models is no proof against a script.
const NEWER_MODELS: &str = "the baseline command made the database, perhaps from models that are newer than this script \
                            (db-check --models shows what they have more)";

fn cannot(id: &str, failure: &Failure) -> String {
    format!("{id} cannot be taken down ({})", failure.fail.summary)
}

fn declares(id: &str) -> String {
    format!("{id} declares that it cannot be undone")
}
