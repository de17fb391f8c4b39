//! Which project we are in: its root, its components, where our own things are kept. Found from the working directory
//! upwards or named by `--project`, and configured by `[workspace.metadata.db]` (`settings.rs`). Nothing is created
//! here, and no Alembic config is read (`alembic_ini.rs` does that).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::rules::Levels;
use crate::sys::settings::{self, Declared, Settings, nearest};

pub use crate::sys::alembic_ini::AlembicConfig;
pub use crate::sys::settings::{Cache, CachePlace, Seed, Server, VersionTable};

/// The component that is meant when none is named.
const DEFAULT_COMPONENT: &str = "manager";

/// Backend.AI's components: name, Alembic config, services. Known without any configuration.
const BUILT_IN: [(&str, &str, &[&str]); 3] = [
    ("manager", "alembic.ini", &["backend.ai mgr"]),
    ("accountmgr", "alembic-accountmgr.ini", &[]),
    ("appproxy", "alembic-appproxy.ini", &["backend.ai app-proxy-coordinator", "backend.ai app-proxy-worker"]),
];

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
    /// The components: built-in ones whose config exists, and all that are declared.
    pub components: Vec<Component>,
    /// What db-check's rules weigh here, where it is said.
    pub rules: Levels,
    /// The branch that released revisions are on, where it is said (`main` in the settings).
    pub main: Option<String>,
    /// Which baselines of round trips stay on the server.
    pub cache: Cache,
}

/// One database and its migrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What `--component` takes.
    pub name: String,
    /// Its Alembic config, relative to the project's root.
    pub config: PathBuf,
    /// How a fresh database is made, if not by an upgrade from empty.
    pub baseline: Option<Baseline>,
    /// What to restart after an upgrade.
    pub services: Vec<String>,
    /// SQL files with rows for round trips.
    pub seed: Vec<Seed>,
    /// Where Alembic keeps the present revision, if not in `alembic_version`.
    pub version_table: Option<VersionTable>,
}

/// How a fresh database of a component is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// By a command; `{config}` in it stands for the config.
    Command {
        /// The words.
        words: Vec<String>,
        /// It makes the tables from the models and runs no migration script: Backend.AI's own.
        from_models: bool,
    },
    /// From a dump, relative to the project's root.
    Dump(PathBuf),
}

impl Component {
    /// Whether it is usual that nobody has set it up: Backend.AI's own installation leaves its account manager out.
    pub fn is_often_not_set_up(&self) -> bool {
        let (name, config, _) = BUILT_IN[1];
        self.name == name && self.config == Path::new(config)
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
        let settings = settings_for(&root)?.unwrap_or_default();
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
        match built_in(wanted) {
            Some((_, config, _)) if name.is_some() || self.components.is_empty() => {
                Err(config_missing(self, wanted, Path::new(config)))
            }
            _ => Err(self.which(name)),
        }
    }

    /// A usage failure that names the components there are.
    fn which(&self, unknown: Option<&str>) -> anyhow::Error {
        let ours = self.components.iter().map(|component| component.name.as_str());
        let missing = BUILT_IN.iter().map(|(name, ..)| *name);
        let missing = missing.filter(|name| !self.components.iter().any(|component| component.name == *name));
        let known: Vec<&str> = ours.chain(missing).collect();
        let summary = match unknown {
            Some(name) => format!("Unknown component '{name}'"),
            None => format!("No component '{DEFAULT_COMPONENT}' here, so one has to be named"),
        };
        let fail = Fail::new(Kind::Usage, summary).details(format!("Known components: {}", known.join(", ")));
        let hint = unknown.and_then(|name| nearest(name, known.iter().copied()));
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
        .at(&path, None)
        .action("Name the project's folder: --project=DIR")
        .action(format!(
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

/// The nearest folder upwards that is a project or names one.
fn upwards(cwd: &Path) -> Result<PathBuf> {
    for folder in cwd.ancestors() {
        if BUILT_IN.iter().any(|(_, config, _)| folder.join(config).is_file()) {
            return Ok(folder.to_owned());
        }
        let manifest = folder.join("Cargo.toml");
        let settings = if manifest.is_file() { settings::read(&manifest)? } else { None };
        if let Some(settings) = settings {
            let root = folder.join(settings.project.as_deref().unwrap_or(Path::new(".")));
            return named_by(&root, &manifest);
        }
    }
    let names: Vec<&str> = BUILT_IN.iter().map(|(_, config, _)| *config).collect();
    Err(Fail::new(Kind::ConfigMissing, "No Alembic project found")
        .details(format!("No {} in {} or above it", names.join(", "), cwd.display()))
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
    let built_from = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|folder| folder.is_dir());
    workspace.or_else(built_from).unwrap_or(root).join("target/xtask")
}

fn built_in(name: &str) -> Option<(&'static str, &'static str, &'static [&'static str])> {
    BUILT_IN.into_iter().find(|(known, ..)| *known == name)
}

fn components(root: &Path, settings: &Settings) -> Result<Vec<Component>> {
    let declared = |name: &str| settings.components.iter().find(|declared| declared.name == name);
    let mut components = Vec::new();
    for (name, config, _) in BUILT_IN {
        if declared(name).is_none() && root.join(config).is_file() {
            components.push(component(root, &Declared { name: name.to_owned(), ..Declared::default() })?);
        }
    }
    for declared in &settings.components {
        components.push(component(root, declared)?);
    }
    // Backend.AI's own order first, whether declared or not.
    let rank = |component: &Component| BUILT_IN.iter().position(|(name, ..)| *name == component.name);
    components.sort_by_key(|component| rank(component).unwrap_or(BUILT_IN.len()));
    Ok(components)
}

/// A component from its declaration; what that leaves out comes from the built-in one of the same name.
fn component(root: &Path, declared: &Declared) -> Result<Component> {
    let known = built_in(&declared.name);
    let config = declared.config.clone().or(known.map(|(_, config, _)| config.into())).ok_or_else(|| {
        let key = format!("workspace.metadata.db.components.{}.config", declared.name);
        Fail::new(Kind::ConfigInvalid, format!("Component '{}' has no Alembic config", declared.name))
            .details(format!("`{key}` is not set in the workspace's Cargo.toml"))
            .action(format!("Set it, for example config = \"alembic-{}.ini\"", declared.name))
            .related(own("doctor").plain())
    })?;
    let services = known.map_or(&[][..], |(.., services)| services);
    let services = services.iter().map(|service| (*service).to_owned()).collect();
    Ok(Component {
        baseline: baseline(root, declared),
        services: declared.services.clone().unwrap_or(services),
        seed: declared.seed.clone(),
        version_table: declared.version_table.clone(),
        name: declared.name.clone(),
        config,
    })
}

fn baseline(root: &Path, declared: &Declared) -> Option<Baseline> {
    if let Some(file) = &declared.dump {
        return Some(Baseline::Dump(file.clone()));
    }
    let command = declared.baseline.clone().map(|words| Baseline::Command { words, from_models: false });
    command.or_else(|| oneshot(root, &declared.name).map(|words| Baseline::Command { words, from_models: true }))
}

/// How a Backend.AI checkout makes the manager's database: its history does not run from base.
fn oneshot(root: &Path, component: &str) -> Option<Vec<String>> {
    let here = component == "manager" && root.join("backend.ai").is_file();
    let words = ["./backend.ai", "mgr", "schema", "oneshot", "-f", "{config}"];
    here.then(|| words.map(str::to_owned).to_vec())
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
        // No workspace round the project: the one that this binary was built from.
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(state(&[], None), own.join("target/xtask"));
    }
}
