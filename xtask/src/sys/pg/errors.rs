//! Makes failures of the errors of PostgreSQL and the network: one table of SQLSTATEs, and one place for the words of a
//! connection that fails.

use std::error::Error as _;
use std::io;

use postgres::error::{DbError, SqlState};

use crate::fail::{Fail, Kind};
use crate::model::action::{Program, own, program};
use crate::model::url::{Address, DbUrl, Endpoint, Target, WrittenIn};
use crate::model::values::{LEFT_OUT, detail_without, message_without, without_quoted};
use crate::sys::interrupt;

/// The kind that an SQLSTATE stands for.
pub fn kind_of(sqlstate: &str) -> Kind {
    match sqlstate {
        "23503" => Kind::ForeignKeyViolation,
        "23505" => Kind::UniqueViolation,
        "23502" => Kind::NotNullViolation,
        "23514" => Kind::CheckViolation,
        "42P01" | "42703" | "42704" | "42883" | "3F000" => Kind::UndefinedObject,
        "42P07" | "42701" | "42710" | "42723" | "42P06" => Kind::DuplicateObject,
        "2BP01" => Kind::DependentObjects,
        "42804" => Kind::TypeChangeBlocked,
        "25P02" => Kind::TransactionAborted,
        "55P03" => Kind::LockTimeout,
        "53100" => Kind::DiskFull,
        "25006" => Kind::ReadOnlyServer,
        "42501" => Kind::PermissionDenied,
        "3D000" => Kind::DatabaseMissing,
        "57P03" => Kind::ConnectionRefused,
        "57P01" | "57P02" => Kind::ConnectionLost,
        code if code.starts_with("28") => Kind::AuthenticationFailed,
        code if code.starts_with("08") => Kind::ConnectionLost,
        _ => Kind::SqlError,
    }
}

/// A failure of an SQL statement; `what` says what was being done ("reading the version table").
pub fn sql_fail(error: &postgres::Error, what: &str) -> Fail {
    let Some(db) = error.as_db_error() else {
        return lost(error, what);
    };
    if is_cancelled(error) && interrupt::requested() {
        return interrupt::fail();
    }
    let code = db.code().code();
    let kind = kind_of(code);
    let summary = match kind {
        Kind::PermissionDenied => "Permission denied by the database".to_owned(),
        Kind::ConnectionLost => "Connection to the database was lost".to_owned(),
        Kind::LockTimeout => "A lock was not to be had in time".to_owned(),
        _ => format!("PostgreSQL refused: {what}"),
    };
    let mut fail =
        Fail::new(kind, summary).details(format!("While {what}: {}", message_without(code, db.message(), LEFT_OUT)));
    // Where it happened names the value, too: `COPY t, line 1, column n: "x"`.
    let detail = db.detail().map(|detail| detail_without(code, detail, LEFT_OUT));
    let place = db
        .where_()
        .map(|place| if code.starts_with("22") { without_quoted(place, LEFT_OUT) } else { place.to_owned() });
    for line in [detail, db.hint().map(str::to_owned), place].into_iter().flatten() {
        fail = fail.details(line);
    }
    fail = fail.sqlstate(code);
    match kind {
        Kind::PermissionDenied => fail.action("Grant the privilege, or connect as the owner of the database"),
        Kind::ConnectionLost => fail.run("See whether the server restarted", own("doctor")),
        _ => fail,
    }
    .related(own("db-status"))
}

/// Whether somebody has cancelled the statement: we at Ctrl-C, an administrator, a time limit.
pub(super) fn is_cancelled(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::QUERY_CANCELED)
}

/// An error that is not the server's answer: mostly the connection broke.
fn lost(error: &postgres::Error, what: &str) -> Fail {
    let broken = error.is_closed() || io_error(error).is_some();
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    let kind = if broken { Kind::ConnectionLost } else { Kind::Internal };
    let summary = if broken { "Connection to the database was lost" } else { "PostgreSQL's answer was not understood" };
    Fail::new(kind, summary)
        .details(format!("While {what}: {error}{cause}"))
        .run("See whether the server is up", own("doctor"))
        .run("See what is in the database now", own("db-status"))
        .related(own("db-status"))
}

/// Why no connection was made to `endpoint`.
pub(super) fn connect_fail(error: &postgres::Error, endpoint: &Endpoint, url: &DbUrl) -> Fail {
    let target = url.target();
    if let Some(db) = error.as_db_error() {
        return refused_by_server(db, endpoint, url);
    }
    if let Some(reason) = tls_reason(error) {
        return unreachable(format!("TLS to {endpoint} failed: {reason}"))
            .run("Look what psql says about the certificate", psql(endpoint, target))
            .action("Check sslmode, sslrootcert, sslcert and sslkey in the database configuration");
    }
    if error.source().is_some_and(|source| source.to_string() == "password missing") {
        let details = format!("{endpoint} asks user {} for a password, and there is none", target.user);
        return bad_credentials(details, endpoint, url);
    }
    let details = match io_error(error) {
        Some(error) => io_reason(error, endpoint),
        None => {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            format!("{endpoint}: {error}{cause}")
        }
    };
    is_it_running(unreachable(details), endpoint, url.written_in())
}

/// Nobody answered in time.
pub(super) fn no_answer(endpoint: &Endpoint, url: &DbUrl, seconds: u64) -> Fail {
    is_it_running(unreachable(format!("No answer from {endpoint} within {seconds} s")), endpoint, url.written_in())
}

fn unreachable(details: String) -> Fail {
    Fail::new(Kind::ConnectionRefused, "Cannot connect to database").details(details).related(own("doctor"))
}

fn is_it_running(fail: Fail, endpoint: &Endpoint, written_in: &WrittenIn) -> Fail {
    let verify = format!("Verify database configuration ({written_in})");
    if !endpoint.is_local() {
        let fail = fail.action(format!("Check that this machine reaches {endpoint}: network, VPN, firewall"));
        return fail.action(verify);
    }
    fail.action("Check PostgreSQL is running: docker ps | grep postgres").action(verify).action(
        "Start the infrastructure, or use a server of the tool's own: repeat the command with --server=embedded",
    )
}

fn bad_credentials(details: String, endpoint: &Endpoint, url: &DbUrl) -> Fail {
    let written_in = url.written_in();
    Fail::new(Kind::AuthenticationFailed, "The database server refuses the user")
        .details(details)
        .action(format!("Verify user and password ({written_in}, PGPASSWORD, ~/.pgpass)"))
        .run("Try it by hand", psql(endpoint, url.target()))
        .related(own("doctor"))
}

fn refused_by_server(db: &DbError, endpoint: &Endpoint, url: &DbUrl) -> Fail {
    let target = url.target();
    let code = db.code().code();
    let (user, database) = (&target.user, &target.database);
    let fail = |kind, summary: &str| {
        let fail = Fail::new(kind, summary).details(format!("{endpoint}: {}", db.message())).sqlstate(code);
        let fail = db.detail().into_iter().fold(fail, Fail::details);
        fail.related(own("doctor"))
    };
    match kind_of(code) {
        Kind::AuthenticationFailed => {
            bad_credentials(format!("{endpoint}: {}", db.message()), endpoint, url).sqlstate(code).action(format!(
                "If the message names pg_hba.conf, the server must be told to let user {user} in from this machine"
            ))
        }
        Kind::DatabaseMissing => fail(Kind::DatabaseMissing, "The database does not exist")
            .run("Create it", createdb(endpoint, user, database))
            .action(format!("Check for typos in the database's name ({})", url.written_in())),
        Kind::PermissionDenied => fail(Kind::PermissionDenied, "Permission denied by the database").action(format!(
            "As a superuser, in SQL: GRANT CONNECT ON DATABASE {} TO {}",
            super::ident(database),
            super::ident(user)
        )),
        Kind::ConnectionRefused => fail(Kind::ConnectionRefused, "Cannot connect to database")
            .action("Wait until the server is up and try again")
            .related(own("doctor")),
        Kind::ConnectionLost => fail(Kind::ConnectionLost, "Connection to the database was lost")
            .action("Wait until the server is up and try again"),
        kind if code == "53300" => fail(kind, "The database server has no connection left")
            .action(
                "Stop what holds connections that nobody needs, or raise the limit (of the server, database or role)",
            )
            .run("Try it by hand", psql(endpoint, target)),
        kind => fail(kind, "The database server refuses the connection")
            .run("Try it by hand", psql(endpoint, target))
            .run("Check the whole set-up", own("doctor")),
    }
}

/// psql on a database. The password is left out: it is asked for, or taken from where psql finds it.
pub(super) fn psql(endpoint: &Endpoint, target: &Target) -> Program {
    // psql reads a name with one of these as a connection string, in which names can be quoted.
    let is_plain = !target.database.contains('=') && !target.database.contains("://");
    let in_quotes = || format!("dbname='{}'", target.database.replace('\\', "\\\\").replace('\'', "\\'"));
    let database = if is_plain { target.database.clone() } else { in_quotes() };
    client_program("psql", endpoint, &target.user).words(["-d".to_owned(), database])
}

/// The command that makes a database.
pub(super) fn createdb(endpoint: &Endpoint, user: &str, database: &str) -> Program {
    client_program("createdb", endpoint, user).word(database)
}

fn client_program(name: &str, endpoint: &Endpoint, user: &str) -> Program {
    let (host, port) = (endpoint.address.to_string(), endpoint.port.to_string());
    program([name, "-h", &host, "-p", &port, "-U", user])
}

fn io_reason(error: &io::Error, endpoint: &Endpoint) -> String {
    match (error.kind(), &endpoint.address) {
        (io::ErrorKind::ConnectionRefused, _) => format!("Connection refused to {endpoint}"),
        (io::ErrorKind::NotFound, Address::Socket(_)) => format!("No socket {endpoint}"),
        (io::ErrorKind::TimedOut, _) => format!("No answer from {endpoint}"),
        (io::ErrorKind::PermissionDenied, _) if error.raw_os_error().is_none() => format!("{endpoint}: {error}"),
        (_, Address::Host(host)) if error.to_string().contains("lookup address") => {
            format!("Cannot find the host {host}: {error}")
        }
        _ => format!("{endpoint}: {error}"),
    }
}

/// The first I/O error in the chain.
fn io_error(error: &postgres::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// What TLS complained about, if it was TLS: rustls' words inside the I/O error, or the server having none.
pub(super) fn tls_reason(error: &postgres::Error) -> Option<String> {
    if error.source().is_some_and(|source| source.is::<super::door::Unanswered>()) {
        return None;
    }
    let text = error.to_string();
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    if source == "server does not support TLS" {
        return Some("the server does not offer it, and sslmode asks for it".to_owned());
    }
    let inner = io_error(error).and_then(io::Error::get_ref);
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Some(error.to_string());
    }
    text.contains("TLS").then_some(source)
}
