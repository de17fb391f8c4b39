//! Words that several commands say the same way: where a database is, what to do about several heads, about a revision
//! that no file has, about a target that cannot be reached.

use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::status::Revision;
use crate::model::url::{Address, DbUrl};

/// `backend on localhost:8100`, `backend on /run/postgresql`; never a password.
pub fn place(url: &DbUrl) -> String {
    let target = url.target();
    let servers: Vec<String> = target
        .endpoints
        .iter()
        .map(|endpoint| match &endpoint.address {
            Address::Host(host) => format!("{host}:{}", endpoint.port),
            Address::Socket(folder) => folder.display().to_string(),
        })
        .collect();
    format!("{} on {}", target.database, servers.join(", "))
}

/// Whether an error only says that the database is not there.
pub fn is_database_missing(error: &anyhow::Error) -> bool {
    from_anyhow(error).kind == Kind::DatabaseMissing
}

/// The command that makes several heads one again.
pub fn one_head_again(heads: &[Revision]) -> String {
    let ids: Vec<&str> = heads.iter().map(|head| head.id.as_str()).collect();
    format!("alembic merge -m \"Merge heads\" {}", ids.join(" "))
}

/// The command that finds out where a revision came from.
pub fn find_revision(unknown: &[String]) -> String {
    let id = unknown.first().map_or("REVISION", String::as_str);
    format!("git log --all --oneline -S {id} -- '*.py'   (which branch has it)")
}

/// Several heads where one is needed.
pub fn multiple_heads(heads: &[Revision], flag: &str) -> Fail {
    let mut fail = Fail::new(Kind::MultipleHeads, "Multiple heads detected")
        .details("Cannot proceed with migration when heads are diverged");
    for head in heads {
        let path = head.path.as_ref().map(|path| format!("  {}", path.display())).unwrap_or_default();
        fail = fail.details(format!("{}{path}", head.with_message()));
    }
    fail.action(format!("Check diverged heads: cargo xtask db-status{flag}"))
        .action(format!("Make them one, if your own revision is not released: set its down_revision to the other head; else: {}", one_head_again(heads)))
        .action(format!("Retry migration: cargo xtask db-migrate{flag}"))
        .related("cargo xtask db-status")
}

/// The database holds ids that no file has.
pub fn unknown_in_database(unknown: &[String], flag: &str) -> Fail {
    Fail::new(Kind::UnknownRevision, format!("Cannot locate revision '{}'", unknown.join("', '")))
        .details("The database holds it, but no migration file of this checkout does: another branch has migrated it")
        .revision(unknown.first().cloned().unwrap_or_default())
        .action(format!("Find the branch that has it: {}", find_revision(unknown)))
        .action("Switch to that branch and take the database down to a common revision there, or pull the missing files")
        .action(format!("Look again: cargo xtask db-status{flag}"))
        .related("cargo xtask db-status")
}
