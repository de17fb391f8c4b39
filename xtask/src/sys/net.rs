//! Questions to servers over TCP, TLS or a Unix socket, each with a time limit for the whole of it. A server that
//! accepts and never answers is not mistaken for one that is not there.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::model::url::{Ssl, SslMode};
use crate::sys::pg;

/// The most that an answer may hold: what is asked here is answered in a few lines.
const MOST: usize = 1 << 20;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    #[default]
    No,
    /// With a certificate that this machine's roots vouch for.
    Verified,
    /// With any certificate.
    Unverified,
}

impl Tls {
    /// Behind the place of a server that answers.
    pub fn words(self) -> &'static str {
        match self {
            Tls::No => "",
            Tls::Verified => " by TLS",
            Tls::Unverified => " by TLS, its certificate not looked at",
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is known by this name.
    NoSuchHost(String),
    /// Nobody listens.
    Refused,
    /// The connection was not made within this time.
    NoWay(Duration),
    /// The connection was accepted, and no (whole) answer came within this time.
    Silent(Duration),
    /// This user may not open the socket.
    NotAllowed,
    /// TLS is wanted, and it is not agreed upon.
    NoTls(String),
    Other(String),
}

impl Place {
    pub fn new(host: impl Into<String>, port: u16) -> Place {
        Place { host: host.into(), port, tls: Tls::No }
    }

    #[must_use]
    pub fn over(self, tls: Tls) -> Place {
        Place { tls, ..self }
    }

    /// `127.0.0.1:8110`, `[::1]:8110`; also with a scheme before or a path behind.
    pub fn parse(text: &str) -> Option<Place> {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let text = text.split('/').next()?.trim();
        // A name and a password are no part of the place, and are not to be shown.
        let text = text.rsplit_once('@').map_or(text, |(_, place)| place);
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Place::new(host, port.parse().ok()?))
    }

    /// Where to go to: a server that listens at all addresses is at this machine's own.
    fn to_dial(&self) -> &str {
        match self.host.as_str() {
            "0.0.0.0" | "" => "127.0.0.1",
            "::" => "::1",
            host => host,
        }
    }

    /// Whether it is on this machine, as far as the name tells.
    pub fn is_here(&self) -> bool {
        let host = self.to_dial();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Trouble {
    /// A sentence, about `at`.
    pub fn words(&self, at: &str) -> String {
        match self {
            Trouble::NoSuchHost(host) => format!("No address is known for the host {host}"),
            Trouble::Refused => format!("Nobody listens at {at}"),
            Trouble::NoWay(limit) => format!("{at} could not be reached within {} s", limit.as_secs_f64()),
            Trouble::Silent(limit) => {
                format!("{at} accepts connections and does not answer (waited {} s)", limit.as_secs_f64())
            }
            Trouble::NotAllowed => format!("This user may not open {at}"),
            Trouble::NoTls(why) => format!("{at} is to be reached by TLS, and that fails: {why}"),
            Trouble::Other(error) => format!("{at}: {error}"),
        }
    }

    fn of(error: &io::Error, limit: Duration) -> Trouble {
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Trouble::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Trouble::NoWay(limit),
            ErrorKind::PermissionDenied => Trouble::NotAllowed,
            _ => Trouble::Other(error.to_string()),
        }
    }
}

/// An answer to an HTTP request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Whether somebody accepts connections.
///
/// # Errors
/// Why not.
pub fn knock(place: &Place, limit: Duration) -> Result<(), Trouble> {
    open(place, limit).map(drop)
}

fn open(place: &Place, limit: Duration) -> Result<TcpStream, Trouble> {
    let began = Instant::now();
    let unknown = || Trouble::NoSuchHost(place.host.clone());
    let addresses = (place.to_dial(), place.port).to_socket_addrs().map_err(|_| unknown())?;
    let mut last = unknown();
    for address in addresses.collect::<Vec<SocketAddr>>() {
        let left = limit.saturating_sub(began.elapsed()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Trouble::of(&error, limit),
        }
    }
    Err(last)
}

/// Sends something, and reads until `is_whole` or until the other side ends it.
///
/// # Errors
/// Why there is no whole answer.
pub fn ask(place: &Place, words: &[u8], limit: Duration, is_whole: fn(&[u8]) -> bool) -> Result<Vec<u8>, Trouble> {
    let began = Instant::now();
    let stream = open(place, limit)?;
    if place.tls == Tls::No {
        let wait = |stream: &TcpStream, left| stream.set_read_timeout(Some(left));
        return converse(stream, wait, words, limit, began, is_whole);
    }
    let stream = StreamOwned::new(tls(place).map_err(|error| Trouble::NoTls(error.to_string()))?, stream);
    // The first words wait for the handshake.
    stream.sock.set_read_timeout(Some(limit)).map_err(|error| Trouble::of(&error, limit))?;
    let wait = |stream: &StreamOwned<ClientConnection, TcpStream>, left| stream.sock.set_read_timeout(Some(left));
    converse(stream, wait, words, limit, began, is_whole)
}

fn tls(place: &Place) -> anyhow::Result<ClientConnection> {
    let ssl = match place.tls {
        Tls::Verified => Ssl { mode: SslMode::VerifyFull, root_cert: Some("system".to_owned()), ..Ssl::default() },
        _ => Ssl { mode: SslMode::Require, ..Ssl::default() },
    };
    let name = ServerName::try_from(place.to_dial().to_owned())?;
    Ok(ClientConnection::new(Arc::new(pg::client_config(&ssl)?), name)?)
}

fn converse<S: Read + Write>(
    mut stream: S,
    wait: impl Fn(&S, Duration) -> io::Result<()>,
    words: &[u8],
    limit: Duration,
    began: Instant,
    is_whole: fn(&[u8]) -> bool,
) -> Result<Vec<u8>, Trouble> {
    let trouble = |error: io::Error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Trouble::Silent(limit),
        _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(why) => Trouble::NoTls(why.to_string()),
            None => Trouble::Other(error.to_string()),
        },
    };
    stream.write_all(words).map_err(trouble)?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !is_whole(&answer) && answer.len() < MOST {
        let left = limit.checked_sub(began.elapsed()).filter(|left| !left.is_zero()).ok_or(Trouble::Silent(limit))?;
        wait(&stream, left).map_err(trouble)?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            // Who ends TLS without a word has ended it all the same; what it said is whole or is not.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) => return Err(trouble(error)),
        }
    }
    Ok(answer)
}

/// GET.
///
/// # Errors
/// Why there is no answer, or that it is none of HTTP.
pub fn get(place: &Place, path: &str, limit: Duration) -> Result<Answer, Trouble> {
    let words = format!("GET {path} HTTP/1.0\r\nHost: {place}\r\nConnection: close\r\n\r\n");
    http(&ask(place, words.as_bytes(), limit, is_whole_http)?)
}

/// POST of JSON.
///
/// # Errors
/// As [`get`].
pub fn post(place: &Place, path: &str, header: &str, body: &str, limit: Duration) -> Result<Answer, Trouble> {
    let length = body.len();
    let words = format!(
        "POST {path} HTTP/1.0\r\nHost: {place}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n{header}\r\n{body}"
    );
    http(&ask(place, words.as_bytes(), limit, is_whole_http)?)
}

/// GET by a Unix socket.
///
/// # Errors
/// As [`get`].
pub fn get_by_socket(socket: &Path, path: &str, limit: Duration) -> Result<Answer, Trouble> {
    let began = Instant::now();
    let stream = UnixStream::connect(socket).map_err(|error| Trouble::of(&error, limit))?;
    let words = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let wait = |stream: &UnixStream, left| stream.set_read_timeout(Some(left));
    http(&converse(stream, wait, words.as_bytes(), limit, began, is_whole_http)?)
}

/// The head is there, and as much behind it as it says.
fn is_whole_http(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|piece| piece == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

fn http(answer: &[u8]) -> Result<Answer, Trouble> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.strip_prefix("HTTP/").and_then(|line| line.split(' ').nth(1)?.parse().ok());
    match status {
        Some(status) => Ok(Answer { status, body: body.to_owned() }),
        None if answer.is_empty() => Err(Trouble::Other("the connection was closed without an answer".to_owned())),
        None => Err(Trouble::Other("what answers there does not speak HTTP".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let at = |text| Place::parse(text).map(|place| place.to_string());
        assert_eq!(at("tcp://redis:6379").as_deref(), Some("redis:6379"));
        assert_eq!(at("http://127.0.0.1:10200/x").as_deref(), Some("127.0.0.1:10200"));
        assert_eq!(at("[::1]:8110").as_deref(), Some("[::1]:8110"));
        assert_eq!((at("redis"), at("redis:x")), (None, None));
        assert!(Place::new("0.0.0.0", 1).is_here() && Place::new("localhost", 1).is_here());
        assert!(!Place::new("db.example.com", 1).is_here());
    }
}
