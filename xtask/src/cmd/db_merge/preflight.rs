//! Checks before anything is changed: the checkout, a git operation in progress, files that are not committed, and
//! whether every database can be reached.

use anyhow::Result;

use super::record::{Record, check_nothing_pending};
use crate::cmd::db_rebase;
use crate::ctx::{Ctx, Database};
use crate::fail::{Fail, Kind, from_anyhow};
use crate::flags::Merge;
use crate::model::action::{git, own};
use crate::sys::git::{Oid, Operation, Repo};
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::standing::is_not_set_up;

/// How many files an error lists.
const LISTED: usize = 10;

/// Makes all checks.
///
/// # Errors
/// `already-running`, `git-conflict`, `dirty-work-tree`, `remote-database`, the errors of a connection; usage errors.
pub fn check(ctx: &Ctx, flags: &Merge) -> Result<(Repo, Record)> {
    check_nothing_pending(ctx)?;
    db_rebase::check_nothing_pending(ctx)?;
    let repo = checkout(ctx)?;
    let target = target(&repo, flags)?;
    let named = ctx.common.component.as_deref();
    if !flags.no_db {
        for component in components(ctx, named)? {
            reachable(ctx, component).map_err(|error| or_without_databases(&error, flags))?;
        }
    }
    let head = repo.head()?;
    let commit = head.commit.ok_or_else(|| Fail::new(Kind::Usage, "There is no commit yet").action(git(["commit"])))?;
    let record = Record {
        flags: flags.clone(),
        component: named.map(str::to_owned),
        target,
        head: commit,
        branch: head.branch,
        staged: Vec::new(),
        migrated: Vec::new(),
        report: Vec::new(),
        is_taken_back: false,
        is_undone: false,
        unmigrated: Vec::new(),
    };
    Ok((repo, record))
}

/// The component that was named, else all of them.
pub fn components<'a>(ctx: &'a Ctx, named: Option<&str>) -> Result<Vec<&'a Component>> {
    let project = ctx.project()?;
    match named {
        Some(_) => Ok(vec![project.component(named)?]),
        None => Ok(project.all()?.iter().collect()),
    }
}

/// The checkout that the project is in.
pub fn checkout(ctx: &Ctx) -> Result<Repo> {
    let root = &ctx.project()?.root;
    Repo::find(&ctx.ui, root)?.ok_or_else(|| {
        Fail::new(Kind::ConfigInvalid, "db-merge needs a git checkout")
            .details(format!("{} is in none", root.display()))
            .run("Without git", own("db-rebase").flag("--onto", "REV"))
            .run("and then", own("db-migrate"))
            .related(own("db-status"))
            .into()
    })
}

/// The commit that this command itself merges; `None` where git is in the middle of an operation already, or no branch
/// was named.
pub fn target(repo: &Repo, flags: &Merge) -> Result<Option<Oid>> {
    let commit = flags.branch.as_deref().map(|branch| repo.commit(branch)).transpose()?;
    repo.no_conflicts("go on").map_err(|error| from_anyhow(&error).run("Then repeat the command", own("db-merge")))?;
    let Some(operation) = repo.operation()? else {
        clean(repo)?;
        return Ok(commit);
    };
    let is_it = |commit: &Oid| matches!(&operation, Operation::Merge { heads } if heads.contains(commit));
    let name = operation.name();
    if commit.is_some_and(|commit| !is_it(&commit)) {
        let fail = Fail::new(Kind::DirtyWorkTree, format!("git is in the middle of a {name} already"));
        return Err(fail
            .run(format!("To go on with that {name}"), own("db-merge"))
            .run("Or end it first", git([name, "--continue"]))
            .run("Or take it back first", git([name, "--abort"]))
            .related(git(["status"]))
            .into());
    }
    if flags.commit && !matches!(operation, Operation::Merge { .. }) {
        let fail = Fail::new(Kind::Usage, format!("`--commit` is for a merge, and git is in the middle of a {name}"));
        let fail = fail.run("Leave it out", own("db-merge"));
        return Err(fail.run("and then", git([name, "--continue"])).into());
    }
    Ok(None)
}

/// Refuses a work tree with changes that could be lost when the merge is taken back. Files that git does not know are
/// not touched, and git itself overwrites none of them.
pub fn clean(repo: &Repo) -> Result<()> {
    let status = repo.status::<&str>(&[])?;
    let changed: Vec<String> = status.changed().map(|path| path.display().to_string()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let fail = Fail::new(Kind::DirtyWorkTree, "The work tree has changes that are not committed");
    let fail = changed.iter().take(LISTED).fold(fail, |fail, path| fail.details(path));
    let more = changed.len().saturating_sub(LISTED);
    let fail = if more > 0 { fail.details(format!("… and {more} more")) } else { fail };
    let fail = fail.action(git(["commit", "--all"])).run("Or put them aside", git(["stash"]));
    Err(fail.related(git(["status"])).into())
}

/// A database that does not exist yet holds nothing that could be harmed, nor does one that nobody has set up.
fn reachable(ctx: &Ctx, component: &Component) -> Result<()> {
    let database = match ctx.database(&ctx.config(component)?) {
        Err(error) if is_not_set_up(component, &error) => return Ok(()),
        database => database?,
    };
    if !database.url.is_local() {
        return Err(remote(component, &database).into());
    }
    match Db::connect(&database.url, &application_name("db-merge")) {
        Err(error) if !advice::is_database_missing(&error) => Err(error),
        _ => Ok(()),
    }
}

fn remote(component: &Component, database: &Database) -> Fail {
    Fail::new(Kind::RemoteDatabase, format!("The database of {} is not on this machine", component.name))
        .details(database.place())
        .details("A merge that migrates what others use should be done step by step")
        .run("See what would have to be done", own("db-rebase").of(&component.name).word("--dry-run"))
        .related(own("db-status").of_no_component().word("--all"))
}

fn or_without_databases(error: &anyhow::Error, flags: &Merge) -> anyhow::Error {
    let fail = from_anyhow(error);
    let merge = || own("db-merge").words(flags.branch.clone());
    fail.run("Or only one component", merge().flag("--component", "NAME"))
        .run("Or the files alone", merge().word("--no-db"))
        .into()
}
