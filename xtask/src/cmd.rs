//! One file per command, with the same four parts in each: gather, plan, show, apply. This file only dispatches.

pub mod ci;
pub mod completions;
pub mod db_backup;
pub mod db_check;
pub mod db_create_migration;
pub mod db_merge;
pub mod db_migrate;
pub mod db_rebase;
pub mod db_restore;
pub mod db_roundtrip;
pub mod db_server;
pub mod db_status;
pub mod doctor;
pub mod hooks;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, from_anyhow};
use crate::flags::{Command, DbRebase};

/// Runs a command; its answer is printed by itself, its failure by the caller.
pub fn run(ctx: &Ctx, command: &Command) -> Result<Exit> {
    warn_of_unfinished(ctx, command)?;
    match command {
        Command::DbStatus(flags) => db_status::run(ctx, flags),
        Command::DbMigrate(flags) => db_migrate::run(ctx, flags),
        Command::DbRoundtrip(flags) => db_roundtrip::run(ctx, flags),
        Command::DbRebase(flags) => db_rebase::run(ctx, flags),
        Command::DbMerge(flags) => db_merge::run(ctx, flags),
        Command::DbCreateMigration(flags) => db_create_migration::run(ctx, flags),
        Command::DbCheck(flags) => db_check::run(ctx, flags),
        Command::DbBackup(flags) => db_backup::run(ctx, flags),
        Command::DbRestore(flags) => db_restore::run(ctx, flags),
        Command::DbServer(action) => db_server::run(ctx, *action),
        Command::Hooks(flags) => hooks::run(ctx, flags),
        Command::Doctor => doctor::run(ctx),
        Command::Ci => ci::run(&ctx.ui),
        Command::Completions(shell) => completions::run(&ctx.ui, *shell),
        Command::Man => Ok(completions::man(&ctx.ui)),
        Command::Help(text) => {
            ctx.ui.answer(text);
            Ok(Exit::Done)
        }
    }
}

/// A rebase or a merge that did not end is found by whatever looks at the same database next; a migration in the middle of it
/// would leave nobody knowing where things are.
fn warn_of_unfinished(ctx: &Ctx, command: &Command) -> Result<()> {
    // The merge first: a rebase that is a part of it is its to go on with.
    let both = || db_merge::check_nothing_pending(ctx).and_then(|()| db_rebase::check_nothing_pending(ctx));
    let pending = match command {
        Command::DbStatus(_) | Command::DbMigrate(_) | Command::DbRestore(_) => both(),
        Command::DbRebase(DbRebase::Begin(_)) => db_merge::check_nothing_pending(ctx),
        _ => Ok(()),
    };
    match (pending, command) {
        (Err(error), Command::DbStatus(_)) => {
            let fail = from_anyhow(&error);
            ctx.ui.warn(format!("{}: {}", fail.summary, fail.shown_actions(ctx.ui.around()).join("; ")));
            Ok(())
        }
        (pending, _) => pending,
    }
}
