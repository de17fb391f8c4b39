//! Where and on which database a driver works.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::model::url::Secret;
use crate::sys::warm::Warmth;

/// One value that tells this database on this server from every other one: ask it of the announced database and put
/// the answer into [`Expect::identity`]. The driver asks the same of every connection that env.py opens.
pub const IDENTITY_SQL: &str = "select concat_ws('/', d.oid, \
     cast(extract(epoch from pg_postmaster_start_time()) * 1000000 as bigint)) \
     from pg_database d where d.datname = current_database()";

/// The one database that env.py may connect to.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Its name.
    pub database: String,
    /// The hosts (or socket folders) and ports where it may be reached; empty leaves the question to `identity`.
    pub servers: Vec<(String, u16)>,
    /// What [`IDENTITY_SQL`] answers there; `None` does not check it.
    pub identity: Option<String>,
}

/// Where the driver works.
#[derive(Clone, Debug)]
pub struct Database {
    /// Put into the config as `sqlalchemy.url`; `None` leaves what the config says.
    pub url: Option<Secret>,
    /// What env.py must end up with, wherever it takes its URL from.
    pub expect: Expect,
}

impl Database {
    /// What stands before `://` in its URL.
    pub(super) fn drivername(&self) -> &str {
        self.url.as_ref().and_then(|url| url.expose().split_once("://")).map_or("", |(name, _)| name)
    }
}

/// A database that scripts which run on a throwaway one must not reach.
#[derive(Clone, Debug)]
pub struct OwnDatabase {
    /// Its name.
    pub database: String,
    /// As [`Expect::servers`].
    pub servers: Vec<(String, u16)>,
    /// Who connects to it.
    pub user: String,
    /// With which password.
    pub password: Option<Secret>,
}

/// How to start a driver.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The project's interpreter (or its `./py`).
    pub python: PathBuf,
    /// The project's root: working directory and first entry of `sys.path`.
    pub project: PathBuf,
    /// The Alembic config, relative to `project` or absolute.
    pub config: PathBuf,
    /// What Alembic's command line would be given besides: `-n`, `-x`.
    pub options: Vec<String>,
    /// Where env.py is, where no config says it.
    pub script_location: Option<PathBuf>,
    /// The section of the one database that is meant, where the config names several.
    pub section: Option<String>,
    /// Folders with the scripts, instead of those that the config names; mostly none.
    pub versions: Vec<PathBuf>,
    /// The database to begin with.
    pub database: Database,
    /// Set where it, and every one that the driver is turned to, is thrown away: the component's own databases, from which
    /// a wall keeps the scripts. `None`: it is the component's own.
    pub throwaway: Option<Vec<OwnDatabase>>,
    /// Whether it looks at what each statement does to tables.
    pub effects: bool,
    /// Whether it is to have a network, where the system can take that away.
    pub network: bool,
    /// Whether it may come from a warm process.
    pub warmth: Warmth,
    /// `lock_timeout` of every connection; `None` leaves the server's.
    pub lock_timeout: Option<Duration>,
    /// A folder for the driver's own files, made if it is not there.
    pub state_dir: PathBuf,
    /// `application_name` of every connection.
    pub application_name: String,
    /// Environment variables beside those of this process.
    pub env: Vec<(String, String)>,
    /// Variables by which env.py is told its database, with `{url}` in their values.
    pub told_by: Vec<(String, String)>,
}

impl Launch {
    /// The variables that name the database, as they stand for this one.
    fn variables(&self) -> Value {
        let Some(url) = &self.database.url else { return json!({}) };
        let place = url.expose().split_once("://").map_or("", |(_, place)| place);
        let value = |text: &str| text.replace("{url}", url.expose()).replace("{place}", place);
        self.told_by.iter().map(|(name, text)| (name.clone(), Value::from(value(text)))).collect()
    }

    /// What decides which project is imported, and how; which database is announced does not.
    pub(super) fn imports(&self) -> Value {
        let all = self.to_json();
        let fixed = ["project", "config", "options", "script_location", "section", "versions", "state_dir"];
        let told: Vec<&str> = self.told_by.iter().map(|(name, _)| name.as_str()).collect();
        json!([fixed.map(|key| all[key].clone()), told])
    }

    /// The first line that the driver is sent.
    pub(super) fn to_json(&self) -> Value {
        let expect = &self.database.expect;
        // Time limits of the role or the database are for the application; what env.py and the scripts set themselves holds.
        let mut settings = json!({
            "application_name": self.application_name,
            "statement_timeout": "0",
            "idle_in_transaction_session_timeout": "0",
        });
        if let Some(limit) = self.lock_timeout {
            settings["lock_timeout"] = format!("{}ms", limit.as_millis()).into();
        }
        json!({
            "project": self.project.to_string_lossy(),
            "config": self.config.to_string_lossy(),
            "options": self.options,
            "script_location": self.script_location.as_ref().map(|folder| folder.to_string_lossy()),
            "section": self.section,
            "versions": self.versions.iter().map(|folder| folder.to_string_lossy()).collect::<Vec<_>>(),
            "state_dir": self.state_dir.to_string_lossy(),
            "url": self.database.url.as_ref().map(Secret::expose),
            "variables": self.variables(),
            "throwaway": self.throwaway.as_ref().map(|own| json!({"own": own.iter().map(to_json).collect::<Vec<_>>()})),
            "network": self.network,
            "effects": self.effects,
            "expect": {
                "database": expect.database,
                "servers": expect.servers,
                "identity": expect.identity,
                "identity_sql": IDENTITY_SQL,
            },
            "settings": settings,
            "ledger": [crate::sys::pg::SCHEMA, crate::sys::pg::TABLE],
        })
    }
}

fn to_json(own: &OwnDatabase) -> Value {
    json!({
        "database": own.database,
        "servers": own.servers,
        "user": own.user,
        "password": own.password.as_ref().map(Secret::expose),
    })
}
