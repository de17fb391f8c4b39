//! `db-backup`, `db-restore` and `db-undo`.

use std::path::PathBuf;

use super::Command;
use super::spec::{Set, Spec, Word, option, optional, switch};

#[derive(Clone, Debug, Default)]
pub struct DbBackup {
    /// Show what there is, and take none.
    pub list: bool,
    /// Read it for the proof, and do not restore it.
    pub no_verify: bool,
}

pub static BACKUP: Spec<DbBackup> = Spec {
    flags: &[
        switch("--list", "the backups that there are: age, size, revision, proven or not", |backup| &mut backup.list),
        switch("--no-verify", "count its rows only, and do not restore it for the proof", |backup| {
            &mut backup.no_verify
        }),
    ],
    exclusive: &[&["--list", "--no-verify"]],
    examples: &[
        ("Before something daring", "cargo xtask db-backup"),
        ("Which ones are there?", "cargo xtask db-backup --list"),
    ],
    ..Spec::new(
        "db-backup",
        "takes a backup of the database and proves it, or lists those that there are",
        "Takes a backup with pg_dump into .xtask/backups/, in one snapshot with our own session, and reads it: it is restored\n\
         into a scratch database and compared, rows, schema, owners and grants. A large database's, or where this role may\n\
         create no database, is read and its rows are counted, which is said. The newest ten of a component stay, the last\n\
         proven one always, and those that an operation needs which did not end. Where there is no pg_dump that is new\n\
         enough, the server copies the database while nobody is connected, and the copy is compared.",
        |flags| Ok(Command::DbBackup(flags)),
    )
};

#[derive(Clone, Debug, Default)]
pub struct DbRestore {
    /// The backup; the newest proven one unless given.
    pub file: Option<PathBuf>,
    /// Put the database back that the last restore has kept.
    pub swap_back: bool,
    /// Do not compare what was restored with the backup's record.
    pub no_verify: bool,
    /// Where the database may be; empty: whichever machine it is.
    pub allow_remote: Option<String>,
}

pub static RESTORE: Spec<DbRestore> = Spec {
    words: &[Word { name: "FILE", set: Set::Path(|restore| &mut restore.file) }],
    flags: &[
        switch("--swap-back", "put back what the last restore has kept", |restore| &mut restore.swap_back),
        switch("--no-verify", "do not compare what was restored with the backup's record", |restore| {
            &mut restore.no_verify
        }),
        optional(option(
            "--allow-remote",
            "HOST",
            "go on though the database is not on this machine but on HOST; several with commas",
            Set::Text(|restore| &mut restore.allow_remote),
        )),
    ],
    exclusive: &[&["--swap-back", "--no-verify"]],
    without: &["--python"],
    examples: &[
        ("The newest one", "cargo xtask db-restore"),
        ("That was a mistake", "cargo xtask db-restore --swap-back"),
    ],
    ..Spec::new(
        "db-restore",
        "restores a backup into a new database and puts it in the old one's place",
        "Restores FILE (the newest proven backup of the component unless one is named) into a new database on the same\n\
         server, compares it with what the backup has to hold, and gives it the name of the component's database in one\n\
         transaction: whatever ends it, the old database or the new one has the name. What was there is kept under a name\n\
         that is printed, and --swap-back puts it back. Nobody may be connected. A backup of an older server will do.",
        |flags| Ok(Command::DbRestore(flags)),
    )
};

#[derive(Clone, Debug, Default)]
pub struct DbUndo {
    /// Say what would be taken back, and what would go.
    pub dry_run: bool,
}

pub static UNDO: Spec<DbUndo> = Spec {
    flags: &[switch("--dry-run", "say what would be taken back and what would go, and touch nothing", |undo| {
        &mut undo.dry_run
    })],
    examples: &[
        ("What was the last thing, and what would go with it?", "cargo xtask db-undo --dry-run"),
        ("Take it back", "cargo xtask db-undo"),
    ],
    ..Spec::new(
        "db-undo",
        "takes back the last thing that this tool did to the database",
        "Takes back the last db-migrate (up or down), db-rebase, db-merge, db-sync or db-restore of the component's database: says what\n\
         it was and which rows would go, takes a backup, walks back by the scripts, and puts the rows back that the thing had\n\
         taken away. Rows that were written since stay. What it did is the last thing then, so that a second db-undo takes\n\
         the first one back. Refused where something else has migrated the database since.",
        |flags| Ok(Command::DbUndo(flags)),
    )
};
