//! `db-restore`: restores a backup into a new database, compares it with the backup's record, and renames it into the
//! old database's place in one transaction. The old database is kept.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::ctx::{Ctx, Database};
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::flags::DbRestore;
use crate::model::action::{Action, Own, own};
use crate::model::rows::counted;
use crate::sys::backup::shelf::{self, Entry};
use crate::sys::backup::{self, restore};
use crate::sys::pg::{swap, sweep};
use crate::ui::Paint;
use crate::work::last_change::{self, What, Whole};
use crate::work::own_database::{OwnDatabase, Refusal, Remote};
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
    if flags.swap_back {
        return swap_back(ctx, flags, &database);
    }
    let entry = find(ctx, &component.name, flags.file.as_deref()).map_err(refuse)?;
    check_digest(&entry).map_err(refuse)?;
    let claim = claimed(ctx, flags.allow_remote.as_deref(), own_command(flags)).map_err(refuse)?;
    agreed(ctx, &format!("Put the backup {} in the place of {}?", entry.path.display(), database.place()))?;
    sweep(&database.url).map_err(refuse)?;
    let told = restored(ctx, !flags.no_verify, claim, &entry).map_err(refuse)?;
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
        true if !told.differs.is_empty() => {
            ctx.ui.paint(Paint::Warn, "⚠️  Restored; compared with the backup's record, it differs")
        }
        true => ctx.ui.paint(Paint::Good, "✅ Restored, and compared with the backup's record"),
        false => ctx.ui.paint(Paint::Warn, "⚠️  Restored; nothing was compared: without a record, or with --no-verify"),
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

fn restored(ctx: &Ctx, verify: bool, own: OwnDatabase<'_>, entry: &Entry) -> Result<Told> {
    let database = own.database.clone();
    let task = ctx.ui.task("Restoring the backup into a new database");
    let record = entry.record.as_ref().filter(|_| verify);
    let new = restore::into_new(&ctx.ui, &database.url, &database.tools, entry, verify)?;
    drop(task);
    // No session may be connected to a database that is renamed, not even the one that holds our lock. If somebody
    // connects meanwhile, the renaming fails.
    drop(own);
    let kept = swap::swap_in(&database.url, new.scratch.name())?;
    note(ctx, &kept);
    Ok(Told { verified: record.is_some(), differs: new.differs, kept })
}

fn swap_back(ctx: &Ctx, flags: &DbRestore, database: &Database) -> Result<Exit> {
    let claim = claimed(ctx, flags.allow_remote.as_deref(), own_command(flags)).map_err(refuse)?;
    agreed(ctx, &format!("Put back what was there before {} was restored?", database.place()))?;
    drop(claim);
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

/// Writes down what `db-undo` needs, and forgets an operation that stopped half-way on the database that was put aside.
/// The new database has the name by then, so a failure of this is no failure of the command.
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

/// `db-undo` of a restore: the database that the restore put aside gets its name back.
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
    let claim = claimed(ctx, None, self::own(COMMAND).word("--swap-back")).map_err(refuse)?;
    ctx.ui.status(said.join("\n"));
    agreed(ctx, &format!("Put {kept} back in the place of {place}?"))?;
    drop(claim);
    let (was, kept) = swap::swap_back(&database.url, Some(kept)).map_err(refuse)?;
    note(ctx, &kept);
    fields["kept"] = json!(kept);
    ctx.ui.json(UNDO, Exit::Done, fields, None);
    let headline = ctx.ui.paint(Paint::Good, &format!("✅ Taken back: {was} is {place} again"));
    let again = ctx.ui.shown(Action::run("That was a mistake", own(UNDO)));
    ctx.ui.answer(format!("{headline}\n\nWhat was there until now is kept as the database {kept}\n\n{again}"));
    Ok(Exit::Done)
}

/// `db-undo` of an operation that only its backup can take back: the whole backup gets the database's place. Rows that
/// were written `since` then are only in the database that is kept.
///
/// # Errors
/// A refusal with nothing changed.
pub fn undo_whole(
    ctx: &Ctx,
    command: &str,
    whole: &Whole,
    since: Option<Vec<(String, u64)>>,
    dry_run: bool,
) -> Result<Exit> {
    let component = ctx.component().map_err(refuse)?;
    let entry = find(ctx, &component.name, Some(&whole.backup)).map_err(refuse)?;
    check_digest(&entry).map_err(refuse)?;
    let mut said = vec![
        format!("Last: {command} {}", whole.words),
        format!("Taken back, the backup {} is in the database's place as a whole", whole.backup.display()),
    ];
    let in_kept = "in the database that is kept, and not in the other";
    match &since {
        None => said.push(format!("What was written since cannot be told: it is {in_kept}")),
        Some(since) => said
            .extend(since.iter().map(|(t, rows)| format!("{t}: {} written since: {in_kept}", counted(*rows, "row")))),
    }
    let mut fields = json!({
        "component": component.name, "undone": {"command": command, "kind": "whole"},
        "backup": whole.backup.display().to_string(), "after": whole.start, "dry_run": dry_run,
    });
    if dry_run {
        ctx.ui.json(UNDO, Exit::Done, fields, None);
        ctx.ui.answer(format!("{}\n\n{}", ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed"), said.join("\n")));
        return Ok(Exit::Done);
    }
    let claim = claimed(ctx, None, self::own(COMMAND).word(whole.backup.display().to_string())).map_err(refuse)?;
    ctx.ui.status(said.join("\n"));
    agreed(ctx, &format!("Put the backup in the place of {}?", claim.place()))?;
    sweep(&claim.database.url).map_err(refuse)?;
    let told = restored(ctx, true, claim, &entry).map_err(refuse)?;
    fields["kept"] = json!(told.kept);
    fields["verified"] = json!(told.verified);
    fields["differs"] = json!(told.differs);
    ctx.ui.json(UNDO, Exit::Done, fields, None);
    let headline = match (told.verified, told.differs.is_empty()) {
        (false, _) => {
            "⚠️  Taken back: the backup is in the database's place; it has no record, so nothing was compared"
        }
        (true, false) => "⚠️  Taken back: the backup is in the database's place, and it differs from what was saved",
        (true, true) => "✅ Taken back: the backup is in the database's place, and was compared",
    };
    let paint = if headline.starts_with('✅') { Paint::Good } else { Paint::Warn };
    let mut lines = vec![ctx.ui.paint(paint, headline), String::new()];
    lines.push(format!("What was there until now is kept as the database {}", told.kept));
    lines.extend(told.differs.iter().map(|line| format!("  - differs: {line}")));
    lines.push(format!("\n{}", ctx.ui.shown(Action::run("That was a mistake", self::own(UNDO)))));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// The backup in the file that was named, else the newest proven backup of the component.
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

fn check_digest(entry: &Entry) -> Result<()> {
    entry.record.as_ref().map_or(Ok(()), |record| backup::check_digest(&entry.path, record))
}

fn missing(details: &str) -> Fail {
    Fail::new(Kind::BackupMissing, "There is no such backup")
        .details(details)
        .run("See which there are", own("db-backup").word("--list"))
        .related(own("db-backup"))
}

/// Claims the database, so that nobody else uses it until another one gets its place.
fn claimed<'a>(ctx: &'a Ctx, allowed: Option<&str>, command: Own) -> Result<OwnDatabase<'a>> {
    let mut own = OwnDatabase::connect(ctx, ctx.component()?, COMMAND)?;
    let elsewhere =
        Refusal { why: "Another database in the place of one that others use should be meant", instead: Vec::new() };
    let others = Refusal {
        why: "Another database is put in its place under them",
        instead: vec!["Then repeat the command".into()],
    };
    let command = command.of(&own.component.name);
    own.claim(ctx, elsewhere, Some(Remote { command, allowed }), others)?;
    Ok(own)
}

/// The command line as it was given.
fn own_command(flags: &DbRestore) -> Own {
    let command = flags.file.iter().fold(own(COMMAND), |command, file| command.word(file.display().to_string()));
    if flags.swap_back { command.word("--swap-back") } else { command }
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
