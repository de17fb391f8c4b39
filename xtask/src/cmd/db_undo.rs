//! `db-undo`: takes back the last thing that this tool did to a component's database (`work/last_change.rs` knows it).
//! It says what that was and what would be lost, asks, and does it: revisions by `work/take_back.rs`, a rebase or a
//! merge by its own journal, a restore by renaming databases.

mod show;
mod walk;

use anyhow::Result;

use crate::cmd::{db_merge, db_rebase, db_restore};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::flags::DbUndo;
use crate::model::action::own;
use crate::sys::pg::swap;
use crate::work::last_change::{self, LastChange, What};
use crate::work::own_database::OwnDatabase;
use crate::work::take_back;

const COMMAND: &str = "db-undo";

/// Runs it.
///
/// # Errors
/// A refusal with nothing changed; after that a failure, and the same command goes on.
pub fn run(ctx: &Ctx, flags: &DbUndo) -> Result<Exit> {
    if let Some(journal) = take_back::pending(ctx).map_err(refuse)? {
        return walk::go_on(ctx, flags, journal);
    }
    if let Some(journal) = take_back::cut_off(ctx).map_err(refuse)? {
        return walk::of_cut_off(ctx, flags, journal);
    }
    let component = ctx.component().map_err(refuse)?;
    let mut own = OwnDatabase::connect(ctx, component, COMMAND).map_err(refuse)?;
    own.require_writable().map_err(refuse)?;
    let change = last(ctx, &mut own).map_err(refuse)?;
    match &change.what {
        What::Walk(_) => walk::run(ctx, flags, own, &change),
        What::Rebase(folder) => {
            check_is_last(&mut own, &change).map_err(refuse)?;
            drop(own);
            db_rebase::undo(ctx, folder, flags.dry_run)
        }
        What::Merge(folder) => {
            check_is_last(&mut own, &change).map_err(refuse)?;
            drop(own);
            db_merge::undo(ctx, folder, flags.dry_run)
        }
        What::Whole(whole) => {
            check_is_last(&mut own, &change).map_err(refuse)?;
            let (table, db) = own.table_and_db();
            let since = db.count_rows_since(table, change.end).map_err(refuse)?;
            drop(own);
            db_restore::undo_whole(ctx, &change.command, whole, since, flags.dry_run)
        }
        What::Restore(kept) => {
            drop(own);
            db_restore::undo(ctx, kept, flags.dry_run)
        }
        What::Nothing(why, again) => Err(nothing(why, again).into()),
    }
}

/// What is written down; else a restore that the server itself remembers.
fn last(ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<LastChange> {
    if let Some(change) = last_change::find(ctx, own)? {
        return Ok(change);
    }
    let kept = swap::kept(&own.database.url)?.into_iter().next();
    let Some(kept) = kept else {
        return Err(Fail::new(Kind::BackupMissing, "There is nothing that could be taken back")
            .details(format!("Nothing says what this tool did last to {}", own.place()))
            .details("It is written down in .xtask/changes of the checkout that did it")
            .run("See where the database stands", self::own("db-status"))
            .run("See which backups there are", self::own("db-backup").word("--list"))
            .related(self::own("db-status"))
            .into());
    };
    let (command, place) = ("db-restore".to_owned(), own.place());
    Ok(LastChange {
        command,
        time: kept.since().to_owned(),
        place,
        what: What::Restore(kept.name),
        left: None,
        end: None,
    })
}

fn check_is_last(own: &mut OwnDatabase<'_>, change: &LastChange) -> Result<()> {
    let heads = own.applied()?;
    let (table, db) = own.table_and_db();
    if change.is_last(&db.marks(table)?) { Ok(()) } else { Err(take_back::moved_since(change, own, &heads).into()) }
}

fn nothing(why: &str, again: &[String]) -> Fail {
    let fail = Fail::new(Kind::BackupMissing, "There is nothing that could be taken back").details(why);
    let fail = match again.split_first() {
        Some((name, words)) => fail.run("To do it again", own(name.clone()).words(words.to_vec())),
        None => fail,
    };
    fail.run("See where the database stands", own("db-status"))
        .run("See which backups there are", own("db-backup").word("--list"))
        .related(own("db-status"))
        .refused()
}
