//! Finds a component's database: by `--url`, `url` of the settings, what env.py wants, or the URL in the config. env.py
//! is asked only where its text does not show that it uses the database of the config.

use std::sync::PoisonError;

use anyhow::Result;

use super::{Ctx, Database};
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{Action, own};
use crate::model::env_script::follows_the_config;
use crate::model::url::{DbUrl, WrittenIn};
use crate::sys::alembic::{self, Answer, Asking, Wanted};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::env_url::{self, Known, leads_to_the_same};
use crate::sys::pg;
use crate::sys::project::Component;
use crate::sys::python;
use crate::sys::regular;

/// The variable that names who may create and rename databases.
const ADMIN_URL: &str = "XTASK_ADMIN_URL";
/// How a URL is written, for advice.
const FORM: &str = "postgresql+asyncpg://USER@HOST:PORT/DATABASE";

impl Ctx {
    /// The database of a config on a server that is there already, completed from the environment.
    pub(super) fn configured_url(&self, config: &AlembicConfig) -> Result<DbUrl> {
        let declared = config.component.url.as_deref();
        let url = match (self.common.url.as_deref(), declared) {
            (Some(text), _) => announced(text, "--url", Kind::Usage)?.found_in(place(text, WrittenIn::Flag)),
            (None, Some(text)) => announced(text, "`url` of the component's settings", Kind::ConfigInvalid)?
                .found_in(place(text, WrittenIn::Settings)),
            (None, None) => match self.known(config)? {
                Some(known) => known.url.found_in(match known.told_by.as_slice() {
                    [name] => WrittenIn::Variable(name.clone()),
                    _ => WrittenIn::EnvPy,
                }),
                None => in_config(config)?,
            },
        };
        pg::complete(&url)
    }

    /// Who may create and rename databases on a component's server: `admin_url` of the settings, the environment's
    /// `XTASK_ADMIN_URL`, our own server's superuser, or the role that the component itself uses.
    ///
    /// # Errors
    /// `config-invalid` for a URL that cannot be used.
    pub fn admin_url(&self, database: &Database) -> Result<DbUrl> {
        if database.embedded {
            let lease = self.lease()?;
            let name = &database.url.target().database;
            return Ok(database.url.on_socket(&lease.socket_dir, lease.port, lease.superuser, name));
        }
        Ok(database.maker().clone())
    }

    /// The same for the embedded server, which needs no URL: where none is known, the component's name will do.
    pub(super) fn url_for_embedded(&self, config: &AlembicConfig) -> Result<DbUrl> {
        let known = self.configured_url(config);
        if known.is_ok() || self.common.url.is_some() {
            return known;
        }
        let driver = self.installed_driver(config)?;
        Ok(DbUrl::parse(&format!("postgresql+{driver}:///{}", config.component.name.replace('-', "_")))?)
    }

    /// Variables by which env.py is told its database, with `{url}` (or what follows its scheme, `{place}`) in their values.
    pub fn told_by(&self, config: &AlembicConfig) -> Result<Vec<(String, String)>> {
        let flag = self.common.url.as_deref();
        let named = flag.or(config.component.url.as_deref()).and_then(|url| url.strip_prefix("env:"));
        // What env.py cannot be asked is not known; the guard holds all the same.
        let known = self.known(config).ok().flatten().map(|known| known.told_by).unwrap_or_default();
        let read = known.iter().map(String::as_str).chain(named);
        let own_scheme = |name: &str| {
            let value = std::env::var(name).ok()?;
            Some((name.to_owned(), format!("{}://{{place}}", value.split_once("://")?.0)))
        };
        let mut told: Vec<(String, String)> = read.filter_map(own_scheme).collect();
        told.extend(config.component.env.iter().cloned());
        Ok(told)
    }

    /// What env.py wants, where its text does not say that it follows the config. Asked once in a run.
    fn known(&self, config: &AlembicConfig) -> Result<Option<Known>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let name = config.component.name.clone();
        let known = asked.entry(name).or_insert_with(|| self.ask_env(config).map_err(|error| from_anyhow(&error)));
        Ok(known.clone()?)
    }

    fn ask_env(&self, config: &AlembicConfig) -> Result<Option<Known>> {
        let script = regular::read_text(&config.script_location.join("env.py"));
        let is_named = config.template.is_some() || config.component.database.is_some();
        if is_named || script.as_ref().is_ok_and(|text| follows_the_config(text)) {
            return Ok(None);
        }
        let named = config.url().ok().and_then(|text| DbUrl::parse(&text).ok());
        // Python would wait for what is there and is no file.
        if let Err(error) = &script
            && error.kind() == std::io::ErrorKind::InvalidInput
        {
            return self.not_asked(config, named.as_ref(), &error.to_string(), None);
        }
        let python = match self.python() {
            Ok(python) => python,
            Err(error) => return self.not_asked(config, named.as_ref(), &from_anyhow(&error).summary, None),
        };
        let project = self.project()?;
        let options = self.alembic_options(config);
        let asking = Asking {
            python: &python.path,
            project: &project.root,
            config: &config.path,
            options: &options,
            script_location: config.implied_location.then_some(&*config.script_location),
            state_dir: &project.state_dir,
        };
        let known = match env_url::remembered(&asking, named.as_ref()) {
            Some(known) => known,
            None => {
                let task = self.ui.task("Asking env.py which database it wants");
                let wanted = alembic::ask(&self.ui, &asking);
                drop(task);
                match wanted {
                    Ok(wanted) => match &wanted.answer {
                        Answer::Url(url) => env_url::learn(&asking, &wanted, url.expose(), named.as_ref())?,
                        // What it takes where nobody tells it; the settings say how it is told of the config's.
                        Answer::Other(_) if named.is_some() && is_told(config) => return Ok(None),
                        Answer::Other(kind) => return Err(not_postgres(config, kind).into()),
                        Answer::Nothing => {
                            return self.not_asked(config, named.as_ref(), "it ended without connecting", None);
                        }
                        Answer::Raised(error) => {
                            return self.not_asked(config, named.as_ref(), error, lacking(&wanted, error));
                        }
                    },
                    Err(error) => return self.not_asked(config, named.as_ref(), &from_anyhow(&error).summary, None),
                }
            }
        };
        self.say_if_another(config, named.as_ref(), &known.url);
        Ok(Some(known))
    }

    fn say_if_another(&self, config: &AlembicConfig, named: Option<&DbUrl>, wanted: &DbUrl) {
        if let Some(named) = named.filter(|named| !leads_to_the_same(named, wanted)) {
            let (wanted, named) = (wanted.without_password(), named.without_password());
            self.ui.warn(format!("env.py takes {wanted}, {} names {named}: env.py's counts", file_name(config)));
        }
    }

    /// Where env.py could not be asked, the config's URL has to do, if it has one.
    fn not_asked(
        &self,
        config: &AlembicConfig,
        named: Option<&DbUrl>,
        reason: &str,
        lacks: Option<Action>,
    ) -> Result<Option<Known>> {
        let file = file_name(config);
        if named.is_some() {
            self.ui
                .warn(format!("env.py may take another database than {file} names; it could not be asked: {reason}"));
            return Ok(None);
        }
        let fail = Fail::new(Kind::ConfigInvalid, "The database is not known")
            .details(format!("{file} names none that can be used, and env.py could not be asked: {reason}"))
            .at(&config.path, None);
        Err(lacks
            .into_iter()
            .fold(fail, Fail::action)
            .action(format!("Name it: --url={FORM}"))
            .action(format!(
                "Or in the workspace's Cargo.toml:\n     [workspace.metadata.db.components.{}]\n     url = \"env:DATABASE_URL\"",
                config.component.name
            ))
            .related(own("doctor"))
            .refused()
            .into())
    }

    /// The driver that env.py is most likely to import, by what the interpreter has.
    fn installed_driver(&self, config: &AlembicConfig) -> Result<&'static str> {
        let folders = python::site_packages(&self.ui, self.project()?, self.python()?)?;
        let text = regular::read_text(&config.script_location.join("env.py")).unwrap_or_default();
        let order = match text.contains("async") {
            true => ["asyncpg", "psycopg", "psycopg2", "pg8000"],
            false => ["psycopg", "psycopg2", "pg8000", "asyncpg"],
        };
        let there = |name: &&&str| folders.iter().any(|folder| folder.join(name).is_dir());
        Ok(order.iter().find(there).copied().unwrap_or("psycopg"))
    }
}

/// Who may create databases, where the settings or the environment say it.
pub(super) fn named_admin(component: &Component) -> Result<Option<DbUrl>> {
    let named = std::env::var(ADMIN_URL).ok().filter(|text| !text.is_empty());
    let (text, whose, written_in) = match (component.admin_url.as_deref(), named.as_deref()) {
        (Some(text), _) => (text, "`admin_url`", place(text, WrittenIn::Settings)),
        (None, Some(text)) => (text, ADMIN_URL, place(text, WrittenIn::Variable(ADMIN_URL.to_owned()))),
        (None, None) => return Ok(None),
    };
    pg::complete(&announced(text, whose, Kind::ConfigInvalid)?.found_in(written_in)).map(Some)
}

/// A variable that env.py looked for in vain and that its error names.
fn lacking(wanted: &Wanted, error: &str) -> Option<Action> {
    let is_it = |name: &&String| std::env::var_os(name).is_none() && error.contains(name.as_str());
    let name = wanted.variables.iter().filter(is_it).max_by_key(|name| name.len())?;
    let value = if ["URL", "URI", "DSN"].iter().any(|word| name.to_uppercase().contains(word)) { FORM } else { "…" };
    Some(format!("Set what env.py looks for: export {name}={value}").into())
}

fn not_postgres(config: &AlembicConfig, kind: &str) -> Fail {
    Fail::new(Kind::ConfigInvalid, format!("env.py connects to {kind}, and this tool knows PostgreSQL only"))
        .details(format!("{}, asked for its database", config.script_location.join("env.py").display()))
        .action(format!("Name a PostgreSQL database: --url={FORM}"))
        .related(own("doctor"))
        .refused()
}

/// Whether the settings say how env.py is told, and nothing else has told it already.
fn is_told(config: &AlembicConfig) -> bool {
    let by_us = |(name, value): &(String, String)| {
        std::env::var_os(name).is_none() && (value.contains("{url}") || value.contains("{place}"))
    };
    config.component.env.iter().any(by_us)
}

/// Where somebody has to change what is announced so.
fn place(text: &str, named: WrittenIn) -> WrittenIn {
    text.strip_prefix("env:").map_or(named, |name| WrittenIn::Variable(name.to_owned()))
}

fn file_name(config: &AlembicConfig) -> String {
    config.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A URL that the command line or the settings name, or the variable that holds it.
fn announced(text: &str, whose: &str, kind: Kind) -> Result<DbUrl> {
    let text = match text.strip_prefix("env:") {
        Some(name) => std::env::var(name).map_err(|_| {
            Fail::new(kind, format!("The environment has no {name}"))
                .details(format!("{whose} says that the database's URL is in it"))
                .action(format!("Set it: export {name}={FORM}"))
                .related(own("doctor"))
                .refused()
        })?,
        None => text.to_owned(),
    };
    let url = DbUrl::parse(&text).or_else(|error| {
        // Heroku's and many others' way to write it, which SQLAlchemy itself does not take.
        let rest = text.strip_prefix("postgres://").ok_or(error)?;
        DbUrl::parse(&format!("postgresql://{rest}"))
    });
    Ok(url.map_err(|error| {
        Fail::new(kind, format!("Cannot use the URL of {whose}"))
            .details(error.to_string())
            .action(format!("Write it as: {FORM}"))
            .related(own("doctor"))
            .refused()
    })?)
}

pub(super) fn in_config(config: &AlembicConfig) -> Result<DbUrl> {
    let (path, line) = config.place("sqlalchemy.url");
    let text = config.url().map_err(|error| match config.template {
        Some(_) => error,
        None => or_another(from_anyhow(&error)).into(),
    })?;
    Ok(DbUrl::parse(&text).map_err(|error| {
        or_another(
            Fail::new(Kind::ConfigInvalid, "Cannot use `sqlalchemy.url` of the Alembic config")
                .details(error.to_string())
                .at(path, line)
                .action(format!("Write it as: {FORM}"))
                .related(own("doctor")),
        )
    })?)
}

/// What helps whoever keeps the URL elsewhere, or has no database yet.
fn or_another(fail: Fail) -> Fail {
    fail.action(format!("Or name it for once: --url={FORM}, or --url=env:DATABASE_URL"))
        .action("Or use a server of the tool's own: repeat the command with --server=embedded")
}
