//! Runs a round trip before a push, of the revisions that neither the server's branch nor the main branch has yet.
//! Scripts are tested as they are in the work tree, so a branch that is not checked out is only mentioned.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::lenient::Lenient;
use crate::cmd::db_roundtrip;
use crate::ctx::Ctx;
use crate::fail::Exit;
use crate::flags::{Common, DbRoundtrip, Range};
use crate::sys::git::{Changed, Oid, Repo, To};
use crate::sys::project::Component;

/// `refs/heads/work 67890… refs/heads/foreign 12345…`: what git says of one reference that is pushed. Zeros stand for
/// none: of the first id in a deletion, of the second for a branch that is new there.
struct Push<'a> {
    name: &'a str,
    tip: Oid,
    there: Option<Oid>,
}

/// What of a push there is to test.
enum New {
    /// These scripts are new to the server.
    Scripts(BTreeSet<PathBuf>),
    /// It cannot be told, for this reason.
    Unknown(&'static str),
}

/// Tests what is pushed, component by component. `refs`: git's lines on stdin.
pub fn test(lenient: &Lenient, common: &Common, refs: &str) -> Result<Exit> {
    let ctx = Ctx::new(lenient.ui.clone(), common.clone())?;
    let Some(repo) = Repo::find(&ctx.ui, &ctx.project()?.root)? else { return Ok(Exit::Done) };
    let mut worst = Exit::Done;
    if ctx.project()?.components.is_empty() {
        return Ok(
            lenient.not_done("the pushed revisions were not tested: there is no Alembic config in this checkout")
        );
    }
    for push in refs.lines().filter_map(read) {
        for component in &ctx.project()?.components {
            let undone = format!("the pushed {} revisions were not tested", component.name);
            let tested = added(&ctx, &repo, component, &push).and_then(|new| match new {
                New::Scripts(scripts) if scripts.is_empty() => Ok(Exit::Done),
                New::Scripts(scripts) => test_scripts(&ctx, lenient, &repo, (component, &push), &scripts),
                New::Unknown(why) => Ok(lenient.not_done(&format!("{undone}: {why}"))),
            });
            // What keeps one component from being tested must not hide what was found in another.
            match lenient.settle(&undone, tested) {
                Exit::Interrupted => return Ok(Exit::Interrupted),
                Exit::Findings => worst = Exit::Findings,
                _ => {}
            }
        }
    }
    Ok(worst)
}

fn read(line: &str) -> Option<Push<'_>> {
    let mut words = line.split(' ');
    let (name, tip, _, there) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let some = |id: &str| Oid::parse(id).filter(|id| !id.is_zero());
    Some(Push { name: name.strip_prefix("refs/heads/").unwrap_or(name), tip: some(tip)?, there: some(there) })
}

/// The scripts that are new to the server. Where it cannot be told what the server has, none is tested: a first push of a
/// whole history is no moment to walk all of it.
fn added(ctx: &Ctx, repo: &Repo, component: &Component, push: &Push) -> Result<New> {
    let folders = ctx.config(component)?.version_locations;
    let folders: Vec<PathBuf> = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let folders: Vec<PathBuf> = folders.into_iter().filter(|folder| folder.starts_with(repo.root())).collect();
    if folders.is_empty() {
        return Ok(New::Unknown("the folder of its scripts is missing, or not part of this checkout"));
    }
    // What the server has may never have been fetched.
    let there = match &push.there {
        Some(there) => repo.commits(&[there.as_str()])?.pop().flatten(),
        None => None,
    };
    let main = ctx.main_branch(repo).ok().map(|main| main.commit);
    let mut new: Option<BTreeSet<PathBuf>> = None;
    for known in there.iter().chain(&main) {
        let added =
            repo.changed(known, To::Commit(&push.tip), &folders)?.into_iter().filter_map(|changed| match changed {
                Changed::Added { path, .. } => Some(repo.root().join(path)),
                _ => None,
            });
        let added: BTreeSet<PathBuf> = added.collect();
        new = Some(new.map_or(added.clone(), |new| new.intersection(&added).cloned().collect()));
    }
    let why =
        "the branch is new on the server, and no main branch is known to compare it with (`main` in the settings)";
    Ok(new.map_or(New::Unknown(why), New::Scripts))
}

fn test_scripts(
    ctx: &Ctx,
    lenient: &Lenient,
    repo: &Repo,
    (component, push): (&Component, &Push),
    scripts: &BTreeSet<PathBuf>,
) -> Result<Exit> {
    let name = &component.name;
    if repo.head()?.commit.as_ref() != Some(&push.tip) {
        let why = format!("new {name} revisions on {} were not tested: it is not checked out", push.name);
        return Ok(lenient.not_done(&why));
    }
    let paths: Vec<&Path> = scripts.iter().map(PathBuf::as_path).collect();
    if !repo.status(&paths)?.files.is_empty() {
        ctx.ui.warn(format!("{name} scripts have changes that are not pushed; they are tested as they lie there"));
    }
    let root = &ctx.project()?.root;
    let graph = ctx.history(&ctx.config(component)?)?;
    let pushed = graph.scripts().filter(|script| scripts.contains(&root.join(&script.path)));
    let ids: BTreeSet<String> = pushed.map(|script| script.id.clone()).collect();
    if ids.is_empty() {
        return Ok(Exit::Done);
    }
    let common = Common { component: Some(name.clone()), ..ctx.common.clone() };
    let range = Range::These { ids, words: format!("pushed with {}", push.name) };
    db_roundtrip::run(&Ctx::new(ctx.ui.clone(), common)?, &DbRoundtrip { range, ..DbRoundtrip::default() })
}
