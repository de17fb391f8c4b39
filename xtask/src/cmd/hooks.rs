//! `hooks install|uninstall|status`: the git hooks that run this tool. A hook that was there before is kept, called
//! first, and put back at the end. `run.rs` is what the hooks do when git calls them.

mod lenient;
mod pre_push;
mod run;
mod status_line;

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::{Ctx, shown};
use crate::fail::{Exit, Fail, Kind};
use crate::flags::Hooks;
use crate::model::action::{git, own, program};
use crate::sys::git::Repo;
use crate::sys::hooks::{Found, Hook, HooksFolder, Reach, State, is_executable};
use crate::ui::Paint;
pub use run::called;

const COMMAND: &str = "hooks";

/// # Errors
/// A refusal (exit 3) where hooks cannot be put or are not known any more to be ours; nothing was changed then.
pub fn run(ctx: &Ctx, flags: &Hooks) -> Result<Exit> {
    let folder = hooks_folder(ctx)?;
    let found: Vec<Found> = Hook::ALL.into_iter().map(|hook| folder.look(hook)).collect::<Result<_>>()?;
    match flags {
        Hooks::Install { pre_push } => install(ctx, &folder, &found, *pre_push),
        Hooks::Uninstall => uninstall(ctx, &folder, &found),
        Hooks::Status => {
            report(ctx, &folder, "status", &found, &[], Exit::Done, None);
            Ok(Exit::Done)
        }
    }
}

fn hooks_folder(ctx: &Ctx) -> Result<HooksFolder> {
    let project = ctx.project()?;
    let repo = Repo::find(&ctx.ui, &project.root)?.ok_or_else(|| {
        Fail::new(Kind::Usage, "Hooks need a git checkout")
            .details(format!("{} is in none", project.root.display()))
            .action(git(["init"]))
    })?;
    HooksFolder::of_this_program(&repo, &project.root)
}

/// Every refusal comes before the first change.
fn install(ctx: &Ctx, folder: &HooksFolder, found: &[Found], pre_push: bool) -> Result<Exit> {
    folder.check()?;
    let is_ours = |found: &Found| matches!(found.state, State::Installed | State::Outdated);
    let wanted: Vec<&Found> =
        found.iter().filter(|found| found.hook != Hook::PrePush || pre_push || is_ours(found)).collect();
    for found in &wanted {
        refuse_to_replace(found)?;
    }
    let mut changes = Vec::new();
    for found in &wanted {
        let change = match found.state {
            State::Installed => continue,
            State::Outdated => "updated",
            _ => "installed",
        };
        folder.install(found)?;
        changes.push((found.hook, change));
    }
    let now: Vec<Found> = found.iter().map(|found| folder.look(found.hook)).collect::<Result<_>>()?;
    report(ctx, folder, "install", &now, &changes, Exit::Done, None);
    Ok(Exit::Done)
}

fn refuse_to_replace(found: &Found) -> Result<()> {
    let (name, path) = (found.hook.name(), found.path.display());
    let fail = |summary: String| Fail::new(Kind::ConfigInvalid, summary).related(own("hooks").word("status")).refused();
    match (&found.state, &found.kept) {
        (State::Edited, _) => Err(fail(format!("The {name} hook was edited after it was installed"))
            .details(format!("{path} would be written anew"))
            .action(format!("Move your own lines to {path}.before-xtask, which runs first, and make that executable"))
            .action(program(["rm"]).word(&found.path))
            .action(own("hooks").word("install"))
            .into()),
        (State::Elsewhere(repository), _) => Err(fail(format!("The {name} hook serves another repository"))
            .details(format!("{path} is for {}; the folder is shared by `core.hooksPath`", repository.display()))
            .run("Give this repository hooks of its own", git(["config", "core.hooksPath", ".git/hooks"]))
            .action(own("hooks").word("install"))
            .into()),
        (State::Foreign, Some(kept)) => Err(fail(format!("There are two {name} hooks to keep"))
            .details(format!("{path} is not ours any more, and {} is from before", kept.display()))
            .action(format!("Make one of the two, at {path}, and remove the other"))
            .action(own("hooks").word("install"))
            .into()),
        _ => Ok(()),
    }
}

/// What is not ours, or not as we left it, stays.
fn uninstall(ctx: &Ctx, folder: &HooksFolder, found: &[Found]) -> Result<Exit> {
    let mut changes = Vec::new();
    let mut left = Vec::new();
    for found in found {
        match (&found.state, &found.kept) {
            (State::Installed | State::Outdated, None) => changes.push((found.hook, "removed")),
            (State::Installed | State::Outdated | State::Absent, Some(_)) => changes.push((found.hook, "restored")),
            (State::Edited, _) | (State::Foreign, Some(_)) => {
                left.push(found);
                continue;
            }
            (State::Absent | State::Foreign | State::Elsewhere(_), _) => continue,
        }
        folder.uninstall(found)?;
    }
    let now: Vec<Found> = found.iter().map(|found| folder.look(found.hook)).collect::<Result<_>>()?;
    let fail = (!left.is_empty()).then(|| not_as_installed(&left));
    let exit = fail.as_ref().map_or(Exit::Done, |fail| fail.exit);
    report(ctx, folder, "uninstall", &now, &changes, exit, fail.as_ref());
    if let Some(fail) = &fail {
        ctx.ui.error(fail);
    }
    Ok(exit)
}

fn not_as_installed(left: &[&Found]) -> Fail {
    let mut fail = Fail::new(Kind::ConfigInvalid, "A hook is not as it was installed, so it was left")
        .related(own("hooks").word("status"));
    for found in left {
        let path = found.path.display();
        fail = match (&found.state, &found.kept) {
            (State::Edited, _) => fail.details(format!("{path} was edited")),
            _ => fail.details(format!("{path} was replaced")),
        };
        fail = match &found.kept {
            Some(kept) => {
                let back = program(["mv"]).word(kept).word(&found.path);
                fail.run("Look at it; to have back what was there before", back)
            }
            None => fail.run("Look at it; to be without", program(["rm"]).word(&found.path)),
        };
    }
    fail
}

/// What was changed, by hook.
type Changes = [(Hook, &'static str)];

fn report(
    ctx: &Ctx,
    folder: &HooksFolder,
    action: &str,
    now: &[Found],
    changes: &Changes,
    exit: Exit,
    fail: Option<&Fail>,
) {
    let ours = now.iter().find(|found| found.is_ours()).or(now.first());
    let binary = ours.map_or_else(PathBuf::new, |found| folder.binary(found));
    let built = is_executable(&binary);
    let change = |hook| changes.iter().find(|(changed, _)| *changed == hook).map(|(_, change)| *change);
    let hooks: Vec<Value> = now.iter().map(|found| to_json(found, change(found.hook))).collect();
    let fields = json!({
        "action": action,
        "folder": folder.path.display().to_string(),
        "reach": reach(folder.reach).0,
        "binary": {"path": binary.display().to_string(), "built": built},
        "hooks": hooks,
    });
    ctx.ui.json(COMMAND, exit, fields, fail);
    for found in now {
        ctx.ui.answer(text(ctx, found, change(found.hook)));
    }
    ctx.ui.answer(format!("\nFolder: {}{}", folder.path.display(), reach(folder.reach).1));
    let state = if built { "" } else { " (not built)" };
    ctx.ui.answer(format!("Binary: {}{state}", binary.display()));
}

/// The word for JSON and the sentence for people.
fn reach(reach: Reach) -> (&'static str, &'static str) {
    match reach {
        Reach::Repository => ("repository", ""),
        Reach::WorkTree => ("work-tree", "\n  It is part of the work tree (core.hooksPath), so git sees these files"),
        Reach::Shared => {
            ("shared", "\n  It is shared with other repositories (core.hooksPath); our part runs in this one only")
        }
    }
}

fn state_name(state: &State) -> &'static str {
    match state {
        State::Absent => "not-installed",
        State::Installed => "installed",
        State::Outdated => "outdated",
        State::Edited => "edited",
        State::Elsewhere(_) => "elsewhere",
        State::Foreign => "foreign",
    }
}

fn to_json(found: &Found, change: Option<&str>) -> Value {
    json!({
        "name": found.hook.name(),
        "state": state_name(&found.state),
        "change": change,
        "path": found.path.display().to_string(),
        "kept": found.kept.as_ref().map(|path| path.display().to_string()),
    })
}

fn text(ctx: &Ctx, found: &Found, change: Option<&str>) -> String {
    let (paint, sign, word) = match &found.state {
        State::Installed => (Paint::Good, "✅", "installed".to_owned()),
        State::Absent if found.hook == Hook::PrePush => {
            let install = ctx.ui.shown(own("hooks").word("install").word("--pre-push"));
            (Paint::Dim, "⏹", format!("not installed: {install}"))
        }
        State::Absent => (Paint::Dim, "⏹", "not installed".to_owned()),
        State::Outdated => {
            let install = ctx.ui.shown(own("hooks").word("install"));
            (Paint::Warn, "⚠️ ", format!("installed, not up to date: {install}"))
        }
        State::Edited => (Paint::Warn, "⚠️ ", "installed, and edited since".to_owned()),
        State::Elsewhere(repository) => (Paint::Warn, "⚠️ ", format!("ours, for {}", repository.display())),
        State::Foreign => (Paint::Dim, "⏹", "not ours".to_owned()),
    };
    let mut text = format!("{} {}: {}", ctx.ui.paint(paint, sign), found.hook.name(), change.unwrap_or(&word));
    if let Some(kept) = &found.kept {
        let kept = ctx.project().map_or_else(|_| kept.clone(), |project| shown(project, kept));
        let kept = kept.display();
        text.push_str(&if found.is_ours() {
            format!(" (runs {kept} first)")
        } else {
            format!(" ({kept} is from before)")
        });
    }
    text
}
