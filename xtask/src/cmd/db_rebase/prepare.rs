//! Works everything out before the first write: the edits, the way of the database, and which rows are at stake. It
//! asks the user where rows would be lost.

use anyhow::Result;

use super::database::{self, Found};
use super::ends::Ends;
use super::facts::Facts;
use super::files::{self, Edit};
use super::record::Work;
use super::rows::Rows;
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::flags::Rebase;
use crate::model::action::{Action, own};
use crate::model::rebase::{Change, Plan, Trip};
use crate::model::target::Direction;
use crate::sys::overlay::Overlay;
use crate::work::advice;
use crate::work::at_stake::{self, AtStake};
use crate::work::own_database::OwnDatabase;
use crate::work::proof::{self, Proof, Trial};

const COMMAND: &str = "db-rebase";

/// What is to be done, in every detail.
pub struct Prepared {
    pub plan: Plan,
    pub edits: Vec<Edit>,
    pub found: Found,
    pub trip: Trip,
    /// What becomes of the rows that the database holds now.
    pub rows: Rows,
    pub work: Work,
}

/// Everything that is to be written, and everything that would stand in the way.
pub fn prepare(ctx: &Ctx, flags: &Rebase, facts: &Facts, plan: Plan) -> Result<Prepared> {
    let root = &ctx.project()?.root;
    let (edits, merge) = match &plan.change {
        Change::Move(moved) => (files::edits(root, &facts.graph, moved)?, None),
        Change::Merge { parents, .. } => {
            let merge = files::merge(ctx, &facts.config, &facts.graph, parents)?;
            (vec![merge.edit], Some(merge.id))
        }
        Change::Nothing => (Vec::new(), None),
    };
    let moved = match &plan.change {
        Change::Move(moved) => moved.clone(),
        _ => Vec::new(),
    };
    if let (Some(repo), None) = (&facts.repo, &merge) {
        files::check_clean(repo, &edits, flags.allow_dirty)?;
    }
    // A merge revision re-parents nothing: whatever the database holds stays right.
    let found = if flags.no_db || merge.is_some() {
        Found::NotAsked
    } else {
        database::look(ctx, facts.component, &facts.config, &facts.graph)?
    };
    let trip = match &found {
        Found::At { applied, place, skipped } => {
            database::check_nothing_skipped(facts, place, skipped)?;
            database::plan(facts, &plan.change, &moved, applied)?
        }
        Found::NotAsked | Found::Down(_) => Trip::default(),
    };
    let both = files::touched_on_both_sides(root, &facts.graph, &plan.change)?;
    let rows = rows(ctx, facts, &edits, &trip)?;
    let mut work = Work::new(facts.component, &facts.graph, moved, merge, both, &trip, &found);
    (work.stays, work.rows) = (rows.stay == Some(true), Some(rows.clone()));
    Ok(Prepared { plan, edits, found, trip, rows, work })
}

/// Tries on copies what becomes of the rows, and counts those that go.
fn rows(ctx: &Ctx, facts: &Facts, edits: &[Edit], trip: &Trip) -> Result<Rows> {
    let mut rows = Rows { stay: Some(true), why: None, at_stake: Vec::new() };
    if trip.is_empty() {
        return Ok(rows);
    }
    let new = as_they_will_be(ctx, facts, edits)?;
    let trial = Trial {
        component: facts.component,
        config: &facts.config,
        trip,
        graphs: [&facts.graph, &facts.graph],
        kept: trip.down.clone(),
        scripts: [Vec::new(), new.versions().to_vec()],
        command: COMMAND,
    };
    match proof::prove(ctx, &trial)? {
        Proof::Stays => {}
        Proof::GoesDown(why) => {
            let mut own = OwnDatabase::connect(ctx, facts.component, COMMAND)?;
            let at_stake = at_stake::find(ctx, &facts.graph, own.db(), Direction::Down, &trip.down)?;
            rows = Rows { stay: Some(false), why: Some(why), at_stake };
        }
        Proof::Fails(fail) => return Err(would_fail(ctx, facts, &new, *fail)?.into()),
    }
    Ok(rows)
}

/// A script that fails on its way down or up has to be corrected before the database is touched.
fn would_fail(ctx: &Ctx, facts: &Facts, new: &Overlay, fail: Fail) -> Result<Fail> {
    let scripts = facts.graph.scripts().map(|script| script.path.as_path());
    let fail = advice::in_their_names(fail, &new.names(&ctx.project()?.root, scripts));
    let alone = own(COMMAND).of(&facts.component.name).word("--no-db");
    Ok(fail.run("Or rebase the files alone, which says what the database then needs", alone))
}

/// Every script, the moved ones with their new parents.
fn as_they_will_be(ctx: &Ctx, facts: &Facts, edits: &[Edit]) -> Result<Overlay> {
    let project = ctx.project()?;
    let scripts = facts.graph.scripts().map(|script| {
        let path = project.root.join(&script.path);
        let edit = edits.iter().find(|edit| edit.path == path);
        (path, edit.map(Edit::after))
    });
    Overlay::new(&project.state_dir, scripts)
}

/// Asks before rows go. Where nobody can answer, nothing that loses rows is done unless `--yes` says so.
///
/// # Errors
/// `rows-at-stake`.
pub fn agree(ctx: &Ctx, flags: &Rebase, facts: &Facts, prepared: &Prepared, ends: &Ends) -> Result<()> {
    let lost: Vec<String> = prepared.rows.at_stake.iter().filter(|it| it.is_loss()).map(AtStake::line).collect();
    if lost.is_empty() || ctx.common.yes {
        return Ok(());
    }
    let question = format!(
        "{}\nWhat goes with a table or column is carried over, out of the backup, when that is there again; rows that a \
         script deletes stay in the backup alone. Go on?",
        lost.join("\n")
    );
    if ctx.ui.confirm(&question) == Some(true) {
        return Ok(());
    }
    let fail =
        Fail::new(Kind::RowsAtStake, "The database has to go down and up again, and rows have to be carried over");
    let fail = fail.details(lost.join("\n")).details(prepared.rows.why.as_deref().unwrap_or_default());
    let again = match (ends.keep.is_some(), &flags.onto) {
        (true, _) => own("db-merge").of_no_component().word("--continue"),
        (false, None) => own("db-rebase").of(&facts.component.name),
        (false, Some(onto)) => own("db-rebase").of(&facts.component.name).flag("--onto", onto),
    };
    let again = if flags.allow_dirty { again.word("--allow-dirty") } else { again };
    let meant = Action::run(
        "Carry over what goes with tables and columns, out of the backup; rows that a script deletes, and what does not fit \
         any more, stay in it",
        again.word("--yes"),
    );
    let alone = Action::run("Leave the database alone", own("db-rebase").of(&facts.component.name).word("--no-db"));
    let fail = fail.action(meant);
    let fail = if ends.keep.is_none() { fail.action(alone) } else { fail };
    Err(fail.related(own("db-rebase")).about(&facts.component.name).refused().into())
}
