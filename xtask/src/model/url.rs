//! A database URL as SQLAlchemy understands it: the same text means the same server, database and user here as in the
//! project's own `env.py`. [`DbUrl::parse`] follows `make_url`; [`DbUrl::target`] says what the driver would make of
//! it, with what it takes from `PG*` variables and the password file; [`DbUrl::to_sqlalchemy`] writes it back for the
//! same driver. Nothing in here shows a password, except [`Secret::expose`].

mod parse;
mod pgpass;
mod resolve;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

pub use target::{Address, Endpoint, Session, Ssl, SslMode, Target};

/// A text that must not be seen: `Display` and `Debug` show stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that hands it to a server or to a child's environment.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a URL cannot be used. The text never holds the URL itself, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError(String);

impl UrlError {
    fn new(text: impl Into<String>) -> UrlError {
        UrlError(text.into())
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UrlError {}

/// Who reads the URL in the project's Python. They agree on little beyond the part before the question mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `postgresql+asyncpg`: not libpq, but reads most of its environment.
    Asyncpg,
    /// `postgresql+psycopg` and `+psycopg_async`.
    Psycopg,
    /// `postgresql+psycopg2` and `postgresql` alone.
    Psycopg2,
    /// `postgresql+pg8000`: pure Python, reads no environment.
    Pg8000,
}

impl Driver {
    fn is_libpq(self) -> bool {
        matches!(self, Driver::Psycopg | Driver::Psycopg2)
    }

    fn of(drivername: &str) -> Result<Driver, UrlError> {
        let (dialect, driver) = drivername.split_once('+').unwrap_or((drivername, ""));
        if dialect == "postgres" {
            return Err(UrlError::new(
                "SQLAlchemy 1.4 and later refuse `postgres://`; write `postgresql://` or `postgresql+asyncpg://`",
            ));
        }
        if dialect != "postgresql" {
            return Err(UrlError::new(format!("the dialect is `{dialect}`; this tool knows PostgreSQL only")));
        }
        match driver {
            "asyncpg" => Ok(Driver::Asyncpg),
            "psycopg" | "psycopg_async" => Ok(Driver::Psycopg),
            "psycopg2" | "" => Ok(Driver::Psycopg2),
            "pg8000" => Ok(Driver::Pg8000),
            other => Err(UrlError::new(format!(
                "the driver is `{other}`; known are asyncpg, psycopg, psycopg_async, psycopg2 and pg8000"
            ))),
        }
    }
}

/// What fills in the parts that a URL leaves out: gathered elsewhere, so that this module stays pure.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The environment; only `PG*`, `HOME` and the user's name are looked at.
    pub vars: BTreeMap<String, String>,
    /// The text of the password file, if there is one that others cannot read.
    pub pgpass: Option<Secret>,
    /// The name of the operating system's user, libpq's last resort.
    pub os_user: Option<String>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The variables may hold PGPASSWORD, so only their names are shown.
        f.debug_struct("Surroundings").field("vars", &self.vars.keys()).field("os_user", &self.os_user).finish()
    }
}

/// The parts of a URL, as `make_url` takes it apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// `postgresql+asyncpg`.
    pub drivername: String,
    /// Before the first colon, decoded.
    pub user: Option<String>,
    /// Decoded; an empty one is kept here, and no password to the drivers.
    pub password: Option<Secret>,
    /// A name, an address (without brackets), or libpq's comma list.
    pub host: Option<String>,
    /// After the host's colon.
    pub port: Option<u16>,
    /// As it stands: SQLAlchemy does not decode it.
    pub database: Option<String>,
    /// Keys in the order of their first appearance, each with its values, decoded.
    pub query: Vec<(String, Vec<String>)>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parts({})", render(self, false))
    }
}

impl Parts {
    fn all(&self, key: &str) -> &[String] {
        self.query.iter().find(|(name, _)| name == key).map_or(&[], |(_, values)| values)
    }

    fn one(&self, key: &str) -> Option<&str> {
        self.all(key).last().map(String::as_str)
    }
}

/// Where a URL is written, as advice names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WrittenIn {
    /// `sqlalchemy.url`.
    #[default]
    Config,
    /// `--url`.
    Flag,
    /// `url` of the component.
    Settings,
    /// A variable of the environment.
    Variable(String),
    /// Wherever env.py has it from.
    EnvPy,
}

impl fmt::Display for WrittenIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrittenIn::Config => f.write_str("sqlalchemy.url in the Alembic config"),
            WrittenIn::Flag => f.write_str("--url"),
            WrittenIn::Settings => f.write_str("`url` of the component in Cargo.toml"),
            WrittenIn::Variable(name) => write!(f, "{name} in the environment"),
            WrittenIn::EnvPy => f.write_str("what env.py takes"),
        }
    }
}

/// A database URL and what it means. Cheap enough to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct DbUrl {
    parts: Parts,
    driver: Driver,
    around: Arc<Surroundings>,
    target: Target,
    written_in: WrittenIn,
}

impl DbUrl {
    /// Reads a `sqlalchemy.url` (after the ini's interpolation). Variables and the password file are not looked at yet:
    /// see [`DbUrl::complete`].
    ///
    /// # Errors
    /// What SQLAlchemy or the driver would refuse, other databases than PostgreSQL, and what this tool cannot follow.
    pub fn parse(text: &str) -> Result<DbUrl, UrlError> {
        DbUrl::of(parse::parts(text)?, Arc::default())
    }

    fn of(parts: Parts, around: Arc<Surroundings>) -> Result<DbUrl, UrlError> {
        let driver = Driver::of(&parts.drivername)?;
        let target = resolve::resolve(&parts, driver, &around)?;
        Ok(DbUrl { parts, driver, around, target, written_in: WrittenIn::default() })
    }

    /// The same, with where it was found.
    pub fn found_in(self, written_in: WrittenIn) -> DbUrl {
        DbUrl { written_in, ..self }
    }

    /// Where somebody may change it.
    pub fn written_in(&self) -> &WrittenIn {
        &self.written_in
    }

    /// The same URL with what it leaves out filled from the environment and the password file, as its driver would.
    ///
    /// # Errors
    /// A variable that the driver would refuse, such as a `PGPORT` that is no number.
    pub fn complete(&self, around: Surroundings) -> Result<DbUrl, UrlError> {
        Ok(DbUrl::of(self.parts.clone(), Arc::new(around))?.found_in(self.written_in.clone()))
    }

    /// Whether [`DbUrl::complete`] was called.
    pub fn is_complete(&self) -> bool {
        *self.around != Surroundings::default()
    }

    /// The parts as `make_url` names them.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Which driver reads it.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// Where it leads: hosts, user, database, TLS.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether every server it may lead to is this machine: a socket or a loopback name or address.
    pub fn is_local(&self) -> bool {
        self.target.endpoints.iter().all(Endpoint::is_local)
    }

    /// The same server and user, another database. A password found by the old database's name goes along, since a
    /// line of the password file may name that one only.
    pub fn with_database(&self, database: &str) -> DbUrl {
        let mut parts = self.parts.clone();
        parts.query.retain(|(key, _)| key != "dbname" && key != "database");
        parts.database = Some(database.to_owned());
        // Where the password file has one per host, the driver finds them there itself.
        if let Some(password) = self.target.single_password() {
            parts.query.retain(|(key, _)| key != "password");
            parts.user = Some(self.target.user.clone());
            parts.query.retain(|(key, _)| key != "user");
            parts.password = Some(password.clone());
        }
        let mut target = self.target.clone();
        target.database = database.to_owned();
        DbUrl { parts, target, ..self.clone() }
    }

    /// The same at one of its servers and no other, for whoever reads it.
    pub fn only_at(&self, endpoint: &Endpoint) -> DbUrl {
        let mut url = self.clone();
        url.target.endpoints = vec![endpoint.clone()];
        if self.target.endpoints.len() > 1 {
            let several = ["host", "port", "target_session_attrs", "load_balance_hosts"];
            url.parts.query.retain(|(key, _)| !several.contains(&key.as_str()));
            (url.parts.host, url.parts.port) = (None, None);
            match &endpoint.address {
                Address::Host(host) => (url.parts.host, url.parts.port) = (Some(host.clone()), Some(endpoint.port)),
                Address::Socket(folder) => {
                    let place = [("host", folder.display().to_string()), ("port", endpoint.port.to_string())];
                    url.parts.query.extend(place.map(|(key, value)| (key.to_owned(), vec![value])));
                }
            }
        }
        url
    }

    /// A URL for the same driver to a server on a socket in `dir`, without a password and without what only made sense
    /// for the old server (hosts, TLS).
    pub fn on_socket(&self, dir: &Path, port: u16, user: &str, database: &str) -> DbUrl {
        let dir_text = dir.display().to_string();
        let place = match self.driver {
            Driver::Pg8000 => vec![("unix_sock".to_owned(), vec![format!("{dir_text}/.s.PGSQL.{port}")])],
            _ => vec![("host".to_owned(), vec![dir_text]), ("port".to_owned(), vec![port.to_string()])],
        };
        let kept = self.parts.query.iter().filter(|(key, _)| !ABOUT_THE_SERVER.contains(&key.as_str())).cloned();
        let parts = Parts {
            drivername: self.parts.drivername.clone(),
            user: Some(user.to_owned()),
            password: None,
            host: None,
            port: None,
            database: Some(database.to_owned()),
            query: place.into_iter().chain(kept).collect(),
        };
        let target = Target {
            endpoints: vec![Endpoint::on_socket(dir, port)],
            user: user.to_owned(),
            database: database.to_owned(),
            ssl: Ssl { mode: SslMode::Disable, ..Ssl::default() },
            ..self.target.clone()
        };
        DbUrl { parts, target, ..self.clone() }
    }

    /// The same without a password, for files: the password then goes by `PGPASSWORD`.
    pub fn without_password(&self) -> DbUrl {
        let mut url = self.clone();
        url.parts.password = None;
        url
    }

    /// The same with a password.
    ///
    /// # Errors
    /// As [`DbUrl::parse`].
    pub fn with_password(&self, password: Secret) -> Result<DbUrl, UrlError> {
        let parts = Parts { password: Some(password), ..self.parts.clone() };
        Ok(DbUrl::of(parts, Arc::clone(&self.around))?.found_in(self.written_in.clone()))
    }

    /// The URL for SQLAlchemy, password included.
    pub fn to_sqlalchemy(&self) -> Secret {
        Secret(render(&self.parts, true))
    }
}

/// The URL as text, its passwords shown or as stars.
fn render(parts: &Parts, show: bool) -> String {
    let Parts { drivername, user, password, host, port, database, query } = parts;
    let hide = |secret: bool, text: String| if secret && !show { "***".to_owned() } else { text };
    let mut text = format!("{drivername}://");
    if user.is_some() || password.is_some() {
        text.push_str(&word(user.as_deref().unwrap_or_default()));
        if let Some(password) = password {
            text.push(':');
            text.push_str(&hide(true, word(&password.0)));
        }
        text.push('@');
    }
    if let Some(host) = host {
        text.push_str(&if host.contains(':') { format!("[{host}]") } else { host.clone() });
    }
    if let Some(port) = port {
        text.push_str(&format!(":{port}"));
    }
    if let Some(database) = database {
        text.push_str(&format!("/{database}"));
    }
    let pairs = query.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
    for (count, (key, value)) in pairs.enumerate() {
        let value = hide(key.contains("password"), query_word(value));
        text.push_str(&format!("{}{}={value}", if count == 0 { '?' } else { '&' }, query_word(key)));
    }
    text
}

/// Query keys that belong to the old server and mean nothing, or harm, on another one.
const ABOUT_THE_SERVER: &[&str] = &[
    "host",
    "port",
    "unix_sock",
    "user",
    "password",
    "passfile",
    "dbname",
    "database",
    "ssl",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslnegotiation",
    "channel_binding",
    "requirepeer",
    "gssencmode",
    "target_session_attrs",
    "load_balance_hosts",
];

/// Everything but letters, digits and what Python's `quote` leaves alone.
const WORD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');
/// The least that `parse_qsl` needs, so that paths stay readable.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'&').add(b'+').add(b'#').add(b'=').add(b';').add(b'"');

fn word(text: &str) -> String {
    utf8_percent_encode(text, WORD).to_string()
}

fn query_word(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(&self.parts, false))
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DbUrl({self})")
    }
}

#[cfg(test)]
mod tests;
