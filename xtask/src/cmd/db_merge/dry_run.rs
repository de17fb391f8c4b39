//! `--dry-run`: says what would conflict, which heads there would be and which revisions would move. Where the merge is
//! not made yet, it reads the tree that git says the merge would make. The index, files and databases are not changed.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::flow::Step;
use super::preflight::{self, components};
use super::show;
use crate::cmd::db_rebase::{self, AfterMerge, Rows};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, from_anyhow, refuse};
use crate::flags::{Merge, Rebase};
use crate::model::action::Around;
use crate::model::graph::Graph;
use crate::model::rebase::{Change, Trip, ids};
use crate::model::status::Revision;
use crate::report::drawing::Drawing;
use crate::report::json::revisions;
use crate::report::moved::MovedRevision;
use crate::sys::files;
use crate::sys::git::{self, Oid, Repo};
use crate::sys::history;
use crate::sys::project::Component;
use crate::ui::Paint;
use crate::work::at_stake::AtStake;

/// A merge revision that has no id yet.
const NEW: &str = "a merge revision";

/// What would become of one component; with an error where that is not known yet.
struct Preview {
    component: String,
    heads: Vec<Revision>,
    is_diverged: bool,
    needs_merge_revision: Option<bool>,
    /// What the database would go through, where it is known.
    database: Option<Trip>,
    /// What would become of its rows.
    rows: Option<Rows>,
    moved: Vec<MovedRevision>,
    error: Option<Fail>,
    /// The history as it is and as it would be, where revisions move.
    histories: Vec<Drawing>,
    lines: Vec<String>,
}

impl Preview {
    fn to_json(&self, around: &Around) -> Value {
        let database = self.database.as_ref();
        let database =
            database.map(|it| json!({"before": it.before, "reverted": it.down, "applied": it.up, "after": it.after}));
        json!({
            "component": self.component,
            "heads": revisions(&self.heads),
            "is_diverged": self.error.is_none().then_some(self.is_diverged),
            "needs_merge_revision": self.needs_merge_revision,
            "database": database,
            "rows": self.rows.as_ref().map(Rows::to_json),
            "error": self.error.as_ref().map(|fail| fail.to_json(around)),
        })
    }

    fn moved_json(&self) -> Vec<Value> {
        self.moved.iter().map(|moved| moved.to_json_of(&self.component)).collect()
    }
}

/// Runs it.
///
/// # Errors
/// Whatever would refuse the merge itself.
pub fn run(ctx: &Ctx, flags: &Merge) -> Result<Exit> {
    let (repo, record) = preflight::check(ctx, flags).map_err(refuse)?;
    let named = ctx.common.component.as_deref();
    let mut lines = vec![ctx.ui.paint(Paint::Bold, "Dry run: nothing was changed")];
    let mut conflicts = Some(Vec::new());
    let mut parts = Vec::new();
    match record.target {
        None => {
            for component in components(ctx, named)? {
                parts.push(as_it_is(ctx, flags, component)?);
            }
        }
        Some(target) => {
            let branch = flags.branch.as_deref().unwrap_or_default();
            let merged = repo.trial_merge(&target).map_err(refuse)?;
            lines.push(String::new());
            let (tree, files) = conflicts_of(branch, &merged, &mut lines);
            conflicts = files;
            let repo = repo.as_if_merging(target);
            for component in components(ctx, named)? {
                parts.extend(tree.map(|tree| after(ctx, flags, component, &repo, tree)));
            }
        }
    }
    let steps = show::planned(flags, ctx.ui.around());
    let fields = json!({
        "branch": flags.branch,
        "steps": steps,
        "conflicts": conflicts,
        "components": parts.iter().map(|part| part.to_json(ctx.ui.around())).collect::<Value>(),
        "moved": parts.iter().flat_map(Preview::moved_json).collect::<Value>(),
    });
    ctx.ui.json("db-merge", Exit::Done, fields, None);
    let drawn = flags.svg.as_ref().map(|path| draw(path, &parts)).transpose()?;
    lines.extend(parts.into_iter().flat_map(|part| part.lines));
    lines.extend(drawn.map(|line| format!("\n{line}")));
    lines.push(String::new());
    lines.push("Steps:".to_owned());
    let steps = Step::all(flags).into_iter().enumerate();
    lines.extend(steps.map(|(number, step)| format!("  {}. {}", number + 1, step.name())));
    ctx.ui.answer(lines.join("\n"));
    Ok(Exit::Done)
}

/// Writes the picture, and says so.
fn draw(path: &Path, parts: &[Preview]) -> Result<String> {
    let all: Vec<Drawing> = parts.iter().flat_map(|part| part.histories.clone()).collect();
    if all.is_empty() {
        return Ok("No revision moves: there is nothing to draw".to_owned());
    }
    files::write_atomic(path, Drawing::stacked(&all).as_bytes())?;
    Ok(format!("Wrote {}: the history as it is and as it would be", path.display()))
}

/// The tree that git would make, and the files in conflict; `None` where this version of git cannot tell.
fn conflicts_of<'a>(
    branch: &str,
    merged: &'a git::TrialMerge,
    lines: &mut Vec<String>,
) -> (Option<&'a Oid>, Option<Vec<String>>) {
    match merged {
        git::TrialMerge::Unknown(version) => {
            lines
                .push(format!("Merge of {branch}: whether it would conflict is not known (git {version}; 2.38 tells)"));
            (None, None)
        }
        git::TrialMerge::Tree { tree, conflicts } if conflicts.is_empty() => {
            lines.push(format!("Merge of {branch}: no conflict"));
            (Some(tree), Some(Vec::new()))
        }
        git::TrialMerge::Tree { tree, conflicts } => {
            let files: Vec<String> = conflicts.iter().map(|path| path.display().to_string()).collect();
            lines.push(format!("Merge of {branch}: {} in conflict, to be resolved by hand:", files.len()));
            lines.extend(files.iter().map(|path| format!("  - {path}")));
            (Some(tree), Some(files))
        }
    }
}

/// A component as it would be after the merge. An error is part of the answer.
fn after(ctx: &Ctx, flags: &Merge, component: &Component, repo: &Repo, tree: &Oid) -> Preview {
    let looked = ctx.config(component).and_then(|config| {
        let (graph, texts) = history::at(&ctx.project()?.root, &config, &ctx.headers(&config)?, repo, tree)?;
        let is_diverged = graph.is_diverged();
        let rebase = || db_rebase::after_merge(ctx, component, repo, &graph, &texts, flags.no_db);
        let rebase = is_diverged.then(rebase).transpose()?;
        Ok((graph, rebase))
    });
    match looked {
        Ok((graph, rebase)) => {
            let change = rebase.as_ref().map(|rebase| &rebase.plan.change);
            let drawn = change.map(|change| db_rebase::drawn(&graph, change, Some(NEW), &component.name));
            let histories = drawn.and_then(Result::ok).into_iter().flatten().collect();
            Preview { histories, ..preview(component, &graph, rebase.as_ref()) }
        }
        Err(error) => not_known_yet(component, from_anyhow(&error)),
    }
}

fn preview(component: &Component, graph: &Graph, rebase: Option<&AfterMerge>) -> Preview {
    let heads: Vec<Revision> = graph.heads().into_iter().map(|id| Revision::of(graph, id)).collect();
    let moved: &[_] = rebase.map_or(&[], AfterMerge::moved);
    let trip = rebase.and_then(|rebase| rebase.trip.as_ref());
    let mut lines = vec![String::new(), format!("Component: {}", component.name)];
    lines.push(match heads.len() {
        1 => "  one head, nothing to rebase".to_owned(),
        count if !graph.is_diverged() => format!("  {count} heads on purpose, nothing to rebase:"),
        count => format!("  {count} heads:"),
    });
    if heads.len() > 1 {
        lines.extend(heads.iter().map(|head| format!("    - {}", head.with_message())));
    }
    match rebase.map(|rebase| &rebase.plan.change) {
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
    let at_stake: &[AtStake] = rebase.map_or(&[], |it| &it.at_stake);
    if !at_stake.is_empty() {
        lines.push("  going down, these rows go, and are put back from the backup:".to_owned());
        lines.extend(at_stake.iter().map(|it| format!("    - {}", it.line())));
    }
    Preview {
        component: component.name.clone(),
        heads,
        is_diverged: graph.is_diverged(),
        needs_merge_revision: Some(matches!(rebase.map(|it| &it.plan.change), Some(Change::Merge { .. }))),
        database: trip.cloned(),
        // Whether the database can stay as it is only shows when the files are merged.
        rows: trip.map(|_| Rows { stay: None, why: None, at_stake: at_stake.to_vec() }),
        moved: moved.iter().map(|it| MovedRevision::of(graph, it)).collect(),
        error: None,
        histories: Vec::new(),
        lines,
    }
}

fn not_known_yet(component: &Component, fail: Fail) -> Preview {
    let mut lines = vec![String::new(), format!("Component: {}", component.name)];
    lines.push(format!("  not known yet: {}", fail.summary));
    lines.extend(fail.details.lines().map(|line| format!("    {line}")));
    Preview {
        component: component.name.clone(),
        heads: Vec::new(),
        is_diverged: false,
        needs_merge_revision: None,
        database: None,
        rows: None,
        moved: Vec::new(),
        error: Some(fail),
        histories: Vec::new(),
        lines,
    }
}

/// What a rebase of the files as they are now would do, from db-rebase's own dry run.
fn as_it_is(ctx: &Ctx, flags: &Merge, component: &Component) -> Result<Preview> {
    let graph = ctx.history(&ctx.config(component)?).map_err(refuse)?;
    if !graph.is_diverged() {
        return Ok(preview(component, &graph, None));
    }
    let step = ctx.for_step(ctx.ui.clone(), Some(component));
    let rebase = Rebase { dry_run: true, no_db: flags.no_db, ..Rebase::default() };
    let preview = preview(component, &graph, None);
    let Some(rebase) = db_rebase::preview(&step, &rebase)? else { return Ok(preview) };
    Ok(Preview {
        database: Some(rebase.trip),
        rows: rebase.rows,
        needs_merge_revision: Some(rebase.merge.is_some()),
        moved: rebase.moved,
        histories: rebase.histories.to_vec(),
        lines: vec![String::new(), rebase.text],
        ..preview
    })
}
