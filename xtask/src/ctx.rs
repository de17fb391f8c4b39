//! What a command works on: project, component, history, database, interpreter, embedded server. Each is opened when it
//! is first asked for, and only once, even when several threads look at components at the same time.

mod tenants;
mod url;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind, from_anyhow};
use crate::flags::{self, Common, ServerChoice};
use crate::model::action::{Around, Program, git, own, program};
use crate::model::graph::Graph;
use crate::model::url::{Address, DbUrl, Endpoint};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::env_url::Known;
use crate::sys::git::{MainBranch, Oid, Repo, Unclear};
use crate::sys::history::{self, Headers};
use crate::sys::pg::{Making, VersionTable};
use crate::sys::project::{Component, Project};
use crate::sys::python::{self, Interpreter, Wish};
use crate::sys::server::{self, Home, Lease};
use crate::sys::settings::Server;
use crate::sys::{interrupt, locations};
use crate::ui::Ui;
use url::named_admin;

/// Built once per run.
pub struct Ctx {
    /// The two streams.
    pub ui: Ui,
    /// The common flags.
    pub common: Common,
    cwd: PathBuf,
    project: OnceLock<Project>,
    python: OnceLock<Interpreter>,
    lease: OnceLock<Lease>,
    /// What env.py of a component wants, once it was asked, or why that is not known; `None`: what its config says.
    asked: Mutex<HashMap<String, Result<Option<Known>, Fail>>>,
    opening: Mutex<()>,
}

/// A component's database: where it is and what is known of the server before connecting.
#[derive(Clone, Debug)]
pub struct Database {
    /// How to connect, the same driver as in the config.
    pub url: DbUrl,
    /// Whether it is on our own server, which waits for no disk and whose databases we make ourselves.
    pub embedded: bool,
    /// A folder in memory that the server may use, where it is our own.
    pub memory: Option<PathBuf>,
    /// Folders with PostgreSQL's client programs, beside the usual ones.
    pub tools: Vec<PathBuf>,
    /// What is imitated on the embedded server, for reports.
    pub remark: Option<String>,
    /// Who creates databases, where that is said to be another role.
    pub admin: Option<DbUrl>,
}

impl Database {
    /// Who creates databases on its server.
    pub fn maker(&self) -> &DbUrl {
        self.admin.as_ref().unwrap_or(&self.url)
    }

    /// How throwaway databases beside it are made; `why` is for their comments.
    pub fn making<'a>(&'a self, ui: &'a Ui, why: &'a str) -> Making<'a> {
        Making {
            ui,
            why,
            name: None,
            file_copy: self.embedded,
            memory: self.memory.as_deref(),
            tools: &self.tools,
            admin: self.admin.as_ref(),
        }
    }

    /// `backend on localhost:8100`, `backend on the embedded server`; never a password.
    pub fn place(&self) -> String {
        let target = self.url.target();
        if self.embedded {
            return format!("{} on the embedded server", target.database);
        }
        let name = |endpoint: &Endpoint| match &endpoint.address {
            Address::Host(host) => format!("{host}:{}", endpoint.port),
            Address::Socket(folder) => folder.display().to_string(),
        };
        let servers: Vec<String> = target.endpoints.iter().map(name).collect();
        format!("{} on {}", target.database, servers.join(", "))
    }
}

impl Ctx {
    /// For the working directory of this process; opens nothing yet.
    pub fn new(ui: Ui, common: Common) -> Result<Ctx> {
        let cwd = std::env::current_dir().context("asking for the working directory")?;
        Ok(Ctx {
            ui,
            common,
            cwd,
            project: OnceLock::new(),
            python: OnceLock::new(),
            lease: OnceLock::new(),
            asked: Mutex::default(),
            opening: Mutex::new(()),
        })
    }

    /// For a command that runs as a step of another, on one component (`None`: as the command line says). The project is
    /// looked at anew, since an earlier step may have changed it; the interpreter stays.
    pub fn for_step(&self, ui: Ui, component: Option<&Component>) -> Ctx {
        let mut common = self.common.clone();
        if let Some(component) = component {
            common.component = Some(component.name.clone());
        }
        self.with(ui, common)
    }

    /// As [`Ctx::for_step`], for one of the component's tenants.
    pub fn for_tenant(&self, ui: Ui, component: &Component, tenant: &str) -> Ctx {
        let mut common = Common { component: Some(component.name.clone()), ..self.common.clone() };
        common.x.extend(component.x_of(tenant));
        self.with(ui, common)
    }

    fn with(&self, ui: Ui, common: Common) -> Ctx {
        Ctx {
            ui,
            common,
            cwd: self.cwd.clone(),
            project: OnceLock::new(),
            python: self.python.clone(),
            lease: OnceLock::new(),
            asked: Mutex::default(),
            opening: Mutex::new(()),
        }
    }

    pub fn project(&self) -> Result<&Project> {
        self.once(&self.project, || {
            let mut project = Project::find(&self.cwd, self.common.project.as_deref())?;
            project.of_tenants(&self.common.x);
            // The clones of a `Ui` share it, so the run as a whole ends as the project wants it.
            let _ = self.ui.clone().strict(project.strict);
            let around = self.ui.around();
            let _ = around.root.set(project.root.clone());
            if let Ok(component) = project.component(None) {
                let _ = around.default_component.set(component.name.clone());
            }
            Ok(project)
        })
    }

    /// The component that the command line names, or the default one.
    pub fn component(&self) -> Result<&Component> {
        self.project()?.component(self.common.component.as_deref())
    }

    /// Which PostgreSQL: the flag, else what the project says.
    pub fn server(&self) -> Result<Server> {
        Ok(match self.common.server {
            Some(ServerChoice::Configured) => Server::Configured,
            Some(ServerChoice::Embedded) => Server::Embedded,
            None => self.project()?.server,
        })
    }

    /// A component's Alembic config. Python is asked only where a package is not in the project and its place cannot be
    /// read off the disk.
    pub fn config(&self, component: &Component) -> Result<AlembicConfig> {
        let project = self.project()?;
        AlembicConfig::read(project, component, || python::site_packages(&self.ui, project, self.python()?))
    }

    /// The migration history of a config, checked: no duplicate, no missing parent, no cycle.
    pub fn history(&self, config: &AlembicConfig) -> Result<Graph> {
        self.look_at_locations(config)?;
        history::read(&self.project()?.root, config, &self.headers(config)?)
    }

    /// What can be asked for headers of scripts that do not stand in their text.
    pub fn headers<'a>(&'a self, config: &'a AlembicConfig) -> Result<Headers<'a>> {
        let project = self.project()?;
        Ok(Headers::new(&self.ui, project, config, || self.python_that_is_there(project)))
    }

    /// The interpreter, if there is one without anything being installed.
    pub fn python_that_is_there(&self, project: &Project) -> Option<Interpreter> {
        self.look_for_python(project).ok()
    }

    /// The interpreter that is there; nothing is installed, and nobody is asked.
    ///
    /// # Errors
    /// As [`python::find`].
    pub fn look_for_python(&self, project: &Project) -> Result<Interpreter> {
        let flag = self.common.python.as_ref().map(|path| self.cwd.join(path));
        let wish = Wish { flag, makes_nothing: true, ..Wish::from_environment(Server::Configured) };
        self.python.get().cloned().map_or_else(|| python::find(&self.ui, project, &wish), Ok)
    }

    /// Whether the project's databases are on the embedded server, and none runs.
    pub fn is_embedded_down(&self) -> Result<bool> {
        let is_down = || Ok(server::states(&self.ui, &self.home()?)?.iter().all(|it| it.running.is_none()));
        if self.server()? == Server::Embedded { is_down() } else { Ok(false) }
    }

    /// Every component. Where there is none, nothing is looked at, and that is said.
    pub fn every_component(&self) -> Result<Vec<&Component>> {
        let project = self.project()?;
        if project.components.is_empty() {
            self.ui.not_looked_at(format!("any component: no Alembic config was found in {}", project.root.display()));
        }
        Ok(project.components.iter().collect())
    }

    /// Says which version folders are not there, and which scripts lie where Alembic does not look; scripts that only Python
    /// could read are refused.
    ///
    /// # Errors
    /// `migration-file-invalid` for compiled scripts without their source.
    pub fn look_at_locations(&self, config: &AlembicConfig) -> Result<()> {
        let file = config.path.file_name().unwrap_or_default().to_string_lossy();
        for folder in locations::missing(config) {
            let folder = shown(self.project()?, folder);
            self.ui.not_looked_at(format!("{} is not there (a version folder of {file})", folder.display()));
        }
        if let [first, more @ ..] = locations::passed_over(config).as_slice() {
            let first = shown(self.project()?, first);
            let others = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            self.ui.not_looked_at(format!(
                "{}{others}, in a subfolder: Alembic does not look there either without recursive_version_locations = true",
                first.display()
            ));
        }
        locations::refuse_sourceless(config)
    }

    /// The interpreter that runs Alembic. Asks before it installs anything that the project has not asked for.
    pub fn python(&self) -> Result<&Interpreter> {
        let project = self.project()?;
        let server = self.server()?;
        self.once(&self.python, || {
            let flag = self.common.python.as_ref().map(|path| self.cwd.join(path));
            let wish = Wish { flag, agreed: self.common.yes, ..Wish::from_environment(server) };
            let found = python::find(&self.ui, project, &wish);
            match found {
                Err(error) if self.agrees_to_install(&error) => {
                    python::find(&self.ui, project, &Wish { agreed: true, ..wish })
                }
                found => found,
            }
        })
    }

    /// The embedded server, started if it is not up.
    pub fn lease(&self) -> Result<&Lease> {
        let home = self.home()?;
        self.once(&self.lease, || Lease::acquire(&self.ui, &home))
    }

    /// Where the embedded server's files are.
    pub fn home(&self) -> Result<Home> {
        let exe = std::env::current_exe().context("asking for the path of this program")?;
        Ok(Home::new(&self.project()?.state_dir, &exe))
    }

    /// Where a component's database is.
    ///
    /// # Errors
    /// A usage error where the component has tenants and none of them is named: what is found there is one tenant's.
    pub fn database(&self, config: &AlembicConfig) -> Result<Database> {
        if config.component.tenants.is_some() {
            return Err(tenants::which(&config.component).into());
        }
        self.database_of_all(config)
    }

    /// The same, for a look at all tenants that a component may have.
    pub fn database_of_all(&self, config: &AlembicConfig) -> Result<Database> {
        config.check_database()?;
        if self.server()? == Server::Embedded {
            return self.embedded(config);
        }
        let (url, admin) = (self.configured_url(config)?, named_admin(&config.component)?);
        Ok(Database { url, embedded: false, memory: None, tools: Vec::new(), remark: None, admin })
    }

    /// Every database that is the component's own, as far as it is known: the one that commands work on, and those that the
    /// command line, the settings, env.py and the config name.
    pub fn own_databases(&self, config: &AlembicConfig) -> Vec<DbUrl> {
        let on = self.database(config).ok().map(|database| database.url);
        let named = [self.configured_url(config).ok(), url::in_config(config).ok()];
        let mut found: Vec<DbUrl> = Vec::new();
        for url in on.into_iter().chain(named.into_iter().flatten()) {
            let is_same = |known: &DbUrl| {
                known.target().database == url.target().database && known.target().endpoints == url.target().endpoints
            };
            if !found.iter().any(is_same) {
                found.push(url);
            }
        }
        found
    }

    /// A component's database on the embedded server, whatever the project's usual one is.
    pub fn embedded(&self, config: &AlembicConfig) -> Result<Database> {
        let url = self.url_for_embedded(config)?;
        let lease = self.lease()?;
        let target = url.target();
        let user = if target.user.is_empty() { lease.superuser } else { target.user.as_str() };
        lease.ensure_role(user)?;
        Ok(Database {
            url: url.on_socket(&lease.socket_dir, lease.port, user, &target.database),
            embedded: true,
            memory: lease.memory.clone(),
            tools: vec![lease.binaries.bin.clone()],
            remark: (!lease.binaries.imitated.is_empty()).then(|| lease.binaries.summary()),
            admin: None,
        })
    }

    /// As [`is_strict`].
    pub fn strict(&self) -> bool {
        is_strict(&self.common) || self.project().is_ok_and(|project| project.strict)
    }

    /// What Alembic's command line would be given for a config: the section, and `-x` of the settings and of the flag.
    pub fn alembic_options(&self, config: &AlembicConfig) -> Vec<String> {
        let component = &config.component;
        let section = (component.section != "alembic").then(|| format!("-n{}", component.section));
        let x = component.x.iter().chain(&self.common.x).map(|pair| format!("-x{pair}"));
        section.into_iter().chain(x).collect()
    }

    /// On the embedded server the component's database is made when it is first needed; elsewhere it is its owner's.
    pub fn ensure_database(&self, database: &Database) -> Result<()> {
        if database.embedded {
            let target = database.url.target();
            self.lease()?.ensure_database(&target.database, &target.user)?;
        }
        Ok(())
    }

    /// The branch that released revisions are on: as the project says it, else as git knows it.
    ///
    /// # Errors
    /// `config-invalid` when what the project says does not exist; else as [`Repo::main_branch`].
    pub fn main_branch(&self, repo: &Repo) -> Result<MainBranch> {
        self.by_main(|name| repo.main_branch(name))
    }

    /// That branch, and the best common ancestors with it.
    ///
    /// # Errors
    /// As [`Ctx::main_branch`], and as [`Repo::parting`].
    pub fn parting(&self, repo: &Repo) -> Result<(MainBranch, Vec<Oid>)> {
        self.by_main(|name| repo.parting(name))
    }

    fn by_main<T>(&self, ask: impl FnOnce(Option<&str>) -> Result<T>) -> Result<T> {
        let name = self.project()?.main.as_deref();
        ask(name).map_err(|error| match (name, error.downcast_ref::<Unclear>()) {
            (Some(name), Some(Unclear::NoMain { .. })) => no_such_main(name).into(),
            _ => error,
        })
    }

    /// How the project's folder is reached from where the command was typed, for paths that are printed to be pasted;
    /// empty where one stands there.
    pub fn to_project(&self) -> Result<PathBuf> {
        let root = &self.project()?.root;
        let here = self.cwd.canonicalize().unwrap_or_else(|_| self.cwd.clone());
        if let Ok(below) = root.strip_prefix(&here) {
            return Ok(below.to_owned());
        }
        match here.strip_prefix(root) {
            Ok(inside) => Ok(inside.components().map(|_| "..").collect()),
            Err(_) => Ok(root.clone()),
        }
    }

    /// The project's folder from the root of the checkout, for services that read reports; empty where the two are one.
    pub fn from_checkout(&self) -> PathBuf {
        let below = || {
            let root = &self.project().ok()?.root;
            let repo = Repo::find(&self.ui, root).ok().flatten()?;
            root.strip_prefix(repo.root()).ok().map(Path::to_owned)
        };
        below().unwrap_or_default()
    }

    /// Alembic by hand on a component's config, with the interpreter that has it as far as that is known.
    pub fn alembic_by_hand(&self, component: &Component) -> Program {
        let python = self.python_by_hand().unwrap_or_else(|| PathBuf::from("python"));
        let config = component.config.display().to_string();
        program([python.display().to_string()]).words(["-m", "alembic", "-c", config.as_str()]).at_root()
    }

    /// The interpreter as it is called in the project's root. One is looked for, but none is made.
    fn python_by_hand(&self) -> Option<PathBuf> {
        let project = self.project().ok()?;
        let relative = |path: &Path| match path.strip_prefix(&project.root) {
            Ok(inside) => Path::new(".").join(inside),
            Err(_) => path.to_owned(),
        };
        if let Some(known) = self.python.get() {
            return Some(relative(&known.path));
        }
        let server = self.server().ok()?;
        if server == Server::Embedded {
            return None;
        }
        let flag = self.common.python.as_ref().map(|path| self.cwd.join(path));
        let wish = Wish { flag, ..Wish::from_environment(server) };
        python::find(&self.ui, project, &wish).ok().map(|found| relative(&found.path))
    }

    fn agrees_to_install(&self, error: &anyhow::Error) -> bool {
        let missing = matches!(from_anyhow(error).kind, Kind::PythonMissing | Kind::AlembicMissing);
        missing
            && self
                .ui
                .confirm("No Python with Alembic found. Make an environment with Alembic and asyncpg under target/?")
                == Some(true)
    }

    /// Fills a cell at the first call; calls that meet wait for the first. The lock is not re-entrant: what `make` needs
    /// of this context is asked for before, not inside.
    fn once<'a, T>(&self, cell: &'a OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&'a T> {
        if let Some(value) = cell.get() {
            return Ok(value);
        }
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if cell.get().is_none() {
            interrupt::check()?;
            let _ = cell.set(make()?);
        }
        cell.get().context("a cell that was just filled is empty")
    }
}

fn no_such_main(name: &str) -> Fail {
    Fail::new(Kind::ConfigInvalid, format!("The main branch '{name}' does not exist"))
        .details(format!("`main = \"{name}\"` in [workspace.metadata.db] of Cargo.toml; git knows no such commit here"))
        .run("See what there is", git(["branch", "--all"]))
        .run("If it is on the server only", git(["fetch"]))
        .action("Or correct `main` in Cargo.toml")
        .related(own("doctor"))
        .refused()
}

/// Whether what could not be looked at or proven is to fail: by `--strict`, and wherever `CI` is set.
pub fn is_strict(common: &Common) -> bool {
    common.strict || std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// What printed commands repeat of a command line, and where they are pasted.
pub fn surroundings(common: &Common) -> Around {
    let server = common.server.map(|server| match server {
        ServerChoice::Configured => "configured".to_owned(),
        ServerChoice::Embedded => "embedded".to_owned(),
    });
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    // Without its password, which a line that is printed must not have.
    let url = |url: &String| DbUrl::parse(url).map_or(url.clone(), |url| url.without_password().to_string());
    let named = [
        ("--component", common.component.clone()),
        ("--project", path(&common.project)),
        ("--python", path(&common.python)),
        ("--server", server),
        ("--url", common.url.as_ref().map(url)),
    ];
    let named = named.into_iter().filter_map(|(flag, value)| Some((flag.to_owned(), value?)));
    let typed = named.chain(common.x.iter().map(|pair| ("-x".to_owned(), pair.clone()))).collect();
    let folder = std::env::current_dir().and_then(|folder| folder.canonicalize()).unwrap_or_default();
    Around { typed, takes: flags::takes, folder, ..Around::default() }
}

/// The version table of a component, as `sys/pg` wants it.
pub fn version_table(component: &Component) -> VersionTable {
    match &component.version_table {
        Some(table) => VersionTable { schema: table.schema.clone(), name: table.table.clone() },
        None => VersionTable::default(),
    }
}

/// A path as it is shown: relative to the project where it is inside.
pub fn shown(project: &Project, path: &Path) -> PathBuf {
    path.strip_prefix(&project.root).unwrap_or(path).to_owned()
}
