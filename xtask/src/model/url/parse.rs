//! SQLAlchemy's `make_url`, letter by letter: which characters end the user, the password, the host. Its pattern is
//! odd in places (an `@` in the user is taken, one in the password ends it, a stray end is dropped), and a tool that
//! read a URL better than SQLAlchemy would lead to another database than the migrations.

use percent_encoding::percent_decode_str;

use super::{Parts, Secret, UrlError};

pub(super) fn parts(text: &str) -> Result<Parts, UrlError> {
    let text = text.trim();
    let (drivername, rest) = text.split_once("://").ok_or_else(not_a_url)?;
    if drivername.is_empty() || !drivername.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '+') {
        return Err(not_a_url());
    }
    let (user, password, rest) = credentials(rest);
    let (host, rest) = host(rest);
    let (port, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (port, rest) = until(rest, &['/', '?']);
            (Some(port_number(port)?), rest)
        }
        None => (None, rest),
    };
    let (database, rest) = match rest.strip_prefix('/') {
        Some(rest) => {
            let (database, rest) = until(rest, &['?']);
            (Some(database.to_owned()), rest)
        }
        None => (None, rest),
    };
    let query = rest.strip_prefix('?').map(|query| until(query, &['\n']).0).unwrap_or_default();
    Ok(Parts {
        drivername: drivername.to_owned(),
        user: user.map(decoded),
        password: password.map(|text| Secret(decoded(text))),
        host: host.map(str::to_owned),
        port,
        database,
        query: pairs(query),
    })
}

fn not_a_url() -> UrlError {
    UrlError::new("it is no database URL; one looks like `postgresql+asyncpg://user:password@host:5432/database`")
}

/// User and password, if there is an `@` where they would end. A user may hold `@`, a password may not.
fn credentials(text: &str) -> (Option<&str>, Option<&str>, &str) {
    let (first, rest) = until(text, &[':', '/']);
    if let Some(rest) = rest.strip_prefix(':')
        && let Some((password, rest)) = rest.split_once('@')
    {
        return (Some(first), Some(password), rest);
    }
    match first.rfind('@') {
        Some(at) => (Some(&first[..at]), None, &text[at + 1..]),
        None => (None, None, text),
    }
}

/// The host, without the brackets of an IPv6 address.
fn host(text: &str) -> (Option<&str>, &str) {
    let (authority, _) = until(text, &['/', '?']);
    if let Some(inner) = authority.strip_prefix('[')
        && let Some(end) = inner.rfind(']').filter(|end| *end > 0)
    {
        return (Some(&inner[..end]), &text[end + 2..]);
    }
    let (host, rest) = until(text, &['/', ':', '?']);
    (Some(host).filter(|host| !host.is_empty()), rest)
}

/// A colon with nothing behind it is refused by SQLAlchemy too.
fn port_number(text: &str) -> Result<u16, UrlError> {
    text.parse().map_err(|_| {
        UrlError::new("what stands after the host's colon is no port; encode `:`, `/` and `@` in a password")
    })
}

/// Python's `parse_qsl`: pairs without a value are dropped, `+` is a space.
fn pairs(query: &str) -> Vec<(String, Vec<String>)> {
    let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
    let word = |text: &str| decoded(&text.replace('+', " "));
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if value.is_empty() {
            continue;
        }
        let (key, value) = (word(key), word(value));
        match pairs.iter_mut().find(|(name, _)| *name == key) {
            Some((_, values)) => values.push(value),
            None => pairs.push((key, vec![value])),
        }
    }
    pairs
}

fn until<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
