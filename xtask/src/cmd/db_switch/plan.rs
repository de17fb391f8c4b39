//! What each component needs for another branch: nothing, its parked database, a clone of the nearest one, or the way down
//! and up. Nothing is changed.

use std::path::PathBuf;

use anyhow::Result;

use super::COMMAND;
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Fail, Kind};
use crate::flags::Switch;
use crate::model::action::{git, own};
use crate::model::url::DbUrl;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::git::{Oid, Repo, To};
use crate::sys::history;
use crate::sys::pg::parked::{Databases, Named};
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;
use crate::work::advice;

/// A switch, worked out.
pub struct Plan<'a> {
    pub from: String,
    pub to: String,
    /// The commit that is checked out.
    pub head: Oid,
    /// The commit that will be.
    pub target: Oid,
    pub parts: Vec<Part<'a>>,
}

/// A component's part of it.
pub struct Part<'a> {
    pub component: &'a Component,
    pub database: Database,
    /// Who may rename databases.
    pub admin: DbUrl,
    pub way: Way,
}

/// What a component needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its database serves both branches, and why.
    Stays(&'static str),
    /// Another database takes its place.
    Swap {
        /// The branch that the one in use belongs to.
        leaving: String,
        /// The other one.
        other: Other,
    },
    /// The one database goes down and up, and why.
    DownAndUp(&'static str),
}

/// The database that takes the place of the one in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// It is there, parked.
    Parked(String),
    /// It is made: a clone of this database, of that branch.
    CloneOf {
        /// The database.
        database: String,
        /// Whose it is.
        branch: String,
    },
}

/// Works it out.
///
/// # Errors
/// A branch that git does not know; what connecting may meet; `active-connections`.
pub fn plan<'a>(ctx: &'a Ctx, repo: &Repo, flags: &Switch, from: &str) -> Result<Plan<'a>> {
    let names = ["HEAD", &flags.branch, &format!("origin/{}", flags.branch)];
    let mut commits = repo.commits(&names)?.into_iter();
    let (head, target) = (commits.next().flatten(), commits.next().flatten().or(commits.next().flatten()));
    let (Some(head), Some(target)) = (head, target) else {
        let fail = Fail::new(Kind::Usage, format!("git knows no branch `{}`", flags.branch));
        return Err(fail.run("See which there are", git(["branch", "--all"])).into());
    };
    let mut plan = Plan { from: from.to_owned(), to: flags.branch.clone(), head, target, parts: Vec::new() };
    for component in ctx.project()?.all()? {
        plan.parts.extend(part(ctx, repo, flags, &plan, component)?);
    }
    Ok(plan)
}

/// `None` for a component whose database is not there, or that nobody has begun to use.
fn part<'a>(
    ctx: &'a Ctx,
    repo: &Repo,
    flags: &Switch,
    plan: &Plan<'_>,
    component: &'a Component,
) -> Result<Option<Part<'a>>> {
    let config = ctx.config(component)?;
    let database = ctx.database(&config)?;
    let mut db = match Db::connect(&database.url, &application_name(COMMAND)) {
        Err(error) if advice::is_database_missing(&error) => return Ok(None),
        db => db?,
    };
    let applied = db.applied(&version_table(component))?.revisions;
    if applied.is_empty() {
        return Ok(None);
    }
    let admin = ctx.admin_url(component, &database)?;
    let name = database.url.target().database.clone();
    let mut all = Databases::open(&admin, &name)?;
    let list = all.list()?;
    let asking = Asking { ctx, repo, plan, config: &config, applied: &applied, list: &list };
    let way = asking.way(flags, all.rights()?.renames())?;
    if !matches!(way, Way::Stays(_)) {
        local(&database, component, &flags.branch)?;
        if !flags.end_connections {
            alone(&mut db, component, &flags.branch)?;
        }
    }
    Ok(Some(Part { component, database, admin, way }))
}

/// A database that others use is not renamed, nor taken down.
fn local(database: &Database, component: &Component, branch: &str) -> Result<()> {
    if database.url.is_local() {
        return Ok(());
    }
    let fail = Fail::new(Kind::RemoteDatabase, "The database is not on this machine").details(database.place());
    let fail = fail.run("Switch without the database", git(["switch", branch]));
    Err(fail.related(own("db-status")).about(&component.name).into())
}

/// Nobody is disconnected, and nobody's database is taken away under him.
fn alone(db: &mut Db, component: &Component, branch: &str) -> Result<()> {
    let others = db.other_sessions(&[], &[&application_name(COMMAND)])?;
    if others.is_empty() {
        return Ok(());
    }
    let fail = Fail::new(Kind::ActiveConnections, "Other sessions are connected to the database");
    let fail = others.iter().take(5).fold(fail, |fail, it| fail.details(it.to_string()));
    let services = component.services.join(", ");
    let stop = if services.is_empty() { String::new() } else { format!(": {services}") };
    let fail = fail.action(format!("Stop what uses it{stop}"));
    let again = own(COMMAND).word(branch).of_no_component();
    let fail = fail.run("Then", again.clone()).run("Or end these sessions", again.word("--end-connections"));
    Err(fail.related(own("db-status")).about(&component.name).into())
}

/// What is known of a component.
struct Asking<'a> {
    ctx: &'a Ctx,
    repo: &'a Repo,
    plan: &'a Plan<'a>,
    config: &'a AlembicConfig,
    applied: &'a [String],
    list: &'a [Named],
}

impl Asking<'_> {
    fn way(&self, flags: &Switch, may_rename: bool) -> Result<Way> {
        let to = &self.plan.to;
        let leaving = self.leaving()?;
        let parked = self.list.iter().find(|it| !it.active && it.branch.as_ref() == Some(to));
        if leaving == *to {
            return Ok(Way::Stays("it is that branch's own"));
        }
        if parked.is_none() && !self.scripts_differ()? {
            return Ok(Way::Stays("no migration differs"));
        }
        if flags.migrate {
            return Ok(Way::DownAndUp("--migrate"));
        }
        if !may_rename {
            return Ok(Way::DownAndUp("the role may not rename databases, and no admin_url is set"));
        }
        let other = match parked {
            Some(parked) => Other::Parked(parked.database.clone()),
            None => self.nearest(&leaving)?,
        };
        Ok(Way::Swap { leaving, other })
    }

    /// The branch that the database in use belongs to: what it says, unless that branch does not know what it holds; then
    /// it was migrated on the branch that is checked out.
    fn leaving(&self) -> Result<String> {
        let from = &self.plan.from;
        let said = self.list.iter().find(|it| it.active).and_then(|it| it.branch.clone());
        let Some(said) = said.filter(|said| said != from) else { return Ok(from.clone()) };
        let Some(commit) = self.repo.commits(&[&said])?.pop().flatten() else { return Ok(from.clone()) };
        let root = &self.ctx.project()?.root;
        let history = history::at(root, self.config, &self.ctx.headers(self.config)?, self.repo, &commit);
        let knows = history.is_ok_and(|(graph, _)| graph.unknown(self.applied).is_empty());
        Ok(if knows { said } else { from.clone() })
    }

    fn scripts_differ(&self) -> Result<bool> {
        let folders = self.config.version_locations.iter().filter_map(|folder| self.repo.relative(folder).ok());
        let folders: Vec<PathBuf> = folders.collect();
        let Plan { head, target, .. } = self.plan;
        Ok(!folders.is_empty() && !self.repo.changed(head, To::Commit(target), &folders)?.is_empty())
    }

    /// The database whose branch is the nearest: the fewest commits that it lacks, then the fewest that are its own.
    fn nearest(&self, leaving: &str) -> Result<Other> {
        let branch = |it: &Named| if it.active { Some(leaving.to_owned()) } else { it.branch.clone() };
        let named: Vec<(&Named, String)> = self.list.iter().filter_map(|it| Some((it, branch(it)?))).collect();
        let names: Vec<&str> = named.iter().map(|(_, branch)| branch.as_str()).collect();
        let mut best = None;
        for ((it, branch), commit) in named.iter().zip(self.repo.commits(&names)?) {
            let Some(commit) = commit else { continue };
            let far = self.repo.apart(&self.plan.target, &commit)?;
            if best.as_ref().is_none_or(|(nearest, _)| far < *nearest) {
                best = Some((far, Other::CloneOf { database: it.database.clone(), branch: branch.clone() }));
            }
        }
        let active = self.list.iter().find(|it| it.active).map(|it| it.database.clone()).unwrap_or_default();
        Ok(best.map_or(Other::CloneOf { database: active, branch: leaving.to_owned() }, |(_, other)| other))
    }
}

impl Plan<'_> {
    /// Whether no database is touched.
    pub fn is_git_only(&self) -> bool {
        self.parts.iter().all(|part| matches!(part.way, Way::Stays(_)))
    }
}

impl Part<'_> {
    /// A connection beside the component's databases.
    ///
    /// # Errors
    /// What connecting may meet.
    pub fn databases(&self) -> Result<Databases> {
        Databases::open(&self.admin, &self.database.url.target().database)
    }

    /// `manager: backend@feature-x takes the place of backend, which is parked as main's`.
    pub fn words(&self) -> String {
        let name = &self.database.url.target().database;
        match &self.way {
            Way::Stays(why) => format!("{name} stays: {why}"),
            Way::DownAndUp(why) => format!("{name} goes down and up ({why})"),
            Way::Swap { leaving, other: Other::Parked(other) } => {
                format!("{other} takes the place of {name}, which is parked for {leaving}")
            }
            Way::Swap { leaving, other: Other::CloneOf { database, branch } } => {
                format!("a clone of {database} ({branch}) takes the place of {name}, which is parked for {leaving}")
            }
        }
    }
}
