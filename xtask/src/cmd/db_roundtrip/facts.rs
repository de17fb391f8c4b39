//! Gathers the facts of a round trip before any database is made: the component, its history and its database, and
//! which revisions are to be tested.

use std::path::PathBuf;

use anyhow::Result;

use super::range;
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Exit, Fail, Kind, from_anyhow};
use crate::flags::DbRoundtrip;
use crate::model::action::own;
use crate::model::graph::Graph;
use crate::model::route::Route;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::files;
use crate::sys::pg::{self, Db};
use crate::sys::project::Component;
use crate::work::advice;

#[derive(Clone)]
pub struct Facts<'a> {
    pub component: &'a Component,
    pub config: AlembicConfig,
    pub graph: Graph,
    pub database: Database,
    pub route: Route,
    /// How the revisions were chosen: `--steps 3`, `the newest revision`.
    pub chosen: String,
    /// The dump that the command line names.
    pub dump: Option<PathBuf>,
    /// The database that was dumped because no other one may be created beside it.
    pub dump_of: Option<String>,
    pub no_cache: bool,
    /// Whether the database stays at the end.
    pub keeps: bool,
    /// Whether the schemas are compared with pg_dump, too.
    pub second_opinion: bool,
    /// Whether the report has what each statement does to tables.
    pub effects: bool,
    /// The files that this run writes; no baseline depends on them.
    pub outputs: Vec<PathBuf>,
}

/// Gathers the facts, and removes the databases that a killed run has left on the server.
pub fn gather<'a>(ctx: &'a Ctx, flags: &DbRoundtrip) -> Result<Facts<'a>> {
    let component = ctx.component()?;
    let config = ctx.config(component)?;
    let graph = ctx.history(&config)?;
    let (route, chosen) = range::choose(ctx, &graph, component, flags)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let database = ctx.database(&config)?;
    for name in pg::sweep(database.maker()).unwrap_or_default() {
        ctx.ui.status(format!("Removed what a killed run left behind: {name}"));
    }
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let dump = flags.baseline.as_ref().map(absolute);
    let outputs = flags.junit.iter().chain(&flags.html).map(absolute).collect();
    let (no_cache, keeps, second_opinion) = (flags.no_cache, flags.keep, flags.second_opinion);
    let (dump_of, effects) = (None, false);
    Ok(Facts {
        component,
        config,
        graph,
        database,
        route,
        chosen,
        dump,
        dump_of,
        no_cache,
        keeps,
        second_opinion,
        effects,
        outputs,
    })
}

/// A dump of the component's database; the file is removed with this value.
pub struct Dumped(PathBuf);

impl Drop for Dumped {
    fn drop(&mut self) {
        files::remove(&self.0);
    }
}

impl<'a> Facts<'a> {
    /// The facts of a run on the embedded server with a dump of the component's database, for a server on which no
    /// database may be created.
    ///
    /// # Errors
    /// When the dump fails or the server cannot be used.
    pub fn elsewhere(self, ctx: &Ctx) -> Result<(Facts<'a>, Option<Dumped>)> {
        let place = self.database.place();
        ctx.ui.warn(format!(
            "{} may not create databases beside {place}: the embedded server takes its place. \
             `admin_url` names a role that may",
            self.database.url.target().user
        ));
        let embedded = ctx.embedded(&self.config)?;
        let there = match Db::connect(&self.database.url, &pg::application_name("db-roundtrip")) {
            Ok(mut db) => !db.applied(&version_table(self.component))?.revisions.is_empty(),
            Err(error) if advice::is_database_missing(&error) => false,
            Err(error) => return Err(error),
        };
        if self.dump.is_some() || !there {
            return Ok((Facts { database: embedded, ..self }, None));
        }
        let _task = ctx.ui.task(format!("Dumping {place}"));
        pg::sweep_dumps(&ctx.project()?.state_dir, &self.component.name);
        let file = ctx.project()?.state_dir.join(format!("{}-{}.dump", self.component.name, std::process::id()));
        let dumped = Dumped(file.clone());
        pg::dump_to(&ctx.ui, &embedded.tools, &self.database.url, &file)?;
        let facts = Facts { database: embedded, dump: Some(file), dump_of: Some(place), no_cache: true, ..self };
        Ok((facts, Some(dumped)))
    }

    /// The failure of a run that has no revision to test.
    pub fn nothing_to_test(&self) -> Fail {
        nothing_to_test(&self.config, &self.graph, &self.component.name, &self.chosen)
    }
}

/// The failure of a run that has no revision to test. Such a run proves nothing: exit 4.
pub fn nothing_to_test(config: &AlembicConfig, graph: &Graph, component: &str, chosen: &str) -> Fail {
    let why = if graph.is_empty() {
        format!("The history of {component} has no revision")
    } else {
        format!("No revision of {component} was chosen: {chosen}")
    };
    let fail = Fail::new(Kind::MigrationFileMissing, "There is nothing to test").details(why);
    let fail = match graph.is_empty() {
        true => fail,
        false => fail.run("Test the whole history", own("db-roundtrip").of(component).word("--all")),
    };
    Fail {
        exit: Exit::Findings,
        ..fail.action(format!("See where the scripts are: {}", config.path.display())).related(own("doctor"))
    }
}

/// The failure to end with when the throwaway database itself could not be made.
pub fn cannot_prepare(error: &anyhow::Error, how: &str) -> anyhow::Error {
    let fail = from_anyhow(error);
    // What refuses is the component's own database: the throwaway one was not begun.
    if fail.kind == Kind::Interrupted || fail.exit == Exit::Refused {
        return fail.into();
    }
    fail.details(format!("This happened on a throwaway database ({how}); your own was not touched")).into()
}
