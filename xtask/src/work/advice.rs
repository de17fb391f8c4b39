//! Words that several commands say the same way: what to do about several heads, about a revision
//! that no file has, about a target that cannot be reached.

use std::collections::HashSet;

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, Around, Own, Program, git, own, program};
use crate::model::graph::Graph;
use crate::model::ledger::Undone;
use crate::model::revision::{self, Script};
use crate::model::status::{Overlap, Standing};
use crate::model::target::TargetError;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::git::{File, Oid, Repo};
use crate::sys::pg::Db;
use crate::sys::project::{Baseline, Component};
use crate::work::skipped::{self, Nearest};

/// Whether an error only says that the database is not there.
pub fn is_database_missing(error: &anyhow::Error) -> bool {
    from_anyhow(error).kind == Kind::DatabaseMissing
}

/// A failure of scripts that ran from another place, told with their own names: each copy with what it stands for. What
/// is said about db-migrate goes: by itself that would not find them.
pub fn in_their_names(fail: Fail, names: &[(String, String)]) -> Fail {
    let named = |text: &str| names.iter().fold(text.to_owned(), |text, (copy, name)| text.replace(copy, name));
    let action = |action: &Action| match action.call() {
        None => named(&action.text(&Around::default())).into(),
        Some(_) => action.clone(),
    };
    let actions = fail.actions.iter().filter(|action| !action.is_own("db-migrate")).map(action).collect();
    let (details, file) = (named(&fail.details), fail.file.as_ref().map(|file| named(file)));
    Fail { actions, details, file, ..fail }
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
        .details(
            "The database holds it, but no migration file of this checkout does: another branch may have migrated it",
        )
        .revision(unknown.first().cloned().unwrap_or_default())
        .run("Find the branch that has it", find_revision(unknown))
        .run(
            "Put the database in line with these files (it finds the script, takes a backup, and asks)",
            own("db-sync"),
        )
        .run("Look again", own("db-status"))
        .related(own("db-status"))
        .about(&component.name)
}

/// How the files come back in which a database was migrated, where git has taken them back without it.
pub fn bring_back(undone: &Undone) -> Vec<Action> {
    let mut actions = Vec::new();
    if !undone.gone.is_empty() {
        actions.push(Action::run("Put the database in line with these files", own("db-sync")));
        actions.push("Or bring back the files with which it ran:".into());
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
    let line = |it: &Overlap| match it.revision == it.below {
        true => format!("It holds {} twice", it.revision),
        false => format!("It holds {} and also {}, which is above it: one row too many", it.revision, it.below),
    };
    let cause = "Alembic itself cannot go on from there. Such a row comes from two migrations at the same time, a stamp, \
                 or a row that was written by hand or by a restored dump";
    standing.overlaps.iter().map(line).chain([cause.to_owned()]).collect()
}

/// The command that leaves the rows that are enough; it changes nothing but the version table.
pub fn without_overlap(ctx: &Ctx, standing: &Standing, component: &Component) -> Program {
    let is_too_many = |it: &Overlap, id: &str| it.revision == id && it.below != id;
    let is_enough = |id: &&str| !standing.overlaps.iter().any(|overlap| is_too_many(overlap, id));
    let mut enough: Vec<&str> = standing.current.iter().map(|it| it.id.as_str()).filter(is_enough).collect();
    enough.sort_unstable();
    enough.dedup();
    ctx.alembic_by_hand(component).words(["stamp", "--purge"]).words(enough)
}

/// The commit of this branch's own history that took the scripts of all these ids away, and all below them: a squash. Where
/// a revision below is still there, the others were only deleted, and the database can go down to it.
pub fn deleted_here(ctx: &Ctx, unknown: &[String], component: &Component) -> Option<Oid> {
    let config = ctx.config(component).ok()?;
    let folders = &config.version_locations;
    let repo = Repo::find(&ctx.ui, &ctx.project().ok()?.root).ok()??;
    let mut commits = unknown.iter().map(|id| repo.deletion(id, folders).ok().flatten());
    let first = commits.next()??;
    let all_are_gone = commits.all(|commit| commit.is_some()) && !is_known_below(ctx, &config, &repo, &first, unknown);
    all_are_gone.then_some(first)
}

/// Whether, by the scripts that there were before a commit, something below these revisions is in the files of today.
fn is_known_below(ctx: &Ctx, config: &AlembicConfig, repo: &Repo, commit: &Oid, unknown: &[String]) -> bool {
    let scripts = scripts_before(config, repo, commit).unwrap_or_default();
    let Ok(today) = ctx.history(config) else { return false };
    let (mut ids, mut seen) = (unknown.to_vec(), HashSet::new());
    while let Some(id) = ids.pop() {
        let below = scripts.iter().filter(|script| script.id == id).flat_map(|script| script.down.iter().cloned());
        ids.extend(below.filter(|id| seen.insert(id.clone())));
    }
    let below: Vec<String> = seen.into_iter().collect();
    today.unknown(&below).len() < below.len()
}

fn scripts_before(config: &AlembicConfig, repo: &Repo, commit: &Oid) -> Option<Vec<Script>> {
    let before = repo.commits(&[&format!("{commit}^")]).ok()?.pop()??;
    let files = repo.files_at(&before, &config.version_locations).ok()?;
    let ids: Vec<Oid> = files.iter().map(|file| file.blob.clone()).collect();
    let blobs = repo.blobs(&ids).ok()?;
    let read = |file: &File| {
        let text = blobs.get(&file.blob)?.as_deref()?;
        revision::read(&file.path, &String::from_utf8_lossy(text)).ok()
    };
    Some(files.iter().filter_map(read).collect())
}

/// These files have other scripts in the place of those that the database ran.
pub fn replaced(ctx: &Ctx, unknown: &[String], component: &Component) -> Fail {
    if deleted_here(ctx, unknown, component).is_some() {
        return unknown_revisions(ctx, unknown, component);
    }
    Fail::new(Kind::UnknownRevision, format!("Cannot locate revision '{}'", unknown.join("', '")))
        .details("Nothing of what the database ran is in these files: the history was squashed, or it is another one")
        .revision(unknown.first().cloned().unwrap_or_default())
        .run("If the database is as the new scripts make it, say so to Alembic", stamp_anew(ctx, component))
        .action("Or migrate a fresh database, and take the rows over")
        .run("Look again", own("db-status"))
        .related(own("db-status"))
        .about(&component.name)
}

/// The files were taken back without the database.
pub fn undone(undone: &Undone, component: &Component) -> Fail {
    let fail = Fail::new(Kind::WrongDatabase, "The database holds revisions that these files do not give it");
    let fail =
        fail.details(format!("It has run {}; the files were taken back without it", undone.revisions.join(", ")));
    bring_back(undone).into_iter().fold(fail, Fail::action).related(own("db-status")).about(&component.name)
}

/// The database counts as having run what it never ran.
pub fn never_ran(lines: &[String], commands: Vec<Own>) -> Fail {
    let fail = Fail::new(Kind::WrongDatabase, "The database has skipped migrations");
    let fail = fail.details("It counts as having run these, and never did:").details(lines.join("\n"));
    commands.into_iter().fold(fail, Fail::action).related(own("db-status"))
}

/// The scripts of these revisions are nowhere: the nearest one that the files know, as far as tables and columns tell.
///
/// `seen`: the revision at which the schema was seen to be as it is now.
pub fn nowhere(
    ctx: &Ctx,
    unknown: &[String],
    component: &Component,
    graph: &Graph,
    (db, seen): (&mut Db, Option<String>),
) -> Fail {
    let fail = Fail::new(Kind::UnknownRevision, format!("Cannot locate revision '{}'", unknown.join("', '")))
        .details("The database holds it, and its script is nowhere: not in the ledger, on no branch, in no stash,")
        .details("not in git's reflog and in no other work tree of this repository")
        .revision(unknown.first().cloned().unwrap_or_default())
        .run("It may be on the server only; fetch, then repeat the command", git(["fetch", "--all"]));
    let stamp = |revision: &str| ctx.alembic_by_hand(component).words(["stamp", "--purge", revision]);
    let nearest = if seen.is_none() { skipped::nearest(ctx, graph, db) } else { None };
    let fail = match nearest {
        Some(Nearest { revision, lacks, has_more }) => {
            let more = |list: &[String], what: &str| match list {
                [] => String::new(),
                list => format!("; it has {what} {}", list.join(", ")),
            };
            let (lacks, has_more) = (more(&lacks, "no"), more(&has_more, "besides"));
            fail.details(format!("By its tables and columns it is nearest to {revision}{lacks}{has_more}")).run(
                "If it may count as being there, put what differs right by hand, then say so to Alembic",
                stamp(&revision),
            )
        }
        None => fail,
    };
    let fail = match seen {
        Some(revision) => fail
            .details(format!("Its whole schema is as it was when {revision} had run here"))
            .run("If it may count as being there, say so to Alembic", stamp(&revision)),
        None => fail,
    };
    let fail = fail.action("Or put a backup from before back, or make the database anew");
    fail.related(own("db-status")).about(&component.name)
}

/// What tells Alembic that a database is as the scripts of today make it.
pub fn stamp_anew(ctx: &Ctx, component: &Component) -> Program {
    ctx.alembic_by_hand(component).words(["stamp", "--purge", "heads"])
}

/// The database holds ids that no file has; whether this branch had them, git is asked.
pub fn unknown_revisions(ctx: &Ctx, unknown: &[String], component: &Component) -> Fail {
    let Some(commit) = deleted_here(ctx, unknown, component) else {
        return unknown_in_database(unknown, component);
    };
    Fail::new(Kind::UnknownRevision, format!("Cannot locate revision '{}'", unknown.join("', '")))
        .details(format!("The database holds it, and commit {} of this branch deleted its script", commit.short()))
        .details("Was the history squashed? Then the new scripts make at once what the old ones made")
        .revision(unknown.first().cloned().unwrap_or_default())
        .run("See what took its place", git(["show", "--stat", commit.short()]))
        .run("If the database is as the new scripts make it, say so to Alembic", stamp_anew(ctx, component))
        .action("Or migrate a fresh database, and take the rows over")
        .run("Look again", own("db-status"))
        .related(own("db-status"))
        .about(&component.name)
}

/// The command by which the component makes a fresh database, where it has one.
pub fn baseline(component: &Component) -> Option<Program> {
    let Some(Baseline::Command { words, .. }) = &component.baseline else { return None };
    let config = component.config.display().to_string();
    Some(program(words.iter().map(|word| word.replace("{config}", &config))).at_root())
}

/// What to do with a database that holds no revision: make it as the component makes a fresh one, or, where its tables
/// are older than Alembic, say which revision they match.
pub fn first_step(ctx: &Ctx, component: &Component, graph: &Graph, db: &mut Db) -> Option<Action> {
    if db.tables().ok()? == 0 {
        return baseline(component)
            .map(|command| Action::run("A fresh database is made by the component's own command", command));
    }
    let revision = skipped::matching(ctx, graph, db)?;
    let why =
        format!("Its tables are those of {revision}, as far as the scripts tell; if that is so, say it to Alembic");
    Some(Action::run(why, ctx.alembic_by_hand(component).words(["stamp", revision.as_str()])))
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
