//! `init`: puts a copy of this tool into a checkout, updates it, or removes it. Everything is decided before the first
//! change: contradictions, and files that somebody has edited, are refused.

mod plan;
mod show;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::Init;
use crate::model::action::own;
use crate::model::adopt::{MEMBER, Shared};
use crate::sys::{adoption, interrupt};
use plan::{Change, Plan, Step};

const COMMAND: &str = "init";

/// # Errors
/// A refusal (exit 3) where the checkout contradicts or its copy was edited; nothing was changed then.
pub fn run(ctx: &Ctx, flags: &Init) -> Result<Exit> {
    let root = checkout(flags)?;
    let plan = if flags.undo { plan::taking_out(&root)? } else { plan::putting_in(&ctx.ui, &root)? };
    if !flags.dry_run {
        apply(&root, &plan)?;
    }
    show::report(ctx, flags, &root, &plan)?;
    Ok(Exit::Done)
}

/// Where the copy is to be or is.
fn checkout(flags: &Init) -> Result<PathBuf> {
    let here = std::env::current_dir().context("asking for the working directory")?;
    let root = match &flags.into {
        Some(folder) => here.join(folder),
        None => adoption::with_copy(&here).unwrap_or(here),
    };
    let root = root.canonicalize().map_err(|error| {
        Fail::new(Kind::Usage, format!("No checkout at {}", root.display()))
            .details(error.to_string())
            .action("Name its folder: --into=DIR")
    })?;
    if !root.is_dir() {
        return Err(Fail::new(Kind::Usage, format!("{} is no folder", root.display())).into());
    }
    let is_own = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().is_ok_and(|own| own == root.join(MEMBER));
    let is_copy = adoption::record(&root)?.is_some();
    if is_own && is_copy && !flags.undo {
        // What was edited there would look like ours, and the next version would overwrite it.
        return Err(Fail::new(
            Kind::Usage,
            "This program was built from the copy itself, so it has nothing newer to put in",
        )
        .details(format!("The copy is {}", root.join(MEMBER).display()))
        .run("In the tool's own repository", own(COMMAND).flag("--into", root.display().to_string()).plain())
        .into());
    }
    if is_own && !is_copy {
        return Err(Fail::new(Kind::Usage, "This is the tool's own repository")
            .details(format!("A copy is made of {}, for another checkout", root.join(MEMBER).display()))
            .run("Name the checkout", own(COMMAND).flag("--into", "../backend.ai").plain())
            .into());
    }
    Ok(root)
}

/// Files first, then the record, since `--undo` goes by it, then the lines by which cargo and git find them. Whatever an
/// interrupt leaves is compared file by file by the next run, which goes on.
fn apply(root: &Path, plan: &Plan) -> Result<()> {
    let is_shared = |step: &&Step| Shared::ALL.iter().any(|it| it.path() == step.path);
    let (lines, files): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(is_shared);
    let Some(record) = &plan.record else {
        each(root, &lines)?;
        each(root, &files)?;
        return adoption::remove_record(root);
    };
    each(root, &files)?;
    if !plan.record_is_right {
        adoption::write_record(root, record)?;
    }
    each(root, &lines)
}

fn each(root: &Path, steps: &[&Step]) -> Result<()> {
    for step in steps {
        interrupt::check()?;
        match (&step.change, &step.content) {
            (Change::Removed, _) | (_, None) => adoption::take_away(root, &step.path)?,
            (_, Some(content)) => adoption::put(root, &step.path, content)?,
        }
    }
    Ok(())
}
