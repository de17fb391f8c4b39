//! `--dry-run`: what would conflict, which heads there would be, what would move. A merge that was not made yet is
//! looked at in the tree that git says it would leave; index, files and databases are not touched.

use anyhow::Result;
use serde_json::{Value, json};

use super::flow::Step;
use super::preflight::{self, components};
use super::show;
use crate::cmd::db_rebase::{self, Foretold};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, from_anyhow, refuse};
use crate::flags::{DbRebase, Merge, Rebase};
use crate::model::action::Around;
use crate::model::graph::Graph;
use crate::model::rebase::{Change, ids};
use crate::model::status::Revision;
use crate::report::json::revisions;
use crate::sys::git::{self, Oid, Repo};
use crate::sys::history;
use crate::sys::project::Component;
use crate::ui::Paint;
use crate::work::at_stake::AtStake;

/// What is foreseen for one component.
struct Preview {
    json: Value,
    moved: Vec<Value>,
    lines: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// Whatever would refuse the real thing.
pub fn run(ctx: &Ctx, flags: &Merge) -> Result<Exit> {
    let (repo, record) = preflight::check(ctx, flags).map_err(refuse)?;
    let named = ctx.common.component.as_deref();
    let mut lines = vec![ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed")];
    let mut conflicts = Value::Array(Vec::new());
    let mut parts = Vec::new();
    match record.target {
        None => {
            for component in components(ctx, named)? {
                parts.push(as_it_is(ctx, flags, component)?);
            }
        }
        Some(target) => {
            let branch = flags.branch.as_deref().unwrap_or_default();
            let foretold = repo.foretell_merge(&target).map_err(refuse)?;
            lines.push(String::new());
            let (tree, files) = tell(branch, &foretold, &mut lines);
            conflicts = files;
            let repo = repo.as_if_merging(target);
            for component in components(ctx, named)? {
                parts.extend(tree.map(|tree| after(ctx, flags, component, &repo, tree)));
            }
        }
    }
    let steps = show::planned(flags);
    let fields = json!({
        "branch": flags.branch,
        "steps": steps,
        "conflicts": conflicts,
        "components": parts.iter().map(|part| part.json.clone()).collect::<Vec<_>>(),
        "moved": parts.iter().flat_map(|part| part.moved.clone()).collect::<Vec<_>>(),
    });
    ctx.ui.json("db-merge", Exit::Done, fields, None);
    lines.extend(parts.into_iter().flat_map(|part| part.lines));
    lines.push(String::new());
    lines.push("Steps:".to_owned());
    let steps = Step::all(flags).into_iter().enumerate();
    lines.extend(steps.map(|(number, step)| format!("  {}. {}", number + 1, step.name())));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// What git says: the tree, if it can be told, and the files in conflict, null where that is not known.
fn tell<'a>(branch: &str, foretold: &'a git::Foretold, lines: &mut Vec<String>) -> (Option<&'a Oid>, Value) {
    match foretold {
        git::Foretold::Unknown(version) => {
            lines
                .push(format!("Merge of {branch}: whether it would conflict is not known (git {version}; 2.38 tells)"));
            (None, Value::Null)
        }
        git::Foretold::Tree { tree, conflicts } if conflicts.is_empty() => {
            lines.push(format!("Merge of {branch}: no conflict"));
            (Some(tree), json!([]))
        }
        git::Foretold::Tree { tree, conflicts } => {
            let files: Vec<String> = conflicts.iter().map(|path| path.display().to_string()).collect();
            lines.push(format!("Merge of {branch}: {} in conflict, to be resolved by hand:", files.len()));
            lines.extend(files.iter().map(|path| format!("  - {path}")));
            (Some(tree), json!(files))
        }
    }
}

/// A component as it would be after the merge. What keeps it from being told is part of the answer.
fn after(ctx: &Ctx, flags: &Merge, component: &Component, repo: &Repo, tree: &Oid) -> Preview {
    let looked = ctx.config(component).and_then(|config| {
        let (graph, texts) = history::at(&ctx.project()?.root, &config, &ctx.headers(&config)?, repo, tree)?;
        let is_diverged = graph.heads().len() > 1;
        let foretell = || db_rebase::foretell(ctx, component, repo, &graph, &texts, flags.no_db);
        let foretold = is_diverged.then(foretell).transpose()?;
        Ok((graph, foretold))
    });
    match looked {
        Ok((graph, foretold)) => foreseen(component, &graph, foretold.as_ref()),
        Err(error) => unforeseen(ctx.ui.around(), component, &from_anyhow(&error)),
    }
}

fn foreseen(component: &Component, graph: &Graph, foretold: Option<&Foretold>) -> Preview {
    let heads: Vec<Revision> = graph.heads().into_iter().map(|id| Revision::of(graph, id)).collect();
    let moved: &[_] = foretold.map_or(&[], Foretold::moved);
    let trip = foretold.and_then(|foretold| foretold.trip.as_ref());
    let mut lines = vec![String::new(), format!("Component: {}", component.name)];
    lines.push(match heads.len() {
        1 => "  one head, nothing to rebase".to_owned(),
        count => format!("  {count} heads:"),
    });
    if heads.len() > 1 {
        lines.extend(heads.iter().map(|head| format!("    - {}", head.with_message())));
    }
    match foretold.map(|foretold| &foretold.plan.change) {
        Some(Change::Merge { parents, .. }) => {
            lines.push(format!("  a merge revision would join {}", parents.join(" and ")))
        }
        Some(Change::Move(_)) => {
            lines.push("  would move:".to_owned());
            lines.extend(moved.iter().map(|moved| format!("    - {moved}")));
        }
        Some(Change::Nothing) | None => {}
    }
    if let Some(trip) = trip.filter(|trip| !trip.is_empty()) {
        let (between, after) = (ids(&trip.between), ids(&trip.after));
        lines.push(format!(
            "  the database would go to {after}: as it is where copies show that this comes to the same, else down to {between} and up"
        ));
    }
    let at_stake: &[AtStake] = foretold.map_or(&[], |it| &it.at_stake);
    if !at_stake.is_empty() {
        lines.push("  going down, these rows go, and are put back from the backup:".to_owned());
        lines.extend(at_stake.iter().map(|it| format!("    - {}", it.line())));
    }
    let moved = moved.iter().map(|it| {
        let revision = Revision::of(graph, &it.revision);
        json!({
            "component": component.name, "revision": it.revision, "message": revision.message, "from": it.from,
            "to": it.to, "path": revision.path.map(|path| path.display().to_string()),
        })
    });
    let moved = moved.collect();
    let database =
        trip.map(|it| json!({"before": it.before, "reverted": it.down, "applied": it.up, "after": it.after}));
    let at_stake: Vec<Value> = at_stake.iter().map(AtStake::json).collect();
    // Whether it can stay as it is only shows when the files are merged.
    let rows = trip.map(|_| json!({"kept": null, "why": null, "at_stake": at_stake}));
    let json = json!({
        "component": component.name, "heads": revisions(&heads), "is_diverged": heads.len() > 1,
        "needs_merge_revision": matches!(foretold.map(|it| &it.plan.change), Some(Change::Merge { .. })),
        "database": database, "rows": rows, "error": null,
    });
    Preview { json, moved, lines }
}

fn unforeseen(around: &Around, component: &Component, fail: &Fail) -> Preview {
    let mut lines = vec![String::new(), format!("Component: {}", component.name)];
    lines.push(format!("  cannot be told yet: {}", fail.summary));
    lines.extend(fail.details.lines().map(|line| format!("    {line}")));
    let json = json!({
        "component": component.name, "heads": [], "is_diverged": null, "needs_merge_revision": null, "database": null,
        "error": fail.to_json(around),
    });
    Preview { json, moved: Vec::new(), lines }
}

/// A component as the files are now: db-rebase has a dry run of its own.
fn as_it_is(ctx: &Ctx, flags: &Merge, component: &Component) -> Result<Preview> {
    let graph = ctx.history(&ctx.config(component)?).map_err(refuse)?;
    if graph.heads().len() < 2 {
        return Ok(foreseen(component, &graph, None));
    }
    let step = ctx.for_step(ctx.ui.overheard(), Some(component));
    let rebase = Rebase { dry_run: true, no_db: flags.no_db, ..Rebase::default() };
    db_rebase::run(&step, &DbRebase::Begin(rebase))?;
    let said = step.ui.said();
    let mut part = foreseen(component, &graph, None);
    part.json["database"] = said.fields["database"].clone();
    part.json["rows"] = said.fields["rows"].clone();
    part.json["needs_merge_revision"] = json!(!said.fields["merge"].is_null());
    part.moved = said.fields["moved"].as_array().cloned().unwrap_or_default();
    for moved in &mut part.moved {
        moved["component"] = json!(component.name);
    }
    part.lines = vec![String::new(), said.text.trim_end().to_owned()];
    Ok(part)
}
