//! The walk downwards: what the database holds already is taken down from the top, and what is wanted of it is tested on
//! the way (down, up, down).

use std::collections::HashMap;

use anyhow::Result;

use super::Walk;
use crate::cmd::db_roundtrip::explain;
use crate::cmd::db_roundtrip::sandbox::{Deed, Failure, Mode};
use crate::cmd::db_roundtrip::trial::{self, Passed, Stuck, Trial};
use crate::model::roundtrip::{Leg, Point, Verdict};
use crate::model::target::Direction;
use crate::sys::interrupt;

impl Walk<'_> {
    /// From the highest of `ids` down to the lowest that is wanted. Gives what could not be reached: the revision that
    /// is in the way, for each that is left.
    pub(super) fn downward(&mut self, ids: &[String]) -> Result<HashMap<String, String>> {
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
                upper = self.try_from_above(id, upper.take(), &mut barred)?;
                continue;
            }
            upper = None;
            if explain::said(self.ctx, self.facts, id).irreversible.is_some() {
                barred.insert(id.clone(), declares(id));
                continue;
            }
            let down = Deed::steps(Direction::Down, std::slice::from_ref(id), Mode::Walk);
            match self.sandbox.attempt(&down)? {
                Ok(_) => self.sandbox.keep(down),
                Err(failure) => {
                    barred.insert(id.clone(), cannot(id, &failure));
                    self.sandbox.rebuild()?;
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
    fn try_from_above(
        &mut self,
        id: &String,
        upper: Option<Point>,
        barred: &mut HashMap<String, String>,
    ) -> Result<Option<Point>> {
        self.next(id);
        let upper = if self.seed(Some(id))? { None } else { upper };
        let upper = match upper {
            Some(point) => point,
            None => self.sandbox.point()?,
        };
        if let Some(reason) = explain::said(self.ctx, self.facts, id).irreversible {
            barred.insert(id.clone(), declares(id));
            self.declared(id, reason);
            return Ok(Some(upper));
        }
        let ids = std::slice::from_ref(id);
        match trial::from_above(&mut self.sandbox, ids, upper)? {
            Trial::Up(point) => Ok(Some(*point)),
            Trial::Passed(mut passed) => {
                if self.facts.component.baseline.is_some() && passed.judgement.verdict == Verdict::SchemaDiffers {
                    let words = "the baseline command made the database: the models and this script may disagree";
                    passed.notes.push(words.to_owned());
                }
                self.passed_from_above(id, ids, *passed, barred)
            }
            Trial::Failed(stuck) if stuck.leg == Leg::Downgrade => {
                barred.insert(id.clone(), cannot(id, &stuck.failure));
                let (undamaged, upper) = (stuck.undamaged, stuck.upper.clone());
                self.record(id, Ok(*stuck));
                if undamaged {
                    return Ok(upper);
                }
                self.rebuild_if_more().map(|()| None)
            }
            Trial::Failed(stuck) => {
                self.sandbox.keep(Deed::steps(Direction::Down, ids, stuck.mode));
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
        let (clean, lower) = (passed.restored, passed.lower.clone());
        // The last one need not be taken down for good; a second failure after a first success is found in the others.
        let last = self.wanted.is_empty();
        if !last {
            self.sandbox.keep(down.clone());
        }
        if last || !clean {
            self.passed_or_doubted(id, passed);
            return if last { Ok(None) } else { self.sandbox.rebuild().map(|()| None) };
        }
        let Err(failure) = self.sandbox.attempt(&down)? else {
            self.passed_or_doubted(id, passed);
            return Ok(Some(lower));
        };
        // It went down before and does not now: the way up was not the way back.
        self.sandbox.take_back();
        barred.insert(id.to_owned(), format!("{id} cannot be taken down a second time"));
        let notes = vec!["it went down once, and not again after the re-upgrade".to_owned()];
        let (leg, mode) = (Leg::Downgrade, Mode::Walk);
        let stuck = Stuck { leg, failure, undamaged: false, upper: None, lower: None, mode, down: None, notes };
        self.record(id, Ok(stuck));
        self.sandbox.rebuild().map(|()| None)
    }

    /// What a clone cannot show is tested once more later.
    fn passed_or_doubted(&mut self, id: &str, passed: Passed) {
        let doubtful = self.is_doubtful(id, &passed);
        let outcome = self.outcome(id, Err(passed));
        if doubtful {
            self.doubted.insert(id.to_owned(), outcome);
        } else {
            self.settle(outcome);
        }
    }
}

fn cannot(id: &str, failure: &Failure) -> String {
    format!("{id} cannot be taken down ({})", failure.fail.summary)
}

fn declares(id: &str) -> String {
    format!("{id} declares that it cannot be undone")
}
