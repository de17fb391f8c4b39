//! Proves a backup: its table of contents is compared with the catalog, then it is restored into a scratch database and
//! compared, or, where that is impossible, every row in it is counted.

use std::path::Path;

use anyhow::{Result, bail};

use super::archive::{self, Toc};
use super::{LIMIT, Request};
use crate::fail::{Kind, from_anyhow};
use crate::model::contents::Contents;
use crate::model::rows::{are, counted};
use crate::sys::backup::record::Proof;
use crate::sys::pg::rows::Memory;
use crate::sys::pg::{Db, Identity, Making, Scratch, application_name, for_wrapper, sweep};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// A database over this size is not restored for a proof: that would take longer than the backup.
const RESTORED_UP_TO: u64 = 512 << 20;

/// What `pg_restore` says where this role may not do all that the backup's owner did, or where an extension belongs to one
/// database of a server only.
const RIGHTS: &[&str] = &[
    "permission denied",
    "must be owner",
    "must be superuser",
    "must be member",
    "must be able to SET ROLE",
    "CREATE EXTENSION",
    "CREATE EVENT TRIGGER",
];

/// Reads the file and says how far it holds what it should, and what was not the same that is no row.
///
/// # Errors
/// With the reason why it is no backup of this database.
pub(super) fn prove(
    ui: &Ui,
    request: &Request<'_>,
    restore: &Path,
    file: &Path,
    identity: &Identity,
    contents: &Contents,
) -> Result<(Proof, Vec<String>)> {
    check_toc(&archive::toc(ui, restore, file)?, &identity.database, contents)?;
    let why = match why_not_restored(request, identity, contents) {
        Some(why) => why,
        None => match restored(ui, request, restore, file, contents)? {
            Restored::Compared(differs) => return Ok((Proof::Restored, differs)),
            Restored::Cannot(why) => why,
        },
    };
    check_counts(&archive::count(ui, restore, file)?, contents)?;
    Ok((Proof::Read(why), Vec::new()))
}

fn why_not_restored(request: &Request<'_>, identity: &Identity, contents: &Contents) -> Option<String> {
    if !request.verify {
        return Some("--no-verify".to_owned());
    }
    if identity.bytes > RESTORED_UP_TO {
        return Some(format!("the database is large ({} MiB)", identity.bytes >> 20));
    }
    let subscribes = contents.schema.objects().any(|(key, _)| key.kind == "subscription");
    subscribes.then(|| "a second database with its subscriptions would disturb the first".to_owned())
}

/// Every table and, where it holds rows, its rows.
fn check_toc(toc: &Toc, database: &str, contents: &Contents) -> Result<()> {
    let shown = |name: &str| name.replace(['\n', '\r'], " ");
    if toc.database != shown(database) {
        bail!("it is of the database {}, not of {database}", toc.database);
    }
    let mut missing = Vec::new();
    for (name, table) in &contents.tables {
        let rows = contents.rows.tables.get(name).map_or(0, |table| table.rows);
        if !toc.tables.contains(&table.oid) {
            missing.push(format!("the table {name}"));
        } else if rows > 0 && !toc.rows.contains(&table.oid) {
            missing.push(format!("the {} of {name}", counted(rows, "row")));
        }
    }
    if let Some(first) = missing.first() {
        bail!("it lacks {first}{}", more(missing.len()));
    }
    Ok(())
}

fn check_counts(counts: &archive::Counts, contents: &Contents) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, table) in &contents.rows.tables {
        let found = archive::parts(name).and_then(|key| counts.get(&key).copied()).unwrap_or(0);
        if found != table.rows {
            wrong.push(format!("{found} of {} of {name} {} in it", counted(table.rows, "row"), are(found)));
        }
    }
    match wrong.first() {
        Some(first) => bail!("{first}{}", more(wrong.len())),
        None => Ok(()),
    }
}

fn more(count: usize) -> String {
    if count > 1 { format!(", and {} more like it", count - 1) } else { String::new() }
}

enum Restored {
    /// It holds the same rows; what else differs.
    Compared(Vec<String>),
    /// It cannot be restored here, for a reason that says nothing against it.
    Cannot(String),
}

/// With owners and grants, and without them where this role may not set them.
fn restored(ui: &Ui, request: &Request<'_>, restore: &Path, file: &Path, contents: &Contents) -> Result<Restored> {
    // What a killed proof or restore has left.
    let _ = sweep(&request.url);
    let mut last = String::new();
    for options in [&[][..], &["--no-owner", "--no-privileges"][..]] {
        let making = Making::plain(ui, "proving a backup", request.tools);
        let scratch = match Scratch::like(&request.url, &request.url.target().database, &making) {
            Ok(scratch) => scratch,
            Err(error) if from_anyhow(&error).kind == Kind::PermissionDenied => {
                return Ok(Restored::Cannot("this role may create no database to restore it into".to_owned()));
            }
            Err(error) => return Err(error),
        };
        let done = into(restore, scratch.url(), options).reads(file).capture(ui)?;
        if done.status.success() {
            let found = compare(&scratch, contents)?;
            scratch.remove()?;
            return judge(found, options.is_empty()).map(Restored::Compared);
        }
        last = done.last_lines();
        if !is_about_rights(&last) {
            bail!("it cannot be restored: {last}");
        }
    }
    let line = last.lines().find(|line| line.contains("ERROR")).unwrap_or(&last).to_owned();
    Ok(Restored::Cannot(format!("this role cannot restore it ({line})")))
}

/// Whether a refusal says nothing against the backup.
pub(super) fn is_about_rights(said: &str) -> bool {
    RIGHTS.iter().any(|words| said.contains(words))
}

/// `pg_restore` into an empty database of this tool; what it is to [`Cmd::reads`] is the backup.
pub(super) fn into(tool: &Path, url: &crate::model::url::DbUrl, options: &[&str]) -> Cmd {
    let cmd = Cmd::new(tool, "/").args(["--exit-on-error", "--no-password"]).args(options);
    // What is set for the database itself would keep its copy from being filled.
    let options = "-c synchronous_commit=off -c default_transaction_read_only=off";
    let cmd = for_wrapper(cmd, url.target()).env("LC_ALL", "C").env("PGOPTIONS", options);
    cmd.limit(LIMIT).ends_with_us()
}

fn compare(scratch: &Scratch, contents: &Contents) -> Result<crate::model::contents::Differences> {
    let mut db = Db::connect(scratch.url(), &application_name("backup"))?;
    let there = db.contents(&mut Memory::default(), 0)?;
    Ok(contents.differences(&there))
}

/// Rows that differ are no backup. What else differs is told: some servers word a view anew.
fn judge(found: crate::model::contents::Differences, with_owners: bool) -> Result<Vec<String>> {
    if let Some(first) = found.data.first() {
        bail!("restored, it holds other rows: {first}{}", more(found.data.len()));
    }
    if with_owners {
        return Ok(found.schema);
    }
    let about_roles = |line: &String| [" owner: ", " privileges: "].iter().any(|word| line.contains(word));
    let mut differs: Vec<String> = found.schema.into_iter().filter(|line| !about_roles(line)).collect();
    differs.push("owners and grants were not compared: this role may not set them".to_owned());
    Ok(differs)
}
