//! `db-switch`: switches to another git branch and to that branch's databases. `plan.rs` works out what each component
//! needs, `apply.rs` does it under a journal and puts everything back if something fails, `recover.rs` puts right what
//! a killed run left, `databases.rs` lists, drops and fetches databases.

mod apply;
mod databases;
mod plan;
mod record;
mod recover;
mod show;

use std::path::Path;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::{DbSwitch, Switch};
use crate::model::action::{git, own};
use crate::model::nearest::nearest;
use crate::sys::git::{Oid, Place, Repo, To, checked_out_elsewhere};
use crate::work::differs::Differs;

use plan::Ends;
use record::COMMAND;
pub use record::check_nothing_pending;

/// Runs it.
///
/// # Errors
/// A refusal where nothing was changed; a failure after everything was put back.
pub fn run(ctx: &Ctx, flags: &DbSwitch) -> Result<Exit> {
    let repo = checkout(ctx).map_err(refuse)?;
    recover::put_right(ctx, &repo)?;
    match flags {
        DbSwitch::List => databases::list(ctx, &repo),
        DbSwitch::Drop(branch) => databases::drop_parked(ctx, &repo, branch),
        DbSwitch::Here(branch) => databases::bring_here(ctx, &repo, branch),
        DbSwitch::To(switch) => to(ctx, &repo, switch),
    }
}

fn checkout(ctx: &Ctx) -> Result<Repo> {
    let root = &ctx.project()?.root;
    Repo::find(&ctx.ui, root)?.ok_or_else(|| {
        let fail = Fail::new(Kind::Usage, "db-switch needs a git checkout");
        fail.details(format!("{} is in none", root.display())).action(git(["init"])).into()
    })
}

fn to(ctx: &Ctx, repo: &Repo, flags: &Switch) -> Result<Exit> {
    // Where git may not know the name, the databases have to wait until it does; else both are asked at the same time.
    let is_known = !flags.detach && repo.has_loose_branch(&flags.branch);
    let known = if is_known { None } else { Some(target(repo, flags).map_err(refuse)?) };
    let (ends, looks) = plan::look_while(ctx, || ends(repo, flags, known));
    let ends = ends.map_err(refuse)?;
    if ends.from == ends.to {
        return show::already_there(ctx, &ends.from);
    }
    let plan =
        plan::plan(ctx, repo, flags, &ends, looks).map_err(|error| by_git_alone(&ends.to, error)).map_err(refuse)?;
    if !plan.is_git_only() {
        check_other_trees(repo, &ends.to)?;
        show::warn_of_sharers(ctx, repo, &plan);
    }
    let differs = Differs::of(ctx, repo, &ends.changed)?;
    if flags.dry_run {
        return show::dry_run(ctx, &plan, &differs);
    }
    let done = apply::apply(ctx, repo, flags, &plan);
    show::report(ctx, &plan, &differs, done)
}

/// What is checked out, what will be, and the files that differ.
fn ends(repo: &Repo, flags: &Switch, known: Option<(Place, Oid)>) -> Result<Ends> {
    let (from, head) = databases::here(repo)?;
    let (to, target) = known.map_or_else(|| target(repo, flags), Ok)?;
    let changed = match head == target {
        true => Vec::new(),
        false => repo.changed::<&Path>(&head, To::Commit(&target), &[])?,
    };
    Ok(Ends { from, to, target, changed })
}

/// Where it goes, and that commit.
fn target(repo: &Repo, flags: &Switch) -> Result<(Place, Oid)> {
    let word = flags.branch.as_str();
    let place = match word {
        "-" if flags.detach => Place::Commit(repo.commit("@{-1}")?),
        "-" => repo.place_before()?.ok_or_else(|| {
            let fail = Fail::new(Kind::Usage, "git remembers nothing that was checked out before this");
            fail.run("See which branches there are", git(["branch", "--all"]))
        })?,
        _ if flags.detach => Place::Commit(repo.commit(word)?),
        _ => Place::Branch(word.to_owned()),
    };
    let commit = match &place {
        Place::Commit(commit) => Some(commit.clone()),
        Place::Branch(branch) => repo.branch_to_be(branch)?,
    };
    let Some(commit) = commit else { return Err(no_such_branch(repo, word)?.into()) };
    Ok((place, commit))
}

fn no_such_branch(repo: &Repo, word: &str) -> Result<Fail> {
    let mut fail = Fail::new(Kind::Usage, format!("git knows no branch `{word}`"));
    let known = repo.branch_names()?;
    for near in nearest(word, known.iter().map(String::as_str)) {
        fail = fail.run("Perhaps you mean", own(COMMAND).word(&near).of_no_component());
    }
    if repo.commits(&[word])?.pop().flatten().is_some() {
        let detach = own(COMMAND).words(["--detach", word]).of_no_component();
        fail = fail.run("It is a commit: to have that checked out, on no branch", detach);
    }
    Ok(fail.run("See which there are", git(["branch", "--all"])))
}

/// git would say so as well, but not before the databases are cloned.
fn check_other_trees(repo: &Repo, to: &Place) -> Result<()> {
    let Place::Branch(branch) = to else { return Ok(()) };
    let mut trees = repo.other_work_trees()?.into_iter();
    match trees.find(|tree| tree.branch.as_ref() == Some(branch)) {
        Some(tree) => Err(checked_out_elsewhere(branch, &tree.root).into()),
        None => Ok(()),
    }
}

/// A checkout whose own files cannot be read (a branch without them) must not hold anybody back.
fn by_git_alone(to: &Place, error: anyhow::Error) -> anyhow::Error {
    let fail = from_anyhow(&error);
    if !matches!(fail.kind, Kind::ConfigInvalid | Kind::ConfigMissing) {
        return error;
    }
    let fail = fail.run("Or switch by git alone", git(["switch"]).words(to.words()));
    fail.run("and bring its database afterwards", own(COMMAND).flag("--here", to.name()).of_no_component()).into()
}
