//! The line after a switch of branches, a merge or a rebase: where the database stands now, if it is not at the head of
//! the scripts. Silent when there is nothing to say, when the database does not answer, and when time is up.

use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Result;

use crate::cmd::db_status;
use crate::ctx::Ctx;
use crate::flags::{Common, duration_of};
use crate::model::status::{Standing, State};
use crate::sys::git::Repo;
use crate::sys::hooks::Hook;
use crate::sys::project::Component;
use crate::sys::server;
use crate::sys::settings::Server;
use crate::ui::{Options, Ui};
use crate::work::advice;

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
        let _ = send.send(lines(hook, common).unwrap_or_default());
    });
    for line in receive.recv_timeout(limit).unwrap_or_default() {
        ui.status(line);
    }
}

fn lines(hook: Hook, common: Common) -> Result<Vec<String>> {
    let ctx = Ctx::new(Ui::new(Options { quiet: true, ..Options::default() }), common)?;
    if is_in_the_middle(&ctx, hook)? || !is_up(&ctx)? {
        return Ok(Vec::new());
    }
    let components = &ctx.project()?.components;
    let looks = std::thread::scope(|scope| {
        let look = |component| db_status::standing(&ctx, component).ok();
        let looks: Vec<_> = components.iter().map(|component| scope.spawn(move || look(component))).collect();
        looks.into_iter().map(|look| look.join().ok().flatten()).collect::<Vec<_>>()
    });
    let looks = components.iter().zip(looks);
    Ok(looks.filter_map(|(component, standing)| line(&ctx, component, &standing?)).collect())
}

/// A rebase calls post-checkout on its way; what comes of it is said at its end, by post-rewrite.
fn is_in_the_middle(ctx: &Ctx, hook: Hook) -> Result<bool> {
    let repo = Repo::find(&ctx.ui, &ctx.project()?.root)?;
    Ok(hook != Hook::PostRewrite && repo.is_some_and(|repo| repo.is_stepping()))
}

/// Our own server is asked when it is up; starting it would take seconds.
fn is_up(ctx: &Ctx) -> Result<bool> {
    if ctx.server()? == Server::Configured {
        return Ok(true);
    }
    Ok(server::states(&ctx.ui, &ctx.home()?)?.iter().any(|state| state.running.is_some()))
}

fn line(ctx: &Ctx, component: &Component, standing: &Standing) -> Option<String> {
    let (name, flag) = (&component.name, ctx.component_flag(component));
    Some(match standing.state {
        // Without a revision, nobody has begun to use it.
        State::UpToDate | State::NoRevision | State::Unreachable => return None,
        State::Behind => {
            let pending = match standing.pending.len() {
                1 => "1 migration".to_owned(),
                count => format!("{count} migrations"),
            };
            format!("xtask: the {name} database is behind by {pending}: cargo xtask db-migrate{flag}")
        }
        State::UnknownRevision => format!(
            "xtask: the {name} database is at {}, which no script here has; another branch may have migrated it: \
             cargo xtask db-status{flag}",
            standing.unknown.join(", ")
        ),
        State::Diverged => {
            let heads: Vec<&str> = standing.heads.iter().map(|head| head.id.as_str()).collect();
            let heads = heads.join(", ");
            format!(
                "xtask: the {name} scripts have diverged, heads {heads}: {}",
                ctx.ui.shown(advice::one_head_again().of(name))
            )
        }
    })
}
