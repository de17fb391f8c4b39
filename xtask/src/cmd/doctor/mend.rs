//! Makes the fixes that need no question: nothing that somebody may still want is touched.

use anyhow::Result;

use super::leftovers::hooks_folder;
use crate::ctx::Ctx;
use crate::sys::backup::copied::sweep_copies;
use crate::sys::backup::{self, shelf};
use crate::sys::hooks::{Hook, State};
use crate::sys::pg::sweep;

/// Does it; what was done, a line each.
pub fn mend(ctx: &Ctx) -> Vec<String> {
    let mut done = Vec::new();
    for work in [hooks, parts, scratch] {
        match work(ctx) {
            Ok(lines) => done.extend(lines),
            Err(error) => ctx.ui.warn(format!("Not mended: {error:#}")),
        }
    }
    done
}

/// Ours that would be written otherwise now; those that somebody edited stay.
fn hooks(ctx: &Ctx) -> Result<Vec<String>> {
    let Some(folder) = hooks_folder(ctx)? else { return Ok(Vec::new()) };
    let mut done = Vec::new();
    for hook in Hook::ALL {
        let found = folder.look(hook)?;
        if found.state == State::Outdated {
            folder.check()?;
            folder.install(&found)?;
            done.push(format!("the hook {} is written anew", hook.name()));
        }
    }
    Ok(done)
}

/// Backups that killed runs were writing.
fn parts(ctx: &Ctx) -> Result<Vec<String>> {
    let removed = backup::sweep(&ctx.project()?.root);
    Ok(removed.into_iter().map(|name| format!("{name} is removed, which a killed run was writing")).collect())
}

/// Scratch databases of dead runs, on the servers that are up.
fn scratch(ctx: &Ctx) -> Result<Vec<String>> {
    if ctx.is_embedded_down()? {
        return Ok(Vec::new());
    }
    let mut done = Vec::new();
    for component in &ctx.project()?.components {
        // A server that is not there is told by the look that follows.
        let Ok(database) = ctx.config(component).and_then(|config| ctx.database_of_all(&config)) else { continue };
        let dropped = sweep(database.maker()).unwrap_or_default();
        let folder = shelf::folder(&ctx.project()?.root);
        let copies = sweep_copies(&database.url, &folder).unwrap_or_default();
        let gone = dropped.into_iter().chain(copies);
        done.extend(gone.map(|name| format!("{name} is dropped, which a dead run had left")));
    }
    Ok(done)
}
