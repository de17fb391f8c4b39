//! `db-switch`: switches to another git branch and to that branch's databases. `plan.rs` works out what each component
//! needs, `apply.rs` does it under a journal and puts everything back if something fails, `recover.rs` puts right what
//! a killed run left, `databases.rs` lists, drops and fetches databases, `differs.rs` finds what else differs between
//! the two branches.

mod apply;
mod databases;
mod differs;
mod plan;
mod record;
mod recover;
mod show;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::{DbSwitch, Switch};
use crate::model::action::{git, own};
use crate::sys::git::{Repo, checked_out_elsewhere};

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
        DbSwitch::To(switch) if switch.branch == "-" => {
            let before = repo.branch_before()?.ok_or_else(|| {
                let fail = Fail::new(Kind::Usage, "git remembers no branch before this one");
                fail.run("See which there are", git(["branch", "--all"]))
            })?;
            to(ctx, &repo, &Switch { branch: before, ..switch.clone() })
        }
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
    let from = databases::current_branch(repo).map_err(refuse)?;
    if from == flags.branch {
        return show::already_there(ctx, &from);
    }
    let plan =
        plan::plan(ctx, repo, flags, &from).map_err(|error| by_git_alone(&flags.branch, error)).map_err(refuse)?;
    if !plan.is_git_only() {
        // git would say so as well, but not before the databases are cloned.
        let mut trees = repo.other_work_trees()?.into_iter();
        if let Some(tree) = trees.find(|tree| tree.branch.as_deref() == Some(&flags.branch)) {
            return Err(checked_out_elsewhere(&flags.branch, &tree.root).into());
        }
        show::warn_of_sharers(ctx, repo, &plan);
    }
    if flags.dry_run {
        return show::dry_run(ctx, repo, &plan);
    }
    let differs = differs::between(ctx, repo, &plan.head, &plan.target)?;
    let done = apply::apply(ctx, repo, flags, &plan);
    show::report(ctx, &plan, &differs, done)
}

/// A checkout whose own files cannot be read (a branch without them) must not hold anybody back.
fn by_git_alone(branch: &str, error: anyhow::Error) -> anyhow::Error {
    let fail = from_anyhow(&error);
    if !matches!(fail.kind, Kind::ConfigInvalid | Kind::ConfigMissing) {
        return error;
    }
    let fail = fail.run("Or switch by git alone", git(["switch", branch]));
    fail.run("and bring its database afterwards", own(COMMAND).flag("--here", branch).of_no_component()).into()
}
