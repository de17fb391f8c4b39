//! Restores a backup into a new database on the server and compares that with the backup's record. Nothing else is
//! touched.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::prove::{self, into};
use super::reader;
use super::record::Record;
use super::shelf::Entry;
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::url::DbUrl;
use crate::sys::journal::crash_point;
use crate::sys::pg::rows::Memory;
use crate::sys::pg::{Db, Making, Scratch, application_name};
use crate::ui::Ui;

/// A database that was made from a backup; it goes with the value unless it gets another name.
pub struct New {
    /// The database.
    pub scratch: Scratch,
    /// What differs from the record and is no row.
    pub differs: Vec<String>,
}

/// The same of a backup that is a copy in the server.
///
/// # Errors
/// `backup-missing` where that database is gone; `active-connections` where somebody is in it.
fn of_copy(url: &DbUrl, (file, copy): (&Path, &str), making: &Making<'_>, record: Option<&Record>) -> Result<New> {
    drop(super::copied::open(url, copy)?);
    let scratch = Scratch::exact_copy(url, copy, making)?;
    crash_point();
    let mut differs = Vec::new();
    if let Some(record) = record {
        let mut db = Db::connect(scratch.url(), &application_name("db-restore"))?;
        differs = super::copied::check(&mut db, (file, copy), record)?;
    }
    Ok(New { scratch, differs })
}

/// Restores a backup into a new database with the encoding, the locale and the settings of the one at `url`, and compares.
///
/// # Errors
/// `backup-failed` where it cannot be restored, or holds other rows than its record says; `permission-denied`.
pub fn into_new(ui: &Ui, url: &DbUrl, tools: &[PathBuf], entry: &Entry, verify: bool) -> Result<New> {
    let making = Making::plain(ui, "restoring a backup", tools);
    let (file, record) = (&entry.path, entry.record.as_ref().filter(|_| verify));
    if let Some(copy) = entry.record.as_ref().and_then(Record::copy) {
        return of_copy(url, (file, copy), &making, record);
    }
    let tool = reader(ui, tools, file)?;
    let failed = |said: &str| {
        Fail::new(Kind::BackupFailed, "The backup cannot be restored")
            .details(file.display().to_string())
            .details(said)
            .run("See which others there are", own("db-backup").word("--list"))
            .related(own("doctor"))
    };
    let mut last = String::new();
    for options in [&[][..], &["--no-owner", "--no-privileges"][..]] {
        let scratch = Scratch::like(url, &url.target().database, &making)?;
        crash_point();
        let done = into(&tool, scratch.url(), options).reads(file).capture(ui)?;
        crash_point();
        if !done.status.success() {
            last = done.last_lines();
            if prove::is_about_rights(&last) || last.contains("does not exist") && last.contains("role") {
                continue;
            }
            return Err(failed(&last).into());
        }
        let mut differs = Vec::new();
        if let Some(record) = record {
            let mut db = Db::connect(scratch.url(), &application_name("db-restore"))?;
            let version = db.server_version().major();
            let found = record.contents.differences(&db.contents(&mut Memory::default(), 0)?);
            if !found.data.is_empty() {
                return Err(failed(&format!(
                    "Restored, it holds other rows than it should:\n{}",
                    found.data.join("\n")
                ))
                .into());
            }
            // Another major version words some of the schema in its own way.
            let is_same_major = record.server_version / 10_000 == version;
            differs.extend(found.schema.into_iter().filter(|_| is_same_major && options.is_empty()));
        }
        if !options.is_empty() {
            differs.push(format!("owners and grants were left out: {}", last.lines().next().unwrap_or_default()));
        }
        return Ok(New { scratch, differs });
    }
    Err(failed(&last).into())
}
