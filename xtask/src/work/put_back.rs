//! Puts a database back to a backup after an operation that stopped, or is taken back. The scripts have restored its
//! schema already. Only tables that the operation has touched are written, where they differ from the backup, and rows
//! written since stay. Two calls belong together: [`before`], while the database still is as the operation left it, and
//! [`put_back`], when the scripts have been walked back. Both can be repeated after a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::backup;
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::contents::{Contents, OfExtension};
use crate::model::grants;
use crate::model::rows::{Sequences, are, counted};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::backup::archive::{self, Piece};
use crate::sys::backup::record::Record;
use crate::sys::backup::{copied, reader, shelf};
use crate::sys::pg::mend::{Done, Job, Mended};
use crate::sys::pg::rows::Memory;
use crate::sys::pg::since::{KEPT_IN, Kept};
use crate::sys::pg::{Db, VersionTable};
use crate::sys::saved::texts;
use crate::sys::{self, files, journal};

/// How many differences are listed.
const LISTED: usize = 10;

/// What is to be put back.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The backup that the operation began with.
    pub backup: &'a Path,
    /// The one that [`before`] has taken: where the sequences stood by then.
    pub now: Option<&'a Path>,
    /// Alembic's version table, which no backup puts back.
    pub versions: &'a VersionTable,
    /// The texts of the scripts that were walked, down and up: a table that none of them names is nobody's but the user's.
    pub scripts: &'a [String],
    /// More folders to look for `pg_restore` in.
    pub tools: &'a [PathBuf],
    /// Somebody has agreed that rows of tables that are not there any more go; the backup of what was there has them.
    pub may_go: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Schema, owners, grants, rows and sequences were compared with the backup, and are the same.
    pub is_as_it_was: bool,
    /// What was put back and what was kept, a line each.
    pub done: Vec<String>,
    /// What could not be put back, a line each.
    pub left: Vec<String>,
    /// How the database differs from the backup, a line each.
    pub differs: Vec<String>,
}

/// The backup of then and its record, or the refusal that says what else can be done. Ask before anything is walked back.
///
/// # Errors
/// `backup-missing`.
pub fn check(path: &Path) -> Result<Record> {
    let missing = |why: String| {
        Fail::new(Kind::BackupMissing, "The backup that this began with cannot be used")
            .details(format!("{}: {why}", path.display()))
            .action("Put the file and the one beside it (.json) back where they were")
            .run("See which backups there are", own("db-backup").word("--list"))
            .related(own("db-status"))
    };
    let entry = shelf::open(path).map_err(|error| missing(format!("{error:#}")))?;
    Ok(entry.record.ok_or_else(|| missing("there is no record beside it, or it fits another file".to_owned()))?)
}

/// The same, and that the file is the one that was proven, byte for byte.
///
/// # Errors
/// `backup-missing`, `backup-failed`.
pub fn check_whole(path: &Path) -> Result<Record> {
    let record = check(path)?;
    sys::backup::check_digest(path, &record)?;
    Ok(record)
}

/// Before the database is walked back, when there is a backup of what is there now: puts the rows aside that were written since the
/// operation stopped, so that no script takes them along.
///
/// # Errors
/// When the connection is lost.
/// `backup` is the one of then; `end` is the transaction with which the operation ended; without it, its last mark in the
/// database counts.
pub fn before(ctx: &Ctx, db: &mut Db, versions: &VersionTable, (backup, end): (&Path, Option<u64>)) -> Result<()> {
    let name = name_of(backup);
    let (put_back_at, left) = db.begin_anew(versions, &name)?;
    told_of(ctx, left);
    told_of(ctx, db.set_older_rows_aside(&name)?);
    if !keep(db, versions, backup, end.or(put_back_at))? {
        ctx.ui.verbose(
            "what was written since cannot be told from what the operation wrote; nothing of it is written over",
        );
    }
    Ok(())
}

/// Whether the rows of that backup were put back, and no revision has run since.
///
/// # Errors
/// When the connection is lost.
pub fn was_put_back(db: &mut Db, versions: &VersionTable, backup: &Path) -> Result<bool> {
    db.was_put_back(versions, &name_of(backup))
}

/// Sets aside what was written since, or since the way back was broken off. `false` where that cannot be told.
///
/// # Errors
/// When the connection is lost.
pub fn keep(db: &mut Db, versions: &VersionTable, backup: &Path, end: Option<u64>) -> Result<bool> {
    // What was put back is not what somebody has written since.
    Ok(was_put_back(db, versions, backup)? || db.keep_rows_since(versions, end, &name_of(backup))?)
}

/// Takes away what [`before`] has kept aside.
///
/// # Errors
/// When the connection is lost.
pub fn forget(db: &mut Db, backup: &Path) -> Result<()> {
    db.forget_rows_since(&name_of(backup))?;
    db.forget_what_is_empty().map(drop)
}

fn name_of(backup: &Path) -> String {
    backup.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What an earlier operation could not put anywhere is not this one's.
fn told_of(ctx: &Ctx, schema: Option<String>) {
    if let Some(schema) = schema {
        ctx.ui.warn(format!(
            "Rows that an earlier operation has left in the schema {KEPT_IN} are in the schema {schema} now"
        ));
    }
}

/// After the scripts were walked back: puts back what the operation took away, and compares.
///
/// # Errors
/// `backup-missing`, `backup-failed` (it cannot be read), `lock-timeout`; the database is then as it was before the call.
pub fn put_back(ctx: &Ctx, db: &mut Db, wish: &Wish<'_>) -> Result<Report> {
    let record = check_whole(wish.backup)?;
    journal::crash_point();
    let name = name_of(wish.backup);
    told_of(ctx, db.set_older_rows_aside(&name)?);
    let is_done = was_put_back(db, wish.versions, wish.backup)?;
    let task = ctx.ui.task("Putting back what was taken away, and comparing");
    let lock_wait = backup::LOCK_WAIT.as_millis();
    let now = db.contents(&mut Memory::default(), lock_wait)?;
    let mut report = Report::default();
    let mut jobs = jobs(&record, &now, wish, &mut report);
    if is_done {
        jobs.clear();
    }
    if jobs.iter().any(|job| job.only_adds) {
        // What an extension owns may be somebody else's; that rows are missing in it is told in the end.
        let may = db.writable_of_extensions()?;
        jobs.retain(|job| !job.only_adds || may.contains(&job.table));
    }
    // As late as can be: whoever writes after this is written over.
    keep(db, wish.versions, wish.backup, None)?;
    let lacks_large_objects = !is_done && may_lack_large_objects(&record.contents, &now);
    let mended = match jobs.is_empty() && !lacks_large_objects {
        true => Vec::new(),
        false => {
            let done = mend(ctx, db, wish, (record.copy(), lacks_large_objects), jobs)?;
            report.tell_of_large_objects(done.large_objects, done.refused);
            done.tables
        }
    };
    report.tell(&mended);
    let later = wish.now.and_then(|path| shelf::open(path).ok()?.record).map(|record| record.contents.sequences);
    let mut statements = sequences(&record.contents.sequences, &later.unwrap_or_default(), &now.sequences);
    let made_again = |name: &String| record.contents.relations.get(name) != now.relations.get(name);
    statements.extend(grants::statements(&record.contents.schema, &now.schema, |key| made_again(&key.name)));
    let stale = db.filled_views()?.into_iter().filter(made_again);
    statements.extend(stale.map(|view| format!("refresh materialized view {view}")));
    report.left.extend(db.put_right(&statements)?);
    if is_done {
        report.tell_of_a_run_before(&db.rows_since(&name)?.unwrap_or_default(), &now);
    }
    let is_beside = is_done || mended.iter().any(|it| it.is_beside);
    keep_what_is_left(db, &mut report, wish, is_beside)?;
    let after = db.contents(&mut Memory::default(), lock_wait)?;
    report.lacks(&record.contents, &after, &mended);
    let found = record.contents.differences(&after);
    report.differs = found.data.into_iter().chain(found.schema).filter(|line| !line.contains(KEPT_IN)).collect();
    report.is_as_it_was = report.differs.is_empty() && report.left.is_empty();
    drop(task);
    journal::crash_point();
    Ok(report)
}

/// As many may be others.
fn may_lack_large_objects(was: &Contents, now: &Contents) -> bool {
    was.large_objects > 0
        && (now.large_objects < was.large_objects || now.holds_other_large_objects(was) != Some(false))
}

/// The texts of revisions' scripts. Where the history cannot be read there are none, and only what was made anew counts as
/// touched.
pub fn scripts(ctx: &Ctx, config: &AlembicConfig, revisions: &[String]) -> Vec<String> {
    let (Ok(project), Ok(graph)) = (ctx.project(), ctx.history(config)) else { return Vec::new() };
    let paths = revisions.iter().filter_map(|id| Some(project.root.join(&graph.get(id)?.path)));
    paths.filter_map(|path| files::read_script(&path).ok()).collect()
}

/// The tables that the operation has touched, and how.
fn jobs(record: &Record, now: &Contents, wish: &Wish<'_>, report: &mut Report) -> Vec<Job> {
    let (was, is_copy) = (&record.contents, record.copy().is_some());
    let mut jobs = Vec::new();
    let tables =
        was.tables.iter().filter(|(name, _)| archive::parts(name).is_some_and(|(_, it)| it != wish.versions.name));
    // What an earlier operation had left there has another name by now.
    let tables = tables.filter(|(name, _)| !is_kept_aside(name));
    for (name, identity) in tables {
        let rows = was.rows.tables.get(name).map_or(0, |table| table.rows);
        let Some(here) = now.tables.get(name) else {
            if rows > 0 {
                report.left.push(format!("{name} is not there: its {} stay in the backup", counted(rows, "row")));
            }
            continue;
        };
        let is_new = here.oid != identity.oid;
        let made_again = |column: &&String| here.columns.get(*column) != identity.columns.get(*column);
        let new_columns: Vec<String> = identity.columns.keys().filter(made_again).cloned().collect();
        let named = named_by(name, wish.scripts);
        let differs = was.rows.tables.get(name) != now.rows.tables.get(name);
        if is_new || !new_columns.is_empty() || differs && named.is_some() {
            let deletes = named.is_some_and(|deletes| deletes);
            jobs.push(Job { table: name.clone(), is_new, new_columns, deletes, only_adds: false });
        }
    }
    jobs.extend(of_extensions(was, now, is_copy));
    jobs
}

/// The tables that went with their extension and came again with it, as far as the backup has their rows: a dump has those
/// that the extension wants in it.
fn of_extensions(was: &Contents, now: &Contents, is_copy: bool) -> Vec<Job> {
    let made_again = |(name, table): &(&String, &OfExtension)| {
        let is_same = now.of_extensions.get(*name).is_some_and(|here| here.oid == table.oid);
        table.rows > 0 && (table.is_dumped || is_copy) && !is_same && now.relations.contains_key(*name)
    };
    let all = was.of_extensions.iter().filter(made_again);
    let job = |name: &String| Job {
        table: name.clone(),
        is_new: true,
        new_columns: Vec::new(),
        deletes: false,
        only_adds: true,
    };
    all.map(|(name, _)| job(name)).collect()
}

/// Whether it is a table of rows that an operation has kept aside, and nobody's own.
pub fn is_kept_aside(table: &str) -> bool {
    archive::parts(table).is_some_and(|(schema, _)| schema == KEPT_IN)
}

/// Whether a script names the table, and whether one that does deletes anything.
fn named_by(table: &str, scripts: &[String]) -> Option<bool> {
    let (_, bare) = archive::parts(table)?;
    let bare = bare.to_lowercase();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut naming = scripts.iter().map(|text| text.to_lowercase()).filter(|text| {
        text.match_indices(&bare).any(|(at, _)| {
            let before = text[..at].chars().next_back().is_some_and(is_word);
            let after = text[at + bare.len()..].chars().next().is_some_and(is_word);
            !before && !after
        })
    });
    let first = naming.next()?;
    Some(std::iter::once(first).chain(naming).any(|text| text.contains("delete") || text.contains("truncate")))
}

/// Reads the backup's rows of those tables into the database and lets it write what differs. Of a backup that is a database,
/// the large objects are read only where some may be missing.
fn mend(
    ctx: &Ctx,
    db: &mut Db,
    wish: &Wish<'_>,
    (copy, lacks_large_objects): (Option<&str>, bool),
    jobs: Vec<Job>,
) -> Result<Done> {
    let url = db.url().clone();
    let wanted: BTreeMap<(String, String), String> =
        jobs.iter().filter_map(|job| Some((archive::parts(&job.table)?, job.table.clone()))).collect();
    let mut mending = db.mend(jobs, &name_of(wish.backup))?;
    let mut encoding = "UTF8".to_owned();
    let mut visit = |piece: Piece<'_>| {
        match piece {
            Piece::Table { schema, name, columns, rows } => {
                if let Some(table) = wanted.get(&(schema.to_owned(), name.to_owned())) {
                    mending.take_in(table, archive::names(columns), &encoding, rows)?;
                }
            }
            Piece::Line(line) => {
                let set = line.strip_prefix("SET client_encoding = '").and_then(|rest| rest.strip_suffix("';"));
                encoding = set.map_or(std::mem::take(&mut encoding), str::to_owned);
                mending.take_in_line(line)?;
            }
        }
        Ok(())
    };
    match copy {
        Some(copy) => copied::read(&url, copy, (wanted.keys(), lacks_large_objects), &mut visit)?,
        None => archive::read(&ctx.ui, &reader(&ctx.ui, wish.tools, wish.backup)?, wish.backup, &mut visit)?,
    }
    mending.finish()
}

/// A sequence never goes back below what it has given, then or since.
fn sequences(was: &Sequences, later: &Sequences, now: &Sequences) -> Vec<String> {
    let mut statements = Vec::new();
    for (name, at) in was {
        let goal = (*at).max(later.get(name).copied().flatten());
        let (Some(goal), Some(here)) = (goal, now.get(name)) else { continue };
        if here.is_none_or(|here| here < goal) {
            let name = name.replace('\'', "''");
            // One that counts downwards has given what is above.
            statements.push(format!(
                "select pg_catalog.setval('{name}'::regclass, {goal}, true) from pg_catalog.pg_sequence \
                 where seqrelid = '{name}'::regclass and seqincrement > 0"
            ));
        }
    }
    statements
}

/// The rows that were kept aside and have no table any more stay where they are, and are told, unless they may go; all
/// others are in place.
fn keep_what_is_left(db: &mut Db, report: &mut Report, wish: &Wish<'_>, is_beside: bool) -> Result<()> {
    let (may_go, backup) = (wish.may_go, name_of(wish.backup));
    let Some(kept) = db.rows_since(&backup)? else { return Ok(()) };
    let there = db.tables_by_number()?;
    let homeless = kept.iter().filter(|kept| !there.contains_key(&kept.table));
    let mut stay = is_beside;
    for kept in homeless {
        let (table, rows, place) = (&kept.table, counted(kept.rows, "row"), &kept.kept_in);
        let are = are(kept.rows);
        let renamed = there.iter().find(|(_, number)| **number == kept.number);
        stay |= !may_go || renamed.is_some();
        match renamed {
            Some((name, _)) => {
                report.done.push(format!("{table} is {name} now: {rows} written since {are} there, and in {place}"))
            }
            None if may_go => {
                report.done.push(format!("{table}: {rows} written since went with it; the backup has all of that"))
            }
            None => report.left.push(format!("{table} is not there: {rows} written since {are} in {place}")),
        }
    }
    if stay { Ok(()) } else { db.forget_rows_since(&backup) }
}

impl Report {
    /// A run before this one, which was cut off, has put back what fits.
    fn tell_of_a_run_before(&mut self, kept: &[Kept], now: &Contents) {
        for Kept { table, rows, kept_in, .. } in kept.iter().filter(|it| now.tables.contains_key(&it.table)) {
            let (rows, are) = (counted(*rows, "row"), are(*rows));
            self.left.push(format!(
                "{table}: {rows} written since {are} in {kept_in}; whether all fits, a run that was cut off did not say"
            ));
        }
    }

    /// The first line of what a command says when it has taken something back.
    pub fn headline(&self) -> &'static str {
        match (self.is_as_it_was, self.left.is_empty()) {
            (true, _) => "✅ Taken back: files and database are as they were; schema, grants and rows were compared",
            (false, true) => {
                "✅ Taken back: the files are as they were, and the database but for what was written since"
            }
            (false, false) => "⚠️  Taken back, but not everything could be put back",
        }
    }

    /// For JSON.
    pub fn to_json(&self) -> Value {
        json!({"as_it_was": self.is_as_it_was, "done": self.done, "left": self.left, "differs": self.differs})
    }

    /// Reads that again, from a journal.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_json(value: &Value) -> Result<Report> {
        Ok(Report {
            is_as_it_was: value["as_it_was"].as_bool().unwrap_or_default(),
            done: texts(&value["done"])?,
            left: texts(&value["left"])?,
            differs: texts(&value["differs"])?,
        })
    }

    /// What is not back, though nothing that is told above says why.
    fn lacks(&mut self, was: &Contents, now: &Contents, mended: &[Mended]) {
        for Mended { table, left, .. } in mended {
            let rows = |contents: &Contents| contents.rows.tables.get(table).map_or(0, |table| table.rows);
            let (then, here) = (rows(was), rows(now));
            if here < then && left.is_empty() {
                self.left.push(format!("{table}: {} {} in it, the backup has {then}", counted(here, "row"), are(here)));
            }
        }
        for (name, table) in &was.of_extensions {
            let here = now.of_extensions.get(name).map_or(0, |it| it.rows);
            if here < table.rows {
                self.left.push(format!(
                    "{name}, which an extension owns: {} {} in it, and {} before",
                    counted(here, "row"),
                    are(here),
                    table.rows
                ));
            }
        }
        if now.large_objects < was.large_objects {
            let (then, here) = (was.large_objects, now.large_objects);
            self.left.push(format!(
                "{here} of {then} large objects are there; the backup as a whole has the others (db-restore)"
            ));
        } else if now.large_objects == was.large_objects && now.holds_other_large_objects(was) == Some(true) {
            self.left.push(format!(
                "{} there, but {} as in the backup; the backup as a whole has what it held (db-restore)",
                if was.large_objects == 1 { "the large object is" } else { "as many large objects are" },
                if was.large_objects == 1 { "it is not" } else { "not all of them are" },
            ));
        }
    }

    fn tell_of_large_objects(&mut self, made: u64, refused: Vec<String>) {
        self.done.extend((made > 0).then(|| format!("{} put back", counted(made, "large object"))));
        self.left.extend(refused);
    }

    fn tell(&mut self, mended: &[Mended]) {
        for Mended { table, rows, values, since, left, .. } in mended {
            let mut parts = Vec::new();
            for (count, words) in [
                (*rows, "put back"),
                (*values, if *values == 1 { "with its values put back" } else { "with their values put back" }),
                (*since, "written since kept"),
            ] {
                parts.extend((count > 0).then(|| format!("{} {words}", counted(count, "row"))));
            }
            if !parts.is_empty() {
                self.done.push(format!("{table}: {}", parts.join(", ")));
            }
            self.left.extend(left.iter().cloned());
        }
    }

    /// For people, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.done.iter().map(|line| format!("  - {line}")).collect();
        lines.extend(self.left.iter().map(|line| format!("  - ⚠️  {line}")));
        if !self.differs.is_empty() {
            lines.push("Compared with the backup, it differs in:".to_owned());
            lines.extend(self.differs.iter().take(LISTED).map(|line| format!("  - {line}")));
            let more = self.differs.len().saturating_sub(LISTED);
            lines.extend((more > 0).then(|| format!("  - … and {more} more")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_name_tables_as_words() {
        let scripts = ["op.drop_table(\"Users\")".to_owned(), "op.execute('delete from users_old')".to_owned()];
        assert_eq!(named_by("public.users", &scripts), Some(false));
        assert_eq!(named_by("public.users_old", &scripts), Some(true));
        assert_eq!(named_by("public.old", &scripts), None);
    }

    #[test]
    fn sequences_never_go_back() {
        let all = |pairs: &[(&str, Option<i64>)]| pairs.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect();
        let was = all(&[("a", Some(5)), ("b", Some(5)), ("c", None), ("d", Some(2)), ("gone", Some(1))]);
        let now = all(&[("a", None), ("b", Some(7)), ("c", None), ("d", Some(1))]);
        let later = all(&[("d", Some(9))]);
        let found = sequences(&was, &later, &now);
        assert_eq!(found.len(), 2);
        assert!(
            found[0].contains("'a'::regclass, 5, true") && found[1].contains("'d'::regclass, 9, true"),
            "{found:?}"
        );
    }

    #[test]
    fn large_objects_that_hold_something_else_are_not_back() {
        let holds = |digest: Option<&str>| Contents {
            large_objects: 1,
            large_object_digest: digest.map(str::to_owned),
            ..Contents::default()
        };
        let left = |was: &Contents, now: &Contents| {
            let mut report = Report::default();
            report.lacks(was, now, &[]);
            report.left
        };
        let was = holds(Some("1"));
        assert_eq!(left(&was, &was), [""; 0]);
        assert_eq!(left(&was, &holds(None)), [""; 0], "nobody knows");
        let other = left(&was, &holds(Some("2")));
        assert!(matches!(&other[..], [line] if line.starts_with("the large object is there, but")), "{other:?}");
        let gone = left(&was, &Contents::default());
        assert!(matches!(&gone[..], [line] if line.starts_with("0 of 1 large objects")), "{gone:?}");
    }
}
