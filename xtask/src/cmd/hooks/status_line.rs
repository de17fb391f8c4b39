//! Makes the line that a hook prints after a checkout, a merge or a rebase: where the database stands, if it is not at
//! the head of the scripts. Nothing is printed when all is well, and while the embedded server is not running. The line
//! names what was not looked at.

use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::from_anyhow;
use crate::flags::{Common, duration_of};
use crate::model::action::{Action, own};
use crate::model::status::{Standing, State};
use crate::sys::git::{Head, Repo, SWITCHING};
use crate::sys::hooks::Hook;
use crate::sys::pg::parked::Databases;
use crate::sys::project::Component;
use crate::ui::{Options, Ui};
use crate::work::parked::of_today;
use crate::work::{advice, standing};

/// How long it may take: what is felt as a pause after `git switch` is too long. A server behind a slow line may be given
/// more by `XTASK_HOOK_LIMIT`.
const LIMIT: Duration = Duration::from_millis(130);

/// Says it.
pub fn say(ui: &Ui, hook: Hook, common: Common) {
    let set = std::env::var("XTASK_HOOK_LIMIT").ok();
    let limit = set.and_then(|text| duration_of(&text)).unwrap_or(LIMIT);
    let (send, receive) = channel();
    // A thread that is still waiting for a server when time is up goes with the process.
    std::thread::spawn(move || {
        let _ = send.send(lines(hook, common));
    });
    let lines = match receive.recv_timeout(limit) {
        Ok(Ok(lines)) => lines,
        Ok(Err(error)) => vec![unknown(ui, &from_anyhow(&error).summary)],
        Err(_) => vec![unknown(ui, &format!("it takes longer than {} ms (XTASK_HOOK_LIMIT)", limit.as_millis()))],
    };
    for line in lines {
        ui.status(line);
    }
}

fn unknown(ui: &Ui, why: &str) -> String {
    let why = format!("xtask: where the databases stand is not known: {why}; see");
    ui.shown(Action::run(why, own("db-status").word("--all")))
}

fn lines(hook: Hook, common: Common) -> Result<Vec<String>> {
    // db-switch says it when it has switched the databases as well.
    if std::env::var_os(SWITCHING).is_some() {
        return Ok(Vec::new());
    }
    let ctx = Ctx::new(Ui::new(Options { quiet: true, ..Options::default() }), common)?;
    if is_in_the_middle(&ctx, hook)? || !is_up(&ctx)? {
        return Ok(Vec::new());
    }
    let components = &ctx.project()?.components;
    if components.is_empty() {
        return Ok(vec![unknown(&ctx.ui, "there is no Alembic config in this checkout")]);
    }
    let looks = std::thread::scope(|scope| {
        let look = |component| standing::standing(&ctx, component);
        let looks: Vec<_> = components.iter().map(|component| scope.spawn(move || look(component))).collect();
        looks.into_iter().map(|look| look.join()).collect::<Vec<_>>()
    });
    let mut lines = Vec::new();
    let parked = if hook == Hook::PostCheckout { own_databases(&ctx) } else { Vec::new() };
    for (component, look) in components.iter().zip(looks) {
        if let Some(branch) = parked.iter().find(|(name, _)| *name == component.name).map(|(_, branch)| branch) {
            let here = ctx.ui.shown(own("db-switch").flag("--here", branch).of_no_component());
            lines.push(format!(
                "xtask: the {} database is another branch's, {branch} has its own: {here}",
                component.name
            ));
            continue;
        }
        match look {
            Ok(Ok(standing)) => lines.extend(line(&ctx, component, &standing)),
            Ok(Err(error)) => lines.push(not_asked(&ctx, component, &from_anyhow(&error).summary)),
            Err(_) => lines.push(not_asked(&ctx, component, "the look at it broke off")),
        }
    }
    Ok(lines)
}

/// The components for which a database of the branch that is checked out is parked, and the branch.
fn own_databases(ctx: &Ctx) -> Vec<(String, String)> {
    let Ok(project) = ctx.project() else { return Vec::new() };
    let Ok(Some(repo)) = Repo::find(&ctx.ui, &project.root) else { return Vec::new() };
    let Some(place) = repo.head().ok().and_then(Head::place) else { return Vec::new() };
    let branch = place.name().to_owned();
    let is_parked = |component: &&Component| -> Option<bool> {
        let database = ctx.database(&ctx.config(component).ok()?).ok()?;
        let list = Databases::open(&database.url, &database.url.target().database).ok()?.list().ok()?;
        let list = of_today(&repo, list, &[&branch]).ok()?;
        Some(list.iter().any(|it| !it.active && it.branch.as_ref() == Some(&branch)))
    };
    let found = project.components.iter().filter(|it| is_parked(it) == Some(true));
    found.map(|component| (component.name.clone(), branch.clone())).collect()
}

fn not_asked(ctx: &Ctx, component: &Component, why: &str) -> String {
    let name = &component.name;
    let why = format!("xtask: where the {name} database stands is not known: {why}; see");
    ctx.ui.shown(Action::run(why, own("db-status").of(name)))
}

/// A rebase calls post-checkout on its way; what comes of it is said at its end, by post-rewrite.
fn is_in_the_middle(ctx: &Ctx, hook: Hook) -> Result<bool> {
    let repo = Repo::find(&ctx.ui, &ctx.project()?.root)?;
    Ok(hook != Hook::PostRewrite && repo.is_some_and(|repo| repo.is_stepping()))
}

/// Our own server is asked when it is up; starting it would take seconds.
fn is_up(ctx: &Ctx) -> Result<bool> {
    Ok(!ctx.is_embedded_down()?)
}

fn line(ctx: &Ctx, component: &Component, standing: &Standing) -> Option<String> {
    let name = &component.name;
    let (why, command) = match standing.state {
        // Without a revision, nobody has begun to use it.
        State::UpToDate | State::NoRevision | State::Unreachable | State::NotSetUp => return None,
        State::Behind => {
            let pending = match standing.pending.len() {
                1 => "1 migration".to_owned(),
                count => format!("{count} migrations"),
            };
            (format!("the {name} database is behind by {pending}"), own("db-migrate"))
        }
        State::UnknownRevision => {
            let unknown = standing.unknown.join(", ");
            let why = "which no script here has; another branch may have migrated it";
            (format!("the {name} database is at {unknown}, {why}"), own("db-status"))
        }
        State::Diverged => {
            let heads: Vec<&str> = standing.heads.iter().map(|head| head.id.as_str()).collect();
            (format!("the {name} scripts have diverged, heads {}", heads.join(", ")), advice::one_head_again())
        }
    };
    Some(ctx.ui.shown(Action::run(format!("xtask: {why}"), command.of(name))))
}
