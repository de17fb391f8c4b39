//! Tries whether a database can stay as it is though its revisions get other parents. It makes two copies: one is
//! downgraded and upgraded again, the other only runs what it lacks. Where both come to the same schema, no row of the
//! own database need be touched.

use std::path::PathBuf;

use anyhow::Result;

use super::bystander::Bystanders;
use super::driver::{self, Labels};
use super::migrate::Walk;
use crate::ctx::{Ctx, version_table};
use crate::fail::{Kind, from_anyhow};
use crate::model::catalog::{Change, Snapshot, diff};
use crate::model::rebase::Trip;
use crate::model::target::Direction;
use crate::sys::alembic::{Driver, Stop};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::pg::{Db, Making, Scratch, application_name, catalog};
use crate::sys::project::Component;

/// What is to be tried.
pub struct Trial<'a> {
    /// Whose database it is.
    pub component: &'a Component,
    /// Its Alembic config.
    pub config: &'a AlembicConfig,
    /// The way down and up.
    pub trip: &'a Trip,
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
    let making = Making {
        ui: &ctx.ui,
        why: trial.command,
        name: None,
        file_copy: database.embedded,
        tools: &database.tools,
        admin: database.admin.as_ref(),
    };
    let own = Bystanders::look(ctx, trial.config, database.embedded, trial.command);
    let mut first = Scratch::clone_of(&database.url, &database.url.target().database, &making)?;
    let second = first.twin(&database.url, &making)?;
    let mut copies = [Copy::new(trial, first, Vec::new())?, Copy::new(trial, second, trial.kept.clone())?];
    let ways = ["the way down and up fails on a copy", "it does not run on a copy that stays as it is"];
    let Trial { trip, scripts: [old, new], .. } = trial;
    for (direction, start, ids, versions) in
        [(Direction::Down, &trip.before, &trip.down, old), (Direction::Up, &trip.between, &trip.up, new)]
    {
        let mut launch = driver::launch_throwaway(ctx, trial.config, &mut copies[0].db, trial.command)?;
        launch.versions.clone_from(versions);
        let mut driver = Driver::start(&ctx.ui, &launch)?;
        for (copy, way) in copies.iter_mut().zip(ways) {
            let walk = Walk { kept: copy.kept.clone(), ..Walk::new(direction, ids, start.clone()) };
            if let Err(why) = run(ctx, trial.component, &mut driver, copy, &walk)? {
                return Ok(Proof::GoesDown(format!("{way}: {why}")));
            }
        }
        driver.stop();
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
fn run(
    ctx: &Ctx,
    component: &Component,
    driver: &mut Driver,
    copy: &mut Copy,
    walk: &Walk,
) -> Result<Result<(), String>> {
    let target = driver::database(&mut copy.db)?;
    let done =
        driver.use_database(&target).and_then(|()| driver.migrate(&walk.for_driver(), None, &mut |_| {}).map(drop));
    match done {
        Ok(()) => Ok(Ok(())),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Trouble(trouble)) => {
            let labels = Labels::new(ctx, component)?;
            let fail = trouble.to_fail(&labels.names());
            Ok(Err(fail.revision.map_or(fail.summary.clone(), |id| format!("{id}: {}", fail.summary))))
        }
    }
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
