//! A component's Alembic config as Alembic understands it: the `[alembic]` section, where the scripts are, how new ones
//! are named. The URL is handed on as it stands (`model/url.rs` reads it) and asked for only where it is needed, so
//! that a config without one serves for everything that needs no database.

use std::path::{Component as Part, Path, PathBuf};

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind};
use crate::model::action::{git, own};
use crate::model::ini::{Ini, IniError};
use crate::sys::packages::SearchPath;
use crate::sys::project::{Component, Project, config_missing};

const SECTION: &str = "alembic";
const DEFAULT_FILE_TEMPLATE: &str = "%(rev)s_%(slug)s";
/// Alembic's own default; it takes 0 for it, too.
const DEFAULT_SLUG_LENGTH: usize = 40;

/// What an Alembic config says. Paths are absolute.
#[derive(Clone, Debug)]
pub struct AlembicConfig {
    /// The ini file.
    pub path: PathBuf,
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
    ini: Ini,
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
        let ini = read_ini(project, component, &path)?;
        let file = File { path: &path, ini: &ini };
        let prepend_sys_path = file.prepend_sys_path()?;
        let prepend_sys_path: Vec<_> = prepend_sys_path.iter().map(|entry| resolve(&project.root, entry)).collect();
        let mut locations = Locations::new(project, &prepend_sys_path, packages);
        let script_location = file.script_location(&mut locations)?;
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
            ini,
        })
    }

    /// `sqlalchemy.url`, interpolated; without one, `config-invalid`. It may hold a password: never print it.
    pub fn url(&self) -> Result<String> {
        let file = File { path: &self.path, ini: &self.ini };
        match file.get("sqlalchemy.url")? {
            Some(url) if !url.is_empty() => Ok(url),
            _ => Err(file
                .fail("sqlalchemy.url", "is not set, so the database is not known")
                .action("Set it: sqlalchemy.url = postgresql+asyncpg://USER@HOST:PORT/DATABASE")
                .into()),
        }
    }

    /// Any option of the `[alembic]` section, interpolated.
    pub fn option(&self, name: &str) -> Result<Option<String>> {
        File { path: &self.path, ini: &self.ini }.get(name)
    }

    /// The file and line of an option, for an error about its value.
    pub fn place(&self, option: &str) -> (&Path, Option<usize>) {
        (&self.path, self.ini.line(SECTION, option))
    }
}

fn read_ini(project: &Project, component: &Component, path: &Path) -> Result<Ini> {
    let bytes = match crate::sys::files::read_regular(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(config_missing(project, &component.name, &component.config));
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let broken = |line: Option<usize>, problem: &str| {
        let place = place(path, line);
        Fail::new(Kind::ConfigInvalid, "Cannot read the Alembic config")
            .details(format!("{place}: {problem}"))
            .at(path, line)
            .action(format!("Correct {place}"))
            .related(own("doctor"))
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        broken(Some(good.split(|&byte| byte == b'\n').count()), "bytes that are no UTF-8")
    })?;
    let here = normalized(path.parent().unwrap_or(&project.root));
    let ini =
        Ini::parse(&text, &here.to_string_lossy()).map_err(|error| broken(error.line, &error.problem.to_string()))?;
    if !ini.has_section(SECTION) {
        return Err(broken(None, &format!("it has no [{SECTION}] section")).into());
    }
    Ok(ini)
}

/// The `[alembic]` section with its file, for errors that point at it.
struct File<'a> {
    path: &'a Path,
    ini: &'a Ini,
}

impl File<'_> {
    fn get(&self, option: &str) -> Result<Option<String>> {
        self.ini.get(SECTION, option).map_err(|IniError { problem, .. }| self.fail(option, &problem.to_string()).into())
    }

    fn fail(&self, option: &str, problem: &str) -> Fail {
        let line = self.ini.line(SECTION, option);
        let place = place(self.path, line);
        Fail::new(Kind::ConfigInvalid, format!("Cannot use `{option}` of the Alembic config"))
            .details(format!("{place}: option `{option}` in [{SECTION}]: {problem}"))
            .at(self.path, line)
            .action(format!("Correct {place}"))
            .related(own("doctor"))
    }

    fn script_location<F>(&self, locations: &mut Locations<'_, F>) -> Result<PathBuf>
    where
        F: FnOnce() -> Result<Vec<PathBuf>>,
    {
        const KEY: &str = "script_location";
        let Some(value) = self.get(KEY)?.filter(|value| !value.is_empty()) else {
            return Err(self.fail(KEY, "is not set").action(format!("Set it: {KEY} = FOLDER")).into());
        };
        let folder = match locations.find(&value)? {
            Found::Folder(folder) => folder,
            Found::Nothing { problem } => return Err(self.fail(KEY, &problem).into()),
        };
        if !folder.is_dir() {
            let problem = format!("the folder {} does not exist", folder.display());
            return Err(self.fail(KEY, &problem).run("Check that this is the right branch", git(["status"])).into());
        }
        Ok(folder)
    }

    fn version_locations<F>(&self, locations: &mut Locations<'_, F>) -> Result<Option<Vec<PathBuf>>>
    where
        F: FnOnce() -> Result<Vec<PathBuf>>,
    {
        const KEY: &str = "version_locations";
        let Some(value) = self.get(KEY)?.filter(|value| !value.is_empty()) else { return Ok(None) };
        let parts = match self.separator(&["path_separator", "version_path_separator"])? {
            Some(separator) => split(&value, separator),
            None => value.split([' ', ',']).collect(),
        };
        let mut folders = Vec::new();
        // Alembic takes an empty part for the working directory, which nobody means by a comma too many.
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            match locations.find(part)? {
                Found::Folder(folder) => folders.push(folder),
                Found::Nothing { problem } => return Err(self.fail(KEY, &problem).into()),
            }
        }
        Ok(Some(folders))
    }

    fn prepend_sys_path(&self) -> Result<Vec<String>> {
        let Some(value) = self.get("prepend_sys_path")? else { return Ok(Vec::new()) };
        let parts = match self.separator(&["path_separator"])? {
            Some(separator) => split(&value, separator),
            None => value.split([' ', ',', ':']).collect(),
        };
        Ok(parts.into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    /// `path_separator` is Alembic's word since 1.16, `version_path_separator` the one before.
    fn separator(&self, keys: &[&str]) -> Result<Option<char>> {
        for key in keys {
            let Some(name) = self.get(key)? else { continue };
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

/// Alembic strips each part but takes empty ones away only before that.
fn split(value: &str, separator: char) -> Vec<&str> {
    value.split(separator).map(str::trim).collect()
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
