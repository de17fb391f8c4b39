//! The journal of an operation that rewrites files and a database together: what will be done, what is done, and every
//! file as it was. It is on disk before each act, so that after any crash the next command finds the journal and can
//! continue ([`Journal::write_files`], then the steps that are not done) or take everything back
//! ([`Journal::restore_files`]). It knows files; the caller knows what a step means for the database.
//!
//! It keeps what it is given: no secret may be among the arguments or the notes.

mod disk;
mod record;

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Own, git, own};

pub use disk::crash_point;
pub use record::{Progress, Step};

use disk::Image;
use record::{Change, Record};

/// The journal's name in its folder; there is one at a time.
const NAME: &str = "journal.json";
/// Held as long as the process that owns the journal lives; never removed, since others may be waiting at it.
const LOCK: &str = "lock";

/// Where the journal of a command is, in a project: beside the backups that it speaks of, so that `cargo clean` takes
/// neither.
pub fn folder(project_root: &Path, command: &str) -> PathBuf {
    project_root.join(".xtask/journals").join(command)
}

/// Every operation of a project that did not end, as the refusal of whatever comes after it.
pub fn all_pending(project_root: &Path) -> Vec<Fail> {
    let folders = fs::read_dir(project_root.join(".xtask/journals")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    let pending = |folder: &PathBuf| match Journal::pending(folder) {
        Ok(journal) => journal.map(|journal| journal.unfinished()),
        Err(error) => Some(from_anyhow(&error)),
    };
    folders.iter().filter_map(pending).collect()
}

/// Removes a folder of journals that nobody needs any more.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// What an operation is, as the person asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The command, for instance `db-rebase`.
    pub name: String,
    /// Its arguments, so that it can be resumed as it was meant.
    pub arguments: Vec<String>,
    /// The command that goes on with it.
    pub resume: Own,
    /// The command that takes it back.
    pub abort: Own,
}

/// A file as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Absolute.
    pub path: PathBuf,
    /// The new content; `None` when it is to go. Its mode stays, a new file's is the usual one.
    pub after: Option<Vec<u8>>,
}

/// An operation under way. The folder is locked as long as this value lives.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    record: Record,
    _lock: Lock,
}

/// The right to change a project. Given back expressly: a child that is being started at this moment has the file open
/// too, and closing ours would not be enough.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Journal {
    /// Opens a journal in `folder` (made if need be): the steps and the files, each with its content as it is now and as
    /// it will be. Nothing is written but the journal.
    ///
    /// # Errors
    /// `already-running` when another process is at it; a refusal when an operation that did not end is in the folder.
    pub fn begin(folder: &Path, operation: Operation, steps: &[String], files: Vec<Planned>) -> Result<Journal> {
        Journal::begin_with(folder, operation, steps, files, Map::new())
    }

    /// As [`Journal::begin`], with notes that are there from the first moment on.
    ///
    /// # Errors
    /// As there.
    pub fn begin_with(
        folder: &Path,
        operation: Operation,
        steps: &[String],
        files: Vec<Planned>,
        notes: Map<String, Value>,
    ) -> Result<Journal> {
        disk::make_folder(folder)?;
        let lock = lock(folder)?;
        if let Some(pending) = read(folder)? {
            return Err(unfinished(&pending).into());
        }
        let files = files.into_iter().map(change).collect::<Result<Vec<Change>>>()?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let steps = steps.iter().map(|text| Step { text: text.clone(), progress: Progress::Planned }).collect();
        let record = Record { operation, started, steps, files, notes };
        let journal = Journal { folder: folder.to_owned(), record, _lock: lock };
        journal.save()?;
        Ok(journal)
    }

    /// The operation that did not end, if there is one. Costs nothing where there is none.
    ///
    /// # Errors
    /// `already-running` when the process that runs it is alive.
    pub fn pending(folder: &Path) -> Result<Option<Journal>> {
        if !folder.join(NAME).exists() {
            return Ok(None);
        }
        let lock = lock(folder)?;
        // Read again: it may have ended while we were waiting at the lock.
        let record = read(folder)?;
        Ok(record.map(|record| Journal { folder: folder.to_owned(), record, _lock: lock }))
    }

    /// The refusal of whatever cannot be done before this operation has ended.
    pub fn unfinished(&self) -> Fail {
        unfinished(&self.record)
    }

    pub fn operation(&self) -> &Operation {
        &self.record.operation
    }

    /// When it began, in seconds since 1970.
    pub fn started(&self) -> u64 {
        self.record.started
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.record.steps
    }

    /// The files that it changes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.record.files.iter().map(|change| change.path.as_path())
    }

    /// Writes down that a step is about to be done.
    pub fn step_started(&mut self, step: usize) -> Result<()> {
        self.progress(step, Progress::Started)
    }

    /// Writes down that a step is done.
    pub fn step_done(&mut self, step: usize) -> Result<()> {
        self.progress(step, Progress::Done)
    }

    /// Writes down something that resuming or taking back will need, for instance where the database was.
    pub fn note(&mut self, key: &str, value: Value) -> Result<()> {
        self.record.notes.insert(key.to_owned(), value);
        self.save()
    }

    /// What was noted.
    pub fn noted(&self, key: &str) -> Option<&Value> {
        self.record.notes.get(key)
    }

    /// Makes every file what it is to be. Those that are so already are left alone, so it can be repeated after a crash.
    ///
    /// # Errors
    /// `dirty-work-tree`, with nothing touched, when somebody else has changed one of the files meanwhile.
    pub fn write_files(&mut self) -> Result<()> {
        self.check_files("write")?;
        for change in &self.record.files {
            let mode = change.before.as_ref().map(|before| before.mode);
            disk::put(&change.path, change.after.as_deref(), mode)?;
        }
        Ok(())
    }

    /// Refuses what [`Journal::restore_files`] would refuse, and does nothing else.
    ///
    /// # Errors
    /// As there.
    pub fn check_restorable(&self) -> Result<()> {
        self.check_files("put back")
    }

    /// Puts every file back as it was, byte for byte and with its mode; what was made goes. It can be repeated.
    ///
    /// # Errors
    /// `dirty-work-tree`, with nothing touched, when somebody else has changed one of the files meanwhile.
    pub fn restore_files(&mut self) -> Result<()> {
        self.check_files("put back")?;
        for change in &self.record.files {
            match &change.before {
                Some(Image { bytes, mode }) => disk::put(&change.path, Some(bytes), Some(*mode))?,
                None => disk::put(&change.path, None, None)?,
            }
        }
        Ok(())
    }

    /// The operation has ended, one way or the other: the journal goes.
    pub fn finish(self) -> Result<()> {
        self.sweep()?;
        disk::put(&self.folder.join(NAME), None, None)
    }

    /// The operation has ended, and a larger one may still take it back: the journal goes to another folder, where
    /// [`Journal::pending`] finds it.
    pub fn finish_into(self, folder: &Path) -> Result<()> {
        self.sweep()?;
        disk::make_folder(folder)?;
        disk::move_file(&self.folder.join(NAME), &folder.join(NAME)).context("putting the journal away")
    }

    /// The same with all that lies beside the journal, in one rename. What was in the other folder goes.
    pub fn move_folder(self, to: &Path) -> Result<()> {
        self.sweep()?;
        remove_folder(to)?;
        disk::make_folder(to.parent().unwrap_or(to))?;
        fs::rename(&self.folder, to).with_context(|| format!("putting the journal into {}", to.display()))
    }

    /// Removes what a crash between writing and renaming left behind; afterwards nobody would look for it.
    fn sweep(&self) -> Result<()> {
        for change in &self.record.files {
            disk::sweep(&change.path)?;
        }
        disk::sweep(&self.folder.join(NAME))
    }

    fn progress(&mut self, step: usize, progress: Progress) -> Result<()> {
        let steps = self.record.steps.len();
        let known = self.record.steps.get_mut(step);
        known.with_context(|| format!("the journal has {steps} steps and none with number {step}"))?.progress =
            progress;
        self.save()
    }

    fn save(&self) -> Result<()> {
        disk::put(&self.folder.join(NAME), Some(self.record.to_json().as_bytes()), Some(0o600))
            .context("writing the journal")
    }

    /// Each file has to be as it was before or as it is to be: anything else is somebody else's work.
    fn check_files(&self, what: &str) -> Result<()> {
        let mut foreign = Vec::new();
        for change in &self.record.files {
            let now = disk::read(&change.path)?.map(|image| image.bytes);
            let before = change.before.as_ref().map(|image| &image.bytes);
            if now.as_ref() != before && now != change.after {
                foreign.push(change.path.display().to_string());
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        let Operation { name, abort, .. } = &self.record.operation;
        let summary = format!("Files were changed by somebody else since {name} began; nothing was touched");
        let fail = Fail::new(Kind::DirtyWorkTree, summary).details(format!("cannot {what}:\n{}", foreign.join("\n")));
        let back = git(["checkout", "--"]).words(foreign).at_root();
        let fail = fail.run("Save your changes elsewhere, then put the files back", back);
        Err(fail.action(abort).related(git(["status"])).into())
    }
}

fn change(planned: Planned) -> Result<Change> {
    // The file itself and not a link to it is replaced.
    let path = match fs::symlink_metadata(&planned.path) {
        Ok(_) => planned.path.canonicalize().with_context(|| format!("resolving {}", planned.path.display()))?,
        Err(_) => planned.path,
    };
    anyhow::ensure!(path.is_absolute(), "the journal was given a path that is not absolute: {}", path.display());
    Ok(Change { before: disk::read(&path)?, path, after: planned.after })
}

fn lock(folder: &Path) -> Result<Lock> {
    let path = folder.join(LOCK);
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Fail::new(Kind::AlreadyRunning, "Another xtask is changing this project")
            .details(format!("it holds {}", path.display()))
            .action("Wait until it has ended, then run the same command again")
            .into()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

fn read(folder: &Path) -> Result<Option<Record>> {
    let path = folder.join(NAME);
    let Some(image) = disk::read(&path)? else { return Ok(None) };
    match Record::from_json(&image.bytes) {
        Ok(record) => Ok(Some(record)),
        Err(error) => {
            Err(Fail::new(Kind::ConfigInvalid, "The journal of an operation that did not end cannot be read")
                .details(format!("{}: {error:#}", path.display()))
                .action("Run the command with the version of this tool that wrote it")
                .action("Or put the files right by hand (git shows what changed) and remove the journal")
                .refused()
                .into())
        }
    }
}

fn unfinished(pending: &Record) -> Fail {
    let Operation { name, resume, abort, .. } = &pending.operation;
    let is_done = |step: &&Step| step.progress == Progress::Done;
    let done = pending.steps.iter().filter(is_done).count();
    let fail = Fail::new(Kind::AlreadyRunning, format!("An earlier {name} did not end"))
        .details(format!("{done} of {} steps are done", pending.steps.len()))
        .action(resume)
        .run("Or take it back", abort);
    ways_out(fail, name).related(own("db-status")).refused()
}

/// Where neither will do: a database that cannot be walked back, a backup that is lost.
fn ways_out(fail: Fail, name: &str) -> Fail {
    let whole = || own(name).of_no_component();
    match name {
        "db-rebase" | "db-merge" => fail
            .run(
                "Or take the files back and leave the database as it is",
                whole().word("--abort").word("--keep-database"),
            )
            .run("Or leave everything as it is, and forget it", whole().word("--forget")),
        // What these do is done to the database alone.
        _ => fail.run("Or put a backup in the database's place as a whole", own("db-restore")),
    }
}
