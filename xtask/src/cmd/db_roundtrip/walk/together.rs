//! Tries the pending revisions together. A walk commits after each revision; db-migrate applies all of them as the
//! project's env.py says, often in one transaction. In one transaction a new enum value cannot be used (55P04), an
//! index cannot be built concurrently, and pending trigger events prevent an ALTER. What one revision leaves in the
//! session or in the Python process (`SET search_path`, `SET ROLE`, a value that a helper keeps) can also change what
//! the next one makes.

use anyhow::Result;

use super::Walk;
use crate::cmd::db_roundtrip::explain::said;
use crate::cmd::db_roundtrip::result;
use crate::cmd::db_roundtrip::sandbox::{Deed, Failure, Mode};
use crate::cmd::db_roundtrip::trial::{Stuck, depends_on_mode, leaves_open, upgrading};
use crate::model::catalog::{self, Change};
use crate::model::roundtrip::{Leg, Verdict};
use crate::model::route::applied_set;
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::alembic::TroubleKind;
use crate::work::advice;

/// The revision that fails among all that is pending, or makes something else there, though it passes one by one.
pub struct Together {
    pub result: RevisionResult,
}

const FAILS: &str = "fails together with what is pending before it, and passes alone";
const MAKES_OTHERS: &str = "makes another schema together with what is pending before it, as db-migrate applies it, than one \
                            revision at a time; perhaps an earlier one leaves a setting in the session (search_path, role) or \
                            a value in the Python process";

impl Walk<'_, '_> {
    /// Whether the walk has shown that every one of several pending revisions goes up by itself.
    pub(super) fn is_worth_trying_together(&self, lacking: &[String]) -> bool {
        let goes_up = |result: &RevisionResult| result.step != Some(Leg::Upgrade) && result.verdict != Verdict::Skipped;
        // Of several walkers, only the one that has come to the last pending revision tries it.
        let last = lacking.iter().rev().find(|id| self.facts.route.tests(id));
        let is_last = last.is_some_and(|last| self.found.contains_key(last));
        lacking.len() > 1 && !self.lacks_one && is_last && self.obstacle.is_none() && self.found.values().all(goes_up)
    }

    /// Applies all that is pending, as db-migrate would, and compares with what the walk has come to.
    pub(super) fn try_together(&mut self, lacking: &[String], came_seeded: bool) -> Result<()> {
        let last = lacking.iter().rposition(|id| self.facts.route.tests(id)).unwrap_or_default();
        let is_as_it_was_kept = |result: &RevisionResult| !result.verdict.is_finding();
        if !self.found.values().all(is_as_it_was_kept) {
            self.sandbox.rebuild()?;
        }
        let alone = self.sandbox.schema()?;
        self.begin_again(came_seeded)?;
        let has = applied_set(&self.facts.graph, &self.sandbox.held()?);
        let ids: Vec<String> = lacking[..=last].iter().filter(|id| !has.contains(*id)).cloned().collect();
        if ids.len() < 2 || !self.all_at_once(lacking, &ids)? {
            return Ok(());
        }
        let changes = catalog::diff(&alone, &self.sandbox.schema()?);
        if !changes.is_empty() {
            self.together = Some(self.first_that_differs(&ids, changes, came_seeded)?);
        }
        Ok(())
    }

    /// Whether all went through.
    fn all_at_once(&mut self, lacking: &[String], ids: &[String]) -> Result<bool> {
        let _task = self.ctx.ui.task(upgrading(ids.len()));
        let all = Deed::steps(Direction::Up, ids, Mode::Own);
        let Err(mut failure) = self.sandbox.attempt(&all)? else { return Ok(true) };
        if failure.trouble.kind == TroubleKind::Timeout && failure.opened_by.is_none() {
            // It may have waited for a session that has nothing to do with it; no revision is accused before that is
            // ruled out.
            self.sandbox.renew()?;
            self.sandbox.rebuild()?;
            match self.sandbox.attempt(&all)? {
                Ok(_) => return Ok(true),
                Err(again) => failure = again,
            }
        }
        let left = self.sandbox.sessions_left();
        let id = failure.opened_by.as_ref().map(|step| step.revision.clone()).or(failure.fail.revision.clone());
        let counts = depends_on_mode(&failure) || failure.opened_by.is_some();
        if let Some(id) = id.filter(|id| counts && lacking.contains(id)) {
            let mut result = self.fails_together(&id, failure);
            let others = left.iter().filter(|step| step.revision != id);
            result.notes.extend(others.map(|step| format!("{}: {}", step.revision, leaves_open(step))));
            self.together = Some(Together { result });
        }
        Ok(false)
    }

    /// The revision at which the two ways begin to differ, found by bisection, since each look costs two upgrades.
    /// Where tries of parts show nothing, it is one of them: that is told at the last, and no pass.
    fn first_that_differs(&mut self, ids: &[String], whole: Vec<Change>, came_seeded: bool) -> Result<Together> {
        let (mut same, mut other, mut seen) = (1, ids.len(), Vec::new());
        while same < other {
            let middle = (same + other) / 2;
            let changes = self.parted(&ids[..middle], came_seeded)?;
            if changes.is_empty() {
                same = middle + 1;
            } else {
                (other, seen) = (middle, changes);
            }
        }
        if seen.is_empty() {
            seen = self.parted(&ids[..other], came_seeded)?;
        }
        let mut notes = vec![MAKES_OTHERS.to_owned()];
        if seen.is_empty() {
            notes.push("tried in parts it did not show, so the cause may be a revision before this one".to_owned());
            seen = whole;
        }
        let result = RevisionResult {
            step: Some(Leg::Upgrade),
            notes,
            schema_changes: seen,
            ..RevisionResult::new(&self.facts.graph, &ids[other - 1], Verdict::SchemaDiffers)
        };
        Ok(Together { result })
    }

    /// How the schema that these make together differs from the one that they make one by one.
    fn parted(&mut self, ids: &[String], came_seeded: bool) -> Result<Vec<Change>> {
        self.begin_again(came_seeded)?;
        if !self.one_by_one(ids)? {
            return Ok(Vec::new());
        }
        let alone = self.sandbox.schema()?;
        self.begin_again(came_seeded)?;
        match self.sandbox.attempt(&Deed::steps(Direction::Up, ids, Mode::Own))? {
            Ok(_) => Ok(catalog::diff(&alone, &self.sandbox.schema()?)),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Whether each went up by itself, as in the walk: one that does not is tried in the project's own mode.
    fn one_by_one(&mut self, ids: &[String]) -> Result<bool> {
        for id in ids.chunks(1) {
            let alone = self.sandbox.attempt_fairly(&Deed::steps(Direction::Up, id, Mode::Walk))?;
            if alone.is_err() && self.sandbox.attempt(&Deed::steps(Direction::Up, id, Mode::Own))?.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fails_together(&self, id: &str, mut failure: Box<Failure>) -> RevisionResult {
        failure.fail = failure.fail.details(
            "It passes one revision at a time; this is all that is pending together, as db-migrate applies it",
        );
        let mut notes = vec![FAILS.to_owned()];
        if let Some(step) = &failure.opened_by {
            notes = vec![format!("{}, and what is pending after it waits for that session", leaves_open(step))];
        }
        failure.fail = advice::commit_in_between(failure.fail, &self.facts.graph, &self.facts.component.name);
        let stuck = Stuck { undamaged: true, notes, ..Stuck::new(Leg::Upgrade, failure, Mode::Own) };
        result::of_failure(&self.facts.graph, id, stuck, &said(self.ctx, self.facts, id))
    }
}
