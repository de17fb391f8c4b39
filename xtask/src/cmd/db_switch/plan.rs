//! Works out what each component needs for another branch: nothing, its parked database, a clone of the most similar
//! one, or downgrades and upgrades. Nothing is changed.

use std::path::PathBuf;

use anyhow::Result;

use super::record::COMMAND;
use crate::ctx::{Ctx, Database};
use crate::fail::{Fail, Kind};
use crate::flags::Switch;
use crate::model::action::{Action, git, own};
use crate::model::nearest::nearest;
use crate::model::url::DbUrl;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::git::{Oid, Repo, To};
use crate::sys::history;
use crate::sys::pg::parked::{self, Databases, Named};
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::own_database::{OwnDatabase, Refusal};
use crate::work::parked::of_today;
use crate::work::standing::is_not_set_up;

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
    let head = repo.commits(&["HEAD"])?.pop().flatten();
    let (Some(head), Some(target)) = (head, repo.branch_to_be(&flags.branch)?) else {
        let mut fail = Fail::new(Kind::Usage, format!("git knows no branch `{}`", flags.branch));
        let known = repo.branch_names()?;
        for near in nearest(&flags.branch, known.iter().map(String::as_str)) {
            fail = fail.run("Perhaps you mean", own(COMMAND).word(&near).of_no_component());
        }
        return Err(fail.run("See which there are", git(["branch", "--all"])).into());
    };
    let mut plan = Plan { from: from.to_owned(), to: flags.branch.clone(), head, target, parts: Vec::new() };
    for component in ctx.project()?.all()? {
        plan.parts.extend(part(ctx, repo, flags, &plan, component)?);
    }
    Ok(plan)
}

/// `None` for a component whose database is not there.
fn part<'a>(
    ctx: &'a Ctx,
    repo: &Repo,
    flags: &Switch,
    plan: &Plan<'_>,
    component: &'a Component,
) -> Result<Option<Part<'a>>> {
    let config = ctx.config(component)?;
    let database = match ctx.database(&config) {
        Err(error) if is_not_set_up(component, &error) => return Ok(None),
        database => database?,
    };
    let mut active = match OwnDatabase::connect_to(component, config.clone(), database.clone(), COMMAND) {
        Err(error) if advice::is_database_missing(&error) => return Ok(None),
        active => active?,
    };
    let applied = active.applied()?;
    let admin = ctx.admin_url(&database)?;
    let name = database.url.target().database.clone();
    let mut all = Databases::open(&admin, &name)?;
    let list = of_today(repo, all.list()?)?;
    let asking = Asking { ctx, repo, plan, config: &config, applied: &applied, list: &list };
    let way = asking.way(flags, all.rights()?.renames())?;
    if !matches!(way, Way::Stays(_)) {
        check(ctx, &mut active, flags)?;
    }
    Ok(Some(Part { component, database, admin, way }))
}

/// A database that others use is not renamed, nor taken down; and nobody's is taken away under him.
fn check(ctx: &Ctx, active: &mut OwnDatabase<'_>, flags: &Switch) -> Result<()> {
    let without = Action::run("Switch without the database", git(["switch", flags.branch.as_str()]));
    active.require_right(
        ctx,
        Refusal { why: "Its name would be given to another one", instead: vec![without] },
        None,
    )?;
    if flags.end_connections {
        return Ok(());
    }
    let again = own(COMMAND).word(&flags.branch).of_no_component();
    let end = Action::run("Or end these sessions", again.clone().word("--end-connections"));
    let instead = vec![Action::run("Then repeat the command", again), end];
    active.require_alone(ctx, Refusal { why: "Another database takes its place under them", instead })
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
        let parked = parked::newest(self.list, to);
        if leaving == *to {
            return Ok(Way::Stays("it is that branch's own"));
        }
        if parked.is_none() && self.applied.is_empty() {
            return Ok(Way::Stays("it holds no revision yet"));
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
        let Some(commit) = self.repo.branch_tips(&[&said])?.pop().flatten() else {
            return Ok(from.clone());
        };
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
        for ((it, branch), commit) in named.iter().zip(self.repo.branch_tips(&names)?) {
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
