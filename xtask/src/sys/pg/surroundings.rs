//! Gathers what else decides where a URL leads on this machine: the environment, the password file, the user.
//! `model/url` judges it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::url::{DbUrl, Secret, Surroundings};

/// The URL with what it leaves out filled as its driver would fill it here and now.
///
/// # Errors
/// `config-invalid` when a variable such as `PGPORT` holds what no driver takes.
pub fn complete(url: &DbUrl) -> Result<DbUrl> {
    if url.is_complete() {
        return Ok(url.clone());
    }
    url.complete(gather()).map_err(|error| {
        Fail::new(Kind::ConfigInvalid, "The PG* environment variables cannot be used")
            .details(error.to_string())
            .action("Correct or unset the variable")
            .related(own("doctor"))
            .into()
    })
}

fn gather() -> Surroundings {
    let looked_at = ["HOME", "LOGNAME", "USER", "LNAME", "USERNAME"];
    let vars: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(key, _)| key.starts_with("PG") || looked_at.contains(&key.as_str()))
        .collect();
    let pgpass = password_file(&vars).and_then(|path| readable_by_us_alone(&path));
    Surroundings { pgpass, os_user: os_user(), vars }
}

fn password_file(vars: &BTreeMap<String, String>) -> Option<PathBuf> {
    let named = vars.get("PGPASSFILE").filter(|path| !path.is_empty());
    named.map(PathBuf::from).or_else(|| Some(Path::new(vars.get("HOME")?).join(".pgpass")))
}

/// libpq and asyncpg pass over a password file that others may read.
fn readable_by_us_alone(path: &Path) -> Option<Secret> {
    let meta = std::fs::metadata(path).ok()?;
    let private = meta.is_file() && meta.mode() & 0o077 == 0;
    private.then(|| std::fs::read_to_string(path).ok()).flatten().map(Secret::new)
}

/// The name of our user id, or what the environment says where there is no such file (macOS keeps people elsewhere).
fn os_user() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let by_id = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    by_id.or_else(|| std::env::var("USER").ok()).or_else(|| std::env::var("LOGNAME").ok())
}

/// How this process names itself to the server: `xtask db-migrate ann@host 4711`. PostgreSQL keeps 63 bytes, so a long
/// host name is cut and the process id stays.
pub fn application_name(command: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let head = format!("xtask {command} {}@{host}", os_user().unwrap_or_default());
    let tail = format!(" {}", std::process::id());
    let plain: String = head.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(63 - tail.len()).collect();
    plain + &tail
}
