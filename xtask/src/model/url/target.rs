//! Where a URL leads, as values: the servers to try in turn, the user, the database, TLS. How a URL comes to it is in
//! `resolve.rs`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Secret;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The servers, in the order in which they are tried; never empty.
    pub endpoints: Vec<Endpoint>,
    /// The user; empty when nothing names one.
    pub user: String,
    /// The database; the user's name when nothing names one.
    pub database: String,
    /// TLS.
    pub ssl: Ssl,
    /// How long one attempt may take; `None` leaves it to the caller.
    pub connect_timeout: Option<Duration>,
    /// `options`, given to the server's session as they are.
    pub options: Option<String>,
    /// `target_session_attrs`.
    pub session: Session,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its host or its socket's folder.
    pub address: Address,
    /// Its port; for a socket the number in the file's name.
    pub port: u16,
    /// From the URL, from `PGPASSWORD` or from the password file.
    pub password: Option<Secret>,
}

/// A host, or a folder that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A name or an address.
    Host(String),
    /// The folder of a Unix socket.
    Socket(PathBuf),
}

/// `sslmode` as libpq defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server insists.
    Allow,
    /// TLS if the server can.
    #[default]
    Prefer,
    /// TLS, without verifying the server; verified as with `verify-ca` when a root certificate is named.
    Require,
    /// TLS, and the certificate's chain is verified.
    VerifyCa,
    /// TLS, and the chain and the name are verified.
    VerifyFull,
}

/// The TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssl {
    /// How much is asked for.
    pub mode: SslMode,
    /// The file of root certificates, or `system`.
    pub root_cert: Option<String>,
    /// The file of the client's own certificate.
    pub cert: Option<String>,
    /// The file of its key.
    pub key: Option<String>,
    /// Whether `allow` and `prefer` verify too where there is a root certificate: libpq does, asyncpg does not.
    pub weak_verifies: bool,
    /// The folder of the default files (`~/.postgresql`).
    pub home: Option<PathBuf>,
}

/// `target_session_attrs`, as far as it can be asked of a server by one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// Any server.
    #[default]
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that does not.
    ReadOnly,
}

impl Endpoint {
    /// A server on a socket.
    pub fn on_socket(dir: &Path, port: u16) -> Endpoint {
        Endpoint { address: Address::Socket(dir.to_owned()), port, password: None }
    }

    /// Whether it is this machine.
    pub fn is_local(&self) -> bool {
        let Address::Host(host) = &self.address else {
            return true;
        };
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let address = name.split('%').next().and_then(|name| name.parse::<IpAddr>().ok());
        name == "localhost"
            || name.ends_with(".localhost")
            || address.is_some_and(|address| address.to_canonical().is_loopback())
    }
}

/// As `PGHOST` takes it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Host(host) => f.write_str(host),
            Address::Socket(dir) => write!(f, "{}", dir.display()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Host(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Address::Host(host) => write!(f, "{host}:{}", self.port),
            Address::Socket(dir) => write!(f, "{}/.s.PGSQL.{}", dir.display(), self.port),
        }
    }
}

impl Target {
    /// The password, when it is the same for every server.
    pub fn single_password(&self) -> Option<&Secret> {
        let first = self.endpoints.first()?.password.as_ref()?;
        self.endpoints.iter().all(|endpoint| endpoint.password.as_ref() == Some(first)).then_some(first)
    }

    /// The servers as one text, for messages.
    pub fn place(&self) -> String {
        self.endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(", ")
    }
}
