//! `db-migrate`.

use std::time::Duration;

use super::Command;
use super::spec::{Set, Spec, option, optional, step_timeout, switch, switch_by};
use super::values::usage;
use crate::fail::Fail;
use crate::model::action::{Own, own};

#[derive(Clone, Debug, Default)]
pub struct DbMigrate {
    pub way: Way,
    /// `head` unless given.
    pub target: Option<String>,
    /// What is shown instead of done.
    pub show: Option<Show>,
    /// Take no backup before a downgrade.
    pub no_backup: bool,
    /// Read the backup for its proof, and do not restore it.
    pub no_verify: bool,
    /// Go on though the database is on another machine: this one, or, where it is empty, whichever it is.
    pub allow_remote: Option<String>,
    /// Go on though others are connected.
    pub allow_connections: bool,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Option<Duration>,
    /// How long to wait for another migration.
    pub wait: Option<Duration>,
    /// How long one revision may take.
    pub step_timeout: Option<Duration>,
}

/// Which way `db-migrate` goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    #[default]
    Upgrade,
    Downgrade,
}

impl Way {
    /// The word of the flag.
    pub fn name(self) -> &'static str {
        match self {
            Way::Upgrade => "upgrade",
            Way::Downgrade => "downgrade",
        }
    }
}

/// What `db-migrate` shows instead of migrating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// `--dry-run`: the revisions that would run.
    Plan,
    /// `--dry-run=exact`: what they do to a copy.
    Exact,
    /// `--sql`: Alembic's offline SQL.
    Sql,
}

pub static SPEC: Spec<DbMigrate> = Spec {
    flags: &[
        option(
            "--direction",
            "WAY",
            "upgrade (default) or downgrade",
            Set::OneOf(&[
                ("upgrade", |migrate| migrate.way = Way::Upgrade),
                ("downgrade", |migrate| migrate.way = Way::Downgrade),
            ]),
        ),
        option(
            "--target",
            "T",
            "where to go: head (default), base, a revision, +N, -N, REV+N, REV-N, LABEL@head",
            Set::Text(|migrate| &mut migrate.target),
        ),
        optional(option(
            "--dry-run",
            "HOW",
            "list what would run, and what each script would drop; =exact runs it on a throwaway copy and shows the difference",
            Set::By(|migrate, how| {
                migrate.show = Some(match how {
                    "" => Show::Plan,
                    "exact" => Show::Exact,
                    _ => return Err(usage(format!("`--dry-run` does not take `{how}`")).details("It takes: exact")),
                });
                Ok(())
            }),
        )),
        switch_by("--sql", "print Alembic's offline SQL instead of running it", |migrate, _| {
            migrate.show = Some(Show::Sql);
            Ok(())
        }),
        switch(
            "--no-backup",
            "take no backup before a downgrade, or an upgrade that drops or deletes rows",
            |migrate| &mut migrate.no_backup,
        ),
        switch("--no-verify", "count the backup's rows only, and do not restore it for the proof", |migrate| {
            &mut migrate.no_verify
        }),
        optional(option(
            "--allow-remote",
            "HOST",
            "go on though the database is not on this machine but on HOST; several with commas",
            Set::Text(|migrate| &mut migrate.allow_remote),
        )),
        switch("--allow-connections", "downgrade though other sessions are connected", |migrate| {
            &mut migrate.allow_connections
        }),
        option(
            "--lock-timeout",
            "DUR",
            "how long a statement may wait for a lock (5s unless given); where nothing was applied, it is tried again",
            Set::Time(|migrate| &mut migrate.lock_timeout),
        ),
        option(
            "--wait",
            "DUR",
            "how long to wait for another migration of the database to end (not at all unless given)",
            Set::Time(|migrate| &mut migrate.wait),
        ),
        step_timeout(|migrate| &mut migrate.step_timeout),
    ],
    exclusive: &[&["--dry-run", "--sql"], &["--no-backup", "--no-verify"]],
    examples: &[
        ("Apply what is pending", "cargo xtask db-migrate"),
        ("Another component", "cargo xtask db-migrate --component=appproxy"),
        ("Take back the last revision", "cargo xtask db-migrate --direction=downgrade --target=-1"),
        ("Look before you leap", "cargo xtask db-migrate --dry-run"),
        ("On a throwaway copy", "cargo xtask db-migrate --dry-run=exact"),
    ],
    ..Spec::new(
        "db-migrate",
        "pre-flight, upgrade or downgrade, verify, report",
        "Checks first (connection, one head, every revision known, nobody else at work; for a downgrade also: nobody\n\
         connected, a backup taken), then lets Alembic run the revisions in the project's own transaction mode, then\n\
         verifies that the database is where it should be. A target is what Alembic takes: head, heads, base, a full\n\
         or partial revision id, +N, -N, REV+N, REV-N, LABEL@head; -N through a merge revision works here.",
        |flags| check_target(&flags).map(|()| Command::DbMigrate(flags)),
    )
};

/// A target that goes the other way than the direction is a slip of the pen, not a plan.
fn check_target(flags: &DbMigrate) -> Result<(), Fail> {
    let target = flags.target.as_deref();
    match (flags.way, target) {
        (Way::Downgrade, None) => Err(usage("`--direction downgrade` needs a `--target`")
            .details("Without one it would not be clear how far to go down")
            .run("Take back the last revision", down("-1"))),
        (Way::Upgrade, Some(text)) if text.starts_with('-') => {
            Err(usage(format!("`--target={text}` goes down, the direction is upgrade")).run("To go down", down(text)))
        }
        (Way::Downgrade, Some(text)) if text.starts_with('+') => {
            Err(usage(format!("`--target={text}` goes up, the direction is downgrade"))
                .run("To go up", own("db-migrate").flag("--target", text)))
        }
        _ => Ok(()),
    }
}

fn down(target: &str) -> Own {
    own("db-migrate").flag("--direction", "downgrade").flag("--target", target)
}
