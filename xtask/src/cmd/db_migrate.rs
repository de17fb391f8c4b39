//! `db-migrate`: pre-flight, upgrade or downgrade, verify, report. Everything before the driver is told to begin may
//! refuse (exit 3, nothing was changed); everything after says what was changed. The walk itself is `work/migrate.rs`.

mod exact;
mod preflight;
mod show;
mod tenants;

use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::flags::{DbMigrate, Show};
use crate::model::action::own;
use crate::model::catalog::Change;
use crate::model::status::Revision;
use crate::report::json::revisions;
use crate::work::last_change;
use crate::work::migrate::{BrokenOff, Limits, Walker};
use crate::work::own_database::OwnDatabase;
use preflight::{COMMAND, Facts, NOT_THERE, Plan};

/// What a run has done, for the report.
struct Outcome {
    before: Vec<String>,
    /// What the version table holds now; `None` where that could not be asked.
    after: Option<Vec<String>>,
    done: Vec<Revision>,
    backup: Option<PathBuf>,
    seconds: f64,
    /// The revision that failed half-way, and what stays of it.
    half_done: Option<(String, Vec<Change>)>,
    /// Tables with rows that were committed while it failed.
    rows_stay: Vec<String>,
}

impl Outcome {
    /// Of a run that has done nothing (yet).
    fn unchanged(plan: &Plan, took: Duration) -> Outcome {
        Outcome {
            before: plan.walk.before.clone(),
            after: Some(plan.walk.before.clone()),
            done: Vec::new(),
            backup: None,
            seconds: took.as_secs_f64(),
            half_done: None,
            rows_stay: Vec::new(),
        }
    }
}

/// Runs it.
///
/// # Errors
/// A refusal (exit 3) from the pre-flight, a failure (exit 1) from the migration itself with where the database stands.
pub fn run(ctx: &Ctx, flags: &DbMigrate) -> Result<Exit> {
    let component = ctx.component().map_err(refuse)?;
    if component.tenants.is_some() {
        return tenants::each(ctx, flags, component);
    }
    one(ctx, flags).map(|_| Exit::Done)
}

/// How many revisions a run has applied, or reverted.
struct Changed {
    revisions: usize,
    is_downgrade: bool,
}

/// Migrates one database.
fn one(ctx: &Ctx, flags: &DbMigrate) -> Result<Changed> {
    let started = Instant::now();
    let mut facts = preflight::gather(ctx, flags).map_err(refuse)?;
    let plan = preflight::plan(ctx, &mut facts, flags).map_err(refuse)?;
    let unchanged = Changed { revisions: 0, is_downgrade: plan.is_downgrade() };
    match flags.show {
        Some(Show::Sql) => show::sql(ctx, &mut facts, &plan).map_err(refuse)?,
        Some(Show::Plan) => show::dry_run(ctx, &facts, &plan, None),
        Some(Show::Exact) => {
            let exact = exact::try_out(ctx, flags, &mut facts, &plan)?;
            show::dry_run(ctx, &facts, &plan, Some(&exact));
        }
        None if plan.walk.steps.is_empty() => show::nothing_to_do(ctx, &facts, &plan, started.elapsed()),
        None => return apply(ctx, flags, facts, plan, started),
    }
    Ok(unchanged)
}

fn apply(ctx: &Ctx, flags: &DbMigrate, facts: Facts<'_>, plan: Plan, started: Instant) -> Result<Changed> {
    let (mut facts, plan) = preflight::guard(ctx, flags, facts, plan).map_err(refuse)?;
    let changed = |revisions| Changed { revisions, is_downgrade: plan.is_downgrade() };
    if plan.walk.steps.is_empty() {
        // Somebody else was quicker, between our first look and the lock.
        show::nothing_to_do(ctx, &facts, &plan, started.elapsed());
        return Ok(changed(0));
    }
    show::what_goes(ctx, &plan);
    let mut own = facts.own.take().context(NOT_THERE)?;
    let limits = Limits { lock: flags.lock_timeout, step: flags.step_timeout };
    let mut walker = Walker::start(ctx, &mut own, limits).map_err(refuse)?;
    let backup = take_backup(ctx, flags, &mut own, &plan).map_err(refuse)?;
    walker.ready().map_err(refuse)?;
    let before = last_change::begin(ctx, &mut own, COMMAND, plan.change(backup.clone()));
    let walked = walker.go(&mut own, &facts.graph, &plan.walk);
    walker.end();
    let far = walked.as_ref().unwrap_or_else(|broken| &broken.walked);
    let stays = backup.is_some() && (far.half_done.is_some() || !far.rows_stay.is_empty());
    last_change::end(ctx, &mut own, before, stays);
    let outcome = Outcome {
        before: plan.walk.before.clone(),
        after: far.heads.clone(),
        done: plan.revisions.iter().take(far.done.len()).cloned().collect(),
        backup,
        seconds: started.elapsed().as_secs_f64(),
        half_done: far.half_done.clone(),
        rows_stay: far.rows_stay.clone(),
    };
    match walked {
        Ok(_) => {
            let before = std::mem::take(&mut facts.invalid);
            facts.invalid = own.db().invalid_indexes().unwrap_or_default();
            own.warn_of_invalid(ctx, facts.invalid.iter().filter(|it| !before.contains(it)));
            show::done(ctx, &facts, &plan, &outcome);
            Ok(changed(outcome.done.len()))
        }
        Err(broken) => Err(broke_off(ctx, &facts, &plan, &outcome, broken)),
    }
}

fn take_backup(ctx: &Ctx, flags: &DbMigrate, own: &mut OwnDatabase<'_>, plan: &Plan) -> Result<Option<PathBuf>> {
    if flags.no_backup || !plan.is_downgrade() && !plan.changes_named_rows() {
        return Ok(None);
    }
    // Where values are only written over, others may go on writing; where rows go, none may be missed.
    let tables = (!plan.is_downgrade() && !plan.loses_unnamed_rows()).then(|| plan.loses_rows_of());
    if flags.no_verify {
        own.verify_by_reading();
    }
    let instead = "Take one by hand, then repeat the command with --no-backup".into();
    own.backup_for(ctx, &instead, tables).map(Some)
}

/// A failure half-way: the backup is named, and the JSON says what was changed, too.
fn broke_off(ctx: &Ctx, facts: &Facts, plan: &Plan, outcome: &Outcome, broken: Box<BrokenOff>) -> anyhow::Error {
    let mut fail: Fail = broken.fail;
    if let Some(path) = &outcome.backup {
        fail = fail.details(format!("The backup taken before: {}", path.display()));
        if outcome.half_done.is_some() {
            let whole = own("db-restore").of(&facts.component.name).word(path.display().to_string());
            fail = fail.run("Or put the backup in the database's place as a whole", whole);
        } else if !outcome.rows_stay.is_empty() {
            fail = fail.run("Put back the rows that went", own("db-undo").of(&facts.component.name));
        }
    }
    if matches!(fail.kind, Kind::Interrupted | Kind::WrongDatabase) {
        fail = fail.run("See where it stands", own("db-status").of(&facts.component.name));
    }
    if fail.kind == Kind::Interrupted {
        fail = fail.run("Go on", plan.command());
    }
    ctx.ui.json("db-migrate", fail.exit, outcome_json(plan, outcome), Some(&fail));
    fail.into()
}

fn outcome_json(plan: &Plan, outcome: &Outcome) -> serde_json::Value {
    let mut fields = json!({
        "component": plan.component,
        "direction": plan.way.name(),
        "target": plan.walk.target,
    });
    fields[plan.verb()] = revisions(&outcome.done);
    fields["before"] = json!(outcome.before);
    fields["after"] = json!(outcome.after);
    fields["backup"] = json!(outcome.backup.as_ref().map(|path| path.display().to_string()));
    fields["seconds"] = json!(outcome.seconds);
    if let Some((revision, changes)) = &outcome.half_done {
        let stays: Vec<_> =
            changes.iter().map(|change| json!({"object": change.object, "change": change.what.name()})).collect();
        fields["half_done"] = json!({"revision": revision, "stays": stays});
    }
    if !outcome.rows_stay.is_empty() {
        fields["rows_stay"] = json!(outcome.rows_stay);
    }
    fields
}
