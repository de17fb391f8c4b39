//! `db-switch`.

use super::Command;
use super::spec::{Set, Spec, Word, option, switch};
use super::values::usage;
use crate::model::action::{Own, own};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbSwitch {
    To(Switch),
    /// The databases that there are.
    List,
    /// Drop the parked database of a branch.
    Drop(String),
    /// Bring another branch's database to this checkout.
    Here(String),
}

/// How `db-switch` goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    pub branch: String,
    /// It is a commit, which is checked out on no branch.
    pub detach: bool,
    /// Say what would be done.
    pub dry_run: bool,
    /// Go down and up instead of having a database per branch.
    pub migrate: bool,
    /// End whatever is connected.
    pub end_connections: bool,
}

#[derive(Default)]
pub struct Filled {
    branch: Option<String>,
    switch: Switch,
    list: bool,
    drop: Option<String>,
    here: Option<String>,
}

pub static SPEC: Spec<Filled> = Spec {
    words: &[Word { name: "BRANCH", set: Set::Text(|filled| &mut filled.branch) }],
    flags: &[
        switch("--detach", "BRANCH is a commit: check it out as `git switch --detach` does, on no branch", |filled| {
            &mut filled.switch.detach
        }),
        switch("--dry-run", "say what would be done, and change nothing", |filled| &mut filled.switch.dry_run),
        switch("--migrate", "take the one database down and up instead of having one per branch", |filled| {
            &mut filled.switch.migrate
        }),
        switch("--end-connections", "end the sessions that are connected", |filled| &mut filled.switch.end_connections),
        switch("--list", "the databases that there are: branch, revision, size", |filled| &mut filled.list),
        option("--drop", "BRANCH", "drop the parked database of a branch", Set::Text(|filled| &mut filled.drop)),
        option(
            "--here",
            "BRANCH",
            "bring another branch's database to this checkout; git is left alone",
            Set::Text(|filled| &mut filled.here),
        ),
    ],
    exclusive: &[
        &["--list", "--drop", "--here", "--dry-run"],
        &["--list", "--drop", "--here", "--migrate"],
        &["--list", "--drop", "--here", "--detach"],
    ],
    without: &["--component", "--url"],
    examples: &[
        ("Another branch, with its own database", "cargo xtask db-switch feature/x"),
        ("A tag, on no branch", "cargo xtask db-switch --detach v1.0"),
        ("Back to what was checked out before", "cargo xtask db-switch -"),
        ("Which databases are there?", "cargo xtask db-switch --list"),
        ("The branch is merged, its database may go", "cargo xtask db-switch --drop feature/x"),
        ("Look before you leap", "cargo xtask db-switch main --dry-run"),
    ],
    ..Spec::new(
        "db-switch",
        "switches git branch and takes the database along: a database per branch",
        "The database in use keeps its name; those of other branches are parked beside it (backend@feature-x). A switch gives\n\
         two databases new names in one transaction, whatever their size. The first visit of a branch whose migrations differ\n\
         clones the database of the nearest branch and brings it in line with the files. All components change together or\n\
         none; whatever fails puts databases and branch back. Where the role may not rename databases (and no `admin_url` is\n\
         set), and with --migrate, the one database goes down and up, with a backup and what goes told before.",
        |filled| {
            Ok(Command::DbSwitch(match filled {
                Filled { list: true, branch: None, .. } => DbSwitch::List,
                Filled { drop: Some(branch), branch: None, .. } => DbSwitch::Drop(branch),
                Filled { here: Some(branch), branch: None, .. } => DbSwitch::Here(branch),
                Filled { branch: Some(branch), switch, list: false, drop: None, here: None } => {
                    DbSwitch::To(Switch { branch, ..switch })
                }
                Filled { branch: Some(branch), .. } => {
                    return Err(usage(format!("`{branch}` is a word too many here")).action(list()));
                }
                _ => return Err(usage("`db-switch` needs a branch").run("See which databases there are", list())),
            }))
        },
    )
};

fn list() -> Own {
    own("db-switch").word("--list").of_no_component()
}
