//! Lets `db-undo` take back a rebase that has ended. Its journal was put away; it is moved back to where the journal of
//! an unfinished rebase lies, and `--abort` does the rest. If that is stopped, the next command finds the journal.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::record::{Work, journal_folder};
use super::steps;
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::model::action::{Action, own};
use crate::model::rebase::ids;
use crate::model::step::Direction;
use crate::report::moved::MovedRevision;
use crate::sys::journal::Journal;
use crate::ui::Paint;
use crate::work::at_stake::{self, AtStake};
use crate::work::own_database::OwnDatabase;

const COMMAND: &str = "db-undo";

/// Takes it back, or says what that would do.
///
/// # Errors
/// A refusal with nothing changed; after that a failure, and `db-rebase --abort` goes on.
pub fn undo(ctx: &Ctx, folder: &Path, dry_run: bool) -> Result<Exit> {
    let journal = Journal::pending(folder).map_err(refuse)?.ok_or_else(gone)?;
    let work = Work::from_note(|name| journal.noted(name).cloned()).map_err(refuse)?;
    let lost = lost(ctx, &work).map_err(refuse)?;
    let said = plan(&work, &lost);
    if dry_run {
        let fields = json!({
            "component": work.component, "undone": {"command": "db-rebase", "kind": "rebase"}, "moved": work.moved.iter().map(MovedRevision::to_json).collect::<Vec<_>>(),
            "before": work.trip.after, "after": work.trip.before, "dry_run": true,
            "rows": {"goes": lost.iter().map(AtStake::json).collect::<Vec<_>>()},
        });
        ctx.ui.json(COMMAND, Exit::Done, fields, None);
        let headline = ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed");
        ctx.ui.answer(format!("{headline}\n\n{}", said.join("\n")));
        return Ok(Exit::Done);
    }
    journal.check_restorable().map_err(refuse)?;
    ctx.ui.status(said.join("\n"));
    at_stake::agree_to_take_back(
        ctx,
        &lost,
        "They are in the backup that is taken first; those written since are in the schema xtask_since, too.",
        own(COMMAND).of(&work.component),
    )?;
    let live = journal_folder(ctx)?;
    journal.finish_into(&live)?;
    let step = ctx.for_step(ctx.ui.overheard(), Some(ctx.project()?.component(Some(&work.component))?));
    let done = steps::abort(&step, &live, false);
    if done.is_err() {
        put_back_journal(&live, folder)?;
    }
    done?;
    let mut said = step.ui.said();
    said.fields["undone"] = json!({"command": "db-rebase", "kind": "rebase"});
    ctx.ui.json(COMMAND, Exit::Done, said.fields, None);
    let again = ctx.ui.shown(Action::run("To have it again", own("db-rebase").of(&work.component)));
    ctx.ui.answer(format!("{}\n\n{again}", said.text.trim_end()));
    Ok(Exit::Done)
}

/// Where nothing was begun, the rebase is what it was: ended.
fn put_back_journal(live: &Path, folder: &Path) -> Result<()> {
    match Journal::pending(live)? {
        Some(journal) if journal.noted(steps::TAKEN_BACK).is_none() => journal.finish_into(folder),
        _ => Ok(()),
    }
}

fn gone() -> Fail {
    Fail::new(Kind::BackupMissing, "The journal of the rebase is not there any more")
        .details("Files and database can only be taken back by it")
        .run("See which backups there are", own("db-backup").word("--list"))
        .related(own("db-status"))
        .refused()
}

/// What the way back drops: only what the released revisions made, where the database has stayed as it is.
fn lost(ctx: &Ctx, work: &Work) -> Result<Vec<AtStake>> {
    let component = ctx.project()?.component(Some(&work.component))?;
    let graph = ctx.history(&ctx.config(component)?)?;
    let ids = work.way_back_runs();
    let mut database = OwnDatabase::connect(ctx, component, COMMAND)?;
    let all = at_stake::find(ctx, &graph, database.db(), Direction::Down, &ids)?;
    Ok(all.into_iter().filter(AtStake::is_loss).collect())
}

fn plan(work: &Work, lost: &[AtStake]) -> Vec<String> {
    let moved: Vec<&str> = work.moved.iter().map(MovedRevision::id).collect();
    let mut lines = vec![
        format!("Component: {}", work.component),
        format!("Last: db-rebase, which moved {}", moved.join(", ")),
        format!(
            "Taken back, the files are as they were, and the database is at {} again, not at {}",
            ids(&work.trip.before),
            ids(&work.trip.after)
        ),
        "A backup is taken first; rows that were written since stay where their table does".to_owned(),
    ];
    lines.extend(lost.iter().map(|it| format!("  - {}", it.line())));
    lines
}
