//! PostgreSQL's own programs (`pg_dump`, `pg_restore`, `psql`): finds one that is new enough for the server, and tells
//! it where to connect without showing a password.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fail::{Fail, Kind};
use crate::model::action::{own, program};
use crate::model::url::{SslMode, Target};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// A program of PostgreSQL's, and its major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Where it is.
    pub path: PathBuf,
    /// 15 for 15.18.
    pub major: u32,
}

/// A program of at least the server's major version: the newest-enough one found first in `extra`, on `PATH`, where
/// `pg_config` says, and in the usual places. An older `pg_dump` refuses a newer server.
///
/// # Errors
/// `tool-missing`, naming what was found and is too old.
pub fn client_tool(ui: &Ui, name: &str, major: u32, extra: &[PathBuf]) -> Result<PathBuf> {
    Ok(first_and_others(ui, name, major, extra)?.0.path)
}

/// All programs that [`client_tool`] would take, best first: the first may be somebody's wrapper that does not do what is
/// asked. The others are looked for when they are asked for.
///
/// # Errors
/// As there.
pub fn client_tools(ui: &Ui, name: &str, major: u32, extra: &[PathBuf]) -> Result<impl Iterator<Item = Tool>> {
    let (first, others) = first_and_others(ui, name, major, extra)?;
    Ok(std::iter::once(first).chain(others))
}

fn first_and_others(ui: &Ui, name: &str, major: u32, extra: &[PathBuf]) -> Result<(Tool, impl Iterator<Item = Tool>)> {
    let mut too_old = Vec::new();
    let mut found = candidates(ui, name, extra).filter_map(move |path| Some(Tool { major: version(ui, &path)?, path }));
    loop {
        match found.next() {
            Some(tool) if tool.major >= major => return Ok((tool, found.filter(move |tool| tool.major >= major))),
            Some(tool) => too_old.push(format!("{} is version {}", tool.path.display(), tool.major)),
            None => return Err(missing(name, major, &too_old).into()),
        }
    }
}

fn missing(name: &str, major: u32, too_old: &[String]) -> Fail {
    let fail = Fail::new(Kind::ToolMissing, format!("No {name} that is new enough"))
        .details(format!("The server is PostgreSQL {major}; {name} must be {major} or newer"));
    let fail = too_old.iter().fold(fail, |fail, found| fail.details(found));
    fail.run(
        "Install it, on Debian and Ubuntu",
        program(["apt-get", "install"]).word(format!("postgresql-client-{major}")),
    )
    .run("On macOS", program(["brew", "install"]).word(format!("postgresql@{major}")))
    .action("Or put its folder on PATH")
    .related(own("doctor"))
}

/// Where such a program is, best first and each file once. Asking `pg_config` is put off until its answer is wanted.
fn candidates(ui: &Ui, name: &str, extra: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let elsewhere = || {
        let mut dirs = newest_first("/usr/lib/postgresql", "bin");
        dirs.extend(newest_first("/usr/pgsql", "bin"));
        for brew in ["/opt/homebrew/opt", "/usr/local/opt"] {
            let of_brew = newest_first(brew, "bin").into_iter();
            dirs.extend(of_brew.filter(|dir| dir.to_string_lossy().contains("postgresql")));
            dirs.push(Path::new(brew).join("libpq/bin"));
        }
        dirs
    };
    let by_config = std::iter::once_with(move || by_pg_config(ui)).flatten();
    let dirs = by_config.chain(std::iter::once_with(elsewhere).flatten());
    let on_path = std::iter::once_with(move || which::which_all(name).into_iter().flatten()).flatten();
    let paths = extra.iter().map(move |dir| dir.join(name)).chain(on_path).chain(dirs.map(move |dir| dir.join(name)));
    let mut seen = Vec::new();
    paths.filter(|path| path.is_file()).filter(move |path| {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let is_new = !seen.contains(&real);
        seen.push(real);
        is_new
    })
}

fn by_pg_config(ui: &Ui) -> Option<PathBuf> {
    let done = Cmd::new(which::which("pg_config").ok()?, "/").arg("--bindir").capture(ui).ok()?;
    done.status.success().then(|| PathBuf::from(done.stdout.trim()))
}

/// `parent/*/tail`, the highest number first.
fn newest_first(parent: &str, tail: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let number = |path: &PathBuf| path.to_string_lossy().chars().filter(char::is_ascii_digit).collect::<String>();
    dirs.sort_by_key(|path| std::cmp::Reverse(number(path).parse::<u64>().unwrap_or_default()));
    dirs.into_iter().map(|dir| dir.join(tail)).collect()
}

/// The major version in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(ui: &Ui, path: &Path) -> Option<u32> {
    let done = Cmd::new(path, "/").arg("--version").capture(ui).ok()?;
    parse_version(&done.stdout).filter(|_| done.status.success())
}

fn parse_version(text: &str) -> Option<u32> {
    let number = text.split(") ").nth(1)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A database's name as an argument of libpq's programs. They read a bare name that holds `=` (or begins like a URL) as
/// connection settings: `dbname=other` leads to another database. In quotes it is a name, whatever it holds.
pub fn database_argument(name: &str) -> String {
    format!("--dbname=dbname='{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Makes a libpq program connect where `target` leads, all by environment: nothing of the person's own `PG*` variables
/// leads it elsewhere, the password is in no argument, and a name cannot be read as anything else.
pub fn for_libpq(mut cmd: Cmd, target: &Target) -> Cmd {
    for name in ["PGSERVICE", "PGHOSTADDR", "PGOPTIONS", "PGREQUIRESSL", "PGTARGETSESSIONATTRS", "PGSSLCRL"] {
        cmd = cmd.env_remove(name);
    }
    let list = |each: &dyn Fn(usize) -> String| (0..target.endpoints.len()).map(each).collect::<Vec<_>>().join(",");
    let host = list(&|at| target.endpoints[at].address.to_string());
    cmd = cmd
        .env("PGHOST", host)
        .env("PGPORT", list(&|at| target.endpoints[at].port.to_string()))
        .env("PGUSER", &target.user)
        .env("PGDATABASE", &target.database)
        .env("PGSSLMODE", mode(target.ssl.mode));
    let files =
        [("PGSSLROOTCERT", &target.ssl.root_cert), ("PGSSLCERT", &target.ssl.cert), ("PGSSLKEY", &target.ssl.key)];
    for (name, value) in files {
        cmd = match value {
            Some(value) => cmd.env(name, value),
            None => cmd.env_remove(name),
        };
    }
    match target.single_password() {
        Some(password) => cmd.secret_env("PGPASSWORD", password.expose()),
        // Several hosts with a password each: libpq finds them in the password file as we did.
        None => cmd.env_remove("PGPASSWORD"),
    }
}

/// The same for a program that may be a wrapper which passes no environment on (`docker exec`): who and which database are
/// arguments too. Where it connects then is where its container's own server is; that it is the same one is for the
/// caller to find out.
pub fn for_wrapper(cmd: Cmd, target: &Target) -> Cmd {
    let cmd = cmd.arg(format!("--username={}", target.user)).arg(database_argument(&target.database));
    for_libpq(cmd, target)
}

fn mode(mode: SslMode) -> &'static str {
    match mode {
        SslMode::Disable => "disable",
        SslMode::Allow => "allow",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    }
}

#[cfg(test)]
mod tests {
    use super::{database_argument, for_libpq, parse_version};
    use crate::model::url::DbUrl;
    use crate::sys::run::Cmd;
    use crate::ui::{Options, Ui};

    /// As libpq reads `dbname='…'`: a backslash takes the next character as it is, a quote ends the value.
    fn read_by_libpq(argument: &str) -> Option<String> {
        let mut rest = argument.strip_prefix("--dbname=dbname='")?.chars();
        let mut name = String::new();
        loop {
            match rest.next()? {
                '\\' => name.push(rest.next()?),
                '\'' => return rest.as_str().is_empty().then_some(name),
                other => name.push(other),
            }
        }
    }

    /// Two hundred names of databases, roles and passwords that mean something to libpq, a shell or an option's parser: each
    /// is a value, the password in no argument and in nothing that is shown.
    #[test]
    fn hostile_names_stay_values() {
        let parts =
            ["dbname=other", "-", "--host=x", "'", "\\", "\"", " ", "\n", "postgresql://h/d", "$(id)", "`", "%2f", "é"];
        for number in 0..200 {
            let (one, two) = (parts[number % parts.len()], parts[(number * 5 + 3) % parts.len()]);
            let [database, user, password] = ["d", "u", "geheim"].map(|word| format!("{one}{word}{number}{two}"));
            assert_eq!(read_by_libpq(&database_argument(&database)).as_ref(), Some(&database));
            let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let url = format!("postgresql://{}:{}@/x?host=/tmp", encoded(&user), encoded(&password));
            let url = DbUrl::parse(&url).unwrap().with_database(&database);
            // What a program is really given.
            let program = for_libpq(Cmd::new("/usr/bin/env", "/").arg("-0"), url.target());
            let given = program.capture(&Ui::new(Options::default())).unwrap().stdout;
            let value = |key: &str| given.split('\0').find_map(|it| it.strip_prefix(key)?.strip_prefix('='));
            assert_eq!((value("PGDATABASE"), value("PGUSER")), (Some(database.as_str()), Some(user.as_str())));
            assert_eq!(value("PGPASSWORD"), Some(password.as_str()));
            assert!(!for_libpq(Cmd::new("pg_dump", "/"), url.target()).line().contains("geheim"));
        }
    }

    #[test]
    fn a_name_is_a_name() {
        assert_eq!(database_argument("app"), "--dbname=dbname='app'");
        assert_eq!(database_argument(r"dbname=o'ther \ host=x"), r"--dbname=dbname='dbname=o\'ther \\ host=x'");
    }

    #[test]
    fn versions() {
        for (text, expected) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("pg_dump (PostgreSQL) 18beta1\n", Some(18)),
            ("psql (PostgreSQL) 9.6.24\n", Some(9)),
            ("", None),
        ] {
            assert_eq!(parse_version(text), expected, "{text}");
        }
    }
}
