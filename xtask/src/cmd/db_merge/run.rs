//! Runs the steps in order, under the journal. Each step first looks how things are, so that it can continue where it
//! was half done, or where somebody else did it. `--continue` begins at the first step that is not done.

use std::time::Instant;

use anyhow::Result;
use serde_json::Map;

use super::flow::{Done, Flow, NOTE, Step, pending};
use super::git::Where;
use super::record::{KEPT, folder, to_abort, to_continue};
use super::{preflight, show, undo};
use crate::cmd::db_rebase;
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::Merge;
use crate::model::action::{Action, git, own};
use crate::report::steps::{Outcome, StepReport, steps};
use crate::sys::interrupt;
use crate::sys::journal::{self, Journal, Operation, Progress};
use crate::sys::settings::Server;

/// Begins a merge.
///
/// # Errors
/// A refusal before the journal is opened; after that a failure that says how to continue.
pub fn begin(ctx: &Ctx, flags: &Merge) -> Result<Exit> {
    let (repo, record) = preflight::check(ctx, flags).map_err(refuse)?;
    let operation = Operation {
        name: "db-merge".to_owned(),
        arguments: flags.branch.iter().cloned().collect(),
        resume: to_continue(),
        abort: to_abort(),
    };
    let folder = folder(ctx)?;
    // Where the journal is gone, these are left from a crash at the end of an earlier merge, and nobody needs them.
    journal::remove_folder(&folder.join(KEPT))?;
    let steps: Vec<String> = Step::all(flags).into_iter().map(|step| step.name().to_owned()).collect();
    let notes = Map::from_iter([(NOTE.to_owned(), record.to_json(ctx.ui.around()))]);
    let journal = Journal::begin_with(&folder, operation, &steps, Vec::new(), notes).map_err(refuse)?;
    Flow::new(ctx, repo, journal, record).carry_out()
}

/// Continues a merge that stopped.
///
/// # Errors
/// As [`begin`]; a usage error where no merge has stopped.
pub fn go_on(ctx: &Ctx, flags: &Merge) -> Result<Exit> {
    let mut flow = pending(ctx)?;
    if flow.record.is_taken_back {
        return Err(Fail::new(Kind::AlreadyRunning, "This merge is being taken back")
            .action(to_abort())
            .refused()
            .into());
    }
    flow.check_branch().map_err(refuse)?;
    // Conflicts have to be resolved first, by hand.
    let unresolved = flow.repo.no_conflicts("go on");
    unresolved.map_err(|error| refuse(from_anyhow(&error).action(to_continue()).action(or_back()).into()))?;
    flow.record.flags.no_roundtrip |= flags.no_roundtrip;
    if flags.commit && !flow.record.flags.commit {
        let fail = Fail::new(Kind::Usage, "`--commit` has to be said when db-merge begins");
        return Err(fail.run("Leave it out", to_continue()).run("and then", git(["commit"])).into());
    }
    flow.carry_out()
}

impl Flow<'_> {
    fn carry_out(mut self) -> Result<Exit> {
        // Kept for the whole merge: the embedded server would otherwise stop and start with every step.
        let _lease = match self.ctx.server()? {
            Server::Embedded if !self.record.flags.no_db => Some(self.ctx.lease()?),
            _ => None,
        };
        for (number, step) in Step::all(&self.record.flags).into_iter().enumerate() {
            if self.journal.steps().get(number).is_some_and(|it| it.progress == Progress::Done) {
                continue;
            }
            let began = Instant::now();
            self.ctx.ui.status(format!("── {} ──", step.name()));
            self.done.clear();
            let done =
                interrupt::check().and_then(|()| self.journal.step_started(number)).and_then(|()| self.step(step));
            let seconds = began.elapsed().as_secs_f64();
            self.record.report.truncate(number);
            match done {
                Ok(done) => {
                    self.report(step, done.outcome, seconds, done.remark);
                    self.save()?;
                    self.journal.step_done(number)?;
                }
                Err(error) => {
                    let fail = from_anyhow(&error);
                    self.report(step, Outcome::Failed, seconds, fail.summary.clone());
                    return Err(self.broke_off(step, fail));
                }
            }
        }
        self.end()
    }

    fn report(&mut self, step: Step, outcome: Outcome, seconds: f64, remark: String) {
        let components = std::mem::take(&mut self.done);
        self.record.report.push(StepReport { name: step.name().to_owned(), outcome, seconds, remark, components });
    }

    fn step(&mut self, step: Step) -> Result<Done> {
        match step {
            Step::Merge => self.merge(),
            Step::Before => self.look(false),
            Step::Rebase => self.rebase(),
            Step::Roundtrip => self.roundtrip(),
            Step::Migrate => self.migrate(),
            Step::After => self.look(true),
            Step::Commit => self.commit(),
        }
    }

    fn end(self) -> Result<Exit> {
        let report = show::to_json(&self)?;
        let text = show::done(&self)?;
        let ui = self.ctx.ui.clone();
        undo::put_away(self)?;
        ui.json("db-merge", Exit::Done, report, None);
        ui.answer(text);
        Ok(Exit::Done)
    }

    /// The failure of a step: what was changed, and how to continue.
    fn broke_off(self, step: Step, mut fail: Fail) -> anyhow::Error {
        // Ctrl-C must not prevent the report.
        let report = interrupt::shielded(|| show::to_json(&self)).unwrap_or_default();
        let steps = steps(&self.record.report);
        let ui = self.ctx.ui.clone();
        if interrupt::shielded(|| self.is_untouched()).unwrap_or(false) {
            fail = fail.details("Nothing was changed").refused();
            // A journal that cannot be removed is found by the next run, which says what to do.
            let _ = self.finish();
        } else {
            fail = fail.details(format!("This happened at: {}", step.name()));
            fail = interrupt::shielded(|| show::changed(&self)).into_iter().fold(fail, |fail, line| fail.details(line));
            fail = self.ways_on(step, fail);
            // The step was refused, but the flow had begun.
            fail.exit = if fail.exit == Exit::Refused { Exit::Failed } else { fail.exit };
        }
        ui.answer(steps);
        ui.json("db-merge", fail.exit, report, Some(&fail));
        fail.into()
    }

    /// What can be done now. While the merge is open, db-rebase and db-migrate are refused: actions that call them are
    /// listed after the abort, and left out where continuing or aborting does the same.
    fn ways_on(&self, step: Step, mut fail: Fail) -> Fail {
        let is_refused = |action: &Action| ["db-rebase", "db-migrate"].iter().any(|name| action.is_own(name));
        let (later, now): (Vec<Action>, Vec<Action>) =
            std::mem::take(&mut fail.actions).into_iter().partition(is_refused);
        let by_hand = matches!(step, Step::Before | Step::Rebase) && !later.is_empty();
        let is_stuck = by_hand && now.is_empty();
        fail.actions = now;
        if !is_stuck {
            fail = fail.run("Put right what is in the way, then go on", to_continue());
        }
        fail = fail.action(if is_stuck { Action::run("Take everything back", to_abort()) } else { or_back() });
        if !by_hand {
            return fail;
        }
        if let (Some(branch), Some(_)) = (&self.record.flags.branch, &self.record.target) {
            fail = fail.run("and merge by hand", git(["merge", "--no-commit", branch]));
        }
        later.iter().fold(fail, Fail::action).run("and the rest", own("db-merge").of_no_component())
    }

    /// Whether nothing was changed.
    fn is_untouched(&self) -> Result<bool> {
        let merge = matches!(self.merge_is()?, Where::NotOurs | Where::Ahead | Where::UpToDate);
        let rebases = self.kept_all()?.is_empty() && !db_rebase::is_pending(self.ctx)?;
        Ok(merge && rebases && self.record.migrated.is_empty())
    }
}

fn or_back() -> Action {
    Action::run("Or take everything back", to_abort())
}
