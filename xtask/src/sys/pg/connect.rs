//! A connection: the hosts in turn, TLS as asked for, a time limit on the whole attempt, patience with a server that is
//! starting up, and a session whose output formats do not depend on who set the server up.

use std::net::IpAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use postgres::config::{SslMode as Tls, SslNegotiation, TargetSessionAttrs};
use postgres::error::SqlState;
use postgres::{Client, NoTls};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::batch::{Answer, batch};
use super::door::Door;
use super::errors::{connect_fail, is_cancelled, no_answer, psql, sql_fail, tls_reason};
use super::pooler::{self, Behind};
use super::{literal, surroundings, tls};
use crate::fail::{Fail, Kind};
use crate::model::action::{Program, own};
use crate::model::url::{Address, DbUrl, Endpoint, Session, SslMode, Target, WrittenIn};
use crate::sys::interrupt;

/// How long one server may take to let us in, unless the URL says otherwise.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a server may say that it is starting up.
const STARTING_UP: Duration = Duration::from_secs(10);

/// An open session.
pub struct Db {
    client: Client,
    /// `None` on a Unix socket.
    door: Option<Door>,
    url: DbUrl,
    endpoint: Endpoint,
    version: ServerVersion,
    pid: i32,
    here: Here,
    /// The tables of this tool's own that were there when the session began.
    kept: Vec<String>,
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
            match patiently(endpoint, &url, tls.as_ref(), application_name) {
                Ok((client, Some(door))) => return Db::introduce(client, url.clone(), endpoint.clone(), door),
                Ok((client, None)) => {
                    let config = config(endpoint, target, application_name);
                    let pooler = pooler::behind(&endpoint.to_string(), &config);
                    return Db::introduce_local(client, url.clone(), endpoint.clone(), pooler);
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

    /// Sets the session's settings and asks the server for its version and identity, in one round trip. The answer also
    /// shows a pooler: the process that the start-up announced for cancelling is another one than the one that answers.
    fn introduce(mut client: Client, url: DbUrl, endpoint: Endpoint, door: Door) -> Result<Db> {
        let announced = door.announced();
        let condition = announced.map_or("true".to_owned(), |pid| format!("pg_catalog.pg_backend_pid() = {pid}"));
        let answer = ask_who(&mut client, &condition)?;
        let mut db = Db::of(client, url, endpoint, &answer);
        db.pooler = announced.filter(|announced| *announced != db.pid).map(|_| behind(&answer));
        db.door = Some(door);
        Ok(db)
    }

    /// The same on a Unix socket, where nothing shows on the way in and a pooler was asked for by itself.
    fn introduce_local(mut client: Client, url: DbUrl, endpoint: Endpoint, pooler: Option<Behind>) -> Result<Db> {
        let answer = ask_who(&mut client, if pooler.is_none() { "true" } else { "false" })?;
        Ok(Db { pooler, ..Db::of(client, url, endpoint, &answer) })
    }

    fn of(client: Client, url: DbUrl, endpoint: Endpoint, answer: &Answer) -> Db {
        let text = |at: usize| answer.text(at).unwrap_or_default();
        let version = ServerVersion { number: text(0).parse().unwrap_or_default(), text: text(1).to_owned() };
        let kept = text(8).split(' ').map(str::to_owned).collect();
        let (pid, here) = (text(2).parse().unwrap_or_default(), here(answer));
        Db { client, door: None, url, endpoint, version, pid, here, kept, pooler: None }
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

    /// Whether a table of this tool's own was there when the session began.
    pub(super) fn keeps(&self, table: &str) -> bool {
        self.kept.iter().any(|kept| kept == table)
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
        let door = self.door.clone();
        let (done, over) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = over.recv_timeout(Duration::from_millis(20)) {
                if interrupt::requested() {
                    let _ = match door {
                        Some(door) => token.cancel_query(door),
                        None => token.cancel_query(NoTls),
                    };
                    return true;
                }
            }
            false
        });
        let result = self.client.batch_execute(sql);
        drop(done);
        let is_asked = watch.join().unwrap_or(true);
        if is_asked && !result.as_ref().is_err_and(is_cancelled) {
            let _ = self.client.batch_execute(CATCH);
        }
        if result.is_err() {
            interrupt::check()?;
        }
        Ok(result)
    }
}

/// A request to cancel goes to the server by a connection of its own, and ends whatever the session runs when it arrives. Where
/// the statement has ended before that, this one is there to be ended, and not one that puts something away. (A request that
/// is under way for longer, on a machine with much to do, is told as the interruption that it is: [`sql_fail`].)
const CATCH: &str = "select pg_catalog.pg_sleep(0.2)";

/// Formats and time limits that others may have set differently for the role or the database, and messages in English where
/// we may. On a server that is older than a setting, [`SETTABLE`] leaves it out.
const PINNED: [(&str, &str); 13] = [
    ("datestyle", "ISO, YMD"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("standard_conforming_strings", "on"),
    ("client_min_messages", "warning"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("lc_messages", "C"),
];
/// The server has it, and this role may set it: `lc_messages` is a superuser's. Asked of the settings by name, since the
/// views (`pg_settings`, `pg_roles`) cost a new session more than all the rest here.
const SETTABLE: &str = "pg_catalog.current_setting(name, true) is not null \
    and (name <> 'lc_messages' or pg_catalog.current_setting('is_superuser') = 'on')";

/// What the server says of itself, after the session was pinned where the condition holds.
fn ask_who(client: &mut Client, condition: &str) -> Result<Answer> {
    let values = PINNED.map(|(name, value)| format!("({}, {})", literal(name), literal(value))).join(", ");
    let sql = format!(
        "select pg_catalog.set_config(name, value, false) from (values {values}) pinned (name, value) \
         where {condition} and {SETTABLE}; {INTRODUCE}"
    );
    let answers = batch(client, &sql).map_err(|error| sql_fail(&error, "setting the session up"))?;
    answers.into_iter().last().context("setting the session up: no answer")
}

const INTRODUCE: &str = "select pg_catalog.current_setting('server_version_num'), \
    pg_catalog.current_setting('server_version'), pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), \
    pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.host(pg_catalog.inet_server_addr()), \
    pg_catalog.inet_server_port(), pg_catalog.current_setting('port'), \
    (select pg_catalog.string_agg(c.relname::text, ' ') from pg_catalog.pg_class c \
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'xtask' \
     and c.relname in ('ledger', 'run') and pg_catalog.has_schema_privilege(n.oid, 'usage'))";

fn here(answer: &Answer) -> Here {
    let address = answer.text(5).and_then(|text| text.parse().ok());
    let address = address.zip(answer.text(6).and_then(|text| text.parse().ok()));
    Here { is_standby: answer.text(3) == Some("t"), is_read_only: answer.text(4) == Some("on"), address }
}

/// The server itself, behind a pooler.
fn behind(answer: &Answer) -> Behind {
    let text = |at: usize| answer.text(at).map(str::to_owned);
    Behind { host: text(5), port: text(7).unwrap_or_default() }
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
        .details(
            "The next statement may run in another session there: locks and settings of a migration would get into \
             the application's sessions",
        )
        .details(format!("The server itself says that it listens at {server}"))
        .action(own_port(db.url().written_in()))
        .related(own("db-status"))
        .refused()
}

/// What helps where a pooler stands between: in the place that names it, or for once.
pub fn own_port(written_in: &WrittenIn) -> String {
    let once = "--url=postgresql+DRIVER://USER@HOST:PORT/DATABASE";
    match written_in {
        WrittenIn::Flag => format!("Name the server's own port: {once}"),
        place => format!("Name the server's own port: in {place}, or once with {once}"),
    }
}

/// One server, with patience while it says that it is starting up.
fn patiently(
    endpoint: &Endpoint,
    url: &DbUrl,
    tls: Option<&MakeRustlsConnect>,
    application_name: &str,
) -> Result<(Client, Option<Door>), Box<Fail>> {
    let until = Instant::now() + STARTING_UP;
    let target = url.target();
    let limit = target.connect_timeout.unwrap_or(LIMIT);
    loop {
        let error = match negotiate(endpoint, target, tls, application_name, limit) {
            Ok(client) => return Ok(client),
            Err(Attempt::NoAnswer) => return Err(Box::new(no_answer(endpoint, url, limit.as_secs()))),
            Err(Attempt::Refused(error)) => error,
        };
        let starting = error.code() == Some(&SqlState::CANNOT_CONNECT_NOW);
        if !starting || Instant::now() > until || interrupt::requested() {
            return Err(Box::new(connect_fail(&error, endpoint, url)));
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
) -> Result<(Client, Option<Door>), Attempt> {
    let config = config(endpoint, target, application_name);
    if !matches!(endpoint.address, Address::Host(_)) {
        return in_time(config, NoTls, limit).map(|client| (client, None));
    }
    let through = |mode: Tls| {
        let door = Door::new(tls, mode);
        let mut config = config.clone();
        // The door itself asks for TLS.
        config.ssl_mode(Tls::Require).ssl_negotiation(SslNegotiation::Direct);
        in_time(config, door.clone(), limit).map(|client| (client, Some(door)))
    };
    let (first, second) = match target.ssl.mode {
        SslMode::Disable => (Tls::Disable, None),
        SslMode::Allow => (Tls::Disable, Some(Tls::Require)),
        SslMode::Prefer => (Tls::Prefer, Some(Tls::Disable)),
        _ => (Tls::Require, None),
    };
    let refused = match through(first) {
        Err(Attempt::Refused(error)) => error,
        done => return done,
    };
    match second.filter(|_| other_way_may_help(&refused)) {
        // The first refusal is the one worth telling when the other way leads nowhere either.
        Some(second) => through(second).map_err(|_| Attempt::Refused(refused)),
        None => Err(Attempt::Refused(refused)),
    }
}

/// pg_hba.conf may have an entry for the other kind of connection only. A wrong password is not tried twice.
fn other_way_may_help(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) || tls_reason(error).is_some()
}

/// The whole attempt within the limit: name lookup, handshake and authentication, which the crate's own
/// `connect_timeout` does not cover.
fn in_time<T>(config: Config, tls: T, limit: Duration) -> Result<Client, Attempt>
where
    T: MakeTlsConnect<Socket> + Send + 'static,
    T::TlsConnect: Send,
    T::Stream: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        // When nobody waits any more, the connection is closed by being dropped here.
        let _ = send.send(postgres::Config::from(config).connect(tls));
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

fn config(endpoint: &Endpoint, target: &Target, application_name: &str) -> Config {
    let mut config = Config::new();
    match &endpoint.address {
        Address::Host(host) => config.host(host),
        Address::Socket(dir) => config.host_path(dir),
    };
    config.port(endpoint.port).user(&target.user).dbname(&target.database).application_name(application_name);
    config.ssl_mode(Tls::Disable).connect_timeout(target.connect_timeout.unwrap_or(LIMIT));
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
