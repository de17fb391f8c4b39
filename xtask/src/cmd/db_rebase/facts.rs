//! Gathers the facts before anything is decided: the history, which revisions are released, what the command line asks
//! for.

use anyhow::Result;

use super::released::{self, Released, Scripts};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::flags::Rebase;
use crate::model::action::own;
use crate::model::graph::Graph;
use crate::model::rebase::{Refusal, Wish};
use crate::model::target::{self, Direction, Target, TargetError};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::git::Repo;
use crate::sys::project::Component;
use crate::work::advice;

pub struct Facts<'a> {
    pub component: &'a Component,
    pub config: AlembicConfig,
    pub graph: Graph,
    pub repo: Option<Repo>,
    pub released: Released,
    pub wish: Wish,
}

pub fn gather<'a>(
    ctx: &'a Ctx,
    flags: &Rebase,
    component: &'a Component,
    config: AlembicConfig,
    graph: Graph,
) -> Result<Facts<'a>> {
    let root = &ctx.project()?.root;
    let repo = released::checkout(&ctx.ui, root)?;
    let scripts = Scripts { graph: &graph, root, texts: None };
    let mut wish = if flags.merge { Wish::Merge } else { Wish::Usual };
    let mut branch = None;
    if let Some(word) = &flags.onto {
        match revision(&graph, word) {
            Ok(id) => wish = Wish::Onto(id),
            Err(TargetError::UnknownRevision { .. } | TargetError::UnknownBranch { .. }) if is_commit(&repo, word)? => {
                branch = Some(word.as_str());
            }
            Err(error) => return Err(advice::target(ctx, &error, word, component).into()),
        }
    }
    let released = match (&repo, &wish) {
        // A merge edits nobody's revision.
        (_, Wish::Merge) => released::by_text(&scripts)?,
        (Some(repo), Wish::Usual) => released::by_git(ctx, repo, &scripts, branch)?,
        (None, Wish::Usual) => return Err(released::no_checkout(root).into()),
        // The revision says it all; what git knows for sure is respected.
        (Some(repo), Wish::Onto(_)) => {
            released::by_git(ctx, repo, &scripts, None).or_else(|_| released::by_text(&scripts))?
        }
        (None, Wish::Onto(_)) => released::by_text(&scripts)?,
    };
    Ok(Facts { component, config, graph, repo, released, wish })
}

/// The one revision that a word names.
fn revision(graph: &Graph, word: &str) -> Result<String, TargetError> {
    let route = target::resolve(graph, Direction::Up, &[], &Target::parse(word)?)?;
    let unknown = || TargetError::UnknownRevision { id: word.to_owned(), nearest: Vec::new() };
    route.destination.into_iter().next().ok_or_else(unknown)
}

fn is_commit(repo: &Option<Repo>, word: &str) -> Result<bool> {
    let Some(repo) = repo else { return Ok(false) };
    Ok(repo.commits(&[word])?.pop().flatten().is_some())
}

/// Why there is no plan, for a person.
pub fn refused(refusal: &Refusal) -> Fail {
    let kind = match refusal {
        Refusal::Unknown(_) => Kind::UnknownRevision,
        Refusal::Unsound(_) => Kind::MigrationFileInvalid,
        _ => Kind::MultipleHeads,
    };
    Fail::new(kind, "The heads cannot be made one in this way")
        .details(refusal.to_string())
        .run("Join the heads without moving any revision", own("db-rebase").word("--merge"))
        .run("Or put everything else on another revision", own("db-rebase").flag("--onto", "REV"))
        .related(own("db-status"))
        .refused()
}
