//! `db-restore`: a backup into a new database, compared with what it has to hold, then in the old one's place by one
//! transaction. What was there is kept.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::ctx::{Ctx, Database};
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::flags::DbRestore;
use crate::model::action::{Action, own};
use crate::sys::backup::shelf::{self, Entry};
use crate::sys::backup::{self, restore};
use crate::sys::pg::{Db, application_name, swap, sweep};
use crate::ui::Paint;
use crate::work::last_change::{self, What};
use crate::work::own_database::OwnDatabase;
use crate::work::take_back;

const COMMAND: &str = "db-restore";
const UNDO: &str = "db-undo";

/// Runs it.
///
/// # Errors
/// A refusal with nothing changed; `interrupted`, with nothing changed either.
pub fn run(ctx: &Ctx, flags: &DbRestore) -> Result<Exit> {
    let component = ctx.component().map_err(refuse)?;
    let database = ctx.database(&ctx.config(component)?).map_err(refuse)?;
    check_local(&database, flags).map_err(refuse)?;
    if flags.swap_back {
        return swap_back(ctx, &database);
    }
    let entry = find(ctx, &component.name, flags.file.as_deref()).map_err(refuse)?;
    check_digest(&entry).map_err(refuse)?;
    check_alone(&database).map_err(refuse)?;
    agreed(ctx, &format!("Put the backup {} in the place of {}?", entry.path.display(), database.place()))?;
    sweep(&database.url).map_err(refuse)?;
    let told = restored(ctx, flags, &database, &entry).map_err(refuse)?;
    let fields = json!({
        "component": component.name,
        "backup": entry.path.display().to_string(),
        "revision": entry.record.as_ref().map(|record| record.revision.clone()).unwrap_or_default(),
        "verified": told.verified,
        "differs": told.differs,
        "kept": told.kept,
    });
    ctx.ui.json(COMMAND, Exit::Done, fields, None);
    let headline = match told.verified {
        true => ctx.ui.paint(Paint::Good, "✅ Restored, and compared with what the backup has to hold"),
        false => {
            ctx.ui.paint(Paint::Warn, "⚠️  Restored; nothing says what the backup has to hold, so nothing was compared")
        }
    };
    let mut lines = vec![headline, String::new(), format!("Component: {}", component.name)];
    lines.push(format!("Database: {}", database.place()));
    lines.push(format!("Backup: {}", entry.path.display()));
    lines.push(format!("What was there is kept as the database {}", told.kept));
    lines.extend(told.differs.iter().map(|line| format!("  - differs: {line}")));
    lines.push(String::new());
    lines.push("Next steps:".to_owned());
    let next = [
        Action::run("See where it stands", own("db-status").of(&component.name)),
        Action::run("Put back what was there", own(COMMAND).of(&component.name).word("--swap-back")),
    ];
    lines.extend(next.map(|action| format!("  - {}", ctx.ui.shown(action))));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

struct Told {
    verified: bool,
    differs: Vec<String>,
    kept: String,
}

fn restored(ctx: &Ctx, flags: &DbRestore, database: &Database, entry: &Entry) -> Result<Told> {
    let task = ctx.ui.task("Restoring the backup into a new database");
    let record = entry.record.as_ref().filter(|_| !flags.no_verify);
    let new = restore::into_new(&ctx.ui, &database.url, &database.tools, &entry.path, record)?;
    drop(task);
    let kept = swap::swap_in(&database.url, new.scratch.name())?;
    note(ctx, &kept);
    Ok(Told { verified: record.is_some(), differs: new.differs, kept })
}

fn swap_back(ctx: &Ctx, database: &Database) -> Result<Exit> {
    check_alone(database).map_err(refuse)?;
    agreed(ctx, &format!("Put back what was there before {} was restored?", database.place()))?;
    let (was, kept) = swap::swap_back(&database.url, None).map_err(refuse)?;
    note(ctx, &kept);
    ctx.ui.json(COMMAND, Exit::Done, json!({"swapped_back": was, "kept": kept}), None);
    let lines = [
        ctx.ui.paint(Paint::Good, &format!("✅ {was} is {} again", database.place())),
        String::new(),
        format!("What was there until now is kept as the database {kept}"),
    ];
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// What `db-undo` needs; and what stopped half-way on the database that is put aside is over. The database has its name by
/// then: nothing of this makes it a failure.
fn note(ctx: &Ctx, kept: &str) {
    if let Err(error) = write_down(ctx, kept) {
        ctx.ui.verbose(format!("what db-undo needs could not be written down: {error:#}"));
    }
}

fn write_down(ctx: &Ctx, kept: &str) -> Result<()> {
    let mut own = OwnDatabase::connect(ctx, ctx.component()?, COMMAND)?;
    last_change::done(ctx, &mut own, COMMAND, What::Restore(kept.to_owned()));
    take_back::forget(ctx, &own.component.name)
}

/// The same as a part of `db-undo`: the database that a restore has put aside gets its name back.
///
/// # Errors
/// A refusal with nothing changed.
pub fn undo(ctx: &Ctx, kept: &str, dry_run: bool) -> Result<Exit> {
    let database = ctx.database(&ctx.config(ctx.component()?)?).map_err(refuse)?;
    let is_there = swap::kept(&database.url).map_err(refuse)?.iter().any(|it| it.name == kept);
    if !is_there {
        let fail = missing(&format!("What was there before the restore was kept as {kept}, and is not there any more"));
        return Err(fail.refused().into());
    }
    let place = database.place();
    let said = [
        format!("Last: {COMMAND}, which has put another database in the place of {place}"),
        format!("Taken back, the database {kept} has the name again; what is there now is kept under another name"),
    ];
    let mut fields =
        json!({"undone": {"command": COMMAND, "kind": "restore"}, "swapped_back": kept, "dry_run": dry_run});
    if dry_run {
        ctx.ui.json(UNDO, Exit::Done, fields, None);
        let headline = ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed");
        ctx.ui.answer(format!("{headline}\n\n{}", said.join("\n")));
        return Ok(Exit::Done);
    }
    check_alone(&database).map_err(refuse)?;
    ctx.ui.status(said.join("\n"));
    agreed(ctx, &format!("Put {kept} back in the place of {place}?"))?;
    let (was, kept) = swap::swap_back(&database.url, Some(kept)).map_err(refuse)?;
    note(ctx, &kept);
    fields["kept"] = json!(kept);
    ctx.ui.json(UNDO, Exit::Done, fields, None);
    let headline = ctx.ui.paint(Paint::Good, &format!("✅ Taken back: {was} is {place} again"));
    let again = ctx.ui.shown(Action::run("That was a mistake", own(UNDO)));
    ctx.ui.answer(format!("{headline}\n\nWhat was there until now is kept as the database {kept}\n\n{again}"));
    Ok(Exit::Done)
}

/// The file that was named, else the newest proven backup of the component.
fn find(ctx: &Ctx, component: &str, file: Option<&Path>) -> Result<Entry> {
    if let Some(file) = file {
        return shelf::open(file).map_err(|error| missing(&format!("{error:#}")).into());
    }
    let root = &ctx.project()?.root;
    let newest =
        shelf::list(root)?.into_iter().find(|entry| entry.component() == Some(component) && entry.record.is_some());
    newest.ok_or_else(|| {
        missing(&format!("No proven one of {component} lies in {}", shelf::folder(root).display())).into()
    })
}

fn missing(details: &str) -> Fail {
    Fail::new(Kind::BackupMissing, "There is no such backup")
        .details(details)
        .run("See which there are", own("db-backup").word("--list"))
        .related(own("db-backup"))
}

/// A file that is not the one that was proven.
fn check_digest(entry: &Entry) -> Result<()> {
    let Some(record) = &entry.record else { return Ok(()) };
    if backup::digest(&entry.path)? == record.digest {
        return Ok(());
    }
    Err(Fail::new(Kind::BackupFailed, "The backup is not the file that was proven")
        .details(format!("{} was changed since: its digest is not {}", entry.path.display(), record.digest))
        .run("Take another one", own("db-backup").word("--list"))
        .related(own("db-backup").word("--list"))
        .into())
}

fn check_local(database: &Database, flags: &DbRestore) -> Result<()> {
    if database.url.is_local() || flags.allow_remote {
        return Ok(());
    }
    Err(Fail::new(Kind::RemoteDatabase, "The database is not on this machine")
        .details(database.place())
        .run("If it is meant", own(COMMAND).word("--allow-remote"))
        .related(own("db-status"))
        .into())
}

/// Before anything is restored; the swap itself is refused by the server where somebody is connected then.
fn check_alone(database: &Database) -> Result<()> {
    let mut db = Db::connect(&database.url, &application_name(COMMAND))?;
    let others = db.other_sessions(&[], &[&application_name(COMMAND)])?;
    if others.is_empty() {
        return Ok(());
    }
    let fail = Fail::new(Kind::ActiveConnections, "Other sessions are connected to the database")
        .details("Another database is put in its place under them");
    let fail = others.iter().take(5).fold(fail, |fail, other| fail.details(other.to_string()));
    Err(fail.action("Stop what uses it, then repeat the command").related(own("db-status")).into())
}

fn agreed(ctx: &Ctx, question: &str) -> Result<()> {
    if ctx.common.yes || ctx.ui.confirm(question) == Some(true) {
        return Ok(());
    }
    Err(Fail {
        exit: Exit::Refused,
        ..Fail::new(Kind::Usage, "Another database in the place of your own has to be confirmed")
            .details(question)
            .action("If it is meant: repeat the command with --yes")
            .related(own("db-backup").word("--list"))
    }
    .into())
}
