//! Lists the databases of branches, drops them, and fetches one for the branch of this checkout.

use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::record::{self, COMMAND, Record, Swap};
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Exit, Fail, Kind, refuse};
use crate::model::action::{git, own};
use crate::report::table::table;
use crate::sys::clock::{age, parse_stamp};
use crate::sys::git::{Oid, Place, Repo, Unclear};
use crate::sys::journal::crash_point;
use crate::sys::pg::parked::{self, Databases, Named};
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::parked::of_today;
use crate::work::standing::is_not_set_up;

/// A component's databases.
struct Shelf<'a> {
    component: &'a Component,
    database: Database,
    databases: Databases,
    list: Vec<Named>,
}

/// What each database holds, and whether its branch is still there.
///
/// # Errors
/// What connecting may meet.
pub fn list(ctx: &Ctx, repo: &Repo) -> Result<Exit> {
    let here = repo.head()?.place();
    let (mut objects, mut rows) = (Vec::new(), Vec::new());
    for mut shelf in shelves(ctx, repo).map_err(refuse)? {
        for named in &shelf.list.clone() {
            let branch =
                named.branch.clone().or_else(|| here.as_ref().filter(|_| named.active).map(|it| it.name().to_owned()));
            let exists = match &branch {
                Some(branch) => repo.commits_of_places(&[branch])?.pop().flatten().is_some(),
                None => false,
            };
            let revision = revision(&shelf, named);
            let bytes = shelf.databases.bytes(&named.database).unwrap_or_default();
            let facts = Facts { branch, exists, revision: &revision, bytes };
            rows.push(row(&shelf, named, &facts));
            objects.push(object(&shelf, named, &facts));
        }
    }
    ctx.ui.json(COMMAND, Exit::Done, json!({"databases": objects}), None);
    let head = ["Component", "Database", "Branch", "Revision", "Size", "Parked"];
    ctx.ui.answer(if rows.is_empty() { "No component's database is there".to_owned() } else { table(&head, &rows) });
    Ok(Exit::Done)
}

fn revision(shelf: &Shelf<'_>, named: &Named) -> Vec<String> {
    let url = shelf.database.url.with_database(&named.database);
    let db = Db::connect(&url, &application_name(COMMAND));
    let applied = db.and_then(|mut db| db.applied(&version_table(shelf.component)));
    applied.map(|applied| applied.revisions).unwrap_or_default()
}

/// What is asked of each.
struct Facts<'a> {
    branch: Option<String>,
    exists: bool,
    revision: &'a [String],
    bytes: i64,
}

fn object(shelf: &Shelf<'_>, named: &Named, facts: &Facts<'_>) -> Value {
    let Facts { branch, exists, revision, bytes } = facts;
    json!({
        "component": shelf.component.name, "database": named.database, "branch": branch, "revision": revision,
        "bytes": bytes, "active": named.active, "branch_exists": exists, "parked_at": named.parked_at,
        "renamed_from": named.was,
    })
}

fn row(shelf: &Shelf<'_>, named: &Named, facts: &Facts<'_>) -> Vec<String> {
    let revision = facts.revision;
    let branch = match (&facts.branch, facts.exists, &named.was) {
        (Some(branch), true, Some(was)) => format!("{branch} (was {was})"),
        (Some(branch), true, None) => branch.to_owned(),
        (Some(branch), false, _) => format!("{branch} (gone or renamed)"),
        (None, ..) => "?".to_owned(),
    };
    let revision = if revision.is_empty() { "-".to_owned() } else { revision.join(", ") };
    let since =
        named.parked_at.as_deref().and_then(parse_stamp).and_then(|at| SystemTime::now().duration_since(at).ok());
    let parked = match since {
        _ if named.active => "in use".to_owned(),
        Some(since) => format!("{} ago", age(since)),
        None => "-".to_owned(),
    };
    let size = format!("{:.1} MB", facts.bytes as f64 / 1e6);
    vec![shelf.component.name.clone(), named.database.clone(), branch, revision, size, parked]
}

/// Drops the parked databases of a branch.
///
/// # Errors
/// A usage error where there are none; a refusal without an answer.
pub fn drop_parked(ctx: &Ctx, repo: &Repo, branch: &str) -> Result<Exit> {
    let mut found = find(ctx, repo, branch)?;
    let names: Vec<String> = found.iter().map(|(_, named)| named.database.clone()).collect();
    if !ctx.common.yes && ctx.ui.confirm(&format!("Drop {} with all rows?", names.join(", "))) != Some(true) {
        return Err(Fail::new(Kind::RowsAtStake, "A database that is dropped takes its rows along")
            .details(names.join(", "))
            .run("If it may go", own(COMMAND).flag("--drop", branch).word("--yes").of_no_component())
            .related(own(COMMAND).word("--list").of_no_component())
            .refused()
            .into());
    }
    for (shelf, named) in &mut found {
        shelf.databases.drop_parked(&named.database).map_err(refuse)?;
    }
    ctx.ui.json(COMMAND, Exit::Done, json!({"dropped": names}), None);
    ctx.ui.answer(format!("✅ Dropped: {}", names.join(", ")));
    Ok(Exit::Done)
}

/// Another branch's databases take the place of those in use; git is left alone.
///
/// # Errors
/// A usage error where there are none; `active-connections`.
pub fn bring_here(ctx: &Ctx, repo: &Repo, branch: &str) -> Result<Exit> {
    let (here, _) = here(repo).map_err(refuse)?;
    let mut found = find(ctx, repo, branch)?;
    let mut swaps = Vec::new();
    for (shelf, _) in &mut found {
        let active = shelf.list.iter().find(|it| it.active).and_then(|it| it.branch.clone());
        let leaving = active.unwrap_or_else(|| here.name().to_owned());
        let parked = shelf.databases.parking_name(&leaving)?;
        let (component, coming) = (shelf.component.name.clone(), branch.to_owned());
        swaps.push(Swap { component, leaving, coming, parked });
    }
    let commit = repo.commits_of_places(&[branch])?.pop().flatten().map(Place::Commit);
    let to = match commit.filter(|commit| commit.name() == branch) {
        _ if here.name() == branch => here.clone(),
        Some(commit) => commit,
        None => Place::Branch(branch.to_owned()),
    };
    let record = Record { from: here, to, swaps };
    let journal = record::begin(ctx, &record).map_err(refuse)?;
    let brought = bring(&mut found, &record);
    journal.finish()?;
    brought.map_err(refuse)?;
    let done: Vec<(&String, &String)> = record.swaps.iter().map(|it| (&it.leaving, &it.parked)).collect();
    let parked: Vec<&String> = done.iter().map(|(_, name)| *name).collect();
    ctx.ui.json(COMMAND, Exit::Done, json!({"branch": branch, "parked": parked}), None);
    let lines = done.iter().map(|(leaving, name)| format!("  - what was in use is parked as {name}, for {leaving}"));
    let lines: Vec<String> = lines.collect();
    ctx.ui.answer(format!(
        "✅ The databases of {branch} are in use here\n{}\n\nNext steps:\n  - {}",
        lines.join("\n"),
        ctx.ui.shown(own("db-status").word("--all").of_no_component())
    ));
    Ok(Exit::Done)
}

/// All of them, or none.
fn bring(found: &mut [(Shelf<'_>, Named)], record: &Record) -> Result<()> {
    for at in 0..found.len() {
        let (shelf, named) = &mut found[at];
        let swap = &record.swaps[at];
        if let Err(error) = shelf.databases.swap_as(&swap.parked, &swap.leaving, &named.database, &swap.coming) {
            for ((shelf, _), swap) in found[..at].iter_mut().zip(&record.swaps) {
                shelf.databases.swap(&swap.coming, &swap.parked, &swap.leaving)?;
            }
            return Err(error);
        }
        crash_point();
    }
    Ok(())
}

fn find<'a>(ctx: &'a Ctx, repo: &Repo, branch: &str) -> Result<Vec<(Shelf<'a>, Named)>> {
    let mut found = Vec::new();
    for shelf in shelves(ctx, repo).map_err(refuse)? {
        let named = parked::newest(&shelf.list, branch).cloned();
        found.extend(named.map(|named| (shelf, named)));
    }
    if found.is_empty() {
        return Err(Fail::new(Kind::Usage, format!("No database is parked for `{branch}`"))
            .run("See which there are", own(COMMAND).word("--list").of_no_component())
            .into());
    }
    Ok(found)
}

fn shelves<'a>(ctx: &'a Ctx, repo: &Repo) -> Result<Vec<Shelf<'a>>> {
    let mut shelves = Vec::new();
    for component in ctx.project()?.all()? {
        let database = match ctx.database(&ctx.config(component)?) {
            Err(error) if is_not_set_up(component, &error) => continue,
            database => database?,
        };
        match Db::connect(&database.url, &application_name(COMMAND)) {
            Err(error) if advice::is_database_missing(&error) => continue,
            db => drop(db?),
        }
        let admin = ctx.admin_url(&database)?;
        let mut databases = Databases::open(&admin, &database.url.target().database)?;
        let list = of_today(repo, databases.list()?, &[])?;
        shelves.push(Shelf { component, database, databases, list });
    }
    Ok(shelves)
}

/// What is checked out, and its commit. In the middle of a rebase or a bisect that is a moment's.
pub fn here(repo: &Repo) -> Result<(Place, Oid)> {
    let head = repo.head()?;
    let Some(commit) = head.commit.clone() else { return Err(Unclear::NoCommit.fail().into()) };
    if head.branch.is_none()
        && let Some(fail) = in_the_middle(repo)?
    {
        return Err(fail.into());
    }
    Ok((head.place().context("a commit is a place")?, commit))
}

fn in_the_middle(repo: &Repo) -> Result<Option<Fail>> {
    let fail = Fail::new(Kind::Usage, "No branch is checked out for the moment, so its database has no name");
    Ok(match repo.operation()? {
        Some(operation) => {
            let name = operation.name();
            let fail = fail.details(format!("A {name} is in progress"));
            Some(fail.run("End it", git([name, "--continue"])).run("Or give it up", git([name, "--abort"])))
        }
        None if repo.is_stepping() => Some(fail.run("End the bisect", git(["bisect", "reset"]))),
        None => None,
    })
}
