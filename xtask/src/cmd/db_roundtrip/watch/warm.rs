//! Keeps the database and the Python process between two runs of `--watch`, and makes one run with them. Before each
//! run it reads again what has changed on disk since the last one, and nothing else.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Result;

use super::places::{Below, Lower};
use super::scripts::{Known, known};
use crate::cmd::db_roundtrip::baseline::seed;
use crate::cmd::db_roundtrip::baseline::{self, Baseline};
use crate::cmd::db_roundtrip::facts::{Facts, cannot_prepare};
use crate::cmd::db_roundtrip::sandbox::{Deed, Mode, Sandbox};
use crate::cmd::db_roundtrip::trial::{self, Trial};
use crate::cmd::db_roundtrip::walk::verdict::Above;
use crate::cmd::db_roundtrip::walk::{Shared, consult};
use crate::cmd::db_roundtrip::{explain, result};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::catalog::Snapshot;
use crate::model::graph::Graph;
use crate::model::roundtrip::{Point, Verdict, is_proven_by_schema};
use crate::model::route::{Seconds, Wanted, applied_set, route};
use crate::model::rows::{self, ColumnLoss, DataChange, Rows};
use crate::model::target::TargetError;
use crate::report::roundtrip::RevisionResult;
use crate::sys::pg::SavePoint;
use crate::work::advice;

/// The result of the newest revision, or why there is none.
pub type Answer = Result<RevisionResult, Fail>;

/// See the file's head.
pub struct Warm<'a> {
    shared: Shared<'a>,
    pub(super) ctx: &'a Ctx,
    pub(super) facts: &'a Facts<'a>,
    pub(super) sandbox: Sandbox<'a>,
    pub(super) seeds: seed::Seeds,
    /// How the database came to be.
    pub words: String,
    /// Its rows are the component's own.
    is_clone: bool,
    /// A copy of the database as it was made.
    pub(super) start: SavePoint,
    /// The revisions that it had then.
    pub(super) held: HashSet<String>,
    /// The scripts that made it, where this tool ran them; empty for a clone.
    made_by: Vec<Known>,
    pub(super) below: Option<Below>,
    pub(super) lower: Option<Lower>,
    /// What db-migrate saw below a revision that the database held from the beginning, where it saw it.
    pub(super) recorded: Option<(String, Snapshot)>,
    /// The rows with a revision that the database held from the beginning, before it was taken down.
    pub(super) start_rows: Option<Rows>,
    /// The copy that the database is equal to now.
    at: Option<SavePoint>,
    /// The newest revision of the last run.
    newest: String,
    /// The scripts as they were when the process read them, or just before.
    read: Vec<Known>,
    /// The process is no longer what a new one would be.
    pub is_stale: bool,
    /// When the process was started.
    pub since: SystemTime,
    /// The project's files in which something failed.
    origin: Vec<PathBuf>,
}

impl<'a> Warm<'a> {
    /// Makes the database and starts the process.
    pub fn new(shared: Shared<'a>) -> Result<Warm<'a>> {
        let Shared { ctx, facts, flags, .. } = shared;
        let (read, since) = (known(ctx, facts)?, SystemTime::now());
        let baseline = baseline::make(ctx, facts).map_err(|error| cannot_prepare(&error, "clone or empty database"))?;
        let Baseline { words, is_clone, is_seeded, from_empty, .. } = &baseline;
        let (words, is_clone, is_seeded, from_empty) = (words.clone(), *is_clone, *is_seeded, *from_empty);
        let seeds = if is_clone { seed::Seeds::default() } else { seed::read(ctx, facts)? };
        let mut sandbox = Sandbox::new(ctx, facts, flags.step_timeout, baseline)?;
        let held = applied_set(&facts.graph, &sandbox.held()?);
        if !held.is_empty() && !is_seeded {
            put(&mut sandbox, seeds.at(None))?;
        }
        let start = sandbox.copy()?;
        let made_by = read.iter().filter(|script| from_empty && held.contains(&script.id)).cloned().collect();
        Ok(Warm {
            shared,
            is_clone,
            ctx,
            facts,
            sandbox,
            seeds,
            words,
            at: Some(start.clone()),
            start,
            held,
            made_by,
            below: None,
            lower: None,
            recorded: None,
            start_rows: None,
            newest: String::new(),
            read,
            is_stale: false,
            since,
            origin: Vec::new(),
        })
    }

    /// The round trip of the revision that is the newest now. `None` where everything has to begin anew: the history is
    /// another one than the database was made for, or a script that made it has changed.
    pub fn answer(&mut self) -> Result<Option<Answer>> {
        match self.find_answer() {
            Err(error) if from_anyhow(&error).kind == Kind::EnvFailed => {
                // Even after an edit, the process still has the files that were there before.
                self.is_stale = true;
                self.has_changed();
                self.origin.append(&mut self.sandbox.troubled_files());
                Ok(Some(Err(from_anyhow(&error))))
            }
            answer => answer,
        }
    }

    fn find_answer(&mut self) -> Result<Option<Answer>> {
        let now = match self.now() {
            Ok(now) => now,
            Err(error) => return expected(error).map(|fail| Some(Err(fail))),
        };
        if self.held.iter().any(|id| self.facts.graph.get(id).is_some() && now.graph.get(id).is_none()) {
            return Ok(None);
        }
        let known = known(self.ctx, &now)?;
        if self.made_by.iter().any(|script| !known.contains(script)) {
            return Ok(None);
        }
        let id = match newest(self.ctx, &now) {
            Ok(id) => id,
            Err(fail) => return Ok(Some(Err(fail))),
        };
        self.newest.clone_from(&id);
        if let Err(fail) = self.catch_up(&known)? {
            return Ok(Some(Err(fail)));
        }
        let before = match self.stand_below(&now, &known, &id)? {
            Ok(before) => before,
            Err(answer) => return Ok(Some(*answer)),
        };
        let mut outcome = self.test(&now, &id, &before.state)?;
        self.sandbox.end_env()?;
        outcome.notes.extend(before.note);
        Ok(Some(Ok(outcome)))
    }

    /// Puts the database back to where the next run begins, while nobody waits. Returns the project's files that the
    /// process was made from, and those that kept it from being made.
    pub fn get_ready(&mut self) -> Result<Vec<PathBuf>> {
        if !self.is_stale {
            if let Ok(files) = self.sandbox.files()? {
                self.origin.extend(files);
            }
            let below = self.below.as_ref().filter(|_| !self.held.contains(&self.newest));
            let next = below.map_or(&self.start, |below| &below.copy).clone();
            self.go_to(&next)?;
        }
        Ok(std::mem::take(&mut self.origin))
    }

    /// Reads the project as it is now.
    fn now(&self) -> Result<Facts<'a>> {
        let graph = self.ctx.history(&self.facts.config)?;
        let route = route(&graph, Wanted::Newest(1), None, &Seconds::new());
        Ok(Facts { graph, route, dump_of: None, ..self.facts.clone() })
    }

    /// Makes the process know the project as it is now.
    fn catch_up(&mut self, known: &[Known]) -> Result<Result<(), Fail>> {
        let anew = self.is_stale;
        if anew {
            self.since = SystemTime::now();
            self.sandbox.restart()?;
        }
        if let Err(failure) = self.sandbox.ready()? {
            self.is_stale = true;
            self.origin.extend(failure.trouble.files);
            return Ok(Err(failure.fail));
        }
        self.is_stale = false;
        if !anew
            && self.must_read_again(known)
            && let Err(failure) = self.sandbox.reload()?
        {
            return Ok(Err(failure.fail));
        }
        self.read = known.to_vec();
        Ok(Ok(()))
    }

    /// Whether anything but the text of the newest revision's script has changed; that script is read before each step.
    fn must_read_again(&self, known: &[Known]) -> bool {
        let same = |(old, new): (&Known, &Known)| {
            old.id == new.id && old.place == new.place && (old.text == new.text || new.id == self.newest)
        };
        self.read.len() != known.len() || !self.read.iter().zip(known).all(same)
    }

    fn test(&mut self, now: &Facts<'_>, id: &str, before: &Point) -> Result<RevisionResult> {
        let (ids, graph) = ([id.to_owned()], &now.graph);
        let said = explain::said(self.ctx, now, id);
        self.has_changed();
        let trial = match &said.irreversible {
            Some(_) => trial::only_up(&mut self.sandbox, &ids, before)?,
            None => trial::from_below(&mut self.sandbox, &ids, Mode::Walk, before)?,
        };
        if let Trial::Failed(stuck) = &trial {
            self.origin.clone_from(&stuck.failure.trouble.files);
        }
        Ok(match trial {
            Trial::Up(_) => {
                RevisionResult { reason: said.irreversible, ..RevisionResult::new(graph, id, Verdict::Irreversible) }
            }
            Trial::Passed(passed) => {
                let lost = self.start_rows.as_ref().map(|rows| lost(rows, &passed.again.rows)).unwrap_or_default();
                let rows = self.start_rows.clone().unwrap_or_else(|| passed.again.rows.clone());
                let is_schema = is_proven_by_schema(&Point { rows, ..passed.again.clone() }, before);
                let mut result = result::of(self.ctx, now, id, Err(*passed));
                match self.recorded.as_ref().filter(|(of, _)| of == id) {
                    _ if !self.held.contains(id) => result,
                    _ if !lost.is_empty() => {
                        result.notes.extend(lost);
                        result::held_before(result)
                    }
                    Some((_, below)) if is_schema && *below == before.schema => result::as_recorded(result),
                    _ => self.compared(now, result::held_before(result))?,
                }
            }
            Trial::Failed(stuck) => result::of(self.ctx, now, id, Ok(*stuck)),
        })
    }

    /// Compares a revision that the database held from the beginning with a reference.
    fn compared(&mut self, now: &Facts<'_>, result: RevisionResult) -> Result<RevisionResult> {
        let below = |graph: &Graph| applied_set(graph, std::slice::from_ref(&result.revision.id));
        // The walk on the reference uses the history as it was when the session began.
        if result.verdict != Verdict::Unproven || below(&now.graph) != below(&self.facts.graph) {
            return Ok(result);
        }
        let ids = HashSet::from([result.revision.id.clone()]);
        let reference = consult(self.shared, &mut self.sandbox, self.is_clone, ids)?;
        Ok(reference.weigh(&self.facts.component.name, result, &Above::Proven))
    }

    /// Puts the database back to a copy, if it is not the same.
    pub(super) fn go_to(&mut self, copy: &SavePoint) -> Result<()> {
        if self.at.as_ref() != Some(copy) {
            self.sandbox.go_to(copy)?;
            self.at = Some(copy.clone());
        }
        Ok(())
    }

    /// The database is no longer the same as any copy.
    pub(super) fn has_changed(&mut self) {
        self.at = None;
    }

    /// A copy of the database as it is now.
    pub(super) fn copy(&mut self) -> Result<SavePoint> {
        let copy = self.sandbox.copy()?;
        self.at = Some(copy.clone());
        Ok(copy)
    }
}

/// The rows that are gone from tables that still exist. The way down or an earlier version of the script may have
/// removed them, so that no revision is accused.
fn lost(start: &Rows, again: &Rows) -> Vec<String> {
    let is_gone = |change: &DataChange| {
        let Some(table) = again.tables.get(&change.table) else { return false };
        let fewer = |column: &ColumnLoss| {
            table.columns.contains_key(&column.column) && column.after_values < column.before_values
        };
        change.after_rows < change.before_rows || change.columns_lost.iter().any(fewer)
    };
    let line = |change: DataChange| {
        format!("rows or values of {} that were there with this revision are gone after down and up", change.table)
    };
    rows::diff(start, again).into_iter().filter(is_gone).map(line).collect()
}

/// Puts seed rows in.
pub fn put(sandbox: &mut Sandbox<'_>, seeds: Vec<String>) -> Result<()> {
    for sql in seeds {
        if let Err(failure) = sandbox.attempt(&Deed::Seed(sql))? {
            return Err(failure.fail.into());
        }
    }
    Ok(())
}

/// The failure as an answer, where a person can put it right; an interruption is an error.
fn expected(error: anyhow::Error) -> Result<Fail> {
    let fail = from_anyhow(&error);
    if fail.kind == Kind::Interrupted { Err(error) } else { Ok(fail) }
}

fn newest(ctx: &Ctx, now: &Facts<'_>) -> Result<String, Fail> {
    let heads = now.graph.effective_heads();
    match heads.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(now.nothing_to_test()),
        several => {
            let heads = several.iter().map(|id| (*id).to_owned()).collect();
            let error = TargetError::MultipleHeads { target: "head".to_owned(), heads };
            Err(advice::target(ctx, &error, "head", now.component))
        }
    }
}
