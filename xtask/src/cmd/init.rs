//! `init`: puts a copy of this tool into a checkout, brings it up to date, takes it out. Everything is decided before the
//! first change: what contradicts, and what somebody has edited, is refused.

mod plan;
mod show;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::Init;
use crate::model::action::own;
use crate::model::adopt::MEMBER;
use crate::sys::{adoption, interrupt};
use plan::{Change, Plan};

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
    if is_own && adoption::record(&root)?.is_none() {
        return Err(Fail::new(Kind::Usage, "This is the tool's own repository")
            .details(format!("A copy is made of {}, for another checkout", root.join(MEMBER).display()))
            .run("Name the checkout", own(COMMAND).flag("--into", "../backend.ai").plain())
            .into());
    }
    Ok(root)
}

/// Files first, then the lines by which cargo and git find them; the record last. Whatever an interrupt leaves is compared
/// file by file by the next run, which goes on.
fn apply(root: &Path, plan: &Plan) -> Result<()> {
    for step in &plan.steps {
        interrupt::check()?;
        match (&step.change, &step.content) {
            (Change::Removed, _) | (_, None) => adoption::take_away(root, &step.path)?,
            (_, Some(content)) => adoption::put(root, &step.path, content)?,
        }
    }
    match &plan.record {
        Some(_) if plan.steps.is_empty() && plan.record_is_right => Ok(()),
        Some(record) => adoption::write_record(root, record),
        None => adoption::remove_record(root),
    }
}
