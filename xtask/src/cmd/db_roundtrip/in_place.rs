//! `--in-place`: the round trip by hand (upgrade, downgrade, upgrade, with a backup before) on the component's own
//! database, with the same comparison. There is no way back but the backup, so the first failure ends it.

use anyhow::Result;

use super::facts::Facts;
use super::findings::Findings;
use super::sandbox::{Deed, Mode, Sandbox};
use super::trial::{self, Trial};
use super::{explain, result};
use crate::ctx::{Ctx, version_table};
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::DbRoundtrip;
use crate::model::roundtrip::Verdict;
use crate::model::route::applied_set;
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::backup::{self, Request};
use crate::sys::interrupt;
use crate::sys::pg::{Db, MigrationLock, application_name};
use crate::work::driver;

/// Checks, asks, backs up, walks, and leaves the database at the head.
///
/// # Errors
/// Refusals (exit 3) before anything was changed; a failure (exit 1) when the database could not be brought back to the
/// head, with the backup named.
pub fn run(ctx: &Ctx, facts: &Facts, flags: &DbRoundtrip) -> Result<Findings> {
    let lock = check(ctx, facts).map_err(refuse)?;
    let mut db = Db::connect(&facts.database.url, &application_name("db-roundtrip"))?;
    let backup = take_backup(ctx, facts, &mut db).map_err(refuse)?;
    let words = format!("{} itself (backup: {})", facts.database.place(), backup.display());
    let mut sandbox = Sandbox::on(ctx, facts, flags.step_timeout, db)?;
    let outcomes = walk(ctx, facts, &mut sandbox).map_err(|error| -> anyhow::Error {
        from_anyhow(&error)
            .details(format!("The database stands where this happened; the backup taken before: {}", backup.display()))
            .action(format!("See where it stands: cargo xtask db-status{}", ctx.component_flag(facts.component)))
            .into()
    })?;
    let server = sandbox.server()?;
    sandbox.end(false)?;
    drop(lock);
    Ok(Findings { baseline: words, cache: None, server, notes: Vec::new(), results: outcomes, kept: None, log: None })
}

/// This machine, nobody connected, meant so; and the lock.
fn check(ctx: &Ctx, facts: &Facts) -> Result<MigrationLock> {
    let place = facts.database.place();
    if !facts.database.url.is_local() {
        return Err(Fail::new(Kind::RemoteDatabase, "The database is not on this machine")
            .details(place)
            .action("Leave --in-place out: the round trip then runs on a copy")
            .related("cargo xtask db-status")
            .into());
    }
    let lock = MigrationLock::take(&facts.database.url, "db-roundtrip")?;
    let mut db = Db::connect(&facts.database.url, &application_name("db-roundtrip"))?;
    let others = db.other_sessions(&[lock.backend_pid()], &[&application_name("db-roundtrip")])?;
    if !others.is_empty() {
        let fail = Fail::new(Kind::ActiveConnections, "Other sessions are connected to the database")
            .details("A downgrade takes tables and columns away under them");
        let fail = others.iter().take(5).fold(fail, |fail, session| fail.details(driver::session_line(session)));
        return Err(fail.action("Stop the services that use it, or leave --in-place out").into());
    }
    let held = db.applied(&version_table(facts.component))?.revisions;
    let unknown = facts.graph.unknown(&held);
    if !unknown.is_empty() {
        return Err(crate::work::advice::unknown_in_database(
            &unknown.into_iter().map(str::to_owned).collect::<Vec<_>>(),
            &ctx.component_flag(facts.component),
        )
        .into());
    }
    let question = format!("Take revisions down and up again on {place} itself? Dropped columns lose their values.");
    if ctx.common.yes || ctx.ui.confirm(&question) == Some(true) {
        return Ok(lock);
    }
    // The command line is right; what it asks for is not agreed to.
    Err(Fail {
        exit: Exit::Refused,
        ..Fail::new(Kind::Usage, "A round trip on your own database has to be confirmed")
            .details(question)
            .action("If it is meant: repeat the command with --yes")
            .action("Leave --in-place out: the round trip then runs on a copy")
    }
    .into())
}

fn take_backup(ctx: &Ctx, facts: &Facts, db: &mut Db) -> Result<std::path::PathBuf> {
    let held = db.applied(&version_table(facts.component))?.revisions;
    let revision = if held.is_empty() { "base".to_owned() } else { held.join("+") };
    let request = Request {
        project_root: &ctx.project()?.root,
        component: &facts.component.name,
        url: &facts.database.url,
        server: &db.server_version().clone(),
        revision: &revision,
        tools: &facts.database.tools,
        instead: "Leave --in-place out: the round trip then runs on a copy",
    };
    let path = backup::take(&ctx.ui, &request)?;
    ctx.ui.status(format!("Backup: {}", path.display()));
    Ok(path)
}

/// Up to the heads, then each wanted revision from the top, then up to the heads again.
fn walk(ctx: &Ctx, facts: &Facts, sandbox: &mut Sandbox<'_>) -> Result<Vec<RevisionResult>> {
    up(facts, sandbox)?;
    let mut progress = ctx.ui.steps("Round trip", facts.route.tested.len());
    let mut outcomes: Vec<RevisionResult> = Vec::new();
    let mut over: Option<String> = None;
    for id in facts.route.order.iter().rev() {
        interrupt::check()?;
        let wanted = facts.route.tests(id);
        match &over {
            Some(reason) if wanted => outcomes.push(RevisionResult::skipped(&facts.graph, id, reason.clone())),
            None if outcomes.len() < facts.route.tested.len() => {
                if wanted {
                    progress.next(id);
                    let outcome = one(ctx, facts, sandbox, id)?;
                    let clean = matches!(outcome.verdict, Verdict::Reversible | Verdict::Unproven);
                    outcomes.push(outcome);
                    if !clean {
                        over = Some(format!("{id}, above it, is not reversible, and this database is no copy"));
                        continue;
                    }
                }
                let more = outcomes.len() < facts.route.tested.len();
                let down = Deed::steps(Direction::Down, std::slice::from_ref(id), Mode::Own);
                if more && let Err(failure) = sandbox.attempt(&down)? {
                    over = Some(format!("{id}, above it, cannot be taken down ({})", failure.fail.summary));
                }
            }
            _ => {}
        }
    }
    up(facts, sandbox)?;
    Ok(outcomes)
}

fn one(ctx: &Ctx, facts: &Facts, sandbox: &mut Sandbox<'_>, id: &str) -> Result<RevisionResult> {
    let said = explain::said(ctx, facts, id);
    if let Some(reason) = said.irreversible {
        return Ok(RevisionResult {
            reason: Some(reason),
            ..RevisionResult::new(&facts.graph, id, Verdict::Irreversible)
        });
    }
    let upper = sandbox.point()?;
    Ok(match trial::from_above(sandbox, &[id.to_owned()], upper)? {
        Trial::Passed(passed) => result::of_passed(&facts.graph, id, *passed, &said),
        Trial::Failed(stuck) => result::of_failure(&facts.graph, id, *stuck, &said),
        Trial::Up(_) => RevisionResult::skipped(&facts.graph, id, "not taken down".to_owned()),
    })
}

/// What the database lacks, as the project itself would apply it.
fn up(facts: &Facts, sandbox: &mut Sandbox<'_>) -> Result<()> {
    let held = applied_set(&facts.graph, &sandbox.held()?);
    let (_, lacking) = facts.route.split(&held);
    if lacking.is_empty() {
        return Ok(());
    }
    match sandbox.attempt(&Deed::steps(Direction::Up, &lacking, Mode::Own))? {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.fail.into()),
    }
}
