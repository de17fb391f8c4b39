//! Valkey and Redis: PING, with a password where there is one, and which server a sentinel takes for the master.

use std::time::Duration;

use crate::sys::net::{self, Place, Trouble};

/// How a server answers a PING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pong {
    Yes,
    /// It wants a password, or another one.
    Password,
    /// It said something else: it loads its data, it is no Valkey.
    Says(String),
}

/// Asks.
///
/// # Errors
/// Why there is no answer.
pub fn ping(place: &Place, password: Option<&str>, limit: Duration) -> Result<Pong, Trouble> {
    let mut words = password.map(|password| command(&["AUTH", password])).unwrap_or_default();
    words.push_str(&command(&["PING"]));
    let is_whole = if password.is_some() { two_lines } else { one_line };
    let answer = net::ask(place, words.as_bytes(), limit, is_whole)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    // What it says of a password that it was given and does not need is no trouble.
    let last = text.lines().last().unwrap_or_default().trim();
    Ok(match last {
        "+PONG" => Pong::Yes,
        _ if text.contains("NOAUTH") || text.contains("WRONGPASS") => Pong::Password,
        "" => Pong::Says("nothing, and closed the connection".to_owned()),
        _ => Pong::Says(last.trim_start_matches(['-', '+']).chars().take(80).collect()),
    })
}

/// The master of a service, as a sentinel knows it; `None` where it knows none.
///
/// # Errors
/// Why there is no answer.
pub fn master(sentinel: &Place, service: &str, limit: Duration) -> Result<Option<Place>, Trouble> {
    let words = command(&["SENTINEL", "get-master-addr-by-name", service]);
    let answer = net::ask(sentinel, words.as_bytes(), limit, is_whole_pair)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let place = match lines.as_slice() {
        ["*2", _, host, _, port] => port.parse().ok().map(|port| Place::new(*host, port)),
        _ => None,
    };
    Ok(place)
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
