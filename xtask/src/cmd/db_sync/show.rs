//! What `db-sync` prints: the steps, what was brought in line, what was applied, what to restart.

use anyhow::Result;
use serde_json::{Value, json};

use super::component::{COMMAND, Part, Realigned, STEPS, parts, way, way_lines};
use crate::cmd::db_status;
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, from_anyhow};
use crate::flags::DbSync;
use crate::model::action::{Own, own};
use crate::model::status::Revision;
use crate::report::json::revisions;
use crate::report::steps::{Outcome, StepReport, steps as table};
use crate::ui::Paint;
use crate::work::advice;
use crate::work::at_stake::AtStake;
use crate::work::differs::Differs;
use crate::work::own_database::OwnDatabase;
use crate::work::realign::Way;

/// Whose packages are to be installed.
const PACKAGES: &str = "as of the last pull";

/// The end of a run.
pub fn report(ctx: &Ctx, steps: &[StepReport], parts: &[Part<'_>], differs: &Differs) -> Result<Exit> {
    let is_changed = parts.iter().any(Part::is_changed);
    let mut fails: Vec<Fail> = parts.iter().filter_map(|part| part.fail.clone()).collect();
    for fail in &mut fails {
        // A refusal of one component is no refusal of the whole where another was changed.
        fail.exit = if is_changed && fail.exit == Exit::Refused { Exit::Failed } else { fail.exit };
    }
    let first = if fails.is_empty() { None } else { Some(fails.remove(0)) };
    let exit = first.as_ref().map_or(Exit::Done, |fail| fail.exit);
    ctx.ui.json(COMMAND, exit, fields(ctx, steps, parts, differs), first.as_ref());
    ctx.ui.answer(text(ctx, steps, parts, differs));
    match first {
        None => Ok(Exit::Done),
        Some(first) => {
            fails.iter().for_each(|fail| ctx.ui.error(fail));
            Err(first.into())
        }
    }
}

fn fields(ctx: &Ctx, steps: &[StepReport], parts: &[Part<'_>], differs: &Differs) -> Value {
    let realigned = |part: &Part<'_>| {
        let Realigned { way, at_stake, backup, .. } = part.realigned.as_ref()?;
        let mut object = way_json(way, at_stake);
        object["component"] = json!(part.component.name);
        object["backup"] = json!(backup.as_ref().map(|path| path.display().to_string()));
        Some(object)
    };
    let applied = parts.iter().filter(|part| !part.applied.is_empty());
    json!({
        "steps": steps.iter().map(|step| step.to_json(ctx.ui.around())).collect::<Vec<_>>(),
        "components": parts.iter().map(|part| part.status.as_ref().map(|it| db_status::component_json(ctx, it))).collect::<Vec<_>>(),
        "realigned": parts.iter().filter_map(realigned).collect::<Vec<_>>(),
        "applied": applied.map(|part| json!({"component": part.component.name, "revisions": revisions(&part.applied)})).collect::<Vec<_>>(),
        "restart": restart(parts),
        "differs": differs.to_json(),
    })
}

fn way_json(way: &Way, at_stake: &[AtStake]) -> Value {
    json!({
        "lost": way.lost_json(),
        "moved": way.moved.iter().map(|it| json!({"revision": it.revision, "from": it.was, "to": it.is})).collect::<Vec<_>>(),
        "reverted": way.taken_back(),
        "kept": way.kept,
        "applied": way.trip.up,
        "at_stake": at_stake.iter().map(AtStake::json).collect::<Vec<_>>(),
    })
}

/// The services of the components whose database was changed.
fn restart(parts: &[Part<'_>]) -> Vec<String> {
    let changed = parts.iter().filter(|part| part.is_changed());
    let mut services: Vec<String> = changed.flat_map(|part| part.component.services.iter().cloned()).collect();
    services.dedup();
    services
}

fn text(ctx: &Ctx, steps: &[StepReport], parts: &[Part<'_>], differs: &Differs) -> String {
    let is_changed = parts.iter().any(Part::is_changed);
    let (paint, headline) = match () {
        () if parts.iter().any(|part| part.fail.is_some()) => (Paint::Bad, "❌ Not everything is in line"),
        () if is_changed => (Paint::Good, "✅ Files and databases are in line"),
        () if steps.iter().any(|step| step.name == "git pull" && step.outcome == Outcome::Ok) => {
            (Paint::Good, "✅ Pulled; nothing to do for the databases")
        }
        () => (Paint::Good, "✅ Nothing to do"),
    };
    let mut lines = vec![ctx.ui.paint(paint, headline), String::new(), table(steps)];
    for part in parts {
        lines.extend(part_lines(part));
    }
    lines.extend(next(parts, differs));
    lines.join("\n")
}

fn next(parts: &[Part<'_>], differs: &Differs) -> Vec<String> {
    let mut lines = differs.lines(PACKAGES);
    if parts.iter().any(Part::is_changed) {
        let services = restart(parts);
        let restart = if services.is_empty() { "affected services if needed".to_owned() } else { services.join(", ") };
        lines.extend([format!("Restart {restart}"), "Verify application functionality".to_owned()]);
    }
    if lines.is_empty() {
        return lines;
    }
    let head = [String::new(), "Next steps:".to_owned()];
    head.into_iter().chain(lines.into_iter().map(|line| format!("  - {line}"))).collect()
}

fn part_lines(part: &Part<'_>) -> Vec<String> {
    let name = &part.component.name;
    let mut lines = Vec::new();
    if let Some(Realigned { way, at_stake, backup, .. }) = &part.realigned {
        lines.extend([String::new(), format!("Put in line with the files: {name}")]);
        lines.extend(way_lines(way));
        lines.extend(way.lines().into_iter().map(|line| format!("  - taken back: {line}")));
        lines.extend(at_stake.iter().filter(|it| it.is_loss()).map(|it| format!("  - went: {}", it.line())));
        lines.extend(backup.iter().map(|path| format!("Backup: {}", path.display())));
    }
    if !part.applied.is_empty() {
        lines.extend([String::new(), format!("Applied migrations: {name}")]);
        lines.extend(part.applied.iter().map(|it| format!("  - {}", it.with_message())));
    }
    lines
}

/// What would be done. Nothing but copies of databases is touched.
pub fn dry_run(ctx: &Ctx, flags: &DbSync, differs: &Differs) -> Result<Exit> {
    let mut lines = vec![ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed"), String::new()];
    if flags.pull {
        lines.push("git pull would come first; what comes with it is not known before".to_owned());
    }
    let (mut planned, mut statuses, mut first) = (Vec::new(), Vec::new(), None::<Fail>);
    for part in parts(ctx)? {
        let ctx = ctx.for_step(ctx.ui.overheard(), Some(part.component));
        let name = &part.component.name;
        match foresee(&ctx) {
            Ok((status, object, more)) => {
                statuses.push(status);
                planned.push(object);
                lines.push(format!("{name}: {}", more.join("\n")));
            }
            Err(error) => {
                let fail = from_anyhow(&error).about(name).refused();
                lines.push(format!("{name}: {}", fail.summary));
                first.get_or_insert(fail);
            }
        }
    }
    lines.extend(differs.lines(PACKAGES).into_iter().map(|line| format!("Besides: {line}")));
    lines.extend([String::new(), format!("Run it: {}", ctx.ui.shown(with(flags)))]);
    let steps = flags.pull.then_some("git pull").into_iter().chain(STEPS.map(|(name, _)| name));
    let step = |name: &str| StepReport {
        name: name.to_owned(),
        outcome: Outcome::Planned,
        seconds: 0.0,
        remark: String::new(),
        components: Vec::new(),
    };
    let steps: Vec<Value> = steps.map(|name| step(name).to_json(ctx.ui.around())).collect();
    let fields = json!({"steps": steps, "components": statuses, "planned": planned, "differs": differs.to_json()});
    ctx.ui.json(COMMAND, first.as_ref().map_or(Exit::Done, |fail| fail.exit), fields, first.as_ref());
    ctx.ui.answer(lines.join("\n"));
    first.map_or(Ok(Exit::Done), |fail| Err(fail.into()))
}

fn with(flags: &DbSync) -> Own {
    if flags.pull { own(COMMAND).word("--pull") } else { own(COMMAND) }
}

/// The status, and what would be done, for scripts and for people.
fn foresee(ctx: &Ctx) -> Result<(Value, Value, Vec<String>)> {
    let component = ctx.component()?;
    let mut report = db_status::look(ctx, component);
    let status = db_status::component_json(ctx, &report);
    if let Some(fail) = report.error.take() {
        return Err(fail.into());
    }
    let mut object = json!({"component": component.name});
    let mut lines = Vec::new();
    let mut pending = report.standing.as_ref().map(|it| it.pending.clone()).unwrap_or_default();
    let is_ours = ctx.database(&ctx.config(component)?)?.embedded;
    let found = match way(ctx, component) {
        // db-sync makes it; a dry run does not.
        Err(error) if is_ours && advice::is_database_missing(&error) => None,
        found => found?,
    };
    if let Some(way) = found {
        let mut own = OwnDatabase::connect(ctx, component, COMMAND)?;
        let at_stake = way.at_stake(ctx, &mut own)?;
        object["realign"] = way_json(&way, &at_stake);
        lines.push("would be put in line with the files:".to_owned());
        lines.extend(way_lines(&way));
        lines.extend(way.lines().into_iter().map(|line| format!("  - to take back: {line}")));
        lines.extend(at_stake.iter().filter(|it| it.is_loss()).map(|it| format!("  - goes: {}", it.line())));
        let files = ctx.history(&ctx.config(component)?)?;
        pending = files.pending(&way.trip.after).into_iter().map(|id| Revision::of(&files, id)).collect();
    }
    match pending.as_slice() {
        [] => lines.push("nothing is pending".to_owned()),
        all => {
            lines.push("would be applied:".to_owned());
            lines.extend(all.iter().map(|it| format!("  - {}", it.with_message())));
        }
    }
    object["pending"] = revisions(&pending);
    Ok((status, object, lines))
}
