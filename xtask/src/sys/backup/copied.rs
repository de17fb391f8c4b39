//! Where there is no `pg_dump` that is new enough: the server copies the database (`CREATE DATABASE … TEMPLATE`), and both are
//! compared. The file on the shelf then only says which database it is; its record is as any other's.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::archive::Piece;
use super::record::{Proof, Record};
use super::shelf::Part;
use super::{Backup, FOLDER, Request, file_name, identity, record};
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::own;
use crate::model::url::DbUrl;
use crate::sys::clock::utc_stamp;
use crate::sys::files;
use crate::sys::journal::crash_point;
use crate::sys::pg::rows::Memory;
use crate::sys::pg::{Db, Making, Scratch, application_name, swap, sweep};
use crate::ui::Ui;

/// Copies the database. No session may be in it, ours neither.
///
/// # Errors
/// `backup-failed` with the reason, `active-connections` with who is connected, `interrupted`. Nothing is left behind then.
pub fn take(ui: &Ui, request: &Request<'_>) -> Result<Backup> {
    attempt(ui, request).map_err(|error| {
        let cause = from_anyhow(&error);
        match cause.kind {
            Kind::Interrupted => error,
            Kind::ActiveConnections => cause
                .details("The server copies no database that somebody is connected to")
                .run("Or install pg_dump, which needs nobody to stop; what is there", own("doctor"))
                .action(&request.instead)
                .into(),
            _ => super::failed(request, &cause).into(),
        }
    })
}

fn attempt(ui: &Ui, request: &Request<'_>) -> Result<Backup> {
    let folder = files::own_folder(request.project_root, FOLDER)?;
    super::shelf::sweep(&folder);
    sweep(&request.url)?;
    sweep_copies(&request.url, &folder)?;
    let making = Making::plain(ui, "taking a backup", request.tools);
    let source = &request.url.target().database;
    let scratch = Scratch::exact_copy(&request.url, source, &making)?;
    crash_point();
    let time = utc_stamp(std::time::SystemTime::now());
    let mut db = Db::connect(&request.url, &application_name("backup"))?;
    let identity = identity(&mut db, request)?;
    let mut memory = Memory::default();
    let contents = db.contents(&mut memory, request.lock_wait.as_millis())?;
    let copy = Db::connect(scratch.url(), &application_name("backup"))?.contents(&mut Memory::default(), 0)?;
    let differs = contents.differences(&copy);
    if let Some(first) = differs.data.iter().chain(&differs.schema).next() {
        bail!("somebody wrote while the server copied it: {first}");
    }
    let (name, path) = (swap::copy_name(&request.url)?, file_name(request, &time));
    let part = Part::create(&path)?;
    let text = format!(
        "This backup is no file: it is the database {name} on {}, a copy that the server made.\n",
        db.endpoint()
    );
    std::fs::OpenOptions::new()
        .write(true)
        .open(&part.path)?
        .write_all(text.as_bytes())
        .context("writing the backup")?;
    part.sync()?;
    let proof = Proof::Copied(name.clone());
    let record = record(request, &db, &part, (time, identity), (proof, Vec::new()), contents)?;
    scratch.stay_as(&name, &swap::unfinished_comment(source, &path))?;
    crash_point();
    if let Err(error) = part.finish(&path, &record) {
        let _ = swap::drop_copy(&request.url, &name);
        return Err(error);
    }
    swap::finish_copy(&request.url, &name)?;
    crash_point();
    let (url, lock_wait) = (request.url.clone(), request.lock_wait);
    Ok(Backup { path, record, passed_over: Vec::new(), memory, url, lock_wait })
}

/// A run that was killed between its copy and the file that names it: the file is there, and the copy only has to say so; or
/// it is not, and the copy goes. Those of other folders stay.
///
/// # Errors
/// What connecting may meet.
pub fn sweep_copies(url: &DbUrl, folder: &Path) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for (copy, file) in left_by_dead_runs(url, folder)? {
        // Another run may have been quicker.
        if file.is_file() {
            drop(swap::finish_copy(url, &copy));
        } else if swap::drop_copy(url, &copy).is_ok() {
            gone.push(copy);
        }
    }
    Ok(gone)
}

/// The copies whose making was killed, with the files that would name them.
///
/// # Errors
/// What connecting may meet.
pub fn left_by_dead_runs(url: &DbUrl, folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut all = swap::unfinished_copies(url)?;
    all.retain(|(_, file)| file.parent() == Some(folder) && !super::shelf::is_being_written(file));
    Ok(all)
}

/// The database that a backup is, to be read.
///
/// # Errors
/// `backup-missing` where it is not there any more.
pub fn open(url: &DbUrl, copy: &str) -> Result<Db> {
    Db::connect(&url.with_database(copy), &application_name("backup")).map_err(|error| {
        let cause = from_anyhow(&error);
        if cause.kind != Kind::DatabaseMissing {
            return error;
        }
        Fail::new(Kind::BackupMissing, "The backup is a database, and that is not there any more")
            .details(format!("{copy}, a copy that the server made"))
            .run("See which backups there are", own("db-backup").word("--list"))
            .related(own("db-status"))
            .into()
    })
}

/// Refuses a copy that does not hold any more what the record of the backup in `file` says; gives what differs and is no row.
///
/// # Errors
/// `backup-failed` with what was written.
pub fn check(db: &mut Db, (file, copy): (&Path, &str), record: &Record) -> Result<Vec<String>> {
    let found = record.contents.differences(&db.contents(&mut Memory::default(), 0)?);
    if found.data.is_empty() {
        return Ok(found.schema);
    }
    let as_it_is = own("db-restore").word(file.display().to_string()).word("--no-verify");
    Err(Fail::new(Kind::BackupFailed, "The copy was written to since it was taken")
        .details(copy)
        .details(found.data.join("\n"))
        .run("Restore it as it is now", as_it_is)
        .related(own("db-backup").word("--list"))
        .into())
}

/// Hands the rows of these tables (schema and name) to `visit`, as they stand in a file, and the large objects if they are wanted.
///
/// # Errors
/// As [`open`]; what `visit` says.
pub fn read<'t>(
    url: &DbUrl,
    copy: &str,
    (tables, with_large_objects): (impl Iterator<Item = &'t (String, String)>, bool),
    visit: &mut dyn FnMut(Piece<'_>) -> Result<()>,
) -> Result<()> {
    let mut db = open(url, copy)?;
    for (schema, name) in tables {
        let Some((columns, mut rows)) = db.rows_of(schema, name)? else { continue };
        visit(Piece::Table { schema, name, columns: &columns, rows: &mut rows })?;
    }
    if with_large_objects { db.large_objects(&mut |line| visit(Piece::Line(line))) } else { Ok(()) }
}
