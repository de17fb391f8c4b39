//! Runs the steps of a rebase under the journal, continues them, and takes them back. A step is written down before it
//! is done, and doing it twice does no harm, so that `--resume` and `--abort` work after any crash.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::database;
use super::ends::Ends;
use super::facts::Facts;
use super::prepare::Prepared;
use super::record::journal_folder;
use super::record::{Step, Work};
use super::show::{Timed, report};
use super::{files, show};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::model::action::{Action, own};
use crate::sys::files::remove_bytecode;
use crate::sys::interrupt;
use crate::sys::journal::{Journal, Operation, Progress};
use crate::sys::project::Component;
use crate::work::last_change::{self, What};
use crate::work::migrate::sorted;
use crate::work::own_database::OwnDatabase;
use crate::work::put_back::Report;

/// The notes' names in the journal.
pub(super) const BACKUP: &str = "backup";
/// A transaction before which nothing was written that is not in the backup.
const BACKUP_FROM: &str = "backup-from";
const COMMAND: &str = "db-rebase";
const KEEP: &str = "keep";
pub(super) const TAKEN_BACK: &str = "taken-back";
/// The backup of what was there when it was taken back.
const NOW: &str = "backup-before-taking-back";

/// What was carried over into tables that were made anew.
pub(super) const PUT_BACK: &str = "put-back";
/// The transaction with which it ended, where it did.
pub(super) const END: &str = "end";

/// What is being done.
struct Run<'a> {
    ctx: &'a Ctx,
    work: Work,
    journal: Journal,
    own: Option<OwnDatabase<'a>>,
    timed: Vec<Timed>,
    /// What came of putting the database back.
    report: Option<Report>,
}

/// Does what was planned.
///
/// # Errors
/// A refusal before the journal is opened; after that a failure that says how to go on.
pub fn begin(ctx: &Ctx, facts: &Facts, prepared: &Prepared, ends: &Ends) -> Result<Exit> {
    let work = prepared.work.clone();
    let own = open(ctx, facts.component, &work).map_err(refuse)?;
    let operation = Operation {
        name: "db-rebase".to_owned(),
        arguments: vec![format!("--component={}", work.component)],
        resume: ends.resume.clone(),
        abort: ends.abort.clone(),
    };
    let steps: Vec<String> = work.steps().into_iter().map(|step| work.words(step).to_string()).collect();
    let planned = prepared.edits.iter().map(files::Edit::planned).collect();
    let folder = journal_folder(ctx)?;
    let mut notes = work.notes();
    notes.insert(KEEP.to_owned(), json!(ends.keep));
    let journal = Journal::begin_with(&folder, operation, &steps, planned, notes).map_err(refuse)?;
    Run { ctx, work, journal, own, timed: Vec::new(), report: None }.carry_out()
}

/// Goes on with what did not end.
///
/// # Errors
/// As [`begin`]; a usage error where there is nothing to go on with.
pub fn resume(ctx: &Ctx) -> Result<Exit> {
    let (journal, work) = pending(&journal_folder(ctx)?)?;
    if journal.noted(TAKEN_BACK).is_some() {
        let fail = Fail::new(Kind::AlreadyRunning, "This rebase is being taken back");
        return Err(fail.action(&journal.operation().abort).refused().into());
    }
    let component = ctx.project()?.component(Some(&work.component))?;
    let own = open(ctx, component, &work).map_err(refuse)?;
    let mut run = Run { ctx, work, journal, own, timed: Vec::new(), report: None };
    if !run.work.stays && run.was_begun(Step::Down) && !run.is_over(Step::Up) {
        run.keep_what_was_written().map_err(refuse)?;
    }
    run.carry_out()
}

/// Takes back what did not end, or was put away in this folder when it had: files byte for byte, the database by the
/// scripts and, for its rows, from the backup.
///
/// # Errors
/// As [`resume`]. It can be repeated.
pub fn abort(ctx: &Ctx, folder: &Path, keep_database: bool) -> Result<Exit> {
    let (journal, work) = pending(folder)?;
    let component = ctx.project()?.component(Some(&work.component))?;
    let mut run = Run { ctx, work, journal, own: None, timed: Vec::new(), report: None };
    if run.was_begun(Step::Down) && !keep_database {
        run.own = open(ctx, component, &run.work).map_err(refuse)?;
    }
    match run.take_back() {
        Ok(()) => run.forget_change().end(Journal::finish, |ctx, work, backup, report| {
            show::aborted(ctx, work, backup, report)?;
            if keep_database {
                show::database_was_kept(ctx, work);
            }
            Ok(())
        }),
        Err(error) => {
            let abort = &run.journal.operation().abort;
            let fail = from_anyhow(&error).run("Then go on taking it back", abort);
            let fail = match run.journal.noted(KEEP).and_then(Value::as_str) {
                Some(_) => fail,
                None => fail.action(Action::run(
                    "Or take the files back and leave the database as it is",
                    own("db-rebase").of_no_component().word("--abort").word("--keep-database"),
                )),
            };
            ctx.ui.json("db-rebase", fail.exit, report(&run.work, &run.timed, None), Some(&fail));
            Err(fail.into())
        }
    }
}

/// Forgets what did not end: the way out where nothing else is left. Files and database stay as they are.
///
/// # Errors
/// A usage error where there is nothing to forget.
pub fn forget(ctx: &Ctx) -> Result<Exit> {
    let (journal, work) = pending(&journal_folder(ctx)?)?;
    let backup = journal.noted(BACKUP).and_then(Value::as_str).map(PathBuf::from);
    journal.finish()?;
    ctx.ui.json("db-rebase", Exit::Done, report(&work, &[], backup.as_deref()), None);
    show::forgotten(ctx, &work, backup.as_deref());
    Ok(Exit::Done)
}

fn pending(folder: &Path) -> Result<(Journal, Work)> {
    let nothing =
        || Fail::new(Kind::Usage, "There is no rebase that did not end").run("See where things are", own("db-status"));
    let journal = Journal::pending(folder).map_err(refuse)?.ok_or_else(nothing)?;
    if journal.operation().name != "db-rebase" {
        return Err(journal.unfinished().into());
    }
    let work = Work::from_note(|name| journal.noted(name).cloned()).context("reading the journal").map_err(refuse)?;
    Ok((journal, work))
}

/// The database, if it is part of the work; it has to be the one that the work was planned for.
fn open<'a>(ctx: &Ctx, component: &'a Component, work: &Work) -> Result<Option<OwnDatabase<'a>>> {
    let Some(planned) = &work.place else { return Ok(None) };
    let own = database::claim(ctx, component)?;
    if own.place() == *planned {
        return Ok(Some(own));
    }
    Err(Fail::new(Kind::WrongDatabase, "This is another database than the one that the rebase began with")
        .details(format!("begun with {planned}, now {}", own.place()))
        .action("Use the same --server and --project as then")
        .into())
}

impl Run<'_> {
    fn carry_out(mut self) -> Result<Exit> {
        for (number, step) in self.work.steps().into_iter().enumerate() {
            // People may have written since a run was killed, and the backup is to have that.
            let is_backup_again = step == Step::Backup && !self.was_begun(Step::Down);
            if !is_backup_again && self.is_done(number) {
                self.timed.push(Timed { name: step.name(), outcome: "ok", seconds: 0.0 });
                continue;
            }
            let began = Instant::now();
            let done = interrupt::check()
                .and_then(|()| self.journal.step_started(number))
                .and_then(|()| self.step(step))
                .and_then(|()| self.journal.step_done(number));
            let outcome = if done.is_ok() { "ok" } else { "failed" };
            self.timed.push(Timed { name: step.name(), outcome, seconds: began.elapsed().as_secs_f64() });
            if let Err(error) = done {
                return Err(self.broke_off(step, &error));
            }
        }
        let keep = self.journal.noted(KEEP).and_then(Value::as_str).map(PathBuf::from);
        if let Some(folder) = keep {
            return self.end(|journal| journal.finish_into(&folder), show::done);
        }
        match self.own.take() {
            Some(own) => self.put_away(own),
            None => self.end(Journal::finish, show::done),
        }
    }

    fn is_done(&self, number: usize) -> bool {
        self.journal.steps().get(number).is_some_and(|it| it.progress == Progress::Done)
    }

    fn is_over(&self, step: Step) -> bool {
        self.work.steps().into_iter().position(|it| it == step).is_some_and(|number| self.is_done(number))
    }

    /// Before it goes on: what was written since the backup or, where a revision has run since, since that one.
    fn keep_what_was_written(&mut self) -> Result<()> {
        let is_on_its_way = self.was_begun(Step::Edit);
        let (Some(path), Some(own)) = (self.backup(), &mut self.own) else { return Ok(()) };
        let is_there = !is_on_its_way && sorted(&own.applied()?) == sorted(&self.work.trip.before);
        let from = self.journal.noted(BACKUP_FROM).and_then(Value::as_u64).filter(|_| is_there);
        own.keep_what_was_written(&path, from)
    }

    /// The journal goes to where db-undo finds it.
    fn put_away(self, mut own: OwnDatabase<'_>) -> Result<Exit> {
        let ctx = self.ctx;
        let folder = last_change::journal_folder(ctx, own.db(), &self.work.component, COMMAND)?;
        let end = match self.journal.noted(END).and_then(Value::as_u64) {
            Some(end) => end,
            None => own.db().transaction_number()?,
        };
        let finish = |mut journal: Journal| {
            journal.note(END, json!(end))?;
            // All steps are done by now, so whoever goes on puts nothing back again.
            own.forget_that_it_was_put_back();
            journal.finish_into(&folder)?;
            last_change::done(ctx, &mut own, COMMAND, What::Rebase(folder.clone()));
            Ok(())
        };
        self.end(finish, show::done)
    }

    fn step(&mut self, step: Step) -> Result<()> {
        let work = &self.work;
        self.ctx.ui.status(work.words(step).to_string());
        match (step, &mut self.own) {
            (Step::Edit, _) => self.write(),
            (Step::Backup, Some(own)) => {
                let from = own.db().transaction_number()?;
                let path = database::backup(self.ctx, own)?;
                self.journal.note(BACKUP_FROM, json!(from))?;
                self.journal.note(BACKUP, json!(path))
            }
            (Step::Down, Some(own)) => work.way_down().go_on(self.ctx, own),
            (Step::Up, Some(own)) => {
                work.way_up().go_on(self.ctx, own)?;
                self.carry_over()
            }
            (_, None) => anyhow::bail!("a step of the database, and no database"),
        }
    }

    fn write(&mut self) -> Result<()> {
        self.journal.write_files()?;
        remove_bytecode(self.journal.files().map(Path::to_owned))
    }

    /// In the reverse order; each phase is noted when it is done, so that the files are always those that the database's
    /// next walk needs.
    fn take_back(&mut self) -> Result<()> {
        let phase = self.journal.noted(TAKEN_BACK).and_then(Value::as_u64).unwrap_or(0);
        if phase == 0 {
            self.look_before_taking_back()?;
            self.journal.note(TAKEN_BACK, json!(0))?;
        } else if let (Some(path), Some(own)) = (self.backup(), &mut self.own) {
            own.keep_what_was_written(&path, self.journal.noted(END).and_then(Value::as_u64))?;
        }
        let work = self.work.clone();
        let was_up = self.was_begun(Step::Up);
        if phase < 1 {
            if let (true, Some(own)) = (was_up, &mut self.own) {
                work.way_up().go_back(self.ctx, own)?;
            }
            self.journal.note(TAKEN_BACK, json!(1))?;
        }
        if phase < 2 {
            self.journal.restore_files()?;
            remove_bytecode(self.journal.files().map(Path::to_owned))?;
            self.journal.note(TAKEN_BACK, json!(2))?;
        }
        let Some(own) = &mut self.own else { return Ok(()) };
        if phase < 3 {
            work.way_down().go_back(self.ctx, own)?;
            self.journal.note(TAKEN_BACK, json!(3))?;
        }
        if let (Some(path), Some(own)) = (self.backup(), &mut self.own) {
            let now = self.journal.noted(NOW).and_then(Value::as_str).map(PathBuf::from);
            let (down, up) = (work.way_down().ids, work.way_up().ids);
            let walked: Vec<String> = down.iter().chain(up).cloned().collect();
            self.report = Some(own.put_back(self.ctx, &path, now.as_deref(), &walked)?);
        }
        Ok(())
    }

    /// What it did to the database is not there any more, for db-undo.
    fn forget_change(mut self) -> Self {
        if let Some(own) = &mut self.own {
            let is_part = self.journal.noted(KEEP).is_some_and(Value::is_string);
            let (what, again) = if is_part { ("merge", "db-merge") } else { ("rebase", COMMAND) };
            let what = What::Nothing(format!("A {what} was taken back last"), vec![again.to_owned()]);
            last_change::done(self.ctx, own, COMMAND, what);
        }
        self
    }

    /// Puts the rows that the way down took away into what the way up made again. No script counts as one that was walked
    /// back: what the new revisions did to other rows stays.
    fn carry_over(&mut self) -> Result<()> {
        if let (Some(path), Some(own), false) = (self.backup(), &mut self.own, self.work.stays) {
            let report = own.put_back(self.ctx, &path, None, &[])?;
            self.journal.note(PUT_BACK, report.to_json())?;
            self.report = Some(report);
        }
        Ok(())
    }

    /// Before anything is taken back: a backup of what is there now.
    fn look_before_taking_back(&mut self) -> Result<()> {
        if let (Some(path), Some(own)) = (self.backup(), &mut self.own) {
            let end = self.journal.noted(END).and_then(Value::as_u64);
            let now = own.before_putting_back(self.ctx, &path, end)?;
            self.journal.note(NOW, json!(now))?;
        }
        Ok(())
    }

    fn was_begun(&self, step: Step) -> bool {
        let number = self.work.steps().into_iter().position(|it| it == step);
        number.and_then(|at| self.journal.steps().get(at)).is_some_and(|it| it.progress != Progress::Planned)
    }

    fn backup(&self) -> Option<PathBuf> {
        self.journal.noted(BACKUP).and_then(Value::as_str).map(PathBuf::from)
    }

    fn end(
        mut self,
        finish: impl FnOnce(Journal) -> Result<()>,
        say: impl Fn(&Ctx, &Work, Option<&Path>, Option<&Report>) -> Result<()>,
    ) -> Result<Exit> {
        let backup = self.backup();
        finish(self.journal)?;
        if let Some(own) = &mut self.own {
            own.forget_that_it_was_put_back();
        }
        let mut fields = report(&self.work, &self.timed, backup.as_deref());
        if let Some(put_back) = &self.report {
            fields["put_back"] = put_back.to_json();
        }
        self.ctx.ui.json("db-rebase", Exit::Done, fields, None);
        say(self.ctx, &self.work, backup.as_deref(), self.report.as_ref())?;
        Ok(Exit::Done)
    }

    /// What a failed step leaves, and how to go on.
    fn broke_off(mut self, step: Step, error: &anyhow::Error) -> anyhow::Error {
        let mut fail = from_anyhow(error);
        let backup = self.backup();
        if fail.kind != Kind::HalfDone && self.is_untouched(step) && self.journal.restore_files().is_ok() {
            fail = fail.details("Files and database are as they were");
            let Run { ctx, work, journal, timed, .. } = self;
            // A journal that cannot be removed is found by the next run, which says what to do.
            let _ = journal.finish();
            fail = if step == Step::Backup { fail.refused() } else { fail };
            ctx.ui.json("db-rebase", fail.exit, report(&work, &timed, backup.as_deref()), Some(&fail));
            return fail.into();
        }
        if let Some(path) = &backup {
            fail = fail.details(format!("The backup taken before: {}", path.display()));
        }
        let Operation { resume, abort, .. } = self.journal.operation();
        if fail.kind == Kind::BackupMissing && self.journal.noted(KEEP).is_none_or(Value::is_null) {
            let forget = own(COMMAND).of_no_component().word("--forget");
            fail = fail.run("Or go on without those rows: leave everything as it is, and forget it", forget);
        }
        fail = fail
            .details(format!("This happened at: {}", self.work.words(step)))
            .run("Put right what is in the way, then go on", resume)
            .run("Or take everything back", abort)
            .about(&self.work.component);
        self.ctx.ui.json("db-rebase", fail.exit, report(&self.work, &self.timed, backup.as_deref()), Some(&fail));
        fail.into()
    }

    /// Whether nothing has come of it: no file written, the database where it was.
    fn is_untouched(&mut self, step: Step) -> bool {
        match (step, &mut self.own) {
            (Step::Backup, _) => true,
            (Step::Down, Some(own)) => {
                let applied = interrupt::shielded(|| own.applied());
                applied.is_ok_and(|applied| applied == self.work.trip.before)
            }
            _ => false,
        }
    }
}
