//! What `init` prints: a line for each of the checkout's files, one for the whole copy, and what to do next.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::COMMAND;
use super::plan::{Change, Plan, Step};
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::flags::Init;
use crate::model::action::{Action, git, own, program};
use crate::model::adopt::MEMBER;
use crate::sys::adoption;

pub fn report(ctx: &Ctx, flags: &Init, root: &Path, plan: &Plan) -> Result<()> {
    let change = |step: &Step| json!({"path": step.path, "change": word(step.change)});
    let fields = json!({
        "into": root.display().to_string(),
        "from": adoption::source().ok().filter(|_| !flags.undo).map(|folder| folder.display().to_string()),
        "dry_run": flags.dry_run,
        "undo": flags.undo,
        "changes": plan.steps.iter().map(change).collect::<Vec<Value>>(),
    });
    ctx.ui.json(COMMAND, Exit::Done, fields, None);
    ctx.ui.answer(heading(flags, root, plan));
    let lines = lines(&plan.steps);
    if !lines.is_empty() {
        ctx.ui.answer(format!("\n{}", lines.join("\n")));
    }
    let next: Vec<String> = next_steps(flags, root, plan).iter().map(|action| ctx.ui.shown(action)).collect();
    if !next.is_empty() {
        ctx.ui.answer(format!("\nNext steps:\n  - {}", next.join("\n  - ")));
    }
    Ok(())
}

fn heading(flags: &Init, root: &Path, plan: &Plan) -> String {
    let (root, version) = (root.display(), env!("CARGO_PKG_VERSION"));
    match (plan.steps.is_empty(), flags.undo, flags.dry_run) {
        (true, true, _) => format!("Nothing of the copy in {root} was left but its record"),
        (true, ..) => format!("✅ {root} has this version ({version}) already; nothing was changed"),
        (_, false, false) => format!("✅ xtask {version} is in {root}"),
        (_, false, true) => format!("xtask {version} would be put into {root} (dry run, nothing was changed)"),
        (_, true, false) => format!("✅ xtask is no longer in {root}"),
        (_, true, true) => format!("xtask would be taken out of {root} (dry run, nothing was changed)"),
    }
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Updated => "updated",
        Change::Removed => "removed",
        Change::LinesAdded => "lines-added",
        Change::LinesRemoved => "lines-removed",
    }
}

fn lines(steps: &[Step]) -> Vec<String> {
    let folder = format!("{MEMBER}/");
    let (copy, own): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| step.path.starts_with(&folder));
    let count = |change: Change| match copy.iter().filter(|step| step.change == change).count() {
        0 => None,
        1 => Some(format!("1 file {}", word(change))),
        n => Some(format!("{n} files {}", word(change))),
    };
    let counts: Vec<String> = [Change::Added, Change::Updated, Change::Removed].into_iter().filter_map(count).collect();
    let mut lines: Vec<String> =
        own.iter().map(|step| line(&step.path, &word(step.change).replace('-', " "))).collect();
    if !counts.is_empty() {
        lines.insert(0, line(&folder, &counts.join(", ")));
    }
    lines
}

fn line(path: &str, what: &str) -> String {
    format!("  {path:<20} {what}")
}

fn next_steps(flags: &Init, root: &Path, plan: &Plan) -> Vec<Action> {
    if flags.dry_run || plan.steps.is_empty() {
        return Vec::new();
    }
    if flags.undo {
        let target = root.join("target");
        let left = Action::run(
            "What was built, and the embedded server's data, are there still; to be rid of them",
            program(["rm", "-r"]).word(&target),
        );
        return if target.is_dir() { vec![left] } else { Vec::new() };
    }
    let has_lock = plan.steps.iter().any(|step| step.path == "Cargo.lock") || root.join("Cargo.lock").is_file();
    let lock = ["Cargo.lock"].into_iter().filter(|_| has_lock);
    let add = git(["add", MEMBER, "Cargo.toml", ".cargo", ".gitignore"]).words(lock).inside(root);
    vec![
        Action::run(format!("In {}; the first call builds it", root.display()), own("db-status").plain()),
        Action::run("To share it", add),
        Action::run("To take it out again", own(COMMAND).flag("--into", root.display()).word("--undo").plain()),
    ]
}
