//! `db-review`: describes what the revisions of a branch do, as Markdown for a pull request and as an HTML page. It
//! runs db-roundtrip and db-check; nothing but throwaway databases is changed.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;

use crate::cmd::{db_check, db_roundtrip};
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::{DbReview, DbRoundtrip, Range};
use crate::model::action::{Action, own};
use crate::model::graph::Graph;
use crate::model::harmless::on_a_line;
use crate::model::status::Revision;
use crate::report::drawing::{Drawing, Known};
use crate::report::review::{Review, Reviewed};
use crate::report::roundtrip::Report;
use crate::report::table::count;
use crate::sys::clock::utc_moment;
use crate::sys::files;
use crate::sys::git::{Oid, Repo, State, TrialMerge};
use crate::sys::history;

/// What is known before anything runs.
struct Facts {
    repo: Repo,
    graph: Graph,
    component: String,
    /// As it is named on a command line.
    base: String,
    base_commit: Oid,
    /// Whether scripts or env.py are not as the last commit has them; or why nobody can tell.
    uncommitted: Result<bool, String>,
    added: HashSet<String>,
}

/// # Errors
/// A refusal where there is nothing to compare the branch with, else what db-roundtrip may meet.
pub fn run(ctx: &Ctx, flags: &DbReview) -> Result<Exit> {
    let facts = gather(ctx, flags).map_err(refuse)?;
    let review = review(ctx, &facts)?;
    let exit = review.exit();
    write(ctx, flags, &review)?;
    ctx.ui.json("db-review", exit, review.to_json(ctx.ui.around()), None);
    Ok(exit)
}

fn gather(ctx: &Ctx, flags: &DbReview) -> Result<Facts> {
    let root = ctx.project()?.root.clone();
    let component = ctx.component()?;
    let repo = Repo::find(&ctx.ui, &root)?.ok_or_else(|| {
        Fail::new(Kind::Usage, "db-review needs a git checkout")
            .details(format!("{} is in none, so nobody can tell what a branch adds", root.display()))
            .run("Test the newest revision instead", own("db-roundtrip"))
    })?;
    let base = match &flags.base {
        Some(base) => base.clone(),
        None => ctx.main_branch(&repo).map_err(|error| by_hand(&error))?.name,
    };
    let base_commit = repo.commit(&base)?;
    let config = ctx.config(component)?;
    let graph = ctx.history(&config)?;
    let folders = config.version_locations.iter().chain([&config.script_location]);
    let folders: Vec<_> =
        folders.filter(|folder| folder.starts_with(repo.root()) && folder.exists()).cloned().collect();
    let uncommitted = uncommitted(&repo, &folders);
    let added = db_roundtrip::added(&repo, &graph, &root, &base)?;
    Ok(Facts { repo, graph, component: component.name.clone(), base, base_commit, uncommitted, added })
}

fn by_hand(error: &anyhow::Error) -> anyhow::Error {
    from_anyhow(error).action("Or name it here, as `--base GITREF`").into()
}

fn review(ctx: &Ctx, facts: &Facts) -> Result<Review> {
    let findings = db_check::since(ctx, ctx.component()?, &facts.base)?;
    let report = match facts.added.is_empty() {
        true => None,
        false => Some(roundtrip(ctx, facts)?),
    };
    let merge = Merge::of(ctx, facts)?;
    let ids = facts.graph.scripts().map(|script| script.id.as_str()).filter(|id| facts.added.contains(*id));
    let reviewed = |id: &str| Reviewed {
        revision: Revision::of(&facts.graph, id),
        parents: facts.graph.parents(id).into_iter().map(str::to_owned).collect(),
        result: report.iter().flat_map(|report| &report.results).find(|result| result.revision.id == id).cloned(),
    };
    Ok(Review {
        component: facts.component.clone(),
        from_checkout: ctx.project()?.root.strip_prefix(facts.repo.root()).unwrap_or(Path::new("")).to_owned(),
        base: facts.base.clone(),
        about: about(facts),
        revisions: ids.map(reviewed).collect(),
        histories: merge.histories(facts, report.as_ref()),
        after_merge: merge.words(),
        diverges: merge.diverges(),
        findings,
        repeat: repeat(facts, report.is_some(), merge.diverges()),
        report,
    })
}

fn roundtrip(ctx: &Ctx, facts: &Facts) -> Result<Report> {
    let ids: BTreeSet<String> = facts.added.iter().cloned().collect();
    let range = Range::These { ids, words: format!("added since {}", facts.base) };
    db_roundtrip::prove_and_look(ctx, &DbRoundtrip { range, ..DbRoundtrip::default() })
}

/// The history before and after the merge.
struct Merge {
    before: Graph,
    /// Or why it is not known.
    after: Result<Graph, String>,
}

fn uncommitted(repo: &Repo, folders: &[PathBuf]) -> Result<bool, String> {
    // For git, no folder is every folder.
    if folders.is_empty() {
        return Err("the scripts are not in this checkout".to_owned());
    }
    let is_other = |path: &Path, state: &State| {
        path.extension().is_some_and(|it| it == "py") && !matches!(state, State::Clean | State::Ignored)
    };
    let status = repo.status(folders).map_err(|error| from_anyhow(&error).summary)?;
    Ok(status.files.iter().any(|(path, state)| is_other(path, state)))
}

fn about(facts: &Facts) -> Vec<(&'static str, String)> {
    let head = facts.repo.head().ok();
    let branch = head.as_ref().and_then(|head| head.branch.clone());
    let commit = head.and_then(|head| head.commit).map(|commit| commit.as_str().to_owned());
    let besides = if facts.uncommitted == Ok(true) { ", with what is not committed of the scripts" } else { "" };
    let base = facts.base_commit.as_str();
    let known = [
        ("Date", Some(utc_moment(SystemTime::now()))),
        ("Branch", branch),
        ("Commit", commit.map(|commit| format!("{commit}{besides}"))),
        ("Compared with", Some(if facts.base == base { base.to_owned() } else { format!("{} ({base})", facts.base) })),
        ("Tool", Some(format!("xtask {}", env!("CARGO_PKG_VERSION")))),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl Merge {
    fn of(ctx: &Ctx, facts: &Facts) -> Result<Merge> {
        let (root, config) = (&ctx.project()?.root, ctx.config(ctx.component()?)?);
        let headers = ctx.headers(&config)?;
        let at = |tree: &Oid| history::at(root, &config, &headers, &facts.repo, tree).map(|(graph, _)| graph);
        // The other side's history may be broken, and this branch what mends it.
        let before = match at(&facts.base_commit) {
            Ok(graph) => graph,
            Err(error) => {
                let why = format!("{}: {}", facts.base, from_anyhow(&error).summary);
                return Ok(Merge { before: Graph::default(), after: Err(why) });
            }
        };
        let after = match &facts.uncommitted {
            Err(why) => Err(why.clone()),
            Ok(true) => Err("scripts are not committed".to_owned()),
            Ok(false) => match facts.repo.trial_merge(&facts.base_commit) {
                Err(error) => Err(from_anyhow(&error).summary),
                Ok(TrialMerge::Unknown(version)) => Err(format!("git {version} cannot tell; 2.38 can")),
                Ok(TrialMerge::Tree { conflicts, .. }) if !conflicts.is_empty() => {
                    Err(format!("{} in conflict", count(conflicts.len(), "file")))
                }
                Ok(TrialMerge::Tree { tree, .. }) => at(&tree).map_err(|error| from_anyhow(&error).summary),
            },
        };
        Ok(Merge { before, after })
    }

    fn diverges(&self) -> bool {
        self.after.as_ref().is_ok_and(Graph::is_diverged)
    }

    /// What the drawings do not show by themselves.
    fn words(&self) -> Option<String> {
        match &self.after {
            Err(why) => Some(format!("The history after the merge is not drawn: {why}.")),
            Ok(graph) if graph.is_diverged() => Some(format!(
                "After the merge there are several heads: {}. The last of the commands below makes them one.",
                graph.heads().join(", ")
            )),
            Ok(_) => None,
        }
    }

    /// What the branch and the other side add, and what that stands on, as it is there and as it will be.
    fn histories(&self, facts: &Facts, report: Option<&Report>) -> Vec<(String, Drawing)> {
        if facts.added.is_empty() {
            return Vec::new();
        }
        let verdicts = report.iter().flat_map(|report| &report.results);
        let known = Known {
            own: Some(facts.added.clone()),
            verdicts: verdicts.map(|result| (result.revision.id.clone(), result.verdict)).collect(),
            ..Known::default()
        };
        let after = self.after.as_ref().unwrap_or(&facts.graph);
        let is_theirs = |id: &&str| self.before.get(id).is_some() && facts.graph.get(id).is_none();
        // Where a pull request's checkout is merged already, nothing is new but the branch's own; several heads are shown all the same.
        let heads = if after.is_diverged() { after.heads() } else { Vec::new() };
        let new = after.scripts().map(|script| script.id.as_str());
        let is_new = |id: &&str| facts.added.contains(*id) || is_theirs(id) || heads.contains(id);
        let new: HashSet<&str> = new.filter(is_new).collect();
        let [before, after] = Drawing::pair([&self.before, after], &new, &facts.component, &known);
        let words = if self.after.is_ok() { "After the merge:" } else { "On this branch:" };
        let all = [(format!("As {} has it:", facts.base), before), (words.to_owned(), after)];
        all.into_iter().filter(|(_, drawing)| !drawing.nodes.is_empty()).collect()
    }
}

fn repeat(facts: &Facts, is_tested: bool, diverges: bool) -> Vec<Action> {
    let again = own("db-review").of(&facts.component).flag("--base", &facts.base);
    let trip = own("db-roundtrip").of(&facts.component).flag("--since", &facts.base);
    let check = own("db-check").of(&facts.component).flag("--base", &facts.base);
    let trip = is_tested.then(|| Action::run("The round trip", trip));
    let joined = diverges.then(|| Action::run("One head again", own("db-merge").word(&facts.base)));
    [Some(Action::run("This page", again)), trip, Some(Action::run("The checks", check)), joined]
        .into_iter()
        .flatten()
        .collect()
}

/// Where it was asked for, and where GitHub Actions looks.
fn write(ctx: &Ctx, flags: &DbReview, review: &Review) -> Result<()> {
    let markdown = review.markdown(ctx.ui.around());
    if let Some(path) = &flags.html {
        files::write_atomic(path, review.html(ctx.ui.around()).as_bytes())?;
    }
    match &flags.markdown {
        None => ctx.ui.exact_answer(&markdown),
        Some(path) => {
            files::write_atomic(path, markdown.as_bytes())?;
            ctx.ui.answer(review.summary());
        }
    }
    if let Some(path) = of_github("GITHUB_STEP_SUMMARY") {
        files::append(&path, markdown.as_bytes())?;
    }
    if let Some(path) = of_github("GITHUB_OUTPUT") {
        let ids: Vec<_> = review.revisions.iter().map(|one| on_a_line(&one.revision.id)).collect();
        let outcome = ctx.ui.settled(review.exit()).outcome();
        files::append(&path, format!("outcome={outcome}\nrevisions={}\n", ids.join(" ")).as_bytes())?;
    }
    Ok(())
}

fn of_github(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
