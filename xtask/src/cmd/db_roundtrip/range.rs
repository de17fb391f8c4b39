//! Which revisions a run tests: what the flags say, else what this branch adds to the main one, else the newest.

use std::collections::HashSet;

use anyhow::Result;
use serde_json::Value;

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::flags::{DbRoundtrip, Range};
use crate::model::action::own;
use crate::model::graph::Graph;
use crate::model::route::{Route, Seconds, Wanted, route};
use crate::model::target::{self, Direction, Target};
use crate::sys::files;
use crate::sys::git::{Repo, To};
use crate::sys::project::Component;
use crate::work::advice;

/// The revisions, and in words how they were chosen.
pub fn choose(ctx: &Ctx, graph: &Graph, component: &Component, flags: &DbRoundtrip) -> Result<(Route, String)> {
    let (ids, words) = match &flags.range {
        Range::Since(reference) => (Some(since(ctx, graph, reference)?), format!("added since {reference}")),
        Range::Head => match of_this_branch(ctx, graph) {
            Some((ids, main)) => (Some(ids), format!("added since {main}")),
            None => (None, "the newest revision".to_owned()),
        },
        Range::These { ids, words } => (Some(ids.iter().cloned().collect()), words.clone()),
        Range::Steps(1) => (None, "the newest revision".to_owned()),
        Range::Steps(count) => (None, format!("the newest {count}")),
        Range::From(text) => (Some(from(ctx, graph, component, text)?), format!("from {text} upwards")),
        Range::All => (None, "the whole history".to_owned()),
    };
    let wanted = match (&flags.range, &ids) {
        (_, Some(ids)) => Wanted::These(ids),
        (Range::Steps(count), None) => Wanted::Newest(*count),
        (Range::All, None) => Wanted::All,
        _ => Wanted::Heads,
    };
    let words = match flags.partition {
        Some(part) => format!("{words}, part {} of {}", part.number, part.of),
        None => words,
    };
    Ok((route(graph, wanted, flags.partition, &seconds(flags)?), words))
}

/// How long each revision took in the run that `--timings` names; empty where there is no such file yet.
fn seconds(flags: &DbRoundtrip) -> Result<Seconds> {
    let Some(path) = flags.timings.as_ref().filter(|path| path.exists()) else { return Ok(Seconds::new()) };
    let report: Value = serde_json::from_str(&files::read_text(path)?).unwrap_or_default();
    let results = report["results"].as_array().ok_or_else(|| {
        Fail::new(Kind::Usage, format!("{} has no times of a round trip", path.display()))
            .details("It is not what `db-roundtrip --json` prints")
            .run("Share the revisions out by their number", own("db-roundtrip").flag("--partition", "1/2"))
    })?;
    let of = |result: &Value| {
        let seconds = result["seconds"]["down"].as_f64()? + result["seconds"]["up"].as_f64()?;
        Some((result["revision"].as_str()?.to_owned(), seconds))
    };
    Ok(results.iter().filter_map(of).collect())
}

/// A revision and all above it.
fn from(ctx: &Ctx, graph: &Graph, component: &Component, text: &str) -> Result<HashSet<String>> {
    let id = one_revision(ctx, graph, component, text)?;
    Ok(route(graph, Wanted::From(&id), None, &Seconds::new()).tested)
}

/// The full id of a revision that may be shortened.
fn one_revision(ctx: &Ctx, graph: &Graph, component: &Component, text: &str) -> Result<String> {
    let found = Target::parse(text).and_then(|target| target::resolve(graph, Direction::Up, &[], &target));
    let fail = |error| advice::target(ctx, &error, text, component);
    let destination = found.map_err(fail)?.destination;
    destination.into_iter().next().ok_or_else(|| {
        Fail::new(Kind::Usage, format!("`--from {text}` names no revision"))
            .run("Test the whole history", own("db-roundtrip").word("--all"))
            .into()
    })
}

/// The revisions whose scripts are newer than the merge base of the work tree and `reference`; untracked scripts count.
fn since(ctx: &Ctx, graph: &Graph, reference: &str) -> Result<HashSet<String>> {
    let root = ctx.project()?.root.clone();
    let repo = Repo::find(&ctx.ui, &root)?.ok_or_else(|| {
        Fail::new(Kind::Usage, "`--since` needs a git checkout")
            .details(format!("{} is in none", root.display()))
            .run("Count instead", own("db-roundtrip").flag("--steps", 5))
    })?;
    repo.commit(reference)?;
    added(&repo, graph, &root, reference)
}

/// The revisions whose scripts are in none of the merge bases of the work tree and `reference`.
///
/// # Errors
/// When git fails.
pub fn added(repo: &Repo, graph: &Graph, root: &std::path::Path, reference: &str) -> Result<HashSet<String>> {
    // There may be several merge bases; a script that any of them has is not new.
    let mut known: HashSet<std::path::PathBuf> = HashSet::new();
    let folders: HashSet<std::path::PathBuf> =
        graph.scripts().filter_map(|script| root.join(&script.path).parent().map(std::path::Path::to_owned)).collect();
    let folders: Vec<std::path::PathBuf> =
        folders.into_iter().filter(|folder| folder.starts_with(repo.root())).collect();
    for base in repo.merge_bases(reference)? {
        known.extend(repo.files_at(&base, &folders)?.into_iter().map(|file| file.path));
        for changed in repo.changed(&base, To::WorkTree, &folders)? {
            // A script that only moved is not new.
            if let crate::sys::git::Changed::Renamed { path, .. } = changed {
                known.insert(path);
            }
        }
    }
    let is_new = |path: &std::path::Path| repo.relative(&root.join(path)).is_ok_and(|path| !known.contains(&path));
    Ok(graph.scripts().filter(|script| is_new(&script.path)).map(|script| script.id.clone()).collect())
}

/// The revisions that this branch adds to the main one, with the main branch's name; `None` where git cannot tell, or
/// where there are none.
fn of_this_branch(ctx: &Ctx, graph: &Graph) -> Option<(HashSet<String>, String)> {
    let root = ctx.project().ok()?.root.clone();
    let repo = Repo::find(&ctx.ui, &root).ok()??;
    let main = ctx.main_branch(&repo).ok()?;
    let ids = added(&repo, graph, &root, main.commit.as_str()).ok()?;
    // Every revision counts as new where the repository has no history to compare with; the newest one is the better
    // guess.
    (!ids.is_empty() && ids.len() < graph.len()).then_some((ids, main.name))
}
