//! Tries whether a database can stay as it is though its revisions get other parents. It makes two copies: one is
//! downgraded and upgraded again, the other only runs what it lacks. Where both come to the same schema, no row of the
//! own database need be touched. Where a script fails on the way down or up, nothing of it need be begun.

use std::path::PathBuf;

use anyhow::Result;

use super::at_stake;
use super::bystander::Bystanders;
use super::driver::{self, Labels};
use super::migrate::Walk;
use crate::ctx::{Ctx, version_table};
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::catalog::{Change, Snapshot, diff};
use crate::model::graph::Graph;
use crate::model::rebase::Trip;
use crate::model::sql;
use crate::model::target::Direction;
use crate::sys::alembic::{Driver, Stop, Trouble, TroubleKind};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg::{Db, Scratch, application_name, catalog};
use crate::sys::project::Component;

/// What is to be tried.
pub struct Trial<'a> {
    /// Whose database it is.
    pub component: &'a Component,
    /// Its Alembic config.
    pub config: &'a AlembicConfig,
    /// The way down and up.
    pub trip: &'a Trip,
    /// The histories of the way down and of the way up.
    pub graphs: [&'a Graph; 2],
    /// The revisions of the way down that would only be taken out of the version table and put back.
    pub kept: Vec<String>,
    /// Folders with the scripts of the way down and of the way up; none: those on the disk.
    pub scripts: [Vec<PathBuf>; 2],
    /// For which command.
    pub command: &'static str,
}

/// What the copies have shown.
pub enum Proof {
    /// The database can stay as it is.
    Stays,
    /// It has to go down and up again, and why.
    GoesDown(String),
    /// A script fails on the way down and up: nothing should be begun.
    Fails(Box<Fail>),
}

/// One of the two copies.
struct Copy {
    scratch: Scratch,
    db: Db,
    /// The revisions that are only taken out of the version table and put back.
    kept: Vec<String>,
}

/// Makes the copies and tries. What keeps them from being made is a reason, too.
///
/// # Errors
/// `interrupted`.
pub fn prove(ctx: &Ctx, trial: &Trial<'_>) -> Result<Proof> {
    let _task = ctx.ui.task("Trying on a copy whether the database can stay as it is");
    match attempt(ctx, trial) {
        Ok(proof) => Ok(proof),
        Err(error) => match from_anyhow(&error) {
            fail if fail.kind == Kind::Interrupted => Err(error),
            fail => Ok(Proof::GoesDown(format!("it could not be tried on a copy: {}", fail.summary))),
        },
    }
}

fn attempt(ctx: &Ctx, trial: &Trial<'_>) -> Result<Proof> {
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let database = ctx.database(trial.config)?;
    if !database.url.is_local() {
        return Ok(Proof::GoesDown("no copy is made of a database on another machine".to_owned()));
    }
    let Trial { trip, graphs: [below, above], .. } = trial;
    for (graph, direction, ids) in [(below, Direction::Down, &trip.down), (above, Direction::Up, &trip.up)] {
        if let Some(what) = at_stake::server_wide(ctx, graph, direction, ids)? {
            return Ok(Proof::GoesDown(format!("{what}, which is for the whole server: no copy can try that")));
        }
    }
    let making = database.making(&ctx.ui, trial.command);
    let own = Bystanders::look(ctx, trial.config, database.embedded, trial.command);
    let mut first = Scratch::clone_of(&database.url, &database.url.target().database, &making)?;
    let second = first.twin(&database.url, &making)?;
    let mut copies = [Copy::new(trial, first, Vec::new())?, Copy::new(trial, second, trial.kept.clone())?];
    let mut stays = Ok(());
    let Trial { trip, scripts: [old, new], .. } = trial;
    for (direction, start, ids, versions) in
        [(Direction::Down, &trip.before, &trip.down, old), (Direction::Up, &trip.between, &trip.up, new)]
    {
        let mut launch = driver::launch_throwaway(ctx, trial.config, &mut copies[0].db, trial.command)?;
        launch.versions.clone_from(versions);
        let mut driver = Driver::start(&ctx.ui, &launch)?;
        let [down_and_up, stayed] = &mut copies;
        let walk = |copy: &Copy| Walk { kept: copy.kept.clone(), ..Walk::new(direction, ids, start.clone()) };
        if let Err(trouble) = run(&mut driver, down_and_up, &walk(down_and_up))? {
            return fails(ctx, trial, direction, &trouble);
        }
        if stays.is_ok() {
            stays = run(&mut driver, stayed, &walk(stayed))?;
        }
        driver.stop();
    }
    if let Err(trouble) = stays {
        let why = said(&to_fail(ctx, trial.component, &trouble)?);
        return Ok(Proof::GoesDown(format!("it does not run on a copy that stays as it is: {why}")));
    }
    let [down_and_up, stayed] = [copies[0].schema(trial.component)?, copies[1].schema(trial.component)?];
    let differs = diff(&down_and_up, &stayed);
    for Copy { scratch, db, .. } in copies {
        drop(db);
        scratch.remove()?;
    }
    own.warn(ctx);
    match differs.as_slice() {
        [] => Ok(Proof::Stays),
        changes => Ok(Proof::GoesDown(format!("staying as it is comes to another schema: {}", named(changes)))),
    }
}

fn named(changes: &[Change]) -> String {
    let mut names: Vec<&str> = changes.iter().take(3).map(|change| change.object.as_str()).collect();
    if changes.len() > names.len() {
        names.push("…");
    }
    names.join(", ")
}

/// Walks a copy; why not, where a script or env.py is to blame.
fn run(driver: &mut Driver, copy: &mut Copy, walk: &Walk) -> Result<Result<(), Box<Trouble>>> {
    let target = driver::database(&mut copy.db)?;
    let done =
        driver.use_database(&target).and_then(|()| driver.migrate(&walk.for_driver(), None, &mut |_| {}).map(drop));
    match done {
        Ok(()) => Ok(Ok(())),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Trouble(trouble)) => Ok(Err(trouble)),
    }
}

/// The way down and up fails on a copy: it would on the database too, unless it is the copy that it fails at.
fn fails(ctx: &Ctx, trial: &Trial<'_>, direction: Direction, trouble: &Trouble) -> Result<Proof> {
    let fail = to_fail(ctx, trial.component, trouble)?;
    if !is_the_scripts_fault(trouble, &fail) {
        return Ok(Proof::GoesDown(format!("the way down and up fails on a copy: {}", said(&fail))));
    }
    let way = if direction == Direction::Down { "down" } else { "up" };
    let fail = fail
        .details(format!("This was tried on a copy of the database, where its way {way} fails; so nothing was begun"))
        .details("Files and database are as they were");
    Ok(Proof::Fails(Box::new(fail.refused())))
}

fn to_fail(ctx: &Ctx, component: &Component, trouble: &Trouble) -> Result<Fail> {
    Ok(trouble.to_fail(&Labels::new(ctx, component)?.names()))
}

fn said(fail: &Fail) -> String {
    fail.revision.as_ref().map_or(fail.summary.clone(), |id| format!("{id}: {}", fail.summary))
}

/// Whether a script would do the same on the database itself. A copy may be owned by somebody else, is behind a wall, and
/// what the whole server shares (a role that the database uses) is in use twice.
fn is_the_scripts_fault(trouble: &Trouble, fail: &Fail) -> bool {
    let of_the_copy = matches!(
        fail.kind,
        Kind::WrongDatabase
            | Kind::PermissionDenied
            | Kind::ConnectionLost
            | Kind::LockTimeout
            | Kind::StepTimeout
            | Kind::DiskFull
            | Kind::AlreadyRunning
            | Kind::EnvFailed
    );
    let statement = trouble.statement.as_deref().unwrap_or_default();
    let is_shared = sql::server_wide_in(statement).is_some();
    fail.revision.is_some() && !of_the_copy && !is_shared && trouble.kind != TroubleKind::NoNetwork
}

impl Copy {
    fn new(trial: &Trial<'_>, scratch: Scratch, kept: Vec<String>) -> Result<Copy> {
        let db = Db::connect(scratch.url(), &application_name(trial.command))?;
        Ok(Copy { scratch, db, kept })
    }

    fn schema(&mut self, component: &Component) -> Result<Snapshot> {
        let options = catalog::Options { version_tables: vec![version_table(component).name] };
        catalog::take(self.db.client(), &options)
    }
}
