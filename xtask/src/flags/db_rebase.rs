//! `db-rebase`.

use std::path::PathBuf;

use super::Command;
use super::spec::{Set, Spec, option, switch};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbRebase {
    /// Make the heads one.
    Begin(Rebase),
    /// Go on with one that did not end.
    Resume,
    /// Take one back that did not end.
    Abort {
        /// The files alone.
        keep_database: bool,
    },
    /// Forget one that did not end, and leave everything as it is.
    Forget,
}

/// How `db-rebase` makes the heads one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebase {
    /// A revision, or the git branch that released revisions are on.
    pub onto: Option<String>,
    /// Make a merge revision.
    pub merge: bool,
    /// Show the plan and stop.
    pub dry_run: bool,
    /// Leave the database alone.
    pub no_db: bool,
    /// Edit files though they have changes that git does not know.
    pub allow_dirty: bool,
    /// Where a picture goes of the history before and after it.
    pub svg: Option<PathBuf>,
}

#[derive(Default)]
pub struct Filled {
    rebase: Rebase,
    resume: bool,
    abort: bool,
    keep_database: bool,
    forget: bool,
}

pub static SPEC: Spec<Filled> = Spec {
    flags: &[
        option(
            "--onto",
            "REV",
            "put everything else on this revision; or the git branch that released work is on",
            Set::Text(|filled| &mut filled.rebase.onto),
        ),
        switch("--merge", "make an empty merge revision instead of moving any", |filled| &mut filled.rebase.merge),
        switch("--dry-run", "show what would be done", |filled| &mut filled.rebase.dry_run),
        switch("--no-db", "leave the database alone and say what to run", |filled| &mut filled.rebase.no_db),
        switch("--allow-dirty", "edit files though they have changes that are not in git", |filled| {
            &mut filled.rebase.allow_dirty
        }),
        option(
            "--svg",
            "FILE",
            "draw the history as it is and as it will be",
            Set::Path(|filled| &mut filled.rebase.svg),
        ),
        switch("--resume", "go on with one that did not end", |filled| &mut filled.resume),
        switch("--abort", "take one back that did not end", |filled| &mut filled.abort),
        switch("--keep-database", "with --abort: take the files back and leave the database as it is", |filled| {
            &mut filled.keep_database
        }),
        switch("--forget", "forget one that did not end; files and database stay as they are", |filled| {
            &mut filled.forget
        }),
    ],
    exclusive: &[&["--merge", "--onto"], &["--resume", "--abort", "--forget"]],
    // What was asked for is in the journal.
    alone: &[("--resume", &[]), ("--abort", &["--keep-database"]), ("--forget", &[])],
    examples: &[
        ("After a merge that left two heads", "cargo xtask db-rebase"),
        ("Look before you leap", "cargo xtask db-rebase --dry-run --svg plan.svg"),
        ("Without git: everything else on top of this revision", "cargo xtask db-rebase --onto=9c41"),
    ],
    ..Spec::new(
        "db-rebase",
        "make diverged heads one again",
        "Your own unreleased revisions move on top of the released head; only their `down_revision` changes. What is\n\
         released is told from git (the merge base with the main branch, release tags) and never edited: where released\n\
         revisions have diverged themselves, an empty merge revision joins the heads. A database that holds a moved\n\
         revision stays as it is where copies show that this comes to the same schema; else it goes down and up again, the\n\
         rows that this takes away are counted, asked about, and put back from the backup. A journal is kept: whatever\n\
         happens, --resume goes on or --abort takes everything back.",
        |filled| {
            Ok(Command::DbRebase(match filled {
                Filled { resume: true, .. } => DbRebase::Resume,
                Filled { abort: true, keep_database, .. } => DbRebase::Abort { keep_database },
                Filled { forget: true, .. } => DbRebase::Forget,
                Filled { rebase, .. } => DbRebase::Begin(rebase),
            }))
        },
    )
};
