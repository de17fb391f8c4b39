//! Whether a database that holds a moved revision can stay as it is: on two copies of it, one goes down and up again and
//! the other only runs what it lacks. Where both come to the same schema, no row of the own database need be touched.

use anyhow::Result;

use super::facts::Facts;
use super::files::Edit;
use crate::ctx::{Ctx, version_table};
use crate::fail::{Kind, from_anyhow};
use crate::model::catalog::{Change, Snapshot, diff};
use crate::model::rebase::Trip;
use crate::model::target::Direction;
use crate::sys::alembic::{Driver, Stop};
use crate::sys::overlay::Overlay;
use crate::sys::pg::{Db, Making, Scratch, application_name, catalog};
use crate::work::driver::{self, Labels};
use crate::work::migrate::Walk;

const COMMAND: &str = "db-rebase";

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
pub fn prove(ctx: &Ctx, facts: &Facts, edits: &[Edit], trip: &Trip) -> Result<Proof> {
    let _task = ctx.ui.task("Trying on a copy whether the database can stay as it is");
    match attempt(ctx, facts, edits, trip) {
        Ok(proof) => Ok(proof),
        Err(error) => match from_anyhow(&error) {
            fail if fail.kind == Kind::Interrupted => Err(error),
            fail => Ok(Proof::GoesDown(format!("it could not be tried on a copy: {}", fail.summary))),
        },
    }
}

fn attempt(ctx: &Ctx, facts: &Facts, edits: &[Edit], trip: &Trip) -> Result<Proof> {
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let database = ctx.database(&facts.config)?;
    if !database.url.is_local() {
        return Ok(Proof::GoesDown("no copy is made of a database on another machine".to_owned()));
    }
    let making =
        Making { ui: &ctx.ui, why: "rebase", name: None, file_copy: database.embedded, tools: &database.tools };
    let mut first = Scratch::clone_of(&database.url, &database.url.target().database, &making)?;
    let second = first.twin(&database.url, &making)?;
    let mut copies = [Copy::new(first, Vec::new())?, Copy::new(second, trip.down.clone())?];
    let ways = ["the way down and up fails on a copy", "it does not run on a copy that stays as it is"];
    for (direction, start, ids) in
        [(Direction::Down, &trip.before, &trip.down), (Direction::Up, &trip.between, &trip.up)]
    {
        let overlay = match direction {
            Direction::Down => None,
            Direction::Up => Some(as_they_will_be(ctx, facts, edits)?),
        };
        let mut driver = start_driver(ctx, facts, &mut copies[0].db, overlay.as_ref())?;
        for (copy, way) in copies.iter_mut().zip(ways) {
            let walk = Walk { kept: copy.kept.clone(), ..Walk::new(direction, ids, start.clone()) };
            if let Err(why) = run(ctx, facts, &mut driver, copy, &walk)? {
                return Ok(Proof::GoesDown(format!("{way}: {why}")));
            }
        }
        driver.stop();
    }
    let [down_and_up, stayed] = [copies[0].schema(facts)?, copies[1].schema(facts)?];
    let differs = diff(&down_and_up, &stayed);
    for Copy { scratch, db, .. } in copies {
        drop(db);
        scratch.remove()?;
    }
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

/// Every script, the moved ones with their new parents.
fn as_they_will_be(ctx: &Ctx, facts: &Facts, edits: &[Edit]) -> Result<Overlay> {
    let project = ctx.project()?;
    let scripts = facts.graph.scripts().map(|script| {
        let path = project.root.join(&script.path);
        let edit = edits.iter().find(|edit| edit.path == path);
        (path, edit.map(Edit::after))
    });
    Overlay::new(&project.state_dir, scripts)
}

fn start_driver(ctx: &Ctx, facts: &Facts, db: &mut Db, overlay: Option<&Overlay>) -> Result<Driver> {
    let mut launch = driver::launch_throwaway(ctx, &facts.config, db, COMMAND)?;
    launch.versions = overlay.map(|overlay| overlay.versions().to_vec()).unwrap_or_default();
    Driver::start(&ctx.ui, &launch)
}

/// Walks a copy; why not, where a script or env.py is to blame.
fn run(ctx: &Ctx, facts: &Facts, driver: &mut Driver, copy: &mut Copy, walk: &Walk) -> Result<Result<(), String>> {
    let target = driver::database(&mut copy.db)?;
    let done =
        driver.use_database(&target).and_then(|()| driver.migrate(&walk.for_driver(), None, &mut |_| {}).map(drop));
    match done {
        Ok(()) => Ok(Ok(())),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Trouble(trouble)) => {
            let labels = Labels::new(ctx, facts.component)?;
            let fail = trouble.to_fail(&labels.names());
            Ok(Err(fail.revision.map_or(fail.summary.clone(), |id| format!("{id}: {}", fail.summary))))
        }
    }
}

impl Copy {
    fn new(scratch: Scratch, kept: Vec<String>) -> Result<Copy> {
        let db = Db::connect(scratch.url(), &application_name(COMMAND))?;
        Ok(Copy { scratch, db, kept })
    }

    fn schema(&mut self, facts: &Facts) -> Result<Snapshot> {
        let options = catalog::Options { version_tables: vec![version_table(facts.component).name] };
        catalog::take(self.db.client(), &options)
    }
}
