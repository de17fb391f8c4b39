//! Words that several commands say the same way: what to do about several heads, about a revision
//! that no file has, about a target that cannot be reached.

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, Own, Program, git, own};
use crate::model::ledger::Undone;
use crate::model::status::{Overlap, Standing};
use crate::model::target::TargetError;
use crate::sys::project::Component;

/// Whether an error only says that the database is not there.
pub fn is_database_missing(error: &anyhow::Error) -> bool {
    from_anyhow(error).kind == Kind::DatabaseMissing
}

/// The command that makes several heads one again.
pub fn one_head_again() -> Own {
    own("db-rebase")
}

/// The command that finds out where a revision came from.
pub fn find_revision(unknown: &[String]) -> Program {
    let id = unknown.first().map_or("REVISION", String::as_str);
    git(["log", "--all", "--oneline", "-S", id, "--", "*.py"])
}

/// The database holds ids that no file has.
pub fn unknown_in_database(unknown: &[String], component: &Component) -> Fail {
    Fail::new(Kind::UnknownRevision, format!("Cannot locate revision '{}'", unknown.join("', '")))
        .details("The database holds it, but no migration file of this checkout does: another branch has migrated it")
        .revision(unknown.first().cloned().unwrap_or_default())
        .run("Find the branch that has it", find_revision(unknown))
        .action(
            "Switch to that branch and take the database down to a common revision there, or pull the missing files",
        )
        .run("Look again", own("db-status"))
        .related(own("db-status"))
        .about(&component.name)
}

/// How the files come back in which a database was migrated, where git has taken them back without it.
pub fn bring_back(undone: &Undone) -> Vec<Action> {
    let mut actions = Vec::new();
    if !undone.gone.is_empty() {
        actions.push(Action::run("Find the branch that has it", find_revision(&undone.gone)));
        actions.push("Merge that branch again, without a commit (git merge --no-commit)".into());
    }
    let why = "Put the revisions in one line again, in the files alone";
    actions.push(Action::run(why, own("db-rebase").word("--no-db")));
    actions.push(Action::run("Look again", own("db-status")));
    actions
}

/// The version table has a row for a revision and one for what is above it: from there Alembic can go nowhere.
pub fn overlapping(ctx: &Ctx, standing: &Standing, component: &Component) -> Option<Fail> {
    if standing.overlaps.is_empty() {
        return None;
    }
    let fail = Fail::new(Kind::WrongDatabase, "The version table has overlapping rows");
    let lines = overlap_lines(standing);
    let fail = lines.iter().fold(fail, Fail::details);
    let fail = fail.run("Leave the rows that are enough", without_overlap(ctx, standing, component));
    Some(fail.run("Then look again", own("db-status")).related(own("db-status")).about(&component.name))
}

/// What is wrong with overlapping rows, and where they come from.
pub fn overlap_lines(standing: &Standing) -> Vec<String> {
    let line =
        |it: &Overlap| format!("It holds {} and also {}, which is above it: one row too many", it.revision, it.below);
    let cause = "Alembic itself cannot go on from there. Such a row comes from two migrations at the same time, a stamp, \
                 or a row that was written by hand or by a restored dump";
    standing.overlaps.iter().map(line).chain([cause.to_owned()]).collect()
}

/// The command that leaves the rows that are enough; it changes nothing but the version table.
pub fn without_overlap(ctx: &Ctx, standing: &Standing, component: &Component) -> Program {
    let is_enough = |id: &&str| !standing.overlaps.iter().any(|overlap| overlap.revision == *id);
    let enough: Vec<&str> = standing.current.iter().map(|it| it.id.as_str()).filter(is_enough).collect();
    ctx.alembic_by_hand(component).words(["stamp", "--purge"]).words(enough)
}

/// A target that there is no way to.
pub fn target(ctx: &Ctx, error: &TargetError, text: &str, component: &Component) -> Fail {
    let status = || Action::run("Look where the database is", own("db-status"));
    let (kind, summary) = match error {
        TargetError::Ambiguous { .. } | TargetError::AmbiguousWalk { .. } => {
            (Kind::AmbiguousRevision, format!("Ambiguous target '{text}'"))
        }
        TargetError::MultipleHeads { .. } => (Kind::MultipleHeads, "Multiple heads detected".to_owned()),
        _ => (Kind::UnknownRevision, format!("Cannot locate revision '{text}'")),
    };
    let fail = Fail::new(kind, summary).details(error.to_string()).related(own("db-status"));
    let fail = match error {
        TargetError::UnknownRevision { .. } | TargetError::UnknownBranch { .. } => fail
            .details("Revision not found in migration history")
            .run("List available revisions", ctx.alembic_by_hand(component).word("history"))
            .action("Check for typos in the revision id")
            .action(format!("Ensure you're using the correct component (now: {})", component.name))
            .action(status()),
        TargetError::Ambiguous { candidates, .. } => {
            fail.action(format!("Write more of it, for example: --target={}", candidates.first().map_or("", |id| id)))
        }
        TargetError::MultipleHeads { .. } => fail
            .details("Cannot proceed with migration when heads are diverged")
            .run("Check diverged heads", own("db-status"))
            .run("Resolve heads", one_head_again())
            .run("Retry migration", own("db-migrate"))
            .run("Or go to all of them", own("db-migrate").flag("--target", "heads")),
        TargetError::AmbiguousWalk { choices, .. } => {
            fail.action(format!("Name the revision: --target={}", choices.first().map_or("", |id| id))).action(status())
        }
        _ => fail.action(status()).run("See what a target may be", own("help").word("db-migrate")),
    };
    fail.about(&component.name)
}
