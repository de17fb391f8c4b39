//! The database just below the newest revision, where each run of `--watch` begins.
//!
//! A database that lacks the revision is upgraded to just below it once, and kept as a copy for as long as nothing
//! below changes. A database that has the revision already (a clone of the developer's own, or one that a baseline
//! command made) has it as an earlier version of the script made it. It is downgraded by the present script; where that
//! fails, the run begins at what the last downgrade that passed has left.

use std::collections::HashSet;

use anyhow::Result;

use super::places::{Before, Below, Lower};
use super::scripts::Known;
use super::warm::{Answer, Warm, put};
use crate::cmd::db_roundtrip::facts::Facts;
use crate::cmd::db_roundtrip::sandbox::{Deed, Failure, Mode};
use crate::cmd::db_roundtrip::trial::{Stuck, depends_on_mode, upgrading};
use crate::cmd::db_roundtrip::{explain, result};
use crate::model::roundtrip::{Leg, Point, Verdict};
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::pg::SavePoint;

const EARLIER: &str = "the throwaway database got this revision from an earlier version of the script, which the \
                       downgrade no longer fits; it begins where the last one that fitted has left it";

impl Warm<'_> {
    /// Brings the database to just below the revision; where that fails, returns the answer to show instead.
    pub(super) fn stand_below(
        &mut self,
        now: &Facts<'_>,
        known: &[Known],
        id: &str,
    ) -> Result<Result<Before, Box<Answer>>> {
        if self.held.contains(id) { self.take_down(now, id) } else { self.upward(known, id) }
    }

    fn upward(&mut self, known: &[Known], id: &str) -> Result<Result<Before, Box<Answer>>> {
        let scripts: Vec<Known> = known.iter().filter(|script| script.id != id).cloned().collect();
        if let Some(Below { copy, state, .. }) = self.below.as_ref().filter(|below| below.scripts == scripts) {
            let (copy, state) = (copy.clone(), state.clone());
            self.go_to(&copy)?;
            return Ok(Ok(state.into()));
        }
        let (copy, held) = self.nearest(&scripts);
        let ids: Vec<String> = scripts.iter().map(|script| script.id.clone()).filter(|id| !held.contains(id)).collect();
        self.go_to(&copy)?;
        if let Err(failure) = self.apply(&ids)? {
            let words =
                format!("This is below {id}, in the revisions that the database lacks: the run did not get to it");
            return Ok(Err(Box::new(Err(failure.fail.details(words)))));
        }
        if held.is_empty() {
            put(&mut self.sandbox, self.seeds.at(None))?;
        }
        for id in &ids {
            put(&mut self.sandbox, self.seeds.at(Some(id)))?;
        }
        let (state, copy) = (self.sandbox.point()?, self.copy()?);
        if let Some(old) = self.below.replace(Below { scripts, copy, state: state.clone() }) {
            self.sandbox.forget(old.copy)?;
        }
        Ok(Ok(state.into()))
    }

    /// The copy with the shortest way: the last one, if every script that it holds is unchanged, else the first.
    fn nearest(&self, scripts: &[Known]) -> (SavePoint, HashSet<String>) {
        let scripts: HashSet<&Known> = scripts.iter().collect();
        match &self.below {
            Some(below) if below.scripts.iter().all(|script| scripts.contains(script)) => {
                (below.copy.clone(), below.scripts.iter().map(|script| script.id.clone()).collect())
            }
            _ => (self.start.clone(), self.held.clone()),
        }
    }

    fn apply(&mut self, ids: &[String]) -> Result<Result<(), Box<Failure>>> {
        self.has_changed();
        if ids.is_empty() {
            return Ok(Ok(()));
        }
        let _task = self.ctx.ui.task(upgrading(ids.len()));
        Ok(self.sandbox.attempt(&Deed::steps(Direction::Up, ids, Mode::Own))?.map(|_| ()))
    }

    fn take_down(&mut self, now: &Facts<'_>, id: &str) -> Result<Result<Before, Box<Answer>>> {
        let said = explain::said(self.ctx, now, id);
        if said.irreversible.is_some() {
            let reason = said.irreversible;
            let outcome = RevisionResult { reason, ..RevisionResult::new(&now.graph, id, Verdict::Irreversible) };
            return Ok(Err(Box::new(Ok(outcome))));
        }
        let failure = match self.down(id, Mode::Walk)? {
            Err(failure) if depends_on_mode(&failure) => self.down(id, Mode::Own)?.err(),
            done => done.err(),
        };
        let Some(failure) = failure else { return self.left_by(id).map(|state| Ok(state.into())) };
        if let Some(lower) = self.lower.as_ref().filter(|lower| lower.id == id && !failure.trouble.is_declared()) {
            let (copy, state) = (lower.copy.clone(), lower.state.clone());
            self.go_to(&copy)?;
            return Ok(Ok(Before { state, note: Some(EARLIER.to_owned()) }));
        }
        let stuck = Stuck::new(Leg::Downgrade, failure, Mode::Walk);
        Ok(Err(Box::new(Ok(result::of_failure(&now.graph, id, stuck, &said)))))
    }

    fn down(&mut self, id: &str, mode: Mode) -> Result<Result<f64, Box<Failure>>> {
        let start = self.start.clone();
        self.go_to(&start)?;
        self.has_changed();
        put(&mut self.sandbox, self.seeds.at(Some(id)))?;
        let upper = self.sandbox.point()?;
        self.start_rows = Some(upper.rows);
        self.recorded = self.sandbox.recorded(id, &upper.schema)?.map(|below| (id.to_owned(), below));
        self.sandbox.attempt(&Deed::steps(Direction::Down, &[id.to_owned()], mode))
    }

    /// What the downgrade has left now; a copy of it is kept where it is not what the last one left.
    fn left_by(&mut self, id: &str) -> Result<Point> {
        let state = self.sandbox.point()?;
        let is_new =
            |lower: &Lower| lower.id != id || lower.state.schema != state.schema || lower.state.rows != state.rows;
        if self.lower.as_ref().is_none_or(is_new) {
            let copy = self.copy()?;
            if let Some(old) = self.lower.replace(Lower { id: id.to_owned(), copy, state: state.clone() }) {
                self.sandbox.forget(old.copy)?;
            }
        }
        Ok(state)
    }
}
