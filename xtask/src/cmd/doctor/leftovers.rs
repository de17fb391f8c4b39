//! Checks what earlier runs have left: hooks that would be written otherwise now, operations that did not end, backups,
//! servers.

use anyhow::Result;

use super::line;
use crate::ctx::Ctx;
use crate::model::action::{Action, own};
use crate::model::check::Check;
use crate::report::checks as report;
use crate::sys::backup::shelf;
use crate::sys::git::Repo;
use crate::sys::hooks::{Hook, HooksFolder, State};
use crate::sys::{journal, server};

/// Where the hooks of the project's checkout are; `None` where it is in none.
pub fn hooks_folder(ctx: &Ctx) -> Result<Option<HooksFolder>> {
    let project = ctx.project()?;
    let repo = Repo::find(&ctx.ui, &project.root)?;
    repo.map(|repo| HooksFolder::of_this_program(&repo, &project.root)).transpose()
}

pub fn hooks(ctx: &Ctx) -> Vec<Check> {
    let found = || -> Result<Check> {
        let Some(folder) = hooks_folder(ctx)? else {
            return Ok(Check::ok("hooks", "none: the project is in no git checkout"));
        };
        let found: Vec<_> = Hook::ALL.into_iter().map(|hook| folder.look(hook)).collect::<Result<_>>()?;
        let named = |state: &State| {
            let names = found.iter().filter(|it| it.state == *state).map(|it| it.hook.name());
            names.collect::<Vec<_>>().join(", ")
        };
        let (installed, outdated, edited) = (named(&State::Installed), named(&State::Outdated), named(&State::Edited));
        let place = folder.path.display();
        let install = own("hooks").word("install").plain();
        Ok(match (outdated.is_empty(), edited.is_empty(), installed.is_empty()) {
            (false, ..) => Check::warning("hooks", format!("outdated in {place}: {outdated}"))
                .fix(Action::run("Write them anew", install)),
            (true, false, _) => {
                let look = own("hooks").word("status").plain();
                Check::warning("hooks", format!("edited in {place}: {edited}"))
                    .fix(Action::run("See what they are", look))
            }
            (true, true, false) => Check::ok("hooks", format!("{installed}, in {place}")),
            (true, true, true) => Check::ok("hooks", "ours are not installed").fix(Action::run("Put them in", install)),
        })
    };
    line("hooks", found())
}

/// Operations that did not end; each says itself how to go on.
pub fn journals(ctx: &Ctx) -> Vec<Check> {
    const NAME: &str = "operations";
    let Ok(project) = ctx.project() else { return Vec::new() };
    let pending = journal::all_pending(&project.root);
    if pending.is_empty() {
        return vec![Check::ok(NAME, "none that did not end")];
    }
    pending.into_iter().map(|fail| report::of_fail(NAME, &fail)).collect()
}

pub fn backups(ctx: &Ctx) -> Vec<Check> {
    let found = || -> Result<Check> {
        let root = &ctx.project()?.root;
        let all = shelf::list(root)?;
        let bytes: u64 = all.iter().map(|entry| entry.bytes).sum();
        let text = format!("{}, {} MB, in {}", all.len(), bytes >> 20, shelf::folder(root).display());
        let (count, bytes) = shelf::parts(root);
        Ok(match count {
            0 => Check::ok("backups", text),
            _ => {
                let text = format!("{text}; half-written: {count}, {} MB", bytes >> 20);
                Check::warning("backups", text)
                    .fix(Action::run("Remove what killed runs left", own("doctor").word("--fix")))
            }
        })
    };
    line("backups", found())
}

/// Embedded servers that are there, whether the project uses one or not.
pub fn servers(ctx: &Ctx) -> Vec<Check> {
    let found = || -> Result<Vec<Check>> {
        let states = server::states(&ctx.ui, &ctx.home()?)?;
        let kept =
            states.iter().filter(|state| state.running.as_ref().is_some_and(|it| it.kept) && state.users.is_empty());
        let one = |state: &server::State| {
            let stop = own("db-server").word("stop");
            let text = format!("{} is kept up, and nobody uses it", state.binaries.summary());
            Check::ok("server", text).fix(Action::run("If it is not needed", stop))
        };
        Ok(kept.map(one).collect())
    };
    found().unwrap_or_else(|error| line("server", Err(error)))
}
