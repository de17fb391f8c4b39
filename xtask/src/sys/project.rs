//! The project: its root, its components, and the folder for this tool's own files. It is found from the working
//! directory upwards or named by `--project`, and configured by `[workspace.metadata.db]` (`settings.rs`). Nothing is
//! created here, and no Alembic config is read (`alembic_ini.rs` does that).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::nearest::closest;
use crate::model::rules::Levels;
use crate::sys::alembic_toml::AlembicToml;
use crate::sys::backend_ai::{self, BuiltIn};
use crate::sys::settings::{self, Declared, Settings, TENANT, Tenants};

pub use crate::sys::alembic_ini::AlembicConfig;
pub use crate::sys::settings::{Cache, CachePlace, Seed, Server, VersionTable};

/// The component that is meant when there are several and none is named.
const DEFAULT_COMPONENT: &str = "manager";
/// What the one component of a project is called that declares none.
const ONLY_COMPONENT: &str = "default";
const PYPROJECT: &str = "pyproject.toml";

/// An Alembic project.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of the Alembic configs, and the working directory of whatever runs in the project. No symlinks in it.
    pub root: PathBuf,
    /// The folder of the nearest workspace `Cargo.toml` upwards from the root.
    pub workspace: Option<PathBuf>,
    /// Where we keep things: environments, servers, journals. It may not exist yet.
    pub state_dir: PathBuf,
    /// Which PostgreSQL, unless the command line says otherwise.
    pub server: Server,
    /// The pip requirements of the managed Python environment, absolute.
    pub requirements: Option<PathBuf>,
    /// The declared ones; where none is declared, Backend.AI's in its checkout and the one of `alembic.ini` elsewhere.
    pub components: Vec<Component>,
    /// What db-check's rules weigh here, where it is said.
    pub rules: Levels,
    /// The branch that released revisions are on, where it is said (`main` in the settings).
    pub main: Option<String>,
    /// Which baselines of round trips stay on the server.
    pub cache: Cache,
    /// Whether settings speak of it.
    pub declared: bool,
    /// What could not be looked at or proven fails.
    pub strict: bool,
    /// Python may be forked from one that an earlier command has left.
    pub warm: bool,
}

/// One database and its migrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What `--component` takes.
    pub name: String,
    /// Its Alembic config, relative to the project's root: an ini file or `pyproject.toml`.
    pub config: PathBuf,
    /// What the config is made from, where git ignores it.
    pub template: Option<PathBuf>,
    /// The section of the config, as `alembic -n`.
    pub section: String,
    /// As `alembic -x`.
    pub x: Vec<String>,
    /// The database, when it is not the config's: a URL, or `env:NAME`.
    pub url: Option<String>,
    /// Who may create and rename databases, when the URL's role may not: a URL, or `env:NAME`.
    pub admin_url: Option<String>,
    /// Variables by which env.py is told its database; `{url}` in a value stands for the URL.
    pub env: Vec<(String, String)>,
    /// How a fresh database is made, if not by an upgrade from empty.
    pub baseline: Option<Baseline>,
    /// What to restart after an upgrade.
    pub services: Vec<String>,
    /// SQL files with rows for round trips.
    pub seed: Vec<Seed>,
    /// Where Alembic keeps the present revision, if not in `alembic_version`.
    pub version_table: Option<VersionTable>,
    /// Whether its name has to be typed before anything goes down; `None`: where it looks like production.
    pub protected: Option<bool>,
    /// Which one of the databases that the config names: its section.
    pub database: Option<String>,
    /// Whose schemas it migrates; `None` where there is one alone, or where one of them was named.
    pub tenants: Option<Tenants>,
    /// The one whom it is about.
    pub tenant: Option<String>,
}

/// How a fresh database of a component is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// By a command; `{config}` in it stands for the config.
    Command {
        words: Vec<String>,
        /// It makes the tables from the models and runs no migration script: Backend.AI's own.
        from_models: bool,
    },
    /// From a dump, relative to the project's root.
    Dump(PathBuf),
}

impl Component {
    /// What env.py is told of a tenant, as `-x` has it.
    pub fn x_of(&self, tenant: &str) -> Option<String> {
        self.x.iter().find(|pair| pair.contains(TENANT)).map(|pair| pair.replace(TENANT, tenant))
    }

    /// The tenant whom one of these pairs of `-x` names.
    fn tenant_in(&self, pairs: &[String]) -> Option<String> {
        let own = self.x.iter().find(|pair| pair.contains(TENANT))?;
        let (before, behind) = own.split_once(TENANT)?;
        let named = |pair: &String| Some(pair.strip_prefix(before)?.strip_suffix(behind)?.to_owned());
        pairs.iter().rev().find_map(named)
    }

    /// The component as it is for one of its tenants.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Component {
        let named = |text: &String| text.replace(TENANT, tenant);
        let table = self.version_table.as_ref();
        Component {
            x: self.x.iter().map(named).collect(),
            version_table: table
                .map(|table| VersionTable { schema: table.schema.as_ref().map(named), table: named(&table.table) }),
            tenants: None,
            tenant: Some(tenant.to_owned()),
            ..self.clone()
        }
    }

    /// Whether it is usual that nobody has set it up: Backend.AI's own installation leaves its account manager out.
    pub fn is_often_not_set_up(&self) -> bool {
        let rare = backend_ai::COMPONENTS.iter().find(|known| known.name == self.name && known.is_often_left_out);
        rare.is_some_and(|known| self.config == Path::new(known.config))
    }
}

impl Project {
    /// Finds the project: `flag` (`--project`), or the nearest folder from `cwd` upwards that has a component's config
    /// or whose `Cargo.toml` names a project.
    pub fn find(cwd: &Path, flag: Option<&Path>) -> Result<Project> {
        let root = match flag {
            Some(folder) => named(&cwd.join(folder), folder)?,
            None => upwards(cwd)?,
        };
        let root = root.canonicalize().with_context(|| format!("resolving {}", root.display()))?;
        let settings = settings_for(&root)?;
        let declared = settings.is_some();
        let settings = settings.unwrap_or_default();
        let workspace = ancestor_with(&root, |folder| settings::is_workspace(&folder.join("Cargo.toml")));
        Ok(Project {
            state_dir: state_dir(&root, workspace.as_deref(), |key| std::env::var_os(key)),
            workspace,
            server: settings.server,
            requirements: settings.requirements.as_ref().map(|file| root.join(file)),
            components: components(&root, &settings)?,
            rules: settings.rules,
            main: settings.main,
            cache: settings.cache,
            strict: settings.strict,
            warm: settings.warm,
            declared,
            root,
        })
    }

    /// The component of that name, or the default one.
    pub fn component(&self, name: Option<&str>) -> Result<&Component> {
        let wanted = match (name, self.components.as_slice()) {
            (Some(name), _) => name,
            // A project with one component need not call it `manager`.
            (None, [only]) => return Ok(only),
            (None, _) => DEFAULT_COMPONENT,
        };
        if let Some(component) = self.components.iter().find(|component| component.name == wanted) {
            return Ok(component);
        }
        match backend_ai::built_in(&self.root, wanted) {
            Some(known) if name.is_some() => Err(config_missing(self, wanted, Path::new(known.config))),
            _ if self.components.is_empty() => Err(no_config(self)),
            _ => Err(self.which(name)),
        }
    }

    /// Where the command line's `-x` names one of a component's tenants, it is that one's alone.
    pub fn of_tenants(&mut self, x: &[String]) {
        for component in self.components.iter_mut().filter(|component| component.tenants.is_some()) {
            if let Some(tenant) = component.tenant_in(x) {
                *component = component.of_tenant(&tenant);
            }
        }
    }

    /// Every component.
    ///
    /// # Errors
    /// `config-missing` where there is none: what looks at all of them must not end well for having looked at nothing.
    pub fn all(&self) -> Result<&[Component]> {
        if self.components.is_empty() { Err(no_config(self)) } else { Ok(&self.components) }
    }

    /// A usage failure that names the components there are.
    fn which(&self, unknown: Option<&str>) -> anyhow::Error {
        let ours = self.components.iter().map(|component| component.name.as_str());
        let built_in = backend_ai::COMPONENTS.iter().filter(|_| backend_ai::is_checkout(&self.root));
        let missing = built_in.map(|known| known.name);
        let missing = missing.filter(|name| !self.components.iter().any(|component| component.name == *name));
        let known: Vec<&str> = ours.chain(missing).collect();
        let summary = match unknown {
            Some(name) => format!("Unknown component '{name}'"),
            None => "There are several components, so one has to be named".to_owned(),
        };
        let fail = Fail::new(Kind::Usage, summary).details(format!("Known components: {}", known.join(", ")));
        let hint = unknown.and_then(|name| closest(name, known.iter().copied()));
        let hint = hint.or_else(|| self.components.first().map(|component| component.name.as_str()));
        let fail = match (hint, unknown) {
            (Some(name), Some(_)) => fail.action(format!("Did you mean --component={name}?")),
            (Some(name), None) => fail.action(format!("Name one, for example --component={name}")),
            (None, _) => fail,
        };
        fail.related(own("db-status").word("--all").of_no_component()).into()
    }
}

/// A component whose Alembic config is not there.
pub(crate) fn config_missing(project: &Project, component: &str, config: &Path) -> anyhow::Error {
    let path = project.root.join(config);
    let there: Vec<&str> = project.components.iter().map(|component| component.name.as_str()).collect();
    let fail = Fail::new(Kind::ConfigMissing, format!("No Alembic config for component '{component}'"))
        .details(format!("Looked for {}", path.display()))
        .at(&path, None);
    let template =
        project.components.iter().find(|known| known.name == component).and_then(|known| known.template.clone());
    let fail = match &template {
        Some(template) => fail.details(format!("{} is what it is made from", template.display())).action(format!(
            "Make it, and correct its sqlalchemy.url: cp {} {}",
            template.display(),
            config.display()
        )),
        None => fail,
    };
    let fail = fail.action("Name the project's folder: --project=DIR").action(format!(
        "Or say in the workspace's Cargo.toml which file it is:\n     \
             [workspace.metadata.db.components.{component}]\n     config = \"{}\"",
        config.display()
    ));
    let others: Vec<&str> = there.into_iter().filter(|name| *name != component).collect();
    let fail = match others.as_slice() {
        [] => fail,
        names => fail.action(format!("Or use a component that is there: --component={}", names.join(" or "))),
    };
    fail.related(own("doctor").plain()).into()
}

fn named(folder: &Path, as_given: &Path) -> Result<PathBuf> {
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    let what = if folder.exists() { "is not a folder" } else { "does not exist" };
    Err(Fail::new(Kind::ConfigMissing, format!("No project at {}", as_given.display()))
        .details(format!("{} {what}", folder.display()))
        .at(folder, None)
        .action("Name the folder of the Alembic configs: --project=DIR")
        .related(own("doctor").plain())
        .into())
}

/// A project that has no Alembic config at all.
fn no_config(project: &Project) -> anyhow::Error {
    Fail::new(Kind::ConfigMissing, "No Alembic config found, so there is nothing to look at")
        .details(format!(
            "Looked for {} and for [tool.alembic] in {PYPROJECT}",
            project.root.join("alembic.ini").display()
        ))
        .at(&project.root, None)
        .action("Name the project's folder: --project=DIR")
        .action(
            "Or say in the workspace's Cargo.toml which file it is:\n     \
             [workspace.metadata.db.components.NAME]\n     config = \"FILE.ini\"",
        )
        .related(own("doctor"))
        .into()
}

/// The Alembic config of a project that declares none, where `alembic` without `-c` would find it: `ALEMBIC_CONFIG`,
/// `alembic.ini`, `[tool.alembic]`; or where Flask-Migrate keeps it.
fn own_config(root: &Path) -> Result<Option<PathBuf>> {
    let named = std::env::var_os("ALEMBIC_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    let flask = root.join("migrations/env.py").is_file().then(|| PathBuf::from("migrations/alembic.ini"));
    let files = [named, Some("alembic.ini".into())];
    if let Some(file) = files.into_iter().flatten().find(|file| root.join(file).is_file()) {
        return Ok(Some(file));
    }
    if AlembicToml::read(&root.join(PYPROJECT))?.is_some() {
        return Ok(Some(PYPROJECT.into()));
    }
    Ok(flask.filter(|file| root.join(file).is_file()))
}

/// The nearest folder upwards that is a project or names one.
fn upwards(cwd: &Path) -> Result<PathBuf> {
    for folder in cwd.ancestors() {
        if own_config(folder)?.is_some() || backend_ai::is_checkout(folder) {
            return Ok(folder.to_owned());
        }
        let manifest = folder.join("Cargo.toml");
        let settings = if manifest.is_file() { settings::read(&manifest)? } else { None };
        if let Some(settings) = settings {
            let root = folder.join(settings.project.as_deref().unwrap_or(Path::new(".")));
            return named_by(&root, &manifest);
        }
    }
    Err(Fail::new(Kind::ConfigMissing, "No Alembic project found")
        .details(format!("No alembic.ini and no {PYPROJECT} with [tool.alembic] in {} or above it", cwd.display()))
        .details("No Cargo.toml there with a [workspace.metadata.db] section")
        .action("Change into the project's folder, or name it: --project=DIR")
        .action(
            "Or say in the workspace's Cargo.toml where it is:\n     [workspace.metadata.db]\n     project = \"DIR\"",
        )
        .related(own("doctor").plain())
        .into())
}

fn named_by(root: &Path, manifest: &Path) -> Result<PathBuf> {
    if root.is_dir() {
        return Ok(root.to_owned());
    }
    Err(Fail::new(Kind::ConfigInvalid, "The project's folder does not exist")
        .details(format!("{} names {} as `workspace.metadata.db.project`", manifest.display(), root.display()))
        .at(manifest, None)
        .action(format!("Correct `project` in {}", manifest.display()))
        .action("Or name the folder: --project=DIR")
        .related(own("doctor").plain())
        .into())
}

/// The settings that speak of this root. Another project's do not apply: a workspace that carries an example, say, is
/// no reason to use the example's server for a checkout that `--project` names.
fn settings_for(root: &Path) -> Result<Option<Settings>> {
    for folder in root.ancestors() {
        let manifest = folder.join("Cargo.toml");
        let settings = if manifest.is_file() { settings::read(&manifest)? } else { None };
        if let Some(settings) = settings {
            let applies = match &settings.project {
                None => true,
                Some(project) => folder.join(project).canonicalize().is_ok_and(|folder| folder == root),
            };
            return Ok(applies.then_some(settings));
        }
    }
    Ok(None)
}

fn ancestor_with(folder: &Path, test: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    folder.ancestors().find(|folder| test(folder)).map(Path::to_owned)
}

/// Where we keep things. The same for a project wherever one stands in it, since locks and journals are kept there.
fn state_dir(root: &Path, workspace: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let named = |key: &str| variable(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Cargo resolves a relative CARGO_TARGET_DIR from the working directory, so we do too.
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    if let Some(folder) = named("XTASK_STATE_DIR") {
        return absolute(folder);
    }
    if let Some(target) = named("CARGO_TARGET_DIR") {
        return absolute(target).join("xtask");
    }
    match workspace {
        Some(workspace) => workspace.join("target/xtask"),
        None => shared_place(variable).unwrap_or_else(|| root.join("target/xtask")).join(folder_of(root)),
    }
}

/// Where the things of projects lie that have no cargo workspace around them: in the one that this program was built in, as
/// long as it is run from there; where it was installed, in the user's own place for such things.
fn shared_place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let is_there = |exe: PathBuf| exe.starts_with(built_in);
    if std::env::current_exe().is_ok_and(is_there) {
        return Some(built_in.join("target/xtask/projects"));
    }
    let absolute = |key: &str| variable(key).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state"))).map(|state| state.join("xtask"))
}

/// Two projects may have databases and components of one name.
fn folder_of(root: &Path) -> String {
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", root.file_name().unwrap_or_default().to_string_lossy())
}

fn components(root: &Path, settings: &Settings) -> Result<Vec<Component>> {
    if settings.components.is_empty() {
        return undeclared(root);
    }
    let only = settings.components.len() == 1;
    let components: Result<Vec<Component>> =
        settings.components.iter().map(|declared| component(root, declared, only)).collect();
    let mut components = components?;
    // Backend.AI's own order first.
    let rank = |component: &Component| backend_ai::COMPONENTS.iter().position(|known| known.name == component.name);
    components.sort_by_key(|component| rank(component).unwrap_or(backend_ai::COMPONENTS.len()));
    Ok(components)
}

fn undeclared(root: &Path) -> Result<Vec<Component>> {
    if backend_ai::is_checkout(root) {
        let there = |known: &&BuiltIn| root.join(known.config).is_file() || root.join(known.template).is_file();
        let declared = |known: &BuiltIn| Declared { name: known.name.to_owned(), ..Declared::default() };
        let known = backend_ai::COMPONENTS.iter().filter(there);
        return known.map(|known| component(root, &declared(known), false)).collect();
    }
    let Some(config) = own_config(root)? else { return Ok(Vec::new()) };
    let declared = Declared { name: ONLY_COMPONENT.to_owned(), config: Some(config), ..Declared::default() };
    Ok(vec![component(root, &declared, true)?])
}

/// A component from its declaration. What that leaves out comes from Backend.AI's own of the same name in its checkout; the
/// only one of a project has its config where Alembic looks for it.
fn component(root: &Path, declared: &Declared, only: bool) -> Result<Component> {
    let known = backend_ai::built_in(root, &declared.name);
    let config = declared.config.clone().or(known.map(|known| known.config.into()));
    let config = match config {
        None if only => Some(own_config(root)?.unwrap_or_else(|| "alembic.ini".into())),
        config => config,
    };
    let config = config.ok_or_else(|| {
        let key = format!("workspace.metadata.db.components.{}.config", declared.name);
        Fail::new(Kind::ConfigInvalid, format!("Component '{}' has no Alembic config", declared.name))
            .details(format!("`{key}` is not set in the workspace's Cargo.toml"))
            .action(format!("Set it, for example config = \"alembic-{}.ini\"", declared.name))
            .related(own("doctor").plain())
    })?;
    let services = known.map_or(&[][..], |known| known.services);
    let services = services.iter().map(|service| (*service).to_owned()).collect();
    let template = known.map(|known| PathBuf::from(known.template));
    Ok(Component {
        baseline: baseline(root, declared),
        services: declared.services.clone().unwrap_or(services),
        seed: declared.seed.clone(),
        version_table: declared.version_table.clone(),
        protected: declared.protected,
        database: declared.database.clone(),
        tenants: declared.tenants.clone(),
        tenant: None,
        name: declared.name.clone(),
        template: template.filter(|template| root.join(template).is_file()),
        section: declared.section.clone().unwrap_or_else(|| "alembic".to_owned()),
        x: declared.x.clone(),
        url: declared.url.clone(),
        admin_url: declared.admin_url.clone(),
        env: declared.env.clone(),
        config,
    })
}

fn baseline(root: &Path, declared: &Declared) -> Option<Baseline> {
    if let Some(file) = &declared.dump {
        return Some(Baseline::Dump(file.clone()));
    }
    let command = declared.baseline.clone().map(|words| Baseline::Command { words, from_models: false });
    command.or_else(|| {
        backend_ai::oneshot(root, &declared.name).map(|words| Baseline::Command { words, from_models: true })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_things_go_where_the_environment_says_or_under_target() {
        let state = |variables: &[(&str, &str)], workspace: Option<&str>| {
            let variable = |key: &str| variables.iter().find(|(name, _)| *name == key).map(|(_, value)| value.into());
            state_dir(Path::new("/project"), workspace.map(Path::new), variable)
        };
        let both = [("CARGO_TARGET_DIR", "/t"), ("XTASK_STATE_DIR", "/s")];
        assert_eq!(state(&both, Some("/w")), Path::new("/s"));
        assert_eq!(state(&both[..1], Some("/w")), Path::new("/t/xtask"));
        assert_eq!(
            state(&[("XTASK_STATE_DIR", ""), ("CARGO_TARGET_DIR", "")], Some("/w")),
            Path::new("/w/target/xtask")
        );
        assert_eq!(state(&[("XTASK_STATE_DIR", "rel")], None), std::env::current_dir().unwrap().join("rel"));
        // No workspace around the project: the one that this binary was built in, and a folder for each.
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/xtask/projects");
        let place = state(&[], None);
        assert!(place.parent() == Some(&own) && place.ends_with(folder_of(Path::new("/project"))), "{place:?}");
        assert_ne!(folder_of(Path::new("/a/project")), folder_of(Path::new("/b/project")));
    }
}
