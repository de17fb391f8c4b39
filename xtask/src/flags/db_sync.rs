//! `db-sync`.

use super::Command;
use super::spec::{Spec, switch};

#[derive(Clone, Debug, Default)]
pub struct DbSync {
    /// `git pull` first.
    pub pull: bool,
    /// Say what would be done.
    pub dry_run: bool,
}

pub static SPEC: Spec<DbSync> = Spec {
    flags: &[
        switch("--pull", "git pull first", |sync| &mut sync.pull),
        switch("--dry-run", "say what would be done, and change nothing", |sync| &mut sync.dry_run),
    ],
    examples: &[
        ("After pulling code", "cargo xtask db-sync"),
        ("Pull as well", "cargo xtask db-sync --pull"),
        ("Look before you leap", "cargo xtask db-sync --dry-run"),
    ],
    ..Spec::new(
        "db-sync",
        "after pulling code: db-status, db-migrate, what to restart; heals what another branch has migrated",
        "Looks at every component (at one with --component), migrates what is behind and says what to restart. A database\n\
         that another branch has migrated, or whose merge was taken back, is put in line with the files first: the scripts\n\
         that it ran are found in the ledger, on any branch, in the stash, the reflog or another work tree; with them it\n\
         goes down to the newest revisions that both know. A backup is taken before, rows that would go are named and\n\
         asked for, and whatever fails puts everything back.",
        |flags| Ok(Command::DbSync(flags)),
    )
};
