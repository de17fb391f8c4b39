//! A connection: the hosts in turn, TLS as asked for, a time limit on the whole attempt, patience with a server that is
//! starting up, and a session whose output formats do not depend on who set the server up.

use std::net::IpAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;
use postgres::config::{SslMode as Tls, TargetSessionAttrs};
use postgres::error::SqlState;
use postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::errors::{connect_fail, no_answer, psql, sql_fail, tls_reason};
use super::pooler::{self, Behind};
use super::{surroundings, tls};
use crate::fail::{Fail, Kind};
use crate::model::action::{Program, own};
use crate::model::url::{Address, DbUrl, Endpoint, Session, SslMode, Target};
use crate::sys::interrupt;

/// How long one server may take to let us in, unless the URL says otherwise.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a server may say that it is starting up.
const STARTING_UP: Duration = Duration::from_secs(10);

/// An open session.
pub struct Db {
    client: Client,
    tls: Option<MakeRustlsConnect>,
    url: DbUrl,
    endpoint: Endpoint,
    version: ServerVersion,
    pid: i32,
    here: Here,
    pooler: Option<Behind>,
}

/// What the server says of itself to this session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// Whether it is a standby.
    pub is_standby: bool,
    /// Whether transactions are read-only unless they say otherwise.
    pub is_read_only: bool,
    /// Its own address and port; `None` on a Unix socket.
    pub address: Option<(IpAddr, u16)>,
}

/// The server's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// `server_version_num`: 150018 for 15.18.
    pub number: u32,
    /// `server_version`, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub text: String,
}

impl ServerVersion {
    /// 15 for 15.18.
    pub fn major(&self) -> u32 {
        self.number / 10_000
    }
}

impl Db {
    /// Connects; what the URL leaves out is filled from the environment first. `application_name` is how the session
    /// shows in `pg_stat_activity`.
    ///
    /// # Errors
    /// `connection-refused`, `authentication-failed`, `database-missing`, `permission-denied`, `config-invalid` (a TLS
    /// file), `interrupted`; with several hosts, the last one's. `pooled-connection`.
    pub fn connect(url: &DbUrl, application_name: &str) -> Result<Db> {
        let db = Db::open(url, application_name)?;
        match &db.pooler {
            Some(behind) => Err(pooled(&db, behind).into()),
            None => Ok(db),
        }
    }

    /// The same where a pooler is no obstacle: nothing is set in the session, and nothing but plain queries may be asked.
    ///
    /// # Errors
    /// As [`Db::connect`], but for `pooled-connection`.
    pub fn connect_to_look(url: &DbUrl, application_name: &str) -> Result<Db> {
        Db::open(url, application_name)
    }

    fn open(url: &DbUrl, application_name: &str) -> Result<Db> {
        let url = surroundings::complete(url)?;
        let target = url.target();
        let encrypted = target.ssl.mode != SslMode::Disable
            && target.endpoints.iter().any(|endpoint| matches!(endpoint.address, Address::Host(_)));
        let tls = if encrypted { Some(tls::connector(&target.ssl)?) } else { None };
        let mut last = None;
        for endpoint in &target.endpoints {
            match patiently(endpoint, target, tls.as_ref(), application_name) {
                Ok(client) => {
                    let config = probe(endpoint, target, application_name);
                    let over_tls = tls.clone().filter(|_| matches!(endpoint.address, Address::Host(_)));
                    let pooler = pooler::behind(&endpoint.to_string(), &config, over_tls);
                    return Db::introduce(client, tls, url.clone(), endpoint.clone(), pooler);
                }
                Err(error) => {
                    interrupt::check()?;
                    // Only a server that is not there makes way for the next one; libpq keeps to that too.
                    let next = error.kind == Kind::ConnectionRefused;
                    last = Some(*error);
                    if !next {
                        break;
                    }
                }
            }
        }
        // The list is never empty; without a connection there is an error.
        Err(last.unwrap_or_else(|| Fail::new(Kind::ConnectionRefused, "Cannot connect to database")).into())
    }

    /// Pins the session, which is ours alone unless there is a pooler, and asks the server who it is, in one round trip.
    fn introduce(
        mut client: Client,
        tls: Option<MakeRustlsConnect>,
        url: DbUrl,
        endpoint: Endpoint,
        pooler: Option<Behind>,
    ) -> Result<Db> {
        let pin = if pooler.is_none() { PIN } else { "" };
        let answer = client.simple_query(&format!("{pin}{INTRODUCE}"));
        let rows = answer.map_err(|error| sql_fail(&error, "setting the session up"))?;
        let row = rows.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |at: usize| row.and_then(|row| row.get(at)).unwrap_or_default();
        let version = ServerVersion { number: text(0).parse().unwrap_or_default(), text: text(1).to_owned() };
        let pid = text(2).parse().unwrap_or_default();
        let here = row.map(here).unwrap_or_default();
        Ok(Db { client, tls, url, endpoint, version, pid, here, pooler })
    }

    /// The client itself, for queries.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The server's version.
    pub fn server_version(&self) -> &ServerVersion {
        &self.version
    }

    pub fn database(&self) -> &str {
        &self.url.target().database
    }

    /// psql on this database.
    pub fn psql(&self) -> Program {
        psql(self.endpoint(), self.url().target())
    }

    /// The server that let us in, when there were several.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The URL, completed from the environment.
    pub fn url(&self) -> &DbUrl {
        &self.url
    }

    /// What the server says of itself.
    pub fn here(&self) -> &Here {
        &self.here
    }

    /// As what a command that writes has to refuse this server.
    pub fn takes_no_writes(&self) -> Option<Kind> {
        match (&self.pooler, self.here.is_standby || self.here.is_read_only) {
            (Some(_), _) => Some(Kind::PooledConnection),
            (None, true) => Some(Kind::ReadOnlyServer),
            (None, false) => None,
        }
    }

    /// Whether a pooler stands between; only [`Db::connect_to_look`] lets that pass.
    pub fn is_pooled(&self) -> bool {
        self.pooler.is_some()
    }

    /// The server process of this session.
    pub fn backend_pid(&self) -> i32 {
        self.pid
    }

    /// Runs statements that may take long; Ctrl-C cancels them on the server.
    ///
    /// # Errors
    /// `interrupted`, else what the server says, as it is.
    pub fn run(&mut self, sql: &str) -> Result<Result<(), postgres::Error>> {
        let token = self.client.cancel_token();
        let tls = self.tls.clone();
        let (done, over) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = over.recv_timeout(Duration::from_millis(20)) {
                if interrupt::requested() {
                    let _ = match tls {
                        Some(tls) => token.cancel_query(tls),
                        None => token.cancel_query(NoTls),
                    };
                    return;
                }
            }
        });
        let result = self.client.batch_execute(sql);
        drop(done);
        let _ = watch.join();
        if result.is_err() {
            interrupt::check()?;
        }
        Ok(result)
    }
}

/// Formats and time limits that others may have set differently for the role or the database, and messages in English where
/// we may. `lc_messages` is a superuser's; on a server that is older than a setting, the condition finds no row.
const PIN: &str = "set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'; \
    set bytea_output = 'hex'; set extra_float_digits = 1; set standard_conforming_strings = on; \
    set client_min_messages = 'warning'; set statement_timeout = 0; set lock_timeout = 0; \
    set idle_in_transaction_session_timeout = 0; \
    select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings \
    where name in ('idle_session_timeout', 'transaction_timeout') and setting <> '0'; \
    select pg_catalog.set_config('lc_messages', 'C', false) from pg_catalog.pg_roles \
    where rolname = current_user and rolsuper; ";

const INTRODUCE: &str = "select pg_catalog.current_setting('server_version_num'), \
    pg_catalog.current_setting('server_version'), pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), \
    pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.host(pg_catalog.inet_server_addr()), \
    pg_catalog.inet_server_port()";

fn here(row: &SimpleQueryRow) -> Here {
    let address = row.get(5).and_then(|text| text.parse().ok()).zip(row.get(6).and_then(|text| text.parse().ok()));
    Here { is_standby: row.get(3) == Some("t"), is_read_only: row.get(4) == Some("on"), address }
}

fn pooled(db: &Db, behind: &Behind) -> Fail {
    let database = db.database();
    let server = match &behind.host {
        Some(host) => format!("{host}, port {}", behind.port),
        None => format!("port {} of the pooler's own machine", behind.port),
    };
    Fail::new(Kind::PooledConnection, "The connection goes through a connection pooler")
        .details(format!(
            "{} passes the sessions of {database} on, as PgBouncer does: the process that it announces is not the one \
             that answers",
            db.endpoint()
        ))
        .details("The next statement may run in another session there: locks and settings of a migration would get into \
             the application's sessions")
        .details(format!("The server itself says that it listens at {server}"))
        .action("Name the server's own port: in sqlalchemy.url, or once with --url=postgresql+DRIVER://USER@HOST:PORT/DATABASE")
        .related(own("db-status"))
        .refused()
}

/// One server, with patience while it says that it is starting up.
fn patiently(
    endpoint: &Endpoint,
    target: &Target,
    tls: Option<&MakeRustlsConnect>,
    application_name: &str,
) -> Result<Client, Box<Fail>> {
    let until = Instant::now() + STARTING_UP;
    let limit = target.connect_timeout.unwrap_or(LIMIT);
    loop {
        let error = match negotiate(endpoint, target, tls, application_name, limit) {
            Ok(client) => return Ok(client),
            Err(Attempt::NoAnswer) => return Err(Box::new(no_answer(endpoint, limit.as_secs()))),
            Err(Attempt::Refused(error)) => error,
        };
        let starting = error.code() == Some(&SqlState::CANNOT_CONNECT_NOW);
        if !starting || Instant::now() > until || interrupt::requested() {
            return Err(Box::new(connect_fail(&error, endpoint, target)));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

enum Attempt {
    NoAnswer,
    Refused(postgres::Error),
}

/// With or without TLS, and the other way round where `sslmode` leaves it open.
fn negotiate(
    endpoint: &Endpoint,
    target: &Target,
    tls: Option<&MakeRustlsConnect>,
    application_name: &str,
    limit: Duration,
) -> Result<Client, Attempt> {
    let config = config(endpoint, target, application_name);
    let Some(tls) = tls.filter(|_| matches!(endpoint.address, Address::Host(_))) else {
        return in_time(config, Tls::Disable, None, limit);
    };
    let (first, second) = match target.ssl.mode {
        SslMode::Allow => (Tls::Disable, Some(Tls::Require)),
        SslMode::Prefer => (Tls::Prefer, Some(Tls::Disable)),
        _ => (Tls::Require, None),
    };
    let refused = match in_time(config.clone(), first, Some(tls), limit) {
        Err(Attempt::Refused(error)) => error,
        done => return done,
    };
    match second.filter(|_| other_way_may_help(&refused)) {
        // The first refusal is the one worth telling when the other way leads nowhere either.
        Some(second) => in_time(config, second, Some(tls), limit).map_err(|_| Attempt::Refused(refused)),
        None => Err(Attempt::Refused(refused)),
    }
}

/// pg_hba.conf may have an entry for the other kind of connection only. A wrong password is not tried twice.
fn other_way_may_help(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) || tls_reason(error).is_some()
}

/// The whole attempt within the limit: name lookup, handshake and authentication, which the crate's own
/// `connect_timeout` does not cover.
fn in_time(mut config: Config, mode: Tls, tls: Option<&MakeRustlsConnect>, limit: Duration) -> Result<Client, Attempt> {
    config.ssl_mode(mode);
    let tls = tls.cloned();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let config = postgres::Config::from(config);
        let client = match tls {
            Some(tls) => config.connect(tls),
            None => config.connect(NoTls),
        };
        // When nobody waits any more, the connection is closed by being dropped here.
        let _ = send.send(client);
    });
    let until = Instant::now() + limit;
    loop {
        match receive.recv_timeout(Duration::from_millis(50)) {
            Ok(client) => return client.map_err(Attempt::Refused),
            Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() < until && !interrupt::requested() => {}
            Err(_) => return Err(Attempt::NoAnswer),
        }
    }
}

/// For another session like the one that was let in.
fn probe(endpoint: &Endpoint, target: &Target, application_name: &str) -> Config {
    let mut config = config(endpoint, target, application_name);
    let is_host = matches!(endpoint.address, Address::Host(_));
    config.ssl_mode(match target.ssl.mode {
        SslMode::Disable | SslMode::Allow => Tls::Disable,
        _ if !is_host => Tls::Disable,
        SslMode::Prefer => Tls::Prefer,
        _ => Tls::Require,
    });
    config
}

fn config(endpoint: &Endpoint, target: &Target, application_name: &str) -> Config {
    let mut config = Config::new();
    match &endpoint.address {
        Address::Host(host) => config.host(host),
        Address::Socket(dir) => config.host_path(dir),
    };
    config.port(endpoint.port).user(&target.user).dbname(&target.database).application_name(application_name);
    config.connect_timeout(target.connect_timeout.unwrap_or(LIMIT));
    if let Some(password) = &endpoint.password {
        config.password(password.expose());
    }
    if let Some(options) = &target.options {
        config.options(options);
    }
    config.target_session_attrs(match target.session {
        Session::Any => TargetSessionAttrs::Any,
        Session::ReadWrite => TargetSessionAttrs::ReadWrite,
        Session::ReadOnly => TargetSessionAttrs::ReadOnly,
    });
    config
}
