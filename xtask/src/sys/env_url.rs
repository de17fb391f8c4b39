//! Keeps env.py's answer to the question which database it wants, so that the next command needs no Python. The answer
//! is used as long as the files and variables that env.py read for it are unchanged. No password is kept, only where it
//! can be read again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::url::{DbUrl, Secret};
use crate::sys::alembic::{Asking, Wanted};
use crate::sys::files::write_atomic;
use crate::sys::regular::{read_regular, read_text};

/// What is in the name of a variable that may say where a database is.
const TELLING: [&str; 16] = [
    "DATABASE", "DB", "POSTGRES", "PG", "SQL", "DSN", "URI", "URL", "HOST", "PORT", "USER", "NAME", "PASS", "SECRET",
    "PWD", "ENV",
];
/// Those of our own surroundings, which are others in a hook than in a terminal.
const OURS: [&str; 3] = ["CARGO_", "GIT_", "XTASK_"];

/// From this size on a file is a program, or data.
const LARGE: u64 = 1 << 20;

/// An answer, and the variables by which env.py was told it.
#[derive(Clone, Debug)]
pub struct Known {
    pub url: DbUrl,
    /// The variables that env.py reads and that hold the URL of the same database.
    pub told_by: Vec<String>,
}

impl Known {
    fn new(url: DbUrl, read: &Read) -> Known {
        let same = |name: &&String| value_url(name).is_some_and(|found| leads_to_the_same(&found, &url));
        let told_by = read.variables.iter().filter(same).cloned().collect();
        Known { url, told_by }
    }
}

/// What was read on the way to an answer.
struct Read {
    variables: BTreeSet<String>,
    files: Vec<PathBuf>,
}

impl Read {
    /// Whoever took the whole environment would have taken what is new in it, too.
    fn new(mut variables: BTreeSet<String>, walks: bool, files: Vec<PathBuf>) -> Read {
        if walks {
            variables.retain(|name| !OURS.iter().any(|ours| name.starts_with(ours)));
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            variables.extend(names.filter(|name| is_telling(name)));
        }
        Read { variables, files }
    }

    /// Where a password can be read again: in a variable, or at a place of a file, which holds as long as the digest does.
    fn holder(&self, password: &str) -> Option<Value> {
        // First those that the digest leaves out: they can change while it stays.
        let mut names: Vec<&String> = self.variables.iter().collect();
        names.sort_by_key(|name| !is_secret(name) && value_url(name).is_none());
        let in_variables = names.into_iter().map(|name| json!({"variable": name}));
        let in_files = self.files.iter().filter_map(|path| {
            let text = fs::metadata(path).is_ok_and(|found| found.len() < LARGE).then(|| read_text(path).ok())??;
            Some(json!({"file": path.to_str()?, "at": text.find(password)?, "length": password.len()}))
        });
        in_variables.chain(in_files).find(|place| held_at(place).as_deref() == Some(password))
    }

    /// Of the files' texts and of the variables' values, without any password.
    fn digest(&self, asking: &Asking<'_>) -> String {
        let mut sha = Sha256::new();
        let mut add = |text: &[u8]| {
            sha.update((text.len() as u64).to_le_bytes());
            sha.update(text);
        };
        for path in self.files.iter().map(PathBuf::as_path).chain([asking.config, asking.python]) {
            add(path.as_os_str().as_encoded_bytes());
            add(&stamp(path));
        }
        // One that is not there is as one that was never read.
        for name in self.variables.iter().filter(|name| std::env::var_os(name).is_some()) {
            add(name.as_bytes());
            add(without_secret(name).as_bytes());
        }
        hex(sha.finalize().as_slice())
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
    let files = texts("files").map(PathBuf::from).collect();
    let read = Read::new(texts("variables").map(str::to_owned).collect(), kept["walks"] == true, files);
    if kept["digest"] != read.digest(asking) {
        return None;
    }
    let url = DbUrl::parse(kept["url"].as_str()?).ok()?;
    let password = match &kept["password"] {
        Value::Null => None,
        Value::String(name) if name == "config" => Some(config?.parts().password.clone()?),
        place => Some(Secret::new(held_at(place)?)),
    };
    let url = password.map_or(Some(url.clone()), |password| url.with_password(password).ok())?;
    Some(Known::new(url, &read))
}

/// Takes an answer, and keeps it if its password can be found again.
///
/// # Errors
/// When the URL is of no known kind, or the state folder cannot be written.
pub fn learn(asking: &Asking<'_>, wanted: &Wanted, url: &str, config: Option<&DbUrl>) -> Result<Known> {
    let url = DbUrl::parse(url)?;
    let read = Read::new(wanted.variables.clone(), wanted.walks, wanted.files.clone());
    let password = url.parts().password.clone();
    let source = match &password {
        None => Some(Value::Null),
        Some(_) if config.is_some_and(|config| config.parts().password == password) => Some("config".into()),
        Some(password) => read.holder(password.expose()),
    };
    if let Some(source) = source {
        let kept = json!({
            "digest": read.digest(asking),
            "variables": wanted.variables,
            "walks": wanted.walks,
            "files": wanted.files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
            "url": url.without_password().to_string(),
            "password": source,
        });
        fs::create_dir_all(asking.state_dir).with_context(|| format!("making {}", asking.state_dir.display()))?;
        write_atomic(&file(asking), kept.to_string().as_bytes())?;
    }
    Ok(Known::new(url, &read))
}

/// What stands at a place that [`Read::holder`] has named.
fn held_at(place: &Value) -> Option<String> {
    if let Some(name) = place["variable"].as_str() {
        let password = value_url(name).and_then(|url| Some(url.parts().password.as_ref()?.expose().to_owned()));
        return password.or_else(|| std::env::var(name).ok());
    }
    let [at, length] = ["at", "length"].map(|key| place[key].as_u64().and_then(|number| usize::try_from(number).ok()));
    let at = at?;
    read_text(Path::new(place["file"].as_str()?)).ok()?.get(at..at + length?).map(str::to_owned)
}

/// Whether a variable's value is left out of the digest.
fn is_secret(name: &str) -> bool {
    ["PASS", "SECRET", "TOKEN", "KEY", "PWD"].iter().any(|word| name.to_uppercase().contains(word))
}

fn is_telling(name: &str) -> bool {
    let name = name.to_uppercase();
    TELLING.iter().any(|word| name.contains(word)) && !OURS.iter().any(|ours| name.starts_with(ours))
}

fn value_url(name: &str) -> Option<DbUrl> {
    DbUrl::parse(&std::env::var(name).ok()?).ok()
}

fn file(asking: &Asking<'_>) -> PathBuf {
    let key = format!("{} {:?} {}", asking.config.display(), asking.options, asking.python.display());
    asking.state_dir.join(format!("env-{}.json", &hex(Sha256::digest(key.as_bytes()).as_slice())[..12]))
}

/// A file's text; of a program, which is large, when it was changed.
fn stamp(path: &Path) -> Vec<u8> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() < LARGE => read_regular(path).unwrap_or_default(),
        Ok(metadata) => format!("{:?}", metadata.modified().ok()).into_bytes(),
        Err(_) => Vec::new(),
    }
}

/// What of a variable goes into the digest: a digest of a short password could be guessed.
fn without_secret(name: &str) -> String {
    match (std::env::var(name), value_url(name)) {
        (Err(_), _) => "no text".to_owned(),
        (Ok(_), Some(url)) => format!("set {}", url.without_password()),
        (Ok(_), None) if is_secret(name) => "set".to_owned(),
        (Ok(value), None) => format!("set {value}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
