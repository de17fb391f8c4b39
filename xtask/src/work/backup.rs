//! Takes backups for commands: of the very server that is to be migrated, proven, and taken again where somebody wrote
//! meanwhile. Every downgrade takes its backup here, or is refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::ctx::{Ctx, Database};
use crate::fail::{Fail, Kind};
use crate::model::action::{Action, own};
use crate::model::url::DbUrl;
use crate::sys::backup::record::{Proof, Record};
use crate::sys::backup::shelf::{self, Entry};
use crate::sys::backup::{self, Backup, Request};
use crate::sys::git::Repo;
use crate::sys::pg::{Db, Identity, MigrationLock, application_name, swap};
use crate::sys::project::Component;
use crate::ui::Ui;

/// How long a lock is waited for unless the command has a limit of its own.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);
/// How often a backup is taken anew because somebody wrote.
const TRIES: usize = 3;
/// How many lines about what differs are shown.
const LISTED: usize = 5;

/// What is wanted of a backup.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Whose database.
    pub component: &'a Component,
    /// Where it is.
    pub database: &'a Database,
    /// The revisions that the database holds.
    pub applied: &'a [String],
    /// Whether it is restored for the proof, or only read.
    pub verify: bool,
    /// How long a lock is waited for.
    pub lock_wait: Duration,
    /// What to do where none can be had.
    pub instead: &'a Action,
}

/// A backup that holds what the database held, and can be asked whether it still does.
pub struct Taken {
    backup: Backup,
    identity: Identity,
}

impl Taken {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.backup.path
    }

    /// What was taken, and how it was proven.
    pub fn backup(&self) -> &Backup {
        &self.backup
    }

    /// Looks again, just before the first change: where somebody wrote since, that is said and the backup is taken anew.
    ///
    /// Where it is for the sake of some `tables`, writing elsewhere is only told.
    ///
    /// # Errors
    /// `active-connections` where they do not stop; else as [`take`].
    pub fn refresh(&mut self, ctx: &Ctx, wanted: &Wanted<'_>, tables: Option<&[String]>) -> Result<()> {
        let concerns = |line: &String| tables.is_none_or(|tables| tables.iter().any(|table| names(line, table)));
        let mut lines = self.backup.written_since()?;
        let is_copy = self.backup.record.copy().is_some();
        // A copy cannot be taken while others are there.
        for _ in 0..if is_copy { 0 } else { TRIES } {
            let Some(first) = lines.iter().find(|line| concerns(line)) else { break };
            ctx.ui.warn(format!("Somebody wrote while the backup was taken ({first}); it is taken again"));
            let url = self.backup.url().clone();
            // Under the old name, which is in journals and reports by now.
            let path = self.backup.path.clone();
            self.backup = run(ctx, wanted, &url, &self.identity, backup::take)?;
            shelf::replace(&self.backup.path, &path)?;
            self.backup.path = path;
            lines = self.backup.written_since()?;
        }
        let Some(first) = lines.first() else { return Ok(()) };
        if !lines.iter().any(concerns) {
            let tables = tables.unwrap_or_default().join(", ");
            let what = match tables.as_str() {
                "" => "the scripts take no rows away, but may write over what was just written".to_owned(),
                _ => format!("not into a table that the scripts name as going ({tables})"),
            };
            ctx.ui.warn(format!(
                "Somebody wrote while the backup was taken ({first}); {what}; the backup has not all of that"
            ));
            return Ok(());
        }
        let fail = Fail::new(Kind::ActiveConnections, "Somebody keeps writing into the database")
            .details(match is_copy {
                true => "After the server had copied it, it held something else:".to_owned(),
                false => format!("After each of {} backups it held something else:", TRIES + 1),
            })
            .details(lines.iter().take(LISTED).cloned().collect::<Vec<_>>().join("\n"));
        Err(fail.action("Stop what writes into it, then repeat the command").related(own("db-status")).refused().into())
    }
}

/// As [`take`]; where there is no `pg_dump` that is new enough, the server copies the database. No session may be in it then,
/// so `db` and the lock's are opened anew; whoever comes in between is found by comparing, or has the lock.
///
/// # Errors
/// As there; `active-connections` and `already-running` where others are there.
pub fn take_or_copy(
    ctx: &Ctx,
    db: &mut Db,
    (lock, command): (&mut Option<MigrationLock>, &str),
    wanted: &Wanted<'_>,
) -> Result<Taken> {
    if !backup::lacks_a_program(&ctx.ui, db.server_version().number, &wanted.database.tools) {
        return take(ctx, db, wanted);
    }
    let identity = db.identity()?;
    let url = db.url().only_at(db.endpoint());
    ctx.ui.warn(
        "There is no pg_dump that is new enough: the server copies the database instead. A copy lies on the same server, \
         takes as much room, and does not outlive it",
    );
    db.step_aside()?;
    let was_locked = lock.take().is_some();
    let copied = run(ctx, wanted, &url, &identity, backup::copied::take);
    *db = Db::connect(&url, &application_name(command))?;
    if was_locked {
        *lock = Some(MigrationLock::take(&url, command)?);
    }
    Ok(Taken { backup: copied?, identity })
}

/// Takes a backup of the database that `db` is connected to, proves it and says so.
///
/// # Errors
/// `backup-failed` where no proven one can be had; `interrupted`.
pub fn take(ctx: &Ctx, db: &mut Db, wanted: &Wanted<'_>) -> Result<Taken> {
    let identity = db.identity()?;
    // The very server that let us in: another one of the URL may be a standby that lags behind.
    let url = db.url().only_at(db.endpoint());
    let backup = run(ctx, wanted, &url, &identity, backup::take)?;
    Ok(Taken { backup, identity })
}

fn run(
    ctx: &Ctx,
    wanted: &Wanted<'_>,
    url: &DbUrl,
    identity: &Identity,
    by: impl FnOnce(&Ui, &Request<'_>) -> Result<Backup>,
) -> Result<Backup> {
    let project = ctx.project()?;
    let task = ctx.ui.task("Backing up the database and proving the backup");
    let backup = by(
        &ctx.ui,
        &Request {
            project_root: &project.root,
            component: &wanted.component.name,
            url: url.clone(),
            expected: Some(identity.clone()),
            revision: wanted.applied,
            commit: commit(ctx, &project.root),
            tools: &wanted.database.tools,
            verify: wanted.verify,
            lock_wait: wanted.lock_wait,
            instead: wanted.instead.clone(),
        },
    )?;
    drop(task);
    ctx.ui.status(format!("Backup: {} ({})", backup.path.display(), backup.record.proof.words()));
    if matches!(backup.record.proof, Proof::Read(_)) && wanted.verify {
        ctx.ui.warn(format!("The backup was read, not restored: {}", backup.record.proof.words()));
    }
    for reason in &backup.passed_over {
        ctx.ui.warn(format!("No backup came of {reason}\n  Another one was asked"));
    }
    for line in backup.record.differs.iter().take(LISTED) {
        ctx.ui.warn(format!("Restored, the backup differs here: {line}"));
    }
    let state = [project.state_dir.clone(), project.root.join(".xtask")];
    let needed = needed_by_journals(&state);
    let is_needed = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        path == backup.path || needed.iter().any(|text| text.contains(&name))
    };
    for Entry { path, record, .. } in shelf::trim(&project.root, &wanted.component.name, is_needed)? {
        ctx.ui.verbose(format!("removed the old backup {}", path.display()));
        if let Some(Err(error)) = record.as_ref().and_then(Record::copy).map(|copy| swap::drop_copy(url, copy)) {
            ctx.ui.verbose(format!("the database that it was stays: {error:#}"));
        }
    }
    Ok(backup)
}

/// The commit that is checked out; a project without git, or without a commit, has none.
fn commit(ctx: &Ctx, root: &Path) -> Option<String> {
    let repo = Repo::find(&ctx.ui, root).ok().flatten()?;
    Some(repo.commits(&["HEAD"]).ok()?.pop()??.as_str().to_owned())
}

/// What the journals and records of operations say, to be searched for a backup's name.
fn needed_by_journals(folders: &[PathBuf]) -> Vec<String> {
    folders.iter().flat_map(|folder| shelf::texts(folder, backup::FOLDER)).collect()
}

/// Whether a line of differences is about this table: its name as a word, wherever it stands.
fn names(line: &str, table: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let is_one_word = table.chars().all(is_word);
    line.contains(table) && (!is_one_word || line.split(|letter| !is_word(letter)).any(|word| word == table))
}
