//! What is pending, tried together: a walk commits after each revision, db-migrate applies all of them as the project's
//! env.py says, often in one transaction. There a new enum value cannot be used (55P04), an index cannot be built
//! concurrently, and pending trigger events bar an ALTER.

use anyhow::Result;

use super::Walk;
use crate::cmd::db_roundtrip::explain::said;
use crate::cmd::db_roundtrip::result;
use crate::cmd::db_roundtrip::sandbox::{Deed, Failure, Mode};
use crate::cmd::db_roundtrip::trial::{Stuck, depends_on_mode, leaves_open, upgrading};
use crate::model::roundtrip::{Leg, Verdict};
use crate::model::route::applied_set;
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::alembic::TroubleKind;
use crate::work::advice;

/// The revision that fails among all that is pending, though it passes one by one.
pub struct Together {
    pub result: RevisionResult,
}

impl Walk<'_, '_> {
    /// Whether the walk has shown that every one of several pending revisions goes up by itself.
    pub(super) fn is_worth_trying_together(&self, lacking: &[String]) -> bool {
        let goes_up = |result: &RevisionResult| result.step != Some(Leg::Upgrade) && result.verdict != Verdict::Skipped;
        // Of several walkers, the one that has come to the end of it.
        let last = lacking.iter().rev().find(|id| self.facts.route.tests(id));
        let is_last = last.is_some_and(|last| self.found.contains_key(last));
        lacking.len() > 1 && is_last && self.obstacle.is_none() && self.found.values().all(goes_up)
    }

    /// Applies all that is pending, as db-migrate would.
    pub(super) fn all_at_once(&mut self, lacking: &[String]) -> Result<()> {
        let last = lacking.iter().rposition(|id| self.facts.route.tests(id)).unwrap_or_default();
        let has = applied_set(&self.facts.graph, &self.sandbox.held()?);
        let ids: Vec<String> = lacking[..=last].iter().filter(|id| !has.contains(*id)).cloned().collect();
        if ids.len() < 2 {
            return Ok(());
        }
        let _task = self.ctx.ui.task(upgrading(ids.len()));
        let all = Deed::steps(Direction::Up, &ids, Mode::Own);
        let Err(mut failure) = self.sandbox.attempt(&all)? else { return Ok(()) };
        if failure.trouble.kind == TroubleKind::Timeout && failure.opened_by.is_none() {
            // Perhaps it has waited for what is no part of this; nobody is accused before that is ruled out.
            self.sandbox.renew()?;
            self.sandbox.rebuild()?;
            match self.sandbox.attempt(&all)? {
                Ok(_) => return Ok(()),
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
        Ok(())
    }

    fn fails_together(&self, id: &str, mut failure: Box<Failure>) -> RevisionResult {
        failure.fail = failure.fail.details(
            "It passes one revision at a time; this is all that is pending together, as db-migrate applies it",
        );
        let mut notes = vec!["fails together with what is pending before it, and passes alone".to_owned()];
        if let Some(step) = &failure.opened_by {
            notes = vec![format!("{}, and what is pending after it waits for that session", leaves_open(step))];
        }
        failure.fail = advice::commit_in_between(failure.fail, &self.facts.graph, &self.facts.component.name);
        let stuck = Stuck {
            leg: Leg::Upgrade,
            failure,
            undamaged: true,
            upper: None,
            lower: None,
            mode: Mode::Own,
            down: None,
            notes,
        };
        result::of_failure(&self.facts.graph, id, stuck, &said(self.ctx, self.facts, id))
    }
}
