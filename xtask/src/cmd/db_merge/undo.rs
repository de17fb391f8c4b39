//! Lets `db-undo` take back a merge that has ended. Its journal and those of its rebases are put away at the end. To
//! undo the merge, they are moved back to where the journal of an unfinished merge lies, and `--abort` does the rest;
//! the merge's own commit is removed, too, if nobody else has it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::flow::{Flow, NOTE};
use super::git::Where;
use super::record::{KEPT, Record, folder};
use super::{abort, preflight};
use crate::cmd::db_rebase;
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::model::action::{Action, own};
use crate::model::rebase::ids;
use crate::model::step::Direction;
use crate::sys::journal::Journal;
use crate::ui::Paint;
use crate::work::at_stake::{self, AtStake};
use crate::work::last_change::{self, What};
use crate::work::own_database::OwnDatabase;

const COMMAND: &str = "db-undo";

/// Ends a merge. Where it has changed a database, its journal is put away for db-undo.
pub fn put_away(mut flow: Flow<'_>) -> Result<()> {
    let ctx = flow.ctx.for_step(flow.ctx.ui.clone(), None);
    let named: Vec<String> = touched(&flow)?;
    if named.is_empty() {
        return flow.finish();
    }
    let place = ctx.project()?.root.join(last_change::FOLDER).join("db-merge");
    let mut open = Vec::new();
    for name in named {
        let component = ctx.project()?.component(Some(&name))?;
        let step = ctx.for_step(ctx.ui.overheard(), Some(component));
        let mut own = OwnDatabase::connect(&step, component, "db-merge")?;
        let end = own.db().transaction_number()?;
        for migrated in flow.record.migrated.iter_mut().filter(|it| it.component == name) {
            migrated.end = Some(end);
        }
        db_rebase::note_end(&flow.kept_folder(&name)?, end)?;
        open.push(own);
    }
    flow.save()?;
    flow.journal.move_folder(&place)?;
    for mut own in open {
        last_change::done(&ctx, &mut own, "db-merge", What::Merge(place.clone()));
    }
    Ok(())
}

/// The components whose databases it has changed.
fn touched(flow: &Flow<'_>) -> Result<Vec<String>> {
    let rebased = flow.kept_all()?.into_iter().filter(|(_, kept)| kept.backup.is_some()).map(|(name, _)| name);
    let migrated = flow.record.migrated.iter().filter(|it| !it.steps.is_empty()).map(|it| it.component.clone());
    let mut names: Vec<String> = rebased.chain(migrated).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Takes it back, or says what that would do.
///
/// # Errors
/// A refusal with nothing changed; after that a failure, and `db-merge --abort` goes on.
pub fn undo(ctx: &Ctx, place: &Path, dry_run: bool) -> Result<Exit> {
    let journal = Journal::pending(place).map_err(refuse)?.ok_or_else(gone)?;
    let note = journal.noted(NOTE).cloned().unwrap_or_default();
    let mut record = Record::from_json(&note).context("reading the journal of db-merge").map_err(refuse)?;
    let databases = databases(ctx, place, &record).map_err(refuse)?;
    let lost = lost(ctx, &databases).map_err(refuse)?;
    let said = plan(&record, &databases, &lost);
    if dry_run {
        let fields = json!({
            "undone": {"command": "db-merge", "kind": "merge"}, "branch": record.flags.branch, "dry_run": true,
            "components": databases.iter().map(|it| &it.component).collect::<Vec<_>>(),
            "rows": {"goes": lost.iter().map(AtStake::json).collect::<Vec<_>>()},
        });
        ctx.ui.json(COMMAND, Exit::Done, fields, None);
        let headline = ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed");
        ctx.ui.answer(format!("{headline}\n\n{}", said.join("\n")));
        return Ok(Exit::Done);
    }
    record.is_undone = true;
    let live = folder(ctx)?;
    let journal = check(ctx, journal, &record)?;
    ctx.ui.status(said.join("\n"));
    at_stake::agree_to_take_back(
        ctx,
        &lost,
        "They are in the backups that are taken first; those written since are in the schema xtask_since, too.",
        own(COMMAND),
    )?;
    move_to(ctx, journal, &record, &live)?;
    let step = ctx.for_step(ctx.ui.overheard(), None);
    if let Err(error) = abort::run(&step, false) {
        put_back_journal(&live, place)?;
        return Err(error);
    }
    let mut said = step.ui.said();
    said.fields["undone"] = json!({"command": "db-merge", "kind": "merge"});
    ctx.ui.json(COMMAND, Exit::Done, said.fields, None);
    let again = own("db-merge").of_no_component().words(record.flags.branch.clone());
    ctx.ui.answer(format!("{}\n\n{}", said.text.trim_end(), ctx.ui.shown(Action::run("To have it again", again))));
    Ok(Exit::Done)
}

/// Refuses where git could lose something: nothing but the merge itself may have been committed since, no other branch
/// or remote may have it, and no file may be changed where the commit has to be removed.
fn check(ctx: &Ctx, journal: Journal, record: &Record) -> Result<Journal> {
    let flow = Flow::new(ctx, preflight::checkout(ctx).map_err(refuse)?, journal, record.clone());
    flow.check_branch().and_then(|()| flow.check_head()).map_err(|error| refuse(without_abort(&error)))?;
    if flow.merge_is().map_err(refuse)? == Where::Committed {
        preflight::clean(&flow.repo).map_err(refuse)?;
    }
    Ok(flow.journal)
}

/// Leaves out `--continue` and `--abort`, which are for a merge that stopped.
fn without_abort(error: &anyhow::Error) -> anyhow::Error {
    let mut fail = crate::fail::from_anyhow(error);
    fail.actions.retain(|action| !action.is_own("db-merge"));
    fail.action("Take the commits back or put them elsewhere first; or put the databases back alone")
        .run("Their backups", own("db-backup").word("--list"))
        .into()
}

fn move_to(ctx: &Ctx, mut journal: Journal, record: &Record, to: &Path) -> Result<()> {
    journal.note(NOTE, record.to_json(ctx.ui.around()))?;
    journal.move_folder(to)
}

/// Puts the journal away again, where the abort has not begun: the merge has ended, as before.
fn put_back_journal(live: &Path, place: &Path) -> Result<()> {
    let Some(journal) = Journal::pending(live)? else { return Ok(()) };
    let record = Record::from_json(&journal.noted(NOTE).cloned().unwrap_or_default())?;
    if record.is_taken_back { Ok(()) } else { journal.move_folder(place) }
}

fn gone() -> Fail {
    Fail::new(Kind::BackupMissing, "The journal of the merge is not there any more")
        .details("Files and databases can only be taken back by it")
        .run("See which backups there are", own("db-backup").word("--list"))
        .related(own("db-status"))
        .refused()
}

/// A database that is taken back.
struct GoesBack {
    component: String,
    place: String,
    /// The revisions that it holds afterwards.
    to: Vec<String>,
    /// The revisions that run their way down, in order.
    runs: Vec<String>,
}

/// The databases that the merge has changed, by db-rebase or db-migrate or both.
fn databases(ctx: &Ctx, place: &Path, record: &Record) -> Result<Vec<GoesBack>> {
    let ctx = ctx.for_step(ctx.ui.clone(), None);
    let mut all = Vec::new();
    for component in preflight::components(&ctx, record.component.as_deref())? {
        let name = &component.name;
        let kept = db_rebase::kept(&place.join(KEPT).join(name.replace('/', "_")))?;
        let migrated = record.migrated.iter().find(|it| it.component == *name && !it.steps.is_empty());
        let mut runs: Vec<String> = migrated.iter().flat_map(|it| it.steps.iter().rev().cloned()).collect();
        runs.extend(kept.iter().flat_map(|kept| kept.way_back_runs.clone()));
        let before = kept.and_then(|kept| kept.database).or(migrated.map(|it| (it.place.clone(), it.start.clone())));
        if let Some((place, to)) = before {
            all.push(GoesBack { component: name.clone(), place, to, runs });
        }
    }
    Ok(all)
}

/// What the downgrades drop.
fn lost(ctx: &Ctx, databases: &[GoesBack]) -> Result<Vec<AtStake>> {
    let ctx = ctx.for_step(ctx.ui.clone(), None);
    let mut all = Vec::new();
    for GoesBack { component, runs, .. } in databases {
        let component = ctx.project()?.component(Some(component))?;
        let step = ctx.for_step(ctx.ui.clone(), Some(component));
        let graph = step.history(&step.config(component)?)?;
        let mut database = OwnDatabase::connect(&step, component, COMMAND)?;
        all.extend(at_stake::find(&step, &graph, database.db(), Direction::Down, runs)?);
    }
    Ok(all.into_iter().filter(AtStake::is_loss).collect())
}

fn plan(record: &Record, databases: &[GoesBack], lost: &[AtStake]) -> Vec<String> {
    let branch = record.flags.branch.as_deref().unwrap_or("what git was in the middle of");
    let mut lines = vec![format!("Last: db-merge of {branch}")];
    lines.push(format!("Taken back, the checkout is at {} again, with its files", record.head.short()));
    for GoesBack { component, place, to, .. } in databases {
        lines.push(format!("  - {component}: {place} is at {} again", ids(to)));
    }
    lines.push("Backups are taken first; rows that were written since stay where their table does".to_owned());
    lines.extend(lost.iter().map(|it| format!("  - {}", it.line())));
    lines
}
