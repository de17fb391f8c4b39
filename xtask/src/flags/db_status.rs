//! `db-status`.

use super::Command;
use super::spec::{Spec, switch};

#[derive(Clone, Debug, Default)]
pub struct DbStatus {
    /// Every component.
    pub all: bool,
    /// Exit 4 unless up-to-date.
    pub check: bool,
}

pub static SPEC: Spec<DbStatus> = Spec {
    flags: &[
        switch("--all", "every component that has a config", |status| &mut status.all),
        switch("--check", "exit 4 unless up-to-date", |status| &mut status.check),
    ],
    without: &["--yes"],
    examples: &[
        ("Where is the manager's database?", "cargo xtask db-status"),
        ("All three at once, for a script", "cargo xtask db-status --all --check --json"),
    ],
    ..Spec::new(
        "db-status",
        "current revision, head, pending migrations, state; needs no Python",
        "Reads the migration scripts and asks the database one question. Starts no Python and changes nothing.\n\
         Exits 0 whatever the state is, 1 if the database cannot be asked, 4 with --check unless up-to-date.",
        |flags| Ok(Command::DbStatus(flags)),
    )
};
