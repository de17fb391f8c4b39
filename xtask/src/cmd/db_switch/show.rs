//! What `db-switch` prints.

use anyhow::Result;
use serde_json::{Value, json};

use super::apply::Done;
use super::plan::{Ends, Other, Part, Plan, Way};
use super::record::COMMAND;
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::model::action::{Around, own};
use crate::report::steps::{StepReport, steps as table};
use crate::sys::git::{Place, Repo};
use crate::ui::Paint;
use crate::work::differs::Differs;
use crate::work::shared_tree;

/// Nothing to do.
pub fn already_there(ctx: &Ctx, place: &Place) -> Result<Exit> {
    ctx.ui.json(COMMAND, Exit::Done, json!({"from": place.name(), "branch": place.name(), "steps": []}), None);
    ctx.ui.answer(format!("✅ Nothing to do: {place} is checked out"));
    Ok(Exit::Done)
}

/// Other work trees of this repository that use a database which is about to become another one.
pub fn warn_of_sharers(ctx: &Ctx, repo: &Repo, plan: &Plan<'_>) {
    for part in plan.parts.iter().filter(|part| !matches!(part.way, Way::Stays(_))) {
        for sharer in shared_tree::sharers(ctx, repo, part.component, &part.database) {
            ctx.ui.warn(format!(
                "{} uses the same database {}: it gets that of {} as well. Give it one of its own: another name in its {}",
                sharer.words(),
                part.database.url.target().database,
                plan.ends.to,
                part.component.config.display(),
            ));
        }
    }
}

/// `--dry-run`.
pub fn dry_run(ctx: &Ctx, plan: &Plan<'_>, differs: &Differs) -> Result<Exit> {
    let Ends { from, to, .. } = plan.ends;
    ctx.ui.json(COMMAND, Exit::Done, fields(ctx.ui.around(), plan, differs, &[]), None);
    let mut lines = vec![ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed"), String::new()];
    lines.push(format!("git switch {} (now: {from})", to.words().join(" ")));
    lines.extend(part_lines(plan));
    lines.extend(next(plan, differs));
    lines
        .extend([String::new(), format!("Run it: {}", ctx.ui.shown(own(COMMAND).words(to.words()).of_no_component()))]);
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// The end of a run.
pub fn report(ctx: &Ctx, plan: &Plan<'_>, differs: &Differs, done: Done) -> Result<Exit> {
    let Done { steps, fail, remarks, is_untouched } = done;
    let fail = fail.map(|fail| match is_untouched {
        true => fail,
        false => {
            fail.details(format!("Everything was put back: {} is checked out, with its databases", plan.ends.from))
        }
    });
    let exit = fail.as_ref().map_or(Exit::Done, |fail| fail.exit);
    ctx.ui.json(COMMAND, exit, fields(ctx.ui.around(), plan, differs, &steps), fail.as_ref());
    if let Some(fail) = fail {
        if !steps.is_empty() {
            ctx.ui.answer(table(&steps));
        }
        return Err(fail.into());
    }
    let headline = ctx.ui.paint(Paint::Good, &format!("✅ Switched to {}", plan.ends.to));
    let mut lines = vec![headline, String::new(), table(&steps), String::new()];
    lines.extend(part_lines(plan));
    lines.extend(remarks.into_iter().map(|remark| format!("⚠️  {remark}")));
    lines.extend(next(plan, differs));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

fn part_lines(plan: &Plan<'_>) -> Vec<String> {
    match plan.parts.as_slice() {
        [] => vec!["No component's database is there".to_owned()],
        parts => parts.iter().map(|part| format!("{}: {}", part.component.name, part.words())).collect(),
    }
}

fn next(plan: &Plan<'_>, differs: &Differs) -> Vec<String> {
    let mut lines = differs.lines("of this branch");
    let moved = plan.parts.iter().filter(|part| !matches!(part.way, Way::Stays(_)));
    let services: Vec<String> = moved.flat_map(|part| part.component.services.iter().cloned()).collect();
    if !services.is_empty() {
        lines.push(format!("Restart {}", services.join(", ")));
    }
    if lines.is_empty() {
        return lines;
    }
    let head = [String::new(), "Next steps:".to_owned()];
    head.into_iter().chain(lines.into_iter().map(|line| format!("  - {line}"))).collect()
}

fn fields(around: &Around, plan: &Plan<'_>, differs: &Differs, steps: &[StepReport]) -> Value {
    json!({
        "from": plan.ends.from.name(),
        "branch": plan.ends.to.name(),
        "steps": steps.iter().map(|step| step.to_json(around)).collect::<Vec<_>>(),
        "databases": plan.parts.iter().map(part_json).collect::<Vec<_>>(),
        "differs": differs.to_json(),
    })
}

fn part_json(part: &Part<'_>) -> Value {
    let (way, leaving, other) = match &part.way {
        Way::Stays(_) => ("stays", None, None),
        Way::DownAndUp(_) => ("down-and-up", None, None),
        Way::Swap { leaving, other: Other::Parked(other), .. } => ("parked", Some(leaving), Some(other)),
        Way::Swap { leaving, other: Other::CloneOf { database, .. }, .. } => ("clone", Some(leaving), Some(database)),
    };
    json!({
        "component": part.component.name, "database": part.database.url.target().database, "way": way,
        "parked_for": leaving, "source": other,
    })
}
