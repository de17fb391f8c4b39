//! Works out what each component needs for another branch: nothing, its parked database, a clone of the most similar
//! one, or downgrades and upgrades. Nothing is changed.

use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

use anyhow::{Result, anyhow};

use super::record::COMMAND;
use crate::ctx::{Ctx, Database};
use crate::flags::Switch;
use crate::model::action::{Action, git, own};
use crate::model::url::DbUrl;
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::git::{Changed, Oid, Place, Repo};
use crate::sys::history;
use crate::sys::pg::parked::{self, Databases, Named, Rights};
use crate::sys::project::{Component, Project};
use crate::work::advice;
use crate::work::own_database::{OwnDatabase, Refusal};
use crate::work::parked::of_today;
use crate::work::standing::is_not_set_up;

/// From where to where.
pub struct Ends {
    pub from: Place,
    pub to: Place,
    /// The commit that will be checked out.
    pub target: Oid,
    /// The files that differ between the two.
    pub changed: Vec<Changed>,
}

/// A switch, worked out.
pub struct Plan<'a> {
    pub ends: &'a Ends,
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
        /// The branch that the one to come belongs to.
        coming: String,
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

/// Works it out, by what was seen of the databases.
///
/// # Errors
/// What git and connecting may meet; `active-connections`.
pub fn plan<'a>(ctx: &'a Ctx, repo: &Repo, flags: &Switch, ends: &'a Ends, looks: Looks<'a>) -> Result<Plan<'a>> {
    let mut plan = Plan { ends, parts: Vec::new() };
    for look in looks {
        let Some(look) = look? else { continue };
        plan.parts.push(part(ctx, repo, flags, &plan, look)?);
    }
    Ok(plan)
}

/// A look for each component; `None` for one whose database is not there.
pub type Looks<'a> = Vec<Result<Option<Look<'a>>>>;

/// Looks at the databases of all components at the same time, and does something else meanwhile. Where something is wrong with
/// the project, that is the only look.
pub fn look_while<'a, T>(ctx: &'a Ctx, meanwhile: impl FnOnce() -> T) -> (T, Looks<'a>) {
    let components = match ctx.project().and_then(Project::all) {
        Ok(components) => components,
        Err(error) => return (meanwhile(), vec![Err(error)]),
    };
    std::thread::scope(|scope| {
        let looks: Vec<_> = components.iter().map(|component| scope.spawn(|| look(ctx, component))).collect();
        let done = meanwhile();
        let joined = |look: ScopedJoinHandle<'_, Result<_>>| {
            look.join().unwrap_or_else(|_| Err(anyhow!("the look at a database broke off")))
        };
        (done, looks.into_iter().map(joined).collect())
    })
}

/// What is seen of a component's databases.
pub struct Look<'a> {
    component: &'a Component,
    active: OwnDatabase<'a>,
    applied: Vec<String>,
    list: Vec<Named>,
}

fn look<'a>(ctx: &'a Ctx, component: &'a Component) -> Result<Option<Look<'a>>> {
    let config = ctx.config(component)?;
    let database = match ctx.database(&config) {
        Err(error) if is_not_set_up(component, &error) => return Ok(None),
        database => database?,
    };
    let name = database.url.target().database.clone();
    let mut active = match OwnDatabase::connect_to(component, config, database, COMMAND) {
        Err(error) if advice::is_database_missing(&error) => return Ok(None),
        active => active?,
    };
    let applied = active.applied()?;
    let list = parked::list(active.db(), &name)?;
    Ok(Some(Look { component, active, applied, list }))
}

fn part<'a>(ctx: &'a Ctx, repo: &Repo, flags: &Switch, plan: &Plan<'a>, look: Look<'a>) -> Result<Part<'a>> {
    let Look { component, mut active, applied, list } = look;
    let (config, database) = (active.config.clone(), active.database.clone());
    let admin = ctx.admin_url(&database)?;
    let known = [plan.ends.from.name(), plan.ends.to.name()];
    let list = of_today(repo, list, &known)?;
    let asking = Asking { ctx, repo, plan, config: &config, applied: &applied, list: &list };
    let way = asking.way(flags, || Databases::open(&admin, &database.url.target().database)?.rights())?;
    if !matches!(way, Way::Stays(_)) {
        check(ctx, &mut active, flags, &plan.ends.to)?;
    }
    Ok(Part { component, database, admin, way })
}

/// A database that others use is not renamed, nor taken down; and nobody's is taken away under him.
fn check(ctx: &Ctx, active: &mut OwnDatabase<'_>, flags: &Switch, to: &Place) -> Result<()> {
    let without = Action::run("Switch without the database", git(["switch"]).words(to.words()));
    active.require_right(
        ctx,
        Refusal { why: "Its name would be given to another one", instead: vec![without] },
        None,
    )?;
    if flags.end_connections {
        return Ok(());
    }
    let again = own(COMMAND).words(to.words()).of_no_component();
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
    fn way(&self, flags: &Switch, rights: impl FnOnce() -> Result<Rights>) -> Result<Way> {
        let coming = self.coming()?;
        let leaving = self.leaving()?;
        let parked = parked::newest(self.list, &coming);
        if leaving == coming {
            return Ok(Way::Stays("it is that branch's own"));
        }
        if parked.is_none() && self.applied.is_empty() {
            return Ok(Way::Stays("it holds no revision yet"));
        }
        if parked.is_none() && !self.scripts_differ() {
            return Ok(Way::Stays("no migration differs"));
        }
        if flags.migrate {
            return Ok(Way::DownAndUp("--migrate"));
        }
        if !rights()?.renames() {
            return Ok(Way::DownAndUp("the role may not rename databases, and no admin_url is set"));
        }
        let other = match parked {
            Some(parked) => Other::Parked(parked.database.clone()),
            None => self.nearest(&leaving)?,
        };
        Ok(Way::Swap { leaving, coming, other })
    }

    /// The branch whose database is wanted. A commit has one of its own only where no branch that has one is just there.
    fn coming(&self) -> Result<String> {
        let Ends { to, target, .. } = self.plan.ends;
        let own = || Ok(to.name().to_owned());
        if matches!(to, Place::Branch(_)) || parked::newest(self.list, to.name()).is_some() {
            return own();
        }
        let branches: Vec<&str> = self.list.iter().filter_map(|it| it.branch.as_deref()).collect();
        let tips = self.repo.commits_of_places(&branches)?;
        let there = branches.iter().zip(tips).find(|(_, tip)| tip.as_ref() == Some(target));
        there.map_or_else(own, |(branch, _)| Ok((*branch).to_owned()))
    }

    /// The branch that the database in use belongs to: what it says, unless that branch does not know what it holds; then
    /// it was migrated on what is checked out.
    fn leaving(&self) -> Result<String> {
        let from = self.plan.ends.from.name();
        let said = self.list.iter().find(|it| it.active).and_then(|it| it.branch.clone());
        let said = match (said, &self.plan.ends.from) {
            // git alone took the head off its branch.
            (None, Place::Commit(_)) => self.repo.place_before()?.map(|before| before.name().to_owned()),
            (said, _) => said,
        };
        let Some(said) = said.filter(|said| said != from) else { return Ok(from.to_owned()) };
        let Some(commit) = self.repo.commits_of_places(&[&said])?.pop().flatten() else {
            return Ok(from.to_owned());
        };
        let root = &self.ctx.project()?.root;
        let history = history::at(root, self.config, &self.ctx.headers(self.config)?, self.repo, &commit);
        let knows = history.is_ok_and(|(graph, _)| graph.unknown(self.applied).is_empty());
        Ok(if knows { said } else { from.to_owned() })
    }

    fn scripts_differ(&self) -> bool {
        let folders = self.config.version_locations.iter().filter_map(|folder| self.repo.relative(folder).ok());
        let folders: Vec<PathBuf> = folders.collect();
        let is_script = |path: &Path| folders.iter().any(|folder| path.starts_with(folder));
        self.plan
            .ends
            .changed
            .iter()
            .any(|changed| is_script(changed.path()) || changed.before().is_some_and(is_script))
    }

    /// The database whose branch is the nearest: the fewest commits that it lacks, then the fewest that are its own.
    fn nearest(&self, leaving: &str) -> Result<Other> {
        let branch = |it: &Named| if it.active { Some(leaving.to_owned()) } else { it.branch.clone() };
        let named: Vec<(&Named, String)> = self.list.iter().filter_map(|it| Some((it, branch(it)?))).collect();
        let names: Vec<&str> = named.iter().map(|(_, branch)| branch.as_str()).collect();
        let mut best = None;
        for ((it, branch), commit) in named.iter().zip(self.repo.commits_of_places(&names)?) {
            let Some(commit) = commit else { continue };
            let far = self.repo.apart(&self.plan.ends.target, &commit)?;
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
            Way::Swap { leaving, other: Other::Parked(other), .. } => {
                format!("{other} takes the place of {name}, which is parked for {leaving}")
            }
            Way::Swap { leaving, other: Other::CloneOf { database, branch }, .. } => {
                format!("a clone of {database} ({branch}) takes the place of {name}, which is parked for {leaving}")
            }
        }
    }
}
