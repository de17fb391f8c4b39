//! `[workspace.metadata.db]` in a `Cargo.toml`: how a workspace says where its Alembic project is and what its
//! components are. Every key is checked: an unknown one or a value of the wrong type is `config-invalid`, with the
//! file, the line and the nearest known name.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::de::{DeTable, DeValue};

use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::nearest::closest;
use crate::model::rules::{self, Level, Levels};
use crate::sys::regular;

/// The keys of `[workspace.metadata.db]`; what `rules` may hold are the codes and names of the rules.
pub const KEYS: &[&str] =
    &["project", "server", "requirements", "main", "components", "rules", "cache", "strict", "warm"];
/// The keys of `components.NAME`.
pub const COMPONENT_KEYS: &[&str] = &[
    "config",
    "baseline",
    "dump",
    "services",
    "seed",
    "version_table",
    "url",
    "admin_url",
    "section",
    "x",
    "env",
    "protected",
    "database",
    "tenants",
];
pub const CACHE_KEYS: &[&str] = &["where", "days", "megabytes", "milliseconds"];

/// Which PostgreSQL is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// The one in the config's `sqlalchemy.url`.
    #[default]
    Configured,
    /// One of our own, started on demand.
    Embedded,
}

/// What a `Cargo.toml` says under `[workspace.metadata.db]`; paths as they are written.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The folder of the Alembic configs, relative to the `Cargo.toml`.
    pub project: Option<PathBuf>,
    /// Which PostgreSQL.
    pub server: Server,
    /// A pip requirements file, relative to the project.
    pub requirements: Option<PathBuf>,
    /// `components.NAME`, in the file's order of names.
    pub components: Vec<Declared>,
    /// The branch that released revisions are on, as git names it.
    pub main: Option<String>,
    /// `rules`: what db-check's rules weigh here, by code.
    pub rules: Levels,
    /// `cache`: which baselines of round trips stay on the server.
    pub cache: Cache,
    /// What could not be looked at or proven fails.
    pub strict: bool,
    /// Python may be forked from one that an earlier command has left.
    pub warm: bool,
}

/// What of the databases that round trips begin with is kept for the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// On which servers.
    pub place: CachePlace,
    /// For how many days from when it was made; it is never longer out of date than that.
    pub days: u64,
    /// How much all of them together may take on a server; the oldest go first.
    pub megabytes: u64,
    /// What was quicker to make than this is made anew each time.
    pub milliseconds: u64,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache { place: CachePlace::Local, days: 7, megabytes: 1024, milliseconds: 500 }
    }
}

/// On which servers baselines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePlace {
    /// On none.
    Nowhere,
    /// On the embedded one and on those of this machine.
    Local,
    Everywhere,
}

/// One `[workspace.metadata.db.components.NAME]`.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The name of the component.
    pub name: String,
    /// The Alembic config, relative to the project.
    pub config: Option<PathBuf>,
    /// The command that makes a fresh database.
    pub baseline: Option<Vec<String>>,
    /// A dump to make a fresh database from, relative to the project.
    pub dump: Option<PathBuf>,
    /// What to restart after an upgrade.
    pub services: Option<Vec<String>>,
    /// SQL files with rows for round trips.
    pub seed: Vec<Seed>,
    /// Where Alembic keeps the present revision, if not in `alembic_version`.
    pub version_table: Option<VersionTable>,
    /// The database, when it is not the config's: a URL, or `env:NAME`.
    pub url: Option<String>,
    /// Who may create and rename databases: a URL, or `env:NAME`.
    pub admin_url: Option<String>,
    /// As `alembic -n`.
    pub section: Option<String>,
    /// As `alembic -x`.
    pub x: Vec<String>,
    /// Variables by which env.py is told its database; `{url}` in a value stands for the URL.
    pub env: Vec<(String, String)>,
    /// Whether its name has to be typed before anything goes down.
    pub protected: Option<bool>,
    /// Which one of the databases that the config names: its section.
    pub database: Option<String>,
    /// Whose schemas the one config migrates.
    pub tenants: Option<Tenants>,
}

/// Those who have a schema, and a version table, of their own in one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// Their names.
    List(Vec<String>),
    /// What the database is asked for them: one column of names.
    Query(String),
}

/// What stands for a tenant's name in `x` and `version_table`.
pub const TENANT: &str = "{tenant}";

/// An SQL file with rows: for every round trip, or for those that stand at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The revision at which the rows go in; `None`: as soon as the database stands.
    pub revision: Option<String>,
    /// The file, relative to the project.
    pub file: PathBuf,
}

/// The table in which Alembic keeps the present revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionTable {
    /// Its schema; `None`: wherever the search path leads.
    pub schema: Option<String>,
    /// Its name.
    pub table: String,
}

impl VersionTable {
    fn holds(&self, text: &str) -> bool {
        self.table.contains(text) || self.schema.as_ref().is_some_and(|schema| schema.contains(text))
    }
}

/// Reads a `Cargo.toml`; `None` where it has no `[workspace.metadata.db]`.
pub fn read(path: &Path) -> Result<Option<Settings>> {
    let text = regular::read_text(path).with_context(|| format!("reading {}", path.display()))?;
    let file = File { path, text: &text };
    let root = match DeTable::parse(&text) {
        Ok(root) => root,
        Err(error) => return Err(file.fail(error.span(), "", &one_line(error.message()))),
    };
    let mut table = root.get_ref();
    for (depth, key) in ["workspace", "metadata", "db"].iter().enumerate() {
        let Some(value) = table.get(*key) else { return Ok(None) };
        match value.get_ref().as_table() {
            Some(inner) => table = inner,
            // What else stands under `metadata` is other tools' business, so only our own key has to be a table.
            None if depth < 2 => return Ok(None),
            None => return Err(file.wrong(&value.span(), "db", "a table")),
        }
    }
    file.settings(table).map(Some)
}

/// Whether a `Cargo.toml` is a workspace's; unreadable ones are nobody's.
pub fn is_workspace(path: &Path) -> bool {
    regular::read_text(path)
        .is_ok_and(|text| DeTable::parse(&text).is_ok_and(|root| root.get_ref().contains_key("workspace")))
}

type Value<'i> = toml::Spanned<DeValue<'i>>;

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn settings(&self, table: &DeTable<'_>) -> Result<Settings> {
        let mut settings = Settings::default();
        for (name, value) in table {
            let key: &str = name.get_ref();
            match key {
                "project" => settings.project = Some(self.string(value, key)?.into()),
                "server" => settings.server = self.server(value)?,
                "requirements" => settings.requirements = Some(self.string(value, key)?.into()),
                "main" => settings.main = Some(self.string(value, key)?),
                "components" => settings.components = self.components(value)?,
                "rules" => settings.rules = self.rules(value)?,
                "cache" => settings.cache = self.cache(value)?,
                "strict" => settings.strict = self.flag(value, key)?,
                "warm" => settings.warm = self.flag(value, key)?,
                _ => return Err(self.unknown(&name.span(), "", key, KEYS)),
            }
        }
        Ok(settings)
    }

    fn flag(&self, value: &Value<'_>, key: &str) -> Result<bool> {
        value.get_ref().as_bool().ok_or_else(|| self.wrong(&value.span(), key, "true or false"))
    }

    fn server(&self, value: &Value<'_>) -> Result<Server> {
        match self.string(value, "server")?.as_str() {
            "configured" => Ok(Server::Configured),
            "embedded" => Ok(Server::Embedded),
            _ => Err(self.wrong(&value.span(), "server", "\"configured\" or \"embedded\"")),
        }
    }

    /// `where = "local"`, and how much for how long.
    fn cache(&self, value: &Value<'_>) -> Result<Cache> {
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong(&value.span(), "cache", "a table"))?;
        let mut cache = Cache::default();
        for (name, value) in table {
            let word: &str = name.get_ref();
            let key = format!("cache.{word}");
            match word {
                "where" => cache.place = self.cache_place(value, &key)?,
                "days" => cache.days = self.number(value, &key)?,
                "megabytes" => cache.megabytes = self.number(value, &key)?,
                "milliseconds" => cache.milliseconds = self.number(value, &key)?,
                _ => return Err(self.unknown(&name.span(), "cache", word, CACHE_KEYS)),
            }
        }
        Ok(cache)
    }

    fn cache_place(&self, value: &Value<'_>, key: &str) -> Result<CachePlace> {
        match self.string(value, key)?.as_str() {
            "nowhere" => Ok(CachePlace::Nowhere),
            "local" => Ok(CachePlace::Local),
            "everywhere" => Ok(CachePlace::Everywhere),
            _ => Err(self.wrong(&value.span(), key, "\"nowhere\", \"local\" or \"everywhere\"")),
        }
    }

    fn number(&self, value: &Value<'_>, key: &str) -> Result<u64> {
        let number = value.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
        number.ok_or_else(|| self.wrong(&value.span(), key, "a whole number that is not negative"))
    }

    /// `DB403 = "off"`, or by name: `application-import = "error"`.
    fn rules(&self, value: &Value<'_>) -> Result<Levels> {
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong(&value.span(), "rules", "a table"))?;
        let mut levels = Levels::new();
        for (name, value) in table {
            let word: &str = name.get_ref();
            let key = format!("rules.{word}");
            let Some(rule) = rules::find(word) else {
                let known: Vec<&str> = rules::RULES.iter().flat_map(|rule| [rule.code, rule.name]).collect();
                return Err(self.unknown(&name.span(), "rules", word, &known));
            };
            let level = Level::parse(&self.string(value, &key)?);
            let wanted = "\"off\", \"warning\" or \"error\"";
            levels.insert(rule.code, level.ok_or_else(|| self.wrong(&value.span(), &key, wanted))?);
        }
        Ok(levels)
    }

    fn components(&self, value: &Value<'_>) -> Result<Vec<Declared>> {
        let table = value.get_ref().as_table();
        let table = table.ok_or_else(|| self.wrong(&value.span(), "components", "a table"))?;
        table.iter().map(|(name, value)| self.component(name.get_ref(), value)).collect()
    }

    fn component(&self, name: &str, value: &Value<'_>) -> Result<Declared> {
        let path = format!("components.{name}");
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong(&value.span(), &path, "a table"))?;
        let mut declared = Declared { name: name.to_owned(), ..Declared::default() };
        for (name, value) in table {
            let name_text: &str = name.get_ref();
            let key = format!("{path}.{name_text}");
            match name_text {
                "config" => declared.config = Some(self.string(value, &key)?.into()),
                "baseline" => declared.baseline = Some(self.strings(value, &key)?),
                "dump" => declared.dump = Some(self.dump(value, &key, table)?),
                "services" => declared.services = Some(self.strings(value, &key)?),
                "seed" => declared.seed = self.seed(value, &key)?,
                "version_table" => declared.version_table = Some(self.version_table(value, &key)?),
                "url" => declared.url = Some(self.string(value, &key)?),
                "admin_url" => declared.admin_url = Some(self.string(value, &key)?),
                "section" => declared.section = Some(self.string(value, &key)?),
                "x" => declared.x = self.strings(value, &key)?,
                "env" => declared.env = self.variables(value, &key)?,
                "protected" => declared.protected = Some(self.flag(value, &key)?),
                "database" => declared.database = Some(self.string(value, &key)?),
                "tenants" => declared.tenants = Some(self.tenants(value, &key)?),
                _ => return Err(self.unknown(&name.span(), &path, name_text, COMPONENT_KEYS)),
            }
        }
        let is_told = declared.x.iter().any(|pair| pair.split_once('=').is_some_and(|(_, name)| name.contains(TENANT)));
        let keeps_apart = declared.version_table.as_ref().is_some_and(|table| table.holds(TENANT));
        if declared.tenants.is_some() && !(is_told && keeps_apart) {
            let problem = format!(
                "`{path}.tenants` needs {TENANT} in `x`, by which env.py is told whose turn it is (\"tenant={TENANT}\"), and in \
                 `version_table` (\"{TENANT}.alembic_version\")"
            );
            return Err(self.fail(Some(value.span()), &path, &problem));
        }
        Ok(declared)
    }

    fn tenants(&self, value: &Value<'_>, key: &str) -> Result<Tenants> {
        let wrong = || self.wrong(&value.span(), key, "an array of names, or a query that gives them");
        if value.get_ref().is_array() {
            return Ok(Tenants::List(self.strings(value, key).map_err(|_| wrong())?));
        }
        Ok(Tenants::Query(self.string(value, key).map_err(|_| wrong())?))
    }

    /// A fresh database comes from one place: a command or a dump.
    fn dump(&self, value: &Value<'_>, key: &str, table: &DeTable<'_>) -> Result<PathBuf> {
        if table.get("baseline").is_some() {
            let problem = format!("`{key}` and `baseline` exclude each other; leave one of them out");
            return Err(self.fail(Some(value.span()), key, &problem));
        }
        Ok(self.string(value, key)?.into())
    }

    /// One file, several files, or a table from revision to file.
    fn seed(&self, value: &Value<'_>, key: &str) -> Result<Vec<Seed>> {
        let always = |file: String| Seed { revision: None, file: file.into() };
        let wrong = || self.wrong(&value.span(), key, "a file, an array of files, or a table from revision to file");
        match value.get_ref() {
            DeValue::String(_) => Ok(vec![always(self.string(value, key)?)]),
            DeValue::Array(_) => {
                let files = self.strings(value, key).map_err(|_| wrong())?;
                Ok(files.into_iter().map(always).collect())
            }
            DeValue::Table(table) => {
                let one = |(revision, file): (&toml::Spanned<_>, &Value<'_>)| {
                    let revision: &std::borrow::Cow<'_, str> = revision.get_ref();
                    let file = self.string(file, &format!("{key}.{revision}"))?;
                    Ok(Seed { revision: Some(revision.to_string()), file: file.into() })
                };
                table.iter().map(one).collect()
            }
            _ => Err(wrong()),
        }
    }

    fn version_table(&self, value: &Value<'_>, key: &str) -> Result<VersionTable> {
        let text = self.string(value, key)?;
        let (schema, table) = match text.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, text.as_str()),
        };
        if table.is_empty() || table.contains('.') || schema.is_some_and(str::is_empty) {
            return Err(self.wrong(&value.span(), key, "\"table\" or \"schema.table\""));
        }
        Ok(VersionTable { schema: schema.map(str::to_owned), table: table.to_owned() })
    }

    fn variables(&self, value: &Value<'_>, key: &str) -> Result<Vec<(String, String)>> {
        let wanted = "a table from a variable's name to its value";
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong(&value.span(), key, wanted))?;
        let pair = |(name, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &Value<'_>)| {
            Ok((name.get_ref().to_string(), self.string(value, &format!("{key}.{}", name.get_ref()))?))
        };
        table.iter().map(pair).collect()
    }

    fn string(&self, value: &Value<'_>, key: &str) -> Result<String> {
        match value.get_ref().as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(self.wrong(&value.span(), key, "a string that is not empty")),
        }
    }

    fn strings(&self, value: &Value<'_>, key: &str) -> Result<Vec<String>> {
        let wrong = || self.wrong(&value.span(), key, "an array of strings");
        let array = value.get_ref().as_array().ok_or_else(wrong)?;
        array.iter().map(|item| item.get_ref().as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    fn wrong(&self, span: &Range<usize>, key: &str, wanted: &str) -> anyhow::Error {
        self.fail(Some(span.clone()), key, &format!("`{key}` has to be {wanted}"))
    }

    fn unknown(&self, span: &Range<usize>, under: &str, key: &str, known: &[&str]) -> anyhow::Error {
        let full = if under.is_empty() { key.to_owned() } else { format!("{under}.{key}") };
        let hint = match closest(key, known.iter().copied()) {
            Some(name) => format!("; did you mean `{name}`?"),
            None => format!("; known are {}", known.join(", ")),
        };
        self.fail(Some(span.clone()), &full, &format!("unknown key `{full}`{hint}"))
    }

    fn fail(&self, span: Option<Range<usize>>, key: &str, problem: &str) -> anyhow::Error {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line = before.map(|text| text.matches('\n').count() + 1);
        let place = match line {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        };
        let section = if key.is_empty() { "" } else { " in [workspace.metadata.db]" };
        Fail::new(Kind::ConfigInvalid, format!("Cannot use {}{section}", file_name(self.path)))
            .details(format!("{place}: {problem}"))
            .at(self.path, line)
            .action(format!("Correct {place}"))
            .related(own("doctor"))
            .into()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn one_line(text: &str) -> String {
    text.split('\n').map(str::trim).collect::<Vec<_>>().join("; ")
}
