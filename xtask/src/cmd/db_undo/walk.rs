//! Takes back revisions that were applied or reverted, also where the command that did it was killed half-way.

use anyhow::{Context, Result};
use serde_json::json;

use super::show::{self, Planned};
use super::{COMMAND, check_is_last};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::DbUndo;
use crate::model::action::own;
use crate::sys::journal::Journal;
use crate::work::at_stake;
use crate::work::last_change::LastChange;
use crate::work::own_database::OwnDatabase;
use crate::work::take_back::{self, TakeBack};

/// The last thing, which has ended or was killed.
pub fn run(ctx: &Ctx, flags: &DbUndo, mut own: OwnDatabase<'_>, change: &LastChange) -> Result<Exit> {
    check_is_last(&mut own, change).map_err(refuse)?;
    let graph = ctx.history(&own.config).map_err(refuse)?;
    match take_back::plan(ctx, &mut own, &graph, change).map_err(refuse)? {
        Some(plan) => carry_out(ctx, flags, own, plan, None),
        None => {
            let why = format!("{} of {} left the database where it was", change.command, change.time);
            Err(super::nothing(&why, &[]).into())
        }
    }
}

/// What was killed in the middle, by its own journal.
pub fn of_cut_off(ctx: &Ctx, flags: &DbUndo, journal: Journal) -> Result<Exit> {
    let (name, change) = take_back::cut_off_change(&journal).map_err(refuse)?;
    let component = ctx.project()?.component(Some(&name)).map_err(refuse)?;
    let mut own = OwnDatabase::connect(ctx, component, COMMAND).map_err(refuse)?;
    check_place(&own, &change).map_err(refuse)?;
    let graph = ctx.history(&own.config).map_err(refuse)?;
    let plan = take_back::plan(ctx, &mut own, &graph, &change).map_err(refuse)?;
    carry_out(ctx, flags, own, plan.context("there is nothing to take back").map_err(refuse)?, Some(journal))
}

/// Goes on with one that did not end; what was to be asked was asked then.
pub fn go_on(ctx: &Ctx, flags: &DbUndo, journal: Journal) -> Result<Exit> {
    let plan = take_back::planned(&journal).map_err(refuse)?;
    let component = ctx.project()?.component(Some(&plan.component)).map_err(refuse)?;
    let mut own = OwnDatabase::connect(ctx, component, COMMAND).map_err(refuse)?;
    check_place(&own, &plan.change).map_err(refuse)?;
    if flags.dry_run {
        let graph = ctx.history(&own.config).map_err(refuse)?;
        return show::dry_run(ctx, &Planned::new(&graph, plan, take_back::Rows::default()));
    }
    take_back::claim(ctx, &mut own).map_err(refuse)?;
    let done = take_back::go_on(ctx, &mut own, journal);
    told(ctx, &own, plan, done)
}

fn carry_out(
    ctx: &Ctx,
    flags: &DbUndo,
    mut own: OwnDatabase<'_>,
    plan: TakeBack,
    instead_of: Option<Journal>,
) -> Result<Exit> {
    let graph = ctx.history(&own.config).map_err(refuse)?;
    let rows = take_back::rows(ctx, &mut own, &graph, &plan).map_err(refuse)?;
    let planned = Planned::new(&graph, plan, rows);
    if flags.dry_run {
        return show::dry_run(ctx, &planned);
    }
    take_back::claim(ctx, &mut own).map_err(refuse)?;
    ctx.ui.status(show::plan(&planned).join("\n"));
    let again = self::own(COMMAND).of(&planned.plan.component);
    let kept = "They are in the backup that is taken first, and nowhere else.";
    at_stake::agree_to_take_back(ctx, &planned.rows.at_stake, kept, again)?;
    let done = take_back::begin(ctx, &mut own, &planned.plan, instead_of);
    told(ctx, &own, planned.plan, done)
}

fn told(ctx: &Ctx, own: &OwnDatabase<'_>, plan: TakeBack, done: Result<take_back::TakenBack>) -> Result<Exit> {
    match done {
        Ok(done) => show::done(ctx, own, &done),
        Err(error) => {
            let fail = from_anyhow(&error);
            let fields = json!({"component": plan.component, "undone": show::change(&plan.change)});
            ctx.ui.json(COMMAND, fail.exit, fields, Some(&fail));
            Err(fail.into())
        }
    }
}

fn check_place(own: &OwnDatabase<'_>, change: &LastChange) -> Result<()> {
    if own.place() == change.place {
        return Ok(());
    }
    let fail = Fail::new(Kind::WrongDatabase, "This is another database than the one that is to be taken back");
    let fail = fail.details(format!("then {}, now {}", change.place, own.place()));
    Err(fail.action("Use the same --server and --project as then").related(self::own("db-status")).into())
}
