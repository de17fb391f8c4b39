//! What a hook does when git calls it: `__hook NAME PROJECT` and git's own arguments, at the root of the work tree.
//! Exit 4 is a finding and stops a commit or a push, 130 is Ctrl-C; any other trouble is reported and stops nothing
//! (`lenient.rs`).

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Result;

use super::lenient::Lenient;
use super::{pre_push, status_line};
use crate::cmd::db_check;
use crate::ctx::{Ctx, is_strict};
use crate::fail::Exit;
use crate::flags::{Common, DbCheck, Look};
use crate::model::action::{Action, git, own};
use crate::sys::hooks::Hook;
use crate::sys::interrupt;
use crate::ui::{Options, Ui};

/// Does what the hook is for. `words`: the hook's name, the project, git's arguments.
pub fn called(words: &[OsString]) -> Exit {
    let ui = Ui::new(Options::default());
    let hook = words.first().and_then(|name| Hook::parse(name.to_str()?));
    let (Some(hook), Some(project)) = (hook, words.get(1).map(PathBuf::from)) else {
        // A newer script than this binary knows.
        let install = own("hooks").word("install");
        ui.warn(ui.shown(Action::run("this xtask does not know the hook that called it", install)));
        return Exit::Done;
    };
    let common = Common { project: Some(project), ..Common::default() };
    let is_strict = is_strict(&common);
    let ui = ui.strict(is_strict);
    let lenient = Lenient { ui: &ui, is_strict };
    match hook {
        Hook::PreCommit => lenient.settle("the migration scripts were not checked", pre_commit(&ui, common)),
        Hook::PrePush => lenient.settle("the pushed revisions were not tested", pre_push(&lenient, common)),
        Hook::PostCheckout | Hook::PostMerge | Hook::PostRewrite => {
            if hook.has_moved(&words[2..]) {
                status_line::say(&ui, hook, common);
            }
            Exit::Done
        }
    }
}

fn pre_commit(ui: &Ui, common: Common) -> Result<Exit> {
    interrupt::listen()?;
    let ctx = Ctx::new(ui.clone(), common)?;
    let project = ctx.project()?;
    if project.components.is_empty() && !project.declared {
        // A branch from before there was a project.
        return Ok(Exit::Done);
    }
    let exit = ui.settled(db_check::run(&ctx, &DbCheck { look: Look::Staged, ..DbCheck::default() })?);
    if exit == Exit::Findings {
        ui.answer(ui.shown(Action::run("To commit all the same", git(["commit", "--no-verify"]))));
    }
    Ok(exit)
}

fn pre_push(lenient: &Lenient, common: Common) -> Result<Exit> {
    interrupt::listen()?;
    let mut refs = String::new();
    std::io::stdin().read_to_string(&mut refs)?;
    let exit = pre_push::test(lenient, &common, &refs)?;
    if exit == Exit::Findings {
        let push = git(["push", "--no-verify"]);
        lenient.ui.answer(lenient.ui.shown(Action::run("To push all the same", push)));
    }
    Ok(exit)
}
