//! One file per command, with the same four parts in each: gather, plan, show, apply. This file only dispatches.

pub mod ci;
pub mod cli_executor;
pub mod completions;
pub mod db_backup;
pub mod db_check;
pub mod db_create_migration;
pub mod db_history;
pub mod db_merge;
pub mod db_migrate;
pub mod db_rebase;
pub mod db_restore;
pub mod db_review;
pub mod db_roundtrip;
pub mod db_server;
pub mod db_status;
pub mod db_switch;
pub mod db_sync;
pub mod db_undo;
pub mod doctor;
pub mod hooks;
pub mod init;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::fail::{Exit, from_anyhow};
use crate::flags::{Command, DbMerge, DbRebase};
use crate::work::take_back;

/// Runs a command; its answer is printed by itself, its failure by the caller.
pub fn run(ctx: &Ctx, command: &Command) -> Result<Exit> {
    warn_of_unfinished(ctx, command)?;
    match command {
        Command::DbStatus(flags) => db_status::run(ctx, flags),
        Command::DbMigrate(flags) => db_migrate::run(ctx, flags),
        Command::DbRoundtrip(flags) => db_roundtrip::run(ctx, flags),
        Command::DbRebase(flags) => db_rebase::run(ctx, flags),
        Command::DbMerge(flags) => db_merge::run(ctx, flags),
        Command::DbSync(flags) => db_sync::run(ctx, flags),
        Command::DbSwitch(flags) => db_switch::run(ctx, flags),
        Command::DbCreateMigration(flags) => db_create_migration::run(ctx, flags),
        Command::DbCheck(flags) => db_check::run(ctx, flags),
        Command::DbHistory(flags) => db_history::run(ctx, flags),
        Command::DbReview(flags) => db_review::run(ctx, flags),
        Command::DbBackup(flags) => db_backup::run(ctx, flags),
        Command::DbRestore(flags) => db_restore::run(ctx, flags),
        Command::DbUndo(flags) => db_undo::run(ctx, flags),
        Command::DbServer(action) => db_server::run(ctx, *action),
        Command::Hooks(flags) => hooks::run(ctx, flags),
        Command::Init(flags) => init::run(ctx, flags),
        Command::CliExecutor(flags) => cli_executor::run(ctx, flags),
        Command::Doctor(flags) => doctor::run(ctx, *flags),
        Command::Ci => ci::run(&ctx.ui),
        Command::Compat(names) => ci::compat(&ctx.ui, names),
        Command::Completions(shell) => completions::run(&ctx.ui, *shell),
        Command::Man => Ok(completions::man(&ctx.ui)),
        Command::Help(text) => {
            ctx.ui.answer(text);
            Ok(Exit::Done)
        }
    }
}

/// What did not end is found by whatever looks at the same database next; a migration in the middle of it would leave nobody
/// knowing where things are. A restore is a way out of what is done to the database alone.
fn warn_of_unfinished(ctx: &Ctx, command: &Command) -> Result<()> {
    // The merge first: a rebase that is a part of it is its to go on with.
    let merge = || db_merge::check_nothing_pending(ctx);
    let both = || merge().and_then(|()| db_rebase::check_nothing_pending(ctx));
    let way = || take_back::check_nothing_pending(ctx);
    let all = || both().and_then(|()| way());
    let sync = || db_sync::check_nothing_pending(ctx);
    let switch = || db_switch::check_nothing_pending(ctx);
    let pending = match command {
        Command::DbStatus(_) | Command::DbMigrate(_) => switch().and_then(|()| all()).and_then(|()| sync()),
        Command::DbSync(_) => switch().and_then(|()| all()),
        Command::DbRestore(_) | Command::DbUndo(_) => switch().and_then(|()| both()),
        Command::DbRoundtrip(flags) if flags.in_place => {
            both().and_then(|()| take_back::check_no_way_back(ctx)).and_then(|()| sync())
        }
        Command::DbRebase(DbRebase::Begin(_)) => {
            switch().and_then(|()| merge()).and_then(|()| way()).and_then(|()| sync())
        }
        Command::DbMerge(DbMerge::Begin(_)) => switch().and_then(|()| way()).and_then(|()| sync()),
        Command::DbMerge(_) => switch(),
        // A switch that did not end is put right by the next one.
        Command::DbSwitch(_) => all().and_then(|()| sync()),
        _ => Ok(()),
    };
    match (pending, command) {
        (Err(error), Command::DbStatus(_)) => {
            let fail = from_anyhow(&error);
            let actions = fail.shown_actions(ctx.ui.around());
            ctx.ui.warn(format!("{}:\n  {}", fail.summary, actions.join("\n  ")));
            Ok(())
        }
        (pending, _) => pending,
    }
}
