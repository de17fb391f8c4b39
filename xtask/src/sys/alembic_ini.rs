//! A component's Alembic config as Alembic understands it: the section of an ini file and `[tool.alembic]` of
//! `pyproject.toml` for what the ini does not say; where the scripts are, how new ones are named. The URL is handed on
//! as it is (`model/url.rs` reads it), and asked for only where it is needed: commands that need no database work with
//! a config that has none.

use std::path::{Component as Part, Path, PathBuf};

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind};
use crate::model::action::{git, own, program};
use crate::model::env_script::is_for_several;
use crate::model::ini::{Ini, IniError};
use crate::sys::alembic_toml::AlembicToml;
use crate::sys::packages::SearchPath;
use crate::sys::project::{Component, Project, config_missing};

const DEFAULT_FILE_TEMPLATE: &str = "%(rev)s_%(slug)s";
/// Alembic's own default; it takes 0 for it, too.
const DEFAULT_SLUG_LENGTH: usize = 40;

/// What an Alembic config says. Paths are absolute.
#[derive(Clone, Debug)]
pub struct AlembicConfig {
    /// The file that Alembic is given: an ini, or `pyproject.toml`.
    pub path: PathBuf,
    pub component: Component,
    /// No file says where the scripts are, and env.py lies beside the ini: Flask-Migrate's layout.
    pub implied_location: bool,
    /// The config itself is not there; this is what it is made from, good for the scripts' place and nothing else.
    pub template: Option<PathBuf>,
    /// The folder of `env.py`.
    pub script_location: PathBuf,
    /// The folders of the scripts, in Alembic's order.
    pub version_locations: Vec<PathBuf>,
    /// Whether the version locations count with their sub-folders.
    pub recursive: bool,
    /// How a new script's file is named.
    pub file_template: String,
    /// How long the slug in a new script's name may be, in characters.
    pub truncate_slug_length: usize,
    /// What Alembic puts in front of Python's search path.
    pub prepend_sys_path: Vec<PathBuf>,
    /// The time zone of a new script's date, as it is written.
    pub timezone: Option<String>,
    options: Options,
}

impl AlembicConfig {
    /// Reads a component's config. `packages` gives the interpreter's site-packages folders; it is called only where a
    /// location names a package that the project itself does not have, since the answer may take a Python start.
    pub fn read(
        project: &Project,
        component: &Component,
        packages: impl FnOnce() -> Result<Vec<PathBuf>>,
    ) -> Result<AlembicConfig> {
        let path = project.root.join(&component.config);
        let (file, template) = Options::read(project, component, &path)?;
        let prepend_sys_path = file.prepend_sys_path()?;
        let prepend_sys_path: Vec<_> = prepend_sys_path.iter().map(|entry| resolve(&project.root, entry)).collect();
        let mut locations = Locations::new(project, &prepend_sys_path, packages);
        let (script_location, implied_location) = file.script_location(&mut locations)?;
        let version_locations = match file.version_locations(&mut locations)? {
            Some(folders) => folders,
            None => vec![script_location.join("versions")],
        };
        Ok(AlembicConfig {
            recursive: file.get("recursive_version_locations")?.as_deref() == Some("true"),
            file_template: file.get("file_template")?.unwrap_or_else(|| DEFAULT_FILE_TEMPLATE.to_owned()),
            truncate_slug_length: file.truncate_slug_length()?,
            timezone: file.get("timezone")?,
            script_location,
            version_locations,
            prepend_sys_path,
            path,
            component: component.clone(),
            implied_location,
            template,
            options: file,
        })
    }

    /// `sqlalchemy.url`, interpolated; without one, `config-invalid`. It may hold a password: never print it.
    pub fn url(&self) -> Result<String> {
        let file = &self.options;
        if let Some(template) = &self.template {
            return Err(self.not_made(template).into());
        }
        let url = match self.component.database.as_deref() {
            None => file.main("sqlalchemy.url")?,
            Some(section) => file.in_section(section, "sqlalchemy.url")?,
        };
        match url {
            Some(url) if !url.is_empty() => Ok(url),
            _ => {
                // Alembic reads it from no TOML.
                let is_toml = self.path.extension().is_some_and(|extension| extension == "toml");
                let place = if is_toml { " in an alembic.ini beside it, under [alembic]" } else { "" };
                Err(file
                    .fail("sqlalchemy.url", "is not set, so the database is not known")
                    .action(format!("Set it{place}: sqlalchemy.url = postgresql+asyncpg://USER@HOST:PORT/DATABASE"))
                    .into())
            }
        }
    }

    /// Whether it is known which database is meant, where the config is for several (Alembic's template `multidb`,
    /// Flask-Migrate's `flask-multidb`): a run of env.py would migrate all of them.
    ///
    /// # Errors
    /// `config-invalid`, with what to declare.
    pub fn check_database(&self) -> Result<()> {
        let named = self.options.main("databases")?.unwrap_or_default();
        let named: Vec<&str> = named.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        match &self.component.database {
            Some(name) if named.contains(&name.as_str()) => Ok(()),
            Some(name) => {
                let problem = format!("it does not name `{name}`, the component's `database`");
                Err(self.options.fail("databases", &problem).into())
            }
            None if !named.is_empty() => Err(self.several(&named).into()),
            None => {
                let script = super::regular::read_text(&self.script_location.join("env.py")).unwrap_or_default();
                if is_for_several(&script) { Err(self.several_of_application().into()) } else { Ok(()) }
            }
        }
    }

    fn several(&self, named: &[&str]) -> Fail {
        let file = self.component.config.display();
        let one = |name: &&str| {
            format!(
                "     [workspace.metadata.db.components.{name}]\n     config = \"{file}\"\n     database = \"{name}\""
            )
        };
        let declared: Vec<String> = named.iter().map(one).collect();
        let (path, line) = self.place("databases");
        Fail::new(Kind::ConfigInvalid, "The Alembic config is for several databases, and a command works on one")
            .details(format!("{}: databases = {}", place(path, line), named.join(", ")))
            .at(path, line)
            .action(format!("Say in the workspace's Cargo.toml which they are:\n{}", declared.join("\n")))
            .related(own("db-status").word("--all").of_no_component())
            .refused()
    }

    fn several_of_application(&self) -> Fail {
        let script = self.script_location.join("env.py");
        Fail::new(Kind::ConfigInvalid, "env.py migrates several databases in one run, and a command works on one")
            .details(format!("{} runs the migrations with engine_name=…, once for each", script.display()))
            .at(&script, None)
            .action("Migrate with the project's own command; db-check and db-history need no database and work")
            .related(own("db-check"))
            .refused()
    }

    fn not_made(&self, template: &Path) -> Fail {
        let name = &self.component.name;
        Fail::new(
            Kind::ConfigMissing,
            format!("No Alembic config for component '{name}', so its database is not known"),
        )
        .details(format!("Looked for {}; {} is what it is made from", self.path.display(), template.display()))
        .at(&self.path, None)
        .run("Make it, and correct its sqlalchemy.url", program(["cp"]).word(template).word(&self.path))
        .action(format!("Or name the database: --component={name} --url=postgresql+asyncpg://USER@HOST:PORT/DATABASE"))
        .related(own("doctor"))
    }

    /// Any option, interpolated.
    pub fn option(&self, name: &str) -> Result<Option<String>> {
        self.options.get(name)
    }

    /// The file and line of an option, for an error about its value.
    pub fn place(&self, option: &str) -> (&Path, Option<usize>) {
        self.options.place(option)
    }
}

/// What an ini and a `pyproject.toml` say together.
#[derive(Clone, Debug)]
struct Options {
    path: PathBuf,
    section: String,
    ini: Option<Ini>,
    toml: Option<AlembicToml>,
}

impl Options {
    /// Reads what there is, and gives the template besides where that is all there is.
    fn read(project: &Project, component: &Component, path: &Path) -> Result<(Options, Option<PathBuf>)> {
        let is_toml = path.file_name().is_some_and(|name| name == "pyproject.toml");
        let ini_path = if is_toml { path.with_file_name("alembic.ini") } else { path.to_owned() };
        let toml_path = if is_toml { path.to_owned() } else { project.root.join("pyproject.toml") };
        let here = normalized(ini_path.parent().unwrap_or(&project.root));
        let mut options = Options {
            path: path.to_owned(),
            section: component.section.clone(),
            ini: read_ini(&ini_path, &here)?,
            toml: AlembicToml::read(&toml_path)?,
        };
        let template = component.template.as_ref().map(|template| project.root.join(template));
        if options.ini.is_none() && (options.toml.is_none() || template.is_some()) {
            let Some(template) = template else {
                return Err(config_missing(project, &component.name, &component.config));
            };
            options.ini = read_ini(&template, &here)?;
            return Ok((options, Some(template)));
        }
        let has_section = options.ini.as_ref().is_some_and(|ini| ini.has_section(&options.section));
        if !has_section && options.toml.is_none() {
            return Err(no_section(&ini_path, component, options.ini.as_ref()).into());
        }
        Ok((options, None))
    }

    /// As Alembic's `get_main_option`: what only the ini may say.
    fn main(&self, option: &str) -> Result<Option<String>> {
        let Some(ini) = &self.ini else { return Ok(None) };
        let value = ini.get(&self.section, option);
        value.map_err(|IniError { problem, .. }| self.fail(option, &problem.to_string()).into())
    }

    /// An option of another section of the ini.
    fn in_section(&self, section: &str, option: &str) -> Result<Option<String>> {
        let Some(ini) = &self.ini else { return Ok(None) };
        let value = ini.get(section, option);
        value.map_err(|IniError { problem, .. }| self.fail(option, &format!("in [{section}]: {problem}")).into())
    }

    /// As Alembic's `get_alembic_option`: the ini, then `pyproject.toml`.
    fn get(&self, option: &str) -> Result<Option<String>> {
        let value = self.main(option)?;
        Ok(value.or_else(|| self.toml.as_ref()?.text(option)))
    }

    /// A list that only `pyproject.toml` says.
    fn list(&self, option: &str) -> Option<Vec<String>> {
        self.toml.as_ref()?.list(option)
    }

    /// The file and line of an option.
    fn place(&self, option: &str) -> (&Path, Option<usize>) {
        if let Some(line) = self.ini.as_ref().and_then(|ini| ini.line(&self.section, option)) {
            return (&self.path, Some(line));
        }
        match self.toml.as_ref().and_then(|toml| Some((&toml.path, toml.line(option)?))) {
            Some((path, line)) => (path, Some(line)),
            None => (&self.path, None),
        }
    }

    fn fail(&self, option: &str, problem: &str) -> Fail {
        let (path, line) = self.place(option);
        let place = place(path, line);
        Fail::new(Kind::ConfigInvalid, format!("Cannot use `{option}` of the Alembic config"))
            .details(format!("{place}: option `{option}` in [{}]: {problem}", self.section))
            .at(path, line)
            .action(format!("Correct {place}"))
            .related(own("doctor"))
    }

    /// The folder of env.py, and whether nothing but its own place says so.
    fn script_location<F>(&self, locations: &mut Locations<'_, F>) -> Result<(PathBuf, bool)>
    where
        F: FnOnce() -> Result<Vec<PathBuf>>,
    {
        const KEY: &str = "script_location";
        let Some(value) = self.get(KEY)?.filter(|value| !value.is_empty()) else {
            let beside = self.path.parent().filter(|folder| folder.join("env.py").is_file());
            let missing = || self.fail(KEY, "is not set").action(format!("Set it: {KEY} = FOLDER"));
            return Ok((beside.map(normalized).ok_or_else(missing)?, true));
        };
        let folder = match locations.find(&value)? {
            Found::Folder(folder) => folder,
            Found::Nothing { problem } => return Err(self.fail(KEY, &problem).into()),
        };
        if !folder.is_dir() {
            let problem = format!("the folder {} does not exist", folder.display());
            return Err(self.fail(KEY, &problem).run("Check that this is the right branch", git(["status"])).into());
        }
        Ok((folder, false))
    }

    fn version_locations<F>(&self, locations: &mut Locations<'_, F>) -> Result<Option<Vec<PathBuf>>>
    where
        F: FnOnce() -> Result<Vec<PathBuf>>,
    {
        const KEY: &str = "version_locations";
        let parts = match self.main(KEY)?.filter(|value| !value.is_empty()) {
            Some(value) => self.split(&value, &["path_separator", "version_path_separator"], &[' ', ','])?,
            None => match self.list(KEY) {
                Some(list) => list,
                None => return Ok(None),
            },
        };
        let mut folders = Vec::new();
        // Alembic takes an empty part for the working directory, which nobody means by a comma too many.
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            match locations.find(&part)? {
                Found::Folder(folder) => folders.push(folder),
                Found::Nothing { problem } => return Err(self.fail(KEY, &problem).into()),
            }
        }
        Ok(Some(folders))
    }

    fn prepend_sys_path(&self) -> Result<Vec<String>> {
        const KEY: &str = "prepend_sys_path";
        let parts = match self.main(KEY)?.filter(|value| !value.is_empty()) {
            Some(value) => self.split(&value, &["path_separator"], &[' ', ',', ':'])?,
            None => self.list(KEY).unwrap_or_default(),
        };
        Ok(parts.into_iter().filter(|part| !part.is_empty()).collect())
    }

    /// A list as an ini writes it. Alembic strips each part but takes empty ones away only before that.
    fn split(&self, value: &str, separators: &[&str], otherwise: &[char]) -> Result<Vec<String>> {
        Ok(match self.separator(separators)? {
            Some(separator) => value.split(separator).map(|part| part.trim().to_owned()).collect(),
            None => value.split(otherwise).map(str::to_owned).collect(),
        })
    }

    /// `path_separator` is Alembic's word since 1.16, `version_path_separator` the one before.
    fn separator(&self, keys: &[&str]) -> Result<Option<char>> {
        for key in keys {
            let Some(name) = self.main(key)? else { continue };
            return match name.as_str() {
                "space" => Ok(Some(' ')),
                "newline" => Ok(Some('\n')),
                "os" | ":" => Ok(Some(':')),
                ";" => Ok(Some(';')),
                _ => Err(self.fail(key, &format!("'{name}' is none of space, newline, os, : and ;")).into()),
            };
        }
        Ok(None)
    }

    fn truncate_slug_length(&self) -> Result<usize> {
        const KEY: &str = "truncate_slug_length";
        let Some(value) = self.get(KEY)? else { return Ok(DEFAULT_SLUG_LENGTH) };
        match value.trim().parse() {
            Ok(0) => Ok(DEFAULT_SLUG_LENGTH),
            Ok(length) => Ok(length),
            Err(_) => Err(self.fail(KEY, &format!("'{value}' is not a number of characters")).into()),
        }
    }
}

enum Found {
    Folder(PathBuf),
    Nothing { problem: String },
}

/// Finds what a location names: a path from the project's root, or `package.module:folder`.
struct Locations<'a, F> {
    root: &'a Path,
    search: SearchPath,
    packages: Option<F>,
}

impl<'a, F: FnOnce() -> Result<Vec<PathBuf>>> Locations<'a, F> {
    fn new(project: &'a Project, prepended: &[PathBuf], packages: F) -> Self {
        let root = project.root.as_path();
        let python_path = std::env::var_os("PYTHONPATH").unwrap_or_default();
        let python_path: Vec<PathBuf> = std::env::split_paths(&python_path).collect();
        let python_path = python_path.into_iter().filter(|entry| !entry.as_os_str().is_empty());
        // `src` is where a src layout has its packages, and what Backend.AI's own ./py adds.
        let own = prepended.iter().cloned().chain([root.to_owned(), root.join("src")]);
        let search = SearchPath::new(own.chain(python_path.map(|entry| root.join(entry))));
        Locations { root, search, packages: Some(packages) }
    }

    fn find(&mut self, location: &str) -> Result<Found> {
        if location.starts_with('/') || !location.contains(':') {
            return Ok(Found::Folder(resolve(self.root, location)));
        }
        let mut parts = location.split(':');
        let package = parts.next().unwrap_or_default();
        let inside: Vec<&str> = parts.collect();
        if let Some(folder) = self.search.resource(package, &inside) {
            return Ok(Found::Folder(folder));
        }
        if let Some(packages) = self.packages.take() {
            self.search.add_site_packages(packages()?);
            if let Some(folder) = self.search.resource(package, &inside) {
                return Ok(Found::Folder(folder));
            }
        }
        Ok(Found::Nothing { problem: self.nothing(package, &inside) })
    }

    fn nothing(&self, package: &str, inside: &[&str]) -> String {
        let list = |folders: &[PathBuf]| {
            let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            names.join(", ")
        };
        match self.search.package(package).as_slice() {
            [] => format!("no Python package `{package}` in {}", list(self.search.folders())),
            found => format!("the package `{package}` has no folder {} in {}", inside.join("/"), list(found)),
        }
    }
}

/// An ini file; `None` where there is none.
fn read_ini(path: &Path, here: &Path) -> Result<Option<Ini>> {
    let bytes = match crate::sys::regular::read_regular(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            return Err(broken(path, None, &error.to_string()).into());
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        broken(path, Some(good.split(|&byte| byte == b'\n').count()), "bytes that are no UTF-8")
    })?;
    let ini = Ini::parse(&text, &here.to_string_lossy());
    Ok(Some(ini.map_err(|error| broken(path, error.line, &error.problem.to_string()))?))
}

fn broken(path: &Path, line: Option<usize>, problem: &str) -> Fail {
    let place = place(path, line);
    Fail::new(Kind::ConfigInvalid, "Cannot read the Alembic config")
        .details(format!("{place}: {problem}"))
        .at(path, line)
        .action(format!("Correct {place}"))
        .related(own("doctor"))
}

/// A file with sections for `alembic -n NAME`: each that says where scripts are may be the one that is meant.
fn no_section(path: &Path, component: &Component, ini: Option<&Ini>) -> Fail {
    let with_scripts = |name: &&str| ini.is_some_and(|ini| ini.options(name).contains(&"script_location"));
    let names: Vec<&str> = ini.into_iter().flat_map(Ini::sections).filter(with_scripts).collect();
    let fail = broken(path, None, &format!("it has no [{}] section", component.section));
    if names.is_empty() {
        return fail;
    }
    let declared = |name: &&str| {
        let config = component.config.display();
        format!("     [workspace.metadata.db.components.{name}]\n     config = \"{config}\"\n     section = \"{name}\"")
    };
    let lines: Vec<String> = names.iter().map(declared).collect();
    Fail { actions: Vec::new(), ..fail }.action(format!(
        "As `alembic -n NAME` (here: {}), in the workspace's Cargo.toml:\n{}",
        names.join(", "),
        lines.join("\n")
    ))
}

/// Python's `os.path.abspath` with the project's root as working directory.
fn resolve(root: &Path, path: &str) -> PathBuf {
    normalized(&root.join(path))
}

/// Takes `.` and `..` out by the letter, as Python does, without looking at the disk.
fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Part::CurDir => {}
            Part::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

fn place(path: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", path.display()),
        None => path.display().to_string(),
    }
}
