//! The last thing that this tool did to a component's database, for `db-undo`. It is written down before the thing begins, so
//! that it is known after a crash too, and once more when it has ended: with the marks of the version table, by which it shows
//! whether anybody has migrated the database since. A file per database (its number, not its name, which a restore or a
//! rename gives to another one), beside the backups.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::own_database::OwnDatabase;
use crate::ctx::Ctx;
use crate::model::ledger::Mark;
use crate::model::step::Direction;
use crate::sys::clock::utc_stamp;
use crate::sys::pg::Db;
use crate::sys::saved::{text, texts};
use crate::sys::{files, journal};

/// The folder, relative to the project's root.
pub const FOLDER: &str = ".xtask/changes";
/// The number of the format; a file of another one is not read.
const FORMAT: u64 = 1;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastChange {
    /// The command that did it.
    pub command: String,
    /// When it began: `20261127T103000Z`.
    pub time: String,
    /// Where the database is, in words.
    pub place: String,
    /// The thing itself.
    pub what: What,
    /// The version table as it was left; `None` where the command did not end.
    pub left: Option<Vec<Mark>>,
    /// The transaction with which it ended: what is younger was written since.
    pub end: Option<u64>,
}

/// What can be done to a database, and what taking it back needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Revisions were applied or reverted.
    Walk(Walked),
    /// A rebase; its journal was put away in this folder.
    Rebase(PathBuf),
    /// A merge, the same.
    Merge(PathBuf),
    /// Another database got its name; what was there has this one.
    Restore(String),
    /// Something whose scripts no file here has; only the backup that was taken before brings it back.
    Whole(Whole),
    /// Nothing that could be taken back; why, and the words of the command that does it again, if one does.
    Nothing(String, Vec<String>),
}

/// What only a backup as a whole brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What was done, in words.
    pub words: String,
    /// What the version table held before.
    pub start: Vec<String>,
    /// The backup that was taken before.
    pub backup: PathBuf,
}

/// Revisions that were applied or reverted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Which way.
    pub direction: Direction,
    /// What the version table held before.
    pub start: Vec<String>,
    /// The revisions in the order of the way; how many of them were done, the database says.
    pub ids: Vec<String>,
    /// The backup that was taken before.
    pub backup: Option<PathBuf>,
}

/// Writes down what is about to be done, and gives what was the last thing until now. That it cannot be written stops nobody.
pub fn begin(ctx: &Ctx, own: &mut OwnDatabase<'_>, command: &str, what: What) -> Option<LastChange> {
    let before = find(ctx, own).ok().flatten();
    let change = LastChange::new(own, command, what);
    note(ctx, own, &change);
    before
}

/// Writes down that it has ended; where the version table shows that nothing came of it, what was the last thing before is so
/// again, unless something `stays` all the same that a backup can bring back.
pub fn end(ctx: &Ctx, own: &mut OwnDatabase<'_>, before: Option<LastChange>, stays: bool) {
    // The connection that is there may be what broke.
    let heads = own.applied().or_else(|_| own.applied_anew()).ok();
    let Ok(Some(change)) = find(ctx, own) else { return };
    let is_where_it_was = heads.is_some_and(|heads| change.what.starts_at(&heads));
    match before {
        _ if stays || !is_where_it_was => leave(ctx, own, change),
        Some(before) => note(ctx, own, &before),
        None => {
            let component = own.component.name.clone();
            if let Ok(path) = path(ctx, own.db(), &component) {
                files::remove(&path);
            }
        }
    }
}

/// Writes down something that has ended.
pub fn done(ctx: &Ctx, own: &mut OwnDatabase<'_>, command: &str, what: What) {
    let change = LastChange::new(own, command, what);
    leave(ctx, own, change);
}

fn leave(ctx: &Ctx, own: &mut OwnDatabase<'_>, change: LastChange) {
    let (table, db) = own.table_and_db();
    let left = db.marks(table).ok();
    let end = db.transaction_number().ok();
    note(ctx, own, &LastChange { left, end, ..change });
}

fn note(ctx: &Ctx, own: &mut OwnDatabase<'_>, change: &LastChange) {
    let component = own.component.name.clone();
    if let Err(error) = write(ctx, own.db(), &component, change) {
        ctx.ui.verbose(format!("what db-undo needs could not be written down: {error:#}"));
    }
}

fn write(ctx: &Ctx, db: &mut Db, component: &str, change: &LastChange) -> Result<()> {
    let path = path(ctx, db, component)?;
    files::own_folder(&ctx.project()?.root, FOLDER)?;
    let old = read(&path).ok().flatten();
    files::write_atomic(&path, format!("{:#}\n", change.to_json()).as_bytes())?;
    // A journal that nothing leads to any more.
    match old.map(|old| old.what) {
        Some(What::Rebase(folder) | What::Merge(folder)) if change.what.journal() != Some(&folder) => {
            journal::remove_folder(&folder)
        }
        _ => Ok(()),
    }
}

/// The last change of the database that is connected to.
///
/// # Errors
/// When the file is not understood.
pub fn find(ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<Option<LastChange>> {
    let component = own.component.name.clone();
    read(&path(ctx, own.db(), &component)?)
}

/// The folder that the journal of an operation goes to when it has ended and may still be taken back.
///
/// # Errors
/// When the server cannot be asked.
pub fn journal_folder(ctx: &Ctx, db: &mut Db, component: &str, command: &str) -> Result<PathBuf> {
    Ok(path(ctx, db, component)?.with_extension(command))
}

fn path(ctx: &Ctx, db: &mut Db, component: &str) -> Result<PathBuf> {
    let oid = "select oid::text from pg_database where datname = current_database()";
    let number = db.text(oid, "asking which database it is")?;
    let name = format!("{}-{number}.json", files::plain(component));
    Ok(ctx.project()?.root.join(FOLDER).join(name))
}

fn read(path: &Path) -> Result<Option<LastChange>> {
    if !path.exists() {
        return Ok(None);
    }
    let reading = || format!("reading {}", path.display());
    let value: Value = serde_json::from_str(&files::read_text(path)?).with_context(reading)?;
    LastChange::from_json(&value).map(Some).with_context(reading)
}

impl What {
    /// The folder of its journal.
    fn journal(&self) -> Option<&PathBuf> {
        match self {
            What::Rebase(folder) | What::Merge(folder) => Some(folder),
            _ => None,
        }
    }

    /// Whether it began with these revisions.
    fn starts_at(&self, heads: &[String]) -> bool {
        let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        let (What::Walk(Walked { start, .. }) | What::Whole(Whole { start, .. })) = self else { return false };
        sorted(start) == sorted(heads)
    }

    fn to_json(&self) -> Value {
        match self {
            What::Walk(Walked { direction, start, ids, backup }) => {
                json!({"kind": "walk", "direction": direction.name(), "start": start, "revisions": ids, "backup": backup})
            }
            What::Rebase(folder) => json!({"kind": "rebase", "journal": folder}),
            What::Merge(folder) => json!({"kind": "merge", "journal": folder}),
            What::Restore(kept) => json!({"kind": "restore", "kept": kept}),
            What::Whole(Whole { words, start, backup }) => {
                json!({"kind": "whole", "words": words, "start": start, "backup": backup})
            }
            What::Nothing(why, again) => json!({"kind": "nothing", "why": why, "again": again}),
        }
    }

    fn from_json(value: &Value) -> Result<What> {
        let path = |key: &str| text(&value[key]).map(PathBuf::from);
        Ok(match value["kind"].as_str() {
            Some("walk") => What::Walk(Walked {
                direction: if value["direction"] == Direction::Up.name() { Direction::Up } else { Direction::Down },
                start: texts(&value["start"])?,
                ids: texts(&value["revisions"])?,
                backup: value["backup"].as_str().map(PathBuf::from),
            }),
            Some("rebase") => What::Rebase(path("journal")?),
            Some("merge") => What::Merge(path("journal")?),
            Some("restore") => What::Restore(text(&value["kept"])?),
            Some("whole") => {
                let (words, start) = (text(&value["words"])?, texts(&value["start"])?);
                What::Whole(Whole { words, start, backup: path("backup")? })
            }
            _ => What::Nothing(text(&value["why"])?, texts(&value["again"])?),
        })
    }
}

impl LastChange {
    /// Something that begins now.
    pub fn new(own: &OwnDatabase<'_>, command: &str, what: What) -> LastChange {
        let time = utc_stamp(SystemTime::now());
        LastChange { command: command.to_owned(), time, place: own.place(), what, left: None, end: None }
    }

    /// For the file, and for a journal.
    pub fn to_json(&self) -> Value {
        let marks = |marks: &Vec<Mark>| marks.iter().map(|mark| json!([mark.revision, mark.writer])).collect::<Value>();
        json!({
            "format": FORMAT,
            "command": self.command,
            "time": self.time,
            "place": self.place,
            "what": self.what.to_json(),
            "left": self.left.as_ref().map(marks),
            "end": self.end,
        })
    }

    /// From text.
    ///
    /// # Errors
    /// When it is not such a file, or of another format.
    pub fn from_json(value: &Value) -> Result<LastChange> {
        ensure!(value["format"] == FORMAT, "it is of the format {}, not {FORMAT}", value["format"]);
        let mark = |it: &Value| -> Result<Mark> { Ok(Mark { revision: text(&it[0])?, writer: text(&it[1])? }) };
        let left = value["left"].as_array().map(|all| all.iter().map(mark).collect());
        Ok(LastChange {
            command: text(&value["command"])?,
            time: text(&value["time"])?,
            place: text(&value["place"])?,
            what: What::from_json(&value["what"])?,
            left: left.transpose()?,
            end: value["end"].as_u64(),
        })
    }

    /// Whether nobody has migrated the database since, as far as it shows; where the command did not end, that is for the
    /// way back to find out.
    pub fn is_last(&self, now: &[Mark]) -> bool {
        self.left.as_ref().is_none_or(|left| left == now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let walked = Walked {
            direction: Direction::Down,
            start: vec!["b".into()],
            ids: vec!["b".into(), "a".into()],
            backup: Some("/b.dump".into()),
        };
        let all = [
            What::Walk(walked),
            What::Rebase("/j".into()),
            What::Merge("/m".into()),
            What::Restore("app@1".into()),
            What::Whole(Whole { words: "w".into(), start: vec!["b".into()], backup: "/b.dump".into() }),
            What::Nothing("it was undone".into(), vec!["db-rebase".into()]),
        ];
        for what in all {
            let left = Some(vec![Mark { revision: "a".into(), writer: "7".into() }]);
            let (command, time) = ("db-migrate".to_owned(), "20261127T103000Z".to_owned());
            let change = LastChange { command, time, place: "x on y".into(), what, left, end: Some(9) };
            assert_eq!(LastChange::from_json(&change.to_json()).unwrap(), change);
            assert!(change.is_last(&[Mark { revision: "a".into(), writer: "7".into() }]) && !change.is_last(&[]));
        }
    }
}
