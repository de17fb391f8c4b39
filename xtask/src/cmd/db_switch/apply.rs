//! Does what was planned, under a journal: first the clones are made, then git switches, then the databases are
//! renamed, each in one transaction, and brought in line with the files. If anything fails, everything is put back.

use std::time::Instant;

use anyhow::{Context, Result};

use super::plan::{Other, Part, Plan, Way};
use super::record::{self, COMMAND, Record, Swap};
use crate::cmd::db_sync::{self, Realigned};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow, refuse};
use crate::flags::Switch;
use crate::report::steps::{Outcome, StepReport};
use crate::sys::git::Repo;
use crate::sys::interrupt;
use crate::sys::journal::crash_point;
use crate::sys::pg::parked::Databases;
use crate::sys::pg::{Making, Scratch, sweep};
use crate::work::last_change::{self, What};
use crate::work::own_database::OwnDatabase;

/// What came of it.
pub struct Done {
    pub steps: Vec<StepReport>,
    /// What went wrong; everything was put back then.
    pub fail: Option<Fail>,
    /// What is left to do, and does not keep the switch from counting.
    pub remarks: Vec<String>,
    /// Whether git refused, before anything was changed.
    pub is_untouched: bool,
}

/// A swap, and how to take it back.
struct Swapped {
    databases: Databases,
    swap: Swap,
    is_new: bool,
}

/// Does it.
pub fn apply(ctx: &Ctx, repo: &Repo, flags: &Switch, plan: &Plan<'_>) -> Done {
    let mut run = Run {
        ctx,
        repo,
        flags,
        plan,
        steps: Vec::new(),
        swapped: Vec::new(),
        remarks: Vec::new(),
        realigned: Vec::new(),
        moved: false,
    };
    let done = if plan.is_git_only() { run.git_switch() } else { run.under_journal() };
    let fail = done.err().map(|error| from_anyhow(&error));
    let is_untouched = fail.is_some() && !run.moved;
    Done { steps: run.steps, fail, remarks: run.remarks, is_untouched }
}

struct Run<'a> {
    ctx: &'a Ctx,
    repo: &'a Repo,
    flags: &'a Switch,
    plan: &'a Plan<'a>,
    steps: Vec<StepReport>,
    swapped: Vec<Swapped>,
    remarks: Vec<String>,
    /// Databases that went down to be in line, with their components.
    realigned: Vec<(String, Realigned)>,
    /// Whether git has switched.
    moved: bool,
}

impl Run<'_> {
    fn under_journal(&mut self) -> Result<()> {
        let swaps = self.swaps().map_err(refuse)?;
        let record = Record { from: self.plan.ends.from.clone(), to: self.plan.ends.to.clone(), swaps };
        let journal = record::begin(self.ctx, &record).map_err(refuse)?;
        let done = self.carry_out(&record);
        if done.is_err() {
            // Ctrl-C must not keep it from being put back.
            if let Err(error) = interrupt::shielded(|| self.take_back()) {
                return done.context(format!("and it could not be put back: {error:#}"));
            }
        }
        journal.finish()?;
        done
    }

    /// The databases that change names, and the names that they get.
    fn swaps(&self) -> Result<Vec<Swap>> {
        let mut swaps = Vec::new();
        for part in &self.plan.parts {
            if let Way::Swap { leaving, coming, .. } = &part.way {
                let parked = part.databases()?.parking_name(leaving)?;
                let (component, leaving, coming) = (part.component.name.clone(), leaving.clone(), coming.clone());
                swaps.push(Swap { component, leaving, coming, parked });
            }
        }
        Ok(swaps)
    }

    fn carry_out(&mut self, record: &Record) -> Result<()> {
        let plan = self.plan;
        let moving: Vec<&Part<'_>> = plan.parts.iter().filter(|part| !matches!(part.way, Way::Stays(_))).collect();
        if self.flags.end_connections {
            for part in &moving {
                part.databases()?.end_connections().map_err(refuse)?;
            }
        }
        let began = Instant::now();
        let mut clones = Vec::new();
        for part in &moving {
            clones.push(clone(self.ctx, part).map_err(refuse)?);
            crash_point();
        }
        if clones.iter().any(Option::is_some) {
            self.done("clone", began, Outcome::Ok, String::new());
        }
        self.git_switch()?;
        crash_point();
        let began = Instant::now();
        for (part, clone) in moving.iter().zip(&clones) {
            let Way::Swap { other, .. } = &part.way else { continue };
            let swap = record.swaps.iter().find(|it| it.component == part.component.name);
            let swap = swap.context("a database that changes its name has one")?.clone();
            let other = match (other, clone) {
                (Other::Parked(name), _) => name.as_str(),
                (Other::CloneOf { .. }, clone) => clone.as_ref().context("the clone was made")?.name(),
            };
            let mut databases = part.databases()?;
            if self.flags.end_connections {
                databases.end_connections()?;
            }
            databases.swap_as(&swap.parked, &swap.leaving, other, &swap.coming)?;
            self.swapped.push(Swapped { databases, swap, is_new: clone.is_some() });
            crash_point();
        }
        if !self.swapped.is_empty() {
            self.done("swap", began, Outcome::Ok, format!("{} databases", 2 * self.swapped.len()));
        }
        drop(clones);
        self.in_line(&moving)
    }

    fn git_switch(&mut self) -> Result<()> {
        let began = Instant::now();
        self.repo.switch(&self.plan.ends.to).map_err(refuse)?;
        self.moved = true;
        self.done("git switch", began, Outcome::Ok, String::new());
        Ok(())
    }

    /// Realigned and migrated, as by db-sync. Several heads are the files' affair.
    fn in_line(&mut self, moving: &[&Part<'_>]) -> Result<()> {
        let ctx = self.ctx.for_step(self.ctx.ui.clone(), None);
        let mut parts = Vec::new();
        for component in ctx.project()?.all()? {
            let Some(part) = moving.iter().find(|part| part.component.name == component.name) else { continue };
            let is_copy = matches!(&part.way, Way::Swap { other: Other::CloneOf { .. }, .. });
            parts.push(if is_copy { db_sync::Part::of_copy(component) } else { db_sync::Part::new(component) });
        }
        self.steps.extend(db_sync::bring_in_line(&ctx, &mut parts));
        for part in &mut parts {
            let done = part.realigned.take().map(|realigned| (part.component.name.clone(), realigned));
            self.realigned.extend(done);
        }
        for fail in parts.iter_mut().filter_map(|part| part.fail.take()) {
            if fail.kind != Kind::MultipleHeads {
                return Err(fail.into());
            }
            self.remarks.push(format!("{}: {}", fail.summary, fail.shown_actions(self.ctx.ui.around()).join("; ")));
        }
        Ok(())
    }

    /// Names and branch as they were. What was made for the other branch goes again.
    fn take_back(&mut self) -> Result<()> {
        self.take_realigned_back()?;
        for Swapped { databases, swap, is_new } in self.swapped.iter_mut().rev() {
            if *is_new {
                databases.swap_back_and_drop(&swap.parked, &swap.leaving)?;
            } else {
                databases.swap(&swap.coming, &swap.parked, &swap.leaving)?;
            }
            crash_point();
        }
        self.swapped.clear();
        if self.moved {
            self.repo.switch(&self.plan.ends.from)?;
        }
        Ok(())
    }

    /// Databases that went down come up again, with their rows, as long as the files are those that they went to.
    fn take_realigned_back(&mut self) -> Result<()> {
        let ctx = self.ctx.for_step(self.ctx.ui.clone(), None);
        for (name, Realigned { way, backup, .. }) in std::mem::take(&mut self.realigned) {
            let Some(backup) = backup else { continue };
            let mut own = OwnDatabase::connect(&ctx, ctx.project()?.component(Some(&name))?, COMMAND)?;
            own.lock(&ctx, None)?;
            let report = way.undo(&ctx, &mut own, &backup)?;
            let why = format!("{COMMAND} has put the database back, after it was brought in line with another branch");
            last_change::done(&ctx, &mut own, COMMAND, What::Nothing(why, Vec::new()));
            if !report.is_as_it_was {
                self.ctx.ui.warn(format!("{name} was walked back:\n{}", report.lines().join("\n")));
            }
        }
        Ok(())
    }

    fn done(&mut self, name: &str, began: Instant, outcome: Outcome, remark: String) {
        let seconds = began.elapsed().as_secs_f64();
        self.steps.push(StepReport { name: name.to_owned(), outcome, seconds, remark, components: Vec::new() });
    }
}

/// The clone that a component needs, if it needs one.
fn clone(ctx: &Ctx, part: &Part<'_>) -> Result<Option<Scratch>> {
    let Way::Swap { other: Other::CloneOf { database, .. }, .. } = &part.way else { return Ok(None) };
    sweep(&part.admin)?;
    let _task = ctx.ui.task(format!("Cloning {database}"));
    // It stays; and who may make it has been chosen before.
    let making = Making { memory: None, admin: None, ..part.database.making(&ctx.ui, COMMAND) };
    let scratch = Scratch::clone_of(&part.admin, database, &making)?;
    if let Some(lacks) = scratch.lacks() {
        ctx.ui.warn(lacks);
    }
    Ok(Some(scratch))
}
