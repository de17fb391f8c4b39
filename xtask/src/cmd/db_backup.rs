//! `db-backup`: takes a proven backup of a component's database, or lists the backups that are there.

use std::time::SystemTime;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::{Ctx, version_table};
use crate::fail::Exit;
use crate::flags::DbBackup;
use crate::model::rows::counted;
use crate::model::url::{DbUrl, Target};
use crate::report::table::table;
use crate::sys::backup::record::{Proof, Record};
use crate::sys::backup::shelf::{self, Entry};
use crate::sys::clock;
use crate::sys::pg::swap::{self, PutAside};
use crate::sys::pg::{Db, application_name, for_libpq, ident};
use crate::sys::run::Cmd;
use crate::sys::settings::Server;
use crate::ui::Paint;
use crate::work::backup::{self, LOCK_WAIT, Wanted};

const COMMAND: &str = "db-backup";

/// Runs it.
///
/// # Errors
/// `backup-failed` with the reason; what connecting may meet.
pub fn run(ctx: &Ctx, flags: &DbBackup) -> Result<Exit> {
    if flags.list { list(ctx) } else { take(ctx, flags) }
}

fn take(ctx: &Ctx, flags: &DbBackup) -> Result<Exit> {
    let component = ctx.component()?;
    let database = ctx.database(&ctx.config(component)?)?;
    let mut db = Db::connect(&database.url, &application_name(COMMAND))?;
    let applied = db.applied(&version_table(component))?.revisions;
    let wanted = Wanted {
        component,
        database: &database,
        applied: &applied,
        verify: !flags.no_verify,
        lock_wait: LOCK_WAIT,
        instead: &"Or take one by hand, with the server's own pg_dump -Fc".into(),
    };
    let taken = backup::take_or_copy(ctx, &mut db, (&mut None, COMMAND), &wanted)?;
    let record = &taken.backup().record;
    let fields = json!({
        "component": component.name,
        "backup": taken.path().display().to_string(),
        "revision": record.revision,
        "bytes": record.size(),
        "copy": record.copy(),
        "proven": record.is_proven(),
        "proof": proof_json(Some(record)),
        "differs": record.differs,
    });
    ctx.ui.json(COMMAND, Exit::Done, fields, None);
    let is_proven = record.is_proven();
    let (paint, headline) = match is_proven {
        true => (Paint::Good, "✅ Backup taken and proven"),
        false => (Paint::Warn, "⚠️  Backup taken and read, but not restored"),
    };
    let rows = record.contents.rows.total();
    let lines = [
        ctx.ui.paint(paint, headline),
        String::new(),
        format!("Component: {}", component.name),
        format!("Database: {} at {}", database.place(), revision(&record.revision)),
        format!("Backup: {} ({})", taken.path().display(), size(record.size())),
        format!("Holds: {}, {}", counted(record.contents.tables.len() as u64, "table"), counted(rows, "row")),
        format!("Proof: {}", record.proof.words()),
    ];
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// Those of the named component, else of all.
fn list(ctx: &Ctx) -> Result<Exit> {
    let named = ctx.common.component.as_deref();
    if named.is_some() {
        ctx.component()?;
    }
    let mut found = shelf::list(&ctx.project()?.root)?;
    found.retain(|entry| named.is_none_or(|name| entry.component() == Some(name)));
    let backups: Vec<Value> = found.iter().map(entry_json).collect();
    // A copy that a backup here is goes with it.
    let is_here = |it: &PutAside| found.iter().any(|entry| entry.copy() == Some(&it.name));
    let kept: Vec<(DbUrl, PutAside)> = kept(ctx).into_iter().filter(|(_, it)| !is_here(it)).collect();
    ctx.ui.json(COMMAND, Exit::Done, json!({"backups": backups, "kept": kept_json(&kept)}), None);
    let now = SystemTime::now();
    let rows: Vec<Vec<String>> = found.iter().map(|entry| row(entry, now)).collect();
    let mut lines = match rows.is_empty() {
        true => vec![format!("No backups in {}", shelf::folder(&ctx.project()?.root).display())],
        false => vec![table(&["component", "age", "size", "revision", "proven", "file"], &rows)],
    };
    if !kept.is_empty() {
        lines.push(
            "\nDatabases that were put aside, or copied for a backup of another folder; nothing here drops them:"
                .to_owned(),
        );
        lines.extend(kept.iter().map(kept_line));
    }
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// The databases that were put aside by a restore, with where they are. A server that does not answer has no say here.
fn kept(ctx: &Ctx) -> Vec<(DbUrl, PutAside)> {
    let meant = match &ctx.common.component {
        Some(_) => ctx.component().map(|one| vec![one]),
        None => ctx.every_component(),
    };
    let mut all: Vec<(DbUrl, PutAside)> = Vec::new();
    for component in meant.unwrap_or_default() {
        let step = ctx.for_step(ctx.ui.clone(), Some(component));
        if is_not_started(&step) {
            continue;
        }
        let Ok(database) = step.config(component).and_then(|config| step.database(&config)) else { continue };
        let found = [swap::kept(&database.url), swap::copies(&database.url)].map(Result::unwrap_or_default).concat();
        all.extend(found.into_iter().map(|it| (database.url.clone(), it)));
    }
    all.dedup_by(|a, b| a.1 == b.1);
    all
}

/// Our own server is not started for a list.
fn is_not_started(ctx: &Ctx) -> bool {
    ctx.is_embedded_down().unwrap_or_else(|_| matches!(ctx.server(), Ok(Server::Embedded)))
}

fn kept_json(kept: &[(DbUrl, PutAside)]) -> Value {
    kept.iter().map(|(_, it)| json!({"database": it.name, "was": it.was, "bytes": it.bytes})).collect()
}

/// With what drops it.
fn kept_line((url, kept): &(DbUrl, PutAside)) -> String {
    let sql = format!("drop database {}", ident(&kept.name));
    // From another database than the one that goes.
    let elsewhere = Target { database: "postgres".to_owned(), ..url.target().clone() };
    let drop = for_libpq(Cmd::new("psql", "/").arg("-c").arg(sql), &elsewhere).line();
    let size = kept.bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    format!("  - {} (was {}{size}); to drop it: {drop}", kept.name, kept.was)
}

fn entry_json(entry: &Entry) -> Value {
    json!({
        "path": entry.path.display().to_string(),
        "component": entry.component(),
        "time": entry.time(),
        "revision": entry.record.as_ref().map(|record| record.revision.clone()).unwrap_or_default(),
        "bytes": entry.size(),
        "proven": entry.is_proven(),
        "copy": entry.copy(),
        "proof": proof_json(entry.record.as_ref()),
    })
}

fn proof_json(record: Option<&Record>) -> Value {
    match record.map(|record| &record.proof) {
        Some(Proof::Restored) => json!("restored"),
        Some(Proof::Copied(_)) => json!("copied"),
        Some(Proof::Read(_)) => json!("read"),
        None => Value::Null,
    }
}

fn row(entry: &Entry, now: SystemTime) -> Vec<String> {
    let proven = match entry.record.as_ref().map(|record| &record.proof) {
        Some(Proof::Restored) => "restored and compared".to_owned(),
        Some(Proof::Copied(database)) => format!("the database {database}, compared"),
        Some(Proof::Read(_)) => "read, not restored".to_owned(),
        None => "no (no record beside it)".to_owned(),
    };
    let age = clock::parse_stamp(entry.time()).and_then(|time| now.duration_since(time).ok());
    let revisions = entry.record.as_ref().map(|record| revision(&record.revision)).unwrap_or_default();
    let name = entry.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    vec![
        entry.component().unwrap_or("?").to_owned(),
        age.map(clock::age).unwrap_or_default(),
        size(entry.size()),
        revisions,
        proven,
        name,
    ]
}

fn revision(ids: &[String]) -> String {
    if ids.is_empty() { "no revision".to_owned() } else { ids.join(", ") }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
