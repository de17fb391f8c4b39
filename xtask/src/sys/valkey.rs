//! Valkey and Redis: PING, with a password where there is one, and which server a sentinel takes for the master.

use std::time::Duration;

use crate::sys::net::{self, Place, Tls, Trouble};

/// How a server answers a PING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pong {
    Yes,
    /// It wants a password, or another one.
    Password,
    /// It speaks TLS, and was asked without.
    SpeaksTls,
    /// It said something else: it loads its data, it is no Valkey.
    Says(String),
}

/// Asks.
///
/// # Errors
/// Why there is no answer.
pub fn ping(place: &Place, password: Option<&str>, limit: Duration) -> Result<Pong, Trouble> {
    let answer = ping_as(place, password, limit);
    let answers = |tls| matches!(ping_as(&place.clone().over(tls), None, limit), Ok(Pong::Yes | Pong::Password));
    match (place.tls, &answer) {
        // Who wants TLS closes the connection, with or without a word.
        (Tls::No, Ok(Pong::Says(_)) | Err(Trouble::Other(_))) if answers(Tls::Unverified) => Ok(Pong::SpeaksTls),
        // Who knows none waits for the end of the line.
        (Tls::Verified | Tls::Unverified, Err(Trouble::Silent(_) | Trouble::Other(_))) if answers(Tls::No) => {
            Err(Trouble::NoTls("it answers without TLS".to_owned()))
        }
        _ => answer,
    }
}

fn ping_as(place: &Place, password: Option<&str>, limit: Duration) -> Result<Pong, Trouble> {
    let mut words = password.map(|password| command(&["AUTH", password])).unwrap_or_default();
    words.push_str(&command(&["PING"]));
    let is_whole = if password.is_some() { two_lines } else { one_line };
    let answer = net::ask(place, words.as_bytes(), limit, is_whole)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    // What it says of a password that it was given and does not need is no trouble.
    let last = text.lines().last().unwrap_or_default().trim();
    Ok(match last {
        "+PONG" => Pong::Yes,
        _ if is_password_wanted(&text) => Pong::Password,
        "" => Pong::Says("nothing, and closed the connection".to_owned()),
        _ => Pong::Says(last.trim_start_matches(['-', '+']).chars().take(80).collect()),
    })
}

/// What a sentinel says of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Master {
    At(Place),
    /// It knows no such service.
    Unknown,
    /// It wants a password, or another one.
    Password,
    /// It speaks TLS, and was asked without.
    SpeaksTls,
}

/// The master of a service, as a sentinel knows it.
///
/// # Errors
/// Why there is no answer.
pub fn master(sentinel: &Place, password: Option<&str>, service: &str, limit: Duration) -> Result<Master, Trouble> {
    match master_as(sentinel, password, service, limit) {
        Err(Trouble::Other(_)) if ping(sentinel, None, limit) == Ok(Pong::SpeaksTls) => Ok(Master::SpeaksTls),
        answer => answer,
    }
}

fn master_as(sentinel: &Place, password: Option<&str>, service: &str, limit: Duration) -> Result<Master, Trouble> {
    let mut words = password.map(|password| command(&["AUTH", password])).unwrap_or_default();
    words.push_str(&command(&["SENTINEL", "get-master-addr-by-name", service]));
    let is_whole = if password.is_some() { is_whole_pair_behind_a_line } else { is_whole_pair };
    let answer = net::ask(sentinel, words.as_bytes(), limit, is_whole)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let lines: Vec<&str> = text.lines().skip(usize::from(password.is_some())).collect();
    Ok(match lines.as_slice() {
        ["*2", _, host, _, port] => {
            port.parse().map_or(Master::Unknown, |port| Master::At(Place::new(*host, port).over(sentinel.tls)))
        }
        _ if is_password_wanted(&text) => Master::Password,
        ["*-1" | "$-1" | "_"] => Master::Unknown,
        other => {
            let said = other.first().copied().unwrap_or("nothing, and the connection was closed");
            let said: String = said.chars().take(80).collect();
            return Err(Trouble::Other(format!("it answers as no sentinel does: {said}")));
        }
    })
}

fn is_password_wanted(text: &str) -> bool {
    text.contains("NOAUTH") || text.contains("WRONGPASS")
}

fn command(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    std::iter::once(format!("*{}\r\n", words.len())).chain(words).collect()
}

fn lines(answer: &[u8]) -> usize {
    answer.iter().filter(|byte| **byte == b'\n').count()
}

fn one_line(answer: &[u8]) -> bool {
    lines(answer) >= 1
}

fn two_lines(answer: &[u8]) -> bool {
    lines(answer) >= 2
}

/// An array of two words, nothing (`*-1`), or an error.
fn is_whole_pair(answer: &[u8]) -> bool {
    lines(answer) >= if answer.starts_with(b"*2") { 5 } else { 1 }
}

fn is_whole_pair_behind_a_line(answer: &[u8]) -> bool {
    answer.iter().position(|byte| *byte == b'\n').is_some_and(|end| is_whole_pair(&answer[end + 1..]))
}
