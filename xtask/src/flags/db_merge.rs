//! `db-merge`.

use std::path::PathBuf;

use super::Command;
use super::spec::{Set, Spec, Word, option, switch};
use super::values::usage;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbMerge {
    Begin(Merge),
    /// Say what would happen.
    DryRun(Merge),
    /// Go on with one that stopped.
    Continue(Merge),
    /// Take one back that stopped.
    Abort {
        /// All but what was done to the databases.
        keep_database: bool,
    },
    /// Forget one that stopped, and leave everything as it is.
    Forget,
}

/// How `db-merge` goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// What is merged; `None`: what git is in the middle of, or what was merged already.
    pub branch: Option<String>,
    /// Commit what came of it.
    pub commit: bool,
    /// Leave the databases alone.
    pub no_db: bool,
    /// Prove nothing about the moved revisions.
    pub no_roundtrip: bool,
    /// Where a picture of the plan goes.
    pub svg: Option<PathBuf>,
}

#[derive(Default)]
pub struct Filled {
    merge: Merge,
    dry_run: bool,
    go_on: bool,
    abort: bool,
    keep_database: bool,
    forget: bool,
}

pub static SPEC: Spec<Filled> = Spec {
    words: &[Word { name: "BRANCH", set: Set::Text(|filled| &mut filled.merge.branch) }],
    flags: &[
        switch("--dry-run", "say what would conflict, diverge and move, and touch nothing", |filled| {
            &mut filled.dry_run
        }),
        option(
            "--svg",
            "FILE",
            "with --dry-run: draw the history as it is and as it would be, for each component whose revisions move",
            Set::Path(|filled| &mut filled.merge.svg),
        ),
        switch("--continue", "go on with one that stopped", |filled| &mut filled.go_on),
        switch("--abort", "take one back that stopped", |filled| &mut filled.abort),
        switch(
            "--keep-database",
            "with --abort: take the merge and the files back and leave the databases as they are",
            |filled| &mut filled.keep_database,
        ),
        switch("--forget", "forget one that stopped; merge, files and databases stay as they are", |filled| {
            &mut filled.forget
        }),
        switch("--commit", "commit the merge when all is done", |filled| &mut filled.merge.commit),
        switch("--no-db", "leave the databases alone and say what to run", |filled| &mut filled.merge.no_db),
        switch("--no-roundtrip", "prove nothing about the moved revisions", |filled| &mut filled.merge.no_roundtrip),
    ],
    exclusive: &[&["--dry-run", "--continue", "--abort", "--forget"]],
    // The branch, and whether there are databases, is in the journal.
    alone: &[("--continue", &["--commit", "--no-roundtrip"]), ("--abort", &["--keep-database"]), ("--forget", &[])],
    examples: &[
        ("Take main into your branch, migrations and databases with it", "cargo xtask db-merge main"),
        ("After the files in conflict were resolved", "cargo xtask db-merge --continue"),
        ("In the middle of a rebase that stopped", "cargo xtask db-merge"),
        ("Look before you leap", "cargo xtask db-merge main --dry-run --svg plan.svg"),
    ],
    ..Spec::new(
        "db-merge",
        "the whole merge: git merge, db-status, db-rebase, db-roundtrip, db-migrate, db-status",
        "Merges BRANCH without committing it, makes diverged heads of every component one again, proves on a throwaway\n\
         database that the moved revisions go down and up again, and migrates every database to the head. Without\n\
         BRANCH it goes on from where git is: in the middle of a merge, a rebase or a cherry-pick, or behind it. At a\n\
         conflict, or whatever else stops it, --continue goes on from there and --abort takes files, databases and\n\
         the merge back. It commits nothing unless told; edited scripts are put into the index of what git is doing.",
        |filled| {
            if filled.merge.svg.is_some() && !filled.dry_run {
                return Err(usage("`--svg` draws the plan of a dry run").details("It goes with --dry-run"));
            }
            Ok(Command::DbMerge(match filled {
                Filled { abort: true, keep_database, .. } => DbMerge::Abort { keep_database },
                Filled { forget: true, .. } => DbMerge::Forget,
                Filled { go_on: true, merge, .. } => DbMerge::Continue(merge),
                Filled { dry_run: true, merge, .. } => DbMerge::DryRun(merge),
                Filled { merge, .. } => DbMerge::Begin(merge),
            }))
        },
    )
};
