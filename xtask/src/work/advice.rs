//! Words that several commands say the same way: what to do about several heads, about a revision
//! that no file has, about a target that cannot be reached.

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, own};
use crate::model::graph::Graph;
use crate::model::target::TargetError;
use crate::sys::project::Component;

/// Whether an error only says that the database is not there.
pub fn is_database_missing(error: &anyhow::Error) -> bool {
    from_anyhow(error).kind == Kind::DatabaseMissing
}

/// The command that makes several heads one again.
pub fn one_head_again(flag: &str) -> String {
    format!("cargo xtask db-rebase{flag}")
}

/// The command that finds out where a revision came from.
pub fn find_revision(unknown: &[String]) -> String {
    let id = unknown.first().map_or("REVISION", String::as_str);
    format!("git log --all --oneline -S {id} -- '*.py'   (which branch has it)")
}

/// The database holds ids that no file has.
pub fn unknown_in_database(unknown: &[String], flag: &str) -> Fail {
    Fail::new(Kind::UnknownRevision, format!("Cannot locate revision '{}'", unknown.join("', '")))
        .details("The database holds it, but no migration file of this checkout does: another branch has migrated it")
        .revision(unknown.first().cloned().unwrap_or_default())
        .action(format!("Find the branch that has it: {}", find_revision(unknown)))
        .action(
            "Switch to that branch and take the database down to a common revision there, or pull the missing files",
        )
        .action(format!("Look again: cargo xtask db-status{flag}"))
        .related(own("db-status"))
}

/// A target that there is no way to.
pub fn target(ctx: &Ctx, error: &TargetError, text: &str, component: &Component, flag: &str) -> Fail {
    let status = format!("Look where the database is: cargo xtask db-status{flag}");
    let (kind, summary) = match error {
        TargetError::Ambiguous { .. } | TargetError::AmbiguousWalk { .. } => {
            (Kind::AmbiguousRevision, format!("Ambiguous target '{text}'"))
        }
        TargetError::MultipleHeads { .. } => (Kind::MultipleHeads, "Multiple heads detected".to_owned()),
        _ => (Kind::UnknownRevision, format!("Cannot locate revision '{text}'")),
    };
    let fail = Fail::new(kind, summary).details(error.to_string()).related(own("db-status"));
    match error {
        TargetError::UnknownRevision { .. } | TargetError::UnknownBranch { .. } => fail
            .details("Revision not found in migration history")
            .action(format!("List available revisions: {} history", ctx.alembic(component)))
            .action("Check for typos in the revision id")
            .action(format!("Ensure you're using the correct component (now: {})", component.name))
            .action(status),
        TargetError::Ambiguous { candidates, .. } => {
            fail.action(format!("Write more of it, for example: --target={}", candidates.first().map_or("", |id| id)))
        }
        TargetError::MultipleHeads { .. } => fail
            .details("Cannot proceed with migration when heads are diverged")
            .action(format!("Check diverged heads: cargo xtask db-status{flag}"))
            .action(format!("Resolve heads: {}", one_head_again(flag)))
            .action(format!("Retry migration: cargo xtask db-migrate{flag}"))
            .action(format!("Or go to all of them: cargo xtask db-migrate{flag} --target=heads")),
        TargetError::AmbiguousWalk { choices, .. } => {
            fail.action(format!("Name the revision: --target={}", choices.first().map_or("", |id| id))).action(status)
        }
        _ => fail.action(status).run("See what a target may be", own("help").word("db-migrate")),
    }
}

/// A new enum value cannot be used in the transaction that adds it (55P04): what is below the revision goes first, in a
/// transaction of its own.
pub fn commit_in_between(mut fail: Fail, graph: &Graph, component: &str) -> Fail {
    let parent = fail.revision.as_deref().and_then(|id| graph.parents(id).first().copied());
    let (Some("55P04"), Some(parent)) = (fail.sqlstate.as_deref(), parent) else { return fail };
    let first = own("db-migrate").of(component).flag("--target", parent);
    let actions = [
        Action::run("Apply what is below it first, in a transaction of its own", first),
        Action::run("Then the rest", own("db-migrate").of(component)),
    ];
    fail.actions.splice(0..0, actions);
    fail
}
