//! Keeps env.py's answer to the question which database it wants, so that the next command needs no Python. The answer
//! is used as long as the files and variables that env.py read for it are unchanged. No password is kept, only where it
//! came from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::url::DbUrl;
use crate::sys::alembic::{Asking, Wanted};
use crate::sys::files::write_atomic;

/// An answer, and the variables by which env.py was told it.
#[derive(Clone, Debug)]
pub struct Known {
    pub url: DbUrl,
    /// The variables that env.py reads and that hold the URL of the same database.
    pub told_by: Vec<String>,
}

impl Known {
    fn new<'a>(url: DbUrl, variables: impl Iterator<Item = &'a str>) -> Known {
        let same = |name: &&str| value_url(name).is_some_and(|found| leads_to_the_same(&found, &url));
        let told_by = variables.filter(same).map(str::to_owned).collect();
        Known { url, told_by }
    }
}

/// Whether two URLs lead to the same database: driver, user and password aside.
pub fn leads_to_the_same(one: &DbUrl, other: &DbUrl) -> bool {
    let (one, other) = (one.target(), other.target());
    let place = |endpoint: &crate::model::url::Endpoint| match endpoint.is_local() {
        true => format!("local:{}", endpoint.port),
        false => format!("{:?}:{}", endpoint.address, endpoint.port),
    };
    one.database == other.database && one.endpoints.iter().map(place).eq(other.endpoints.iter().map(place))
}

/// What is known of an earlier time, if nothing has changed since. `config` is the URL in the config, which may hold the
/// password.
pub fn remembered(asking: &Asking<'_>, config: Option<&DbUrl>) -> Option<Known> {
    let kept: Value = serde_json::from_str(&fs::read_to_string(file(asking)).ok()?).ok()?;
    let texts = |key: &str| kept[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let variables: BTreeSet<String> = texts("variables").map(str::to_owned).collect();
    let files: Vec<PathBuf> = texts("files").map(PathBuf::from).collect();
    if kept["digest"] != digest(asking, &variables, &files) {
        return None;
    }
    let url = DbUrl::parse(kept["url"].as_str()?).ok()?;
    let password = match kept["password"].as_str() {
        None => None,
        Some("config") => Some(config?.parts().password.clone()?),
        Some(name) => Some(value_url(name)?.parts().password.clone()?),
    };
    let url = password.map_or(Some(url.clone()), |password| url.with_password(password).ok())?;
    Some(Known::new(url, variables.iter().map(String::as_str)))
}

/// Takes an answer, and keeps it if its password can be found again.
///
/// # Errors
/// When the URL is of no known kind, or the state folder cannot be written.
pub fn learn(asking: &Asking<'_>, wanted: &Wanted, url: &str, config: Option<&DbUrl>) -> Result<Known> {
    let url = DbUrl::parse(url)?;
    let variables = || wanted.variables.iter().map(String::as_str);
    let password = url.parts().password.clone();
    let holds_it = |found: &DbUrl| found.parts().password == password;
    let source = match &password {
        None => Some(Value::Null),
        Some(_) if config.is_some_and(holds_it) => Some("config".into()),
        Some(_) => variables().find(|name| value_url(name).as_ref().is_some_and(holds_it)).map(Value::from),
    };
    if let Some(source) = source {
        let kept = json!({
            "digest": digest(asking, &wanted.variables, &wanted.files),
            "variables": wanted.variables,
            "files": wanted.files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
            "url": url.without_password().to_string(),
            "password": source,
        });
        fs::create_dir_all(asking.state_dir).with_context(|| format!("making {}", asking.state_dir.display()))?;
        write_atomic(&file(asking), kept.to_string().as_bytes())?;
    }
    Ok(Known::new(url, variables()))
}

fn value_url(name: &str) -> Option<DbUrl> {
    DbUrl::parse(&std::env::var(name).ok()?).ok()
}

fn file(asking: &Asking<'_>) -> PathBuf {
    let key = format!("{} {:?} {}", asking.config.display(), asking.options, asking.python.display());
    asking.state_dir.join(format!("env-{}.json", &hex(Sha256::digest(key.as_bytes()).as_slice())[..12]))
}

/// Of the files' texts and of the variables' values, without any password.
fn digest(asking: &Asking<'_>, variables: &BTreeSet<String>, files: &[PathBuf]) -> String {
    let mut sha = Sha256::new();
    let mut add = |text: &[u8]| {
        sha.update((text.len() as u64).to_le_bytes());
        sha.update(text);
    };
    for path in files.iter().map(PathBuf::as_path).chain([asking.config, asking.python]) {
        add(path.as_os_str().as_encoded_bytes());
        add(&stamp(path));
    }
    for name in variables {
        add(name.as_bytes());
        add(without_secret(name).as_bytes());
    }
    hex(sha.finalize().as_slice())
}

/// A file's text; of a program, which is large, when it was changed.
fn stamp(path: &Path) -> Vec<u8> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() < 1 << 20 => super::regular::read_regular(path).unwrap_or_default(),
        Ok(metadata) => format!("{:?}", metadata.modified().ok()).into_bytes(),
        Err(_) => Vec::new(),
    }
}

/// What of a variable goes into the digest: a digest of a short password could be guessed.
fn without_secret(name: &str) -> String {
    let secret = ["PASS", "SECRET", "TOKEN", "KEY", "PWD"].iter().any(|word| name.to_uppercase().contains(word));
    match (std::env::var(name), value_url(name)) {
        (Err(_), _) => "unset".to_owned(),
        (Ok(_), Some(url)) => format!("set {}", url.without_password()),
        (Ok(_), None) if secret => "set".to_owned(),
        (Ok(value), None) => format!("set {value}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
