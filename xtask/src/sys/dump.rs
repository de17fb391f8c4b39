//! Restores a project's dump file into an empty database, by `pg_restore` or, for SQL text, over a connection of this
//! tool. Everything then belongs to the connected role: owners and grants name roles of another server and are left
//! out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{own, program};
use crate::model::url::DbUrl;
use crate::sys::pg::{Db, Refused, application_name, client_tool, database_argument, for_libpq, sql_fail};
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// A restore takes what it takes; Ctrl-C ends it.
const LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How many lines of a plain dump may come before its head is over.
const HEAD_LINES: usize = 60;

/// A dump that is there and can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// SQL text,
    Plain,
    /// For pg_restore, by what it calls it.
    Archive(&'static str),
}

/// Where to and with what.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// The empty database.
    pub url: &'a DbUrl,
    /// Its server's major version.
    pub major: u32,
    /// More folders to look for the programs in.
    pub tools: &'a [PathBuf],
}

impl Dump {
    /// Looks at the file's first bytes.
    ///
    /// # Errors
    /// `backup-missing` when there is nothing at the path, `config-invalid` when it is no dump that can be restored as it
    /// is.
    pub fn open(path: &Path) -> Result<Dump> {
        if path.is_dir() {
            let whole = path.join("toc.dat").is_file();
            let format = whole.then_some(Format::Archive("directory"));
            let format = format.ok_or_else(|| unusable(path, "A folder without toc.dat is no directory dump"))?;
            return Ok(Dump { path: path.to_owned(), format });
        }
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut head));
        read.map_err(|error| missing(path, &error))?;
        let format = Format::of(&head).map_err(|why| unusable(path, why))?;
        let dump = Dump { path: path.to_owned(), format };
        if format == Format::Plain {
            dump.stays_here()?;
        }
        Ok(dump)
    }

    /// Restores it.
    ///
    /// # Errors
    /// `tool-missing` when the program is older than the dump, else `backup-failed` with what it says; `interrupted`.
    pub fn restore(&self, ui: &Ui, into: &Destination<'_>) -> Result<()> {
        match self.format {
            Format::Plain => self.run_text(ui, into),
            Format::Archive(_) => self.run_pg_restore(ui, into),
        }
    }

    fn run_pg_restore(&self, ui: &Ui, into: &Destination<'_>) -> Result<()> {
        let tool = client_tool(ui, "pg_restore", into.major, into.tools)?;
        let cmd = Cmd::new(&tool, "/").args([
            "--no-password",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            "--no-subscriptions",
        ]);
        let cmd = cmd.arg(database_argument(&into.url.target().database)).arg(&self.path);
        let done = for_restore(cmd, into.url).capture(ui)?;
        if done.status.success() {
            return Ok(());
        }
        if done.stderr.contains("unsupported version") {
            return Err(self.too_old(&tool, &done.last_lines()).into());
        }
        Err(self.failed(ui, into, Some(&tool), &done.last_lines()).into())
    }

    /// What comes after an error is run all the same, and the errors are looked at: those of owners and grants are of no
    /// account.
    fn run_text(&self, ui: &Ui, into: &Destination<'_>) -> Result<()> {
        let mut db = Db::connect(into.url, &application_name("db-roundtrip"))?;
        db.run("set synchronous_commit = off")?.map_err(|error| sql_fail(&error, "preparing to restore"))?;
        let file = File::open(&self.path).map_err(|error| missing(&self.path, &error))?;
        let refused = db.run_script(BufReader::new(file)).map_err(|error| self.named(&error))?;
        let (about_roles, others): (Vec<_>, Vec<_>) =
            refused.iter().partition(|refused| is_about_roles(&refused.statement));
        if others.is_empty() {
            if !about_roles.is_empty() {
                ui.warn(format!("{} statements about owners and grants in the dump were left out", about_roles.len()));
            }
            return Ok(());
        }
        let said = |refused: &&Refused| format!("line {}: {}", refused.line, refused.message);
        let said: Vec<String> = others.iter().take(5).map(said).collect();
        Err(self.failed(ui, into, None, &said.join("\n")).into())
    }

    fn named(&self, error: &anyhow::Error) -> anyhow::Error {
        from_anyhow(error).details(format!("The dump: {}", self.path.display())).into()
    }

    /// Refuses a dump that would leave the throwaway database for another one.
    fn stays_here(&self) -> Result<()> {
        let mut in_copy = false;
        for line in self.lines()? {
            let line = line.with_context(|| format!("reading {}", self.path.display()))?;
            if in_copy {
                in_copy = line.trim_ascii_end() != b"\\.";
                continue;
            }
            let line = String::from_utf8_lossy(&line);
            in_copy = line.starts_with("COPY ") && line.trim_end().ends_with("FROM stdin;");
            let leaves = ["CREATE DATABASE ", "DROP DATABASE ", "ALTER DATABASE "];
            if leaves.iter().any(|start| line.starts_with(start)) {
                let why = format!("It goes to a database of its own: `{}`", line.trim_end());
                let fail = unusable(&self.path, &why);
                return Err(fail.action("Take it by pg_dump without --create, and not by pg_dumpall").into());
            }
        }
        Ok(())
    }

    fn lines(&self) -> Result<impl Iterator<Item = std::io::Result<Vec<u8>>>> {
        let file = File::open(&self.path).map_err(|error| missing(&self.path, &error))?;
        Ok(BufReader::new(file).split(b'\n'))
    }

    fn too_old(&self, tool: &Path, said: &str) -> Fail {
        Fail::new(Kind::ToolMissing, "pg_restore is older than the dump")
            .details(format!("{}: {}", tool.display(), said))
            .details(format!("The dump: {}", self.path.display()))
            .action("Install PostgreSQL's client programs of the version that made the dump, or put them first on PATH")
            .action("Or take the dump as SQL text: pg_dump without -F")
            .related(own("doctor"))
    }

    fn failed(&self, ui: &Ui, into: &Destination<'_>, tool: Option<&Path>, said: &str) -> Fail {
        let fail = Fail::new(Kind::BackupFailed, "The dump cannot be restored")
            .details(self.path.display().to_string())
            .details(said);
        let fail = match self.source_major(ui, tool) {
            Some(major) if major > into.major => fail
                .details(format!("It was taken from PostgreSQL {major}, and this server is {}", into.major))
                .action(format!("Use a server of version {major} or newer")),
            _ => fail,
        };
        let by_hand = match self.format {
            Format::Plain => program(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", "dump_by_hand", "-f"]),
            Format::Archive(_) => program(["pg_restore", "--no-owner", "--exit-on-error", "-d", "dump_by_hand"]),
        };
        fail.run("Restore it by hand to see more, in a database for it", program(["createdb", "dump_by_hand"]))
            .run("and then", by_hand.word(&self.path))
            .action("Or take a new one with pg_dump -Fc")
            .related(own("doctor"))
    }

    /// The major version of the server that the dump was taken from, where it says so.
    fn source_major(&self, ui: &Ui, tool: Option<&Path>) -> Option<u32> {
        let said = |line: &str| {
            let number = line.split("umped from database version").nth(1)?.trim_start_matches([':', ' ']);
            number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        match self.format {
            Format::Plain => {
                self.lines().ok()?.take(HEAD_LINES).flatten().find_map(|line| said(&String::from_utf8_lossy(&line)))
            }
            Format::Archive(_) => {
                let list = Cmd::new(tool?, "/").arg("-l").arg(&self.path).env("LC_ALL", "C").capture(ui).ok()?;
                list.stdout.lines().take(HEAD_LINES).find_map(said)
            }
        }
    }
}

impl Format {
    fn of(head: &[u8]) -> Result<Format, &'static str> {
        match head {
            [] => Err("The file is empty"),
            _ if head.starts_with(b"PGDMP") => Ok(Format::Archive("custom")),
            _ if head.get(257..262) == Some(b"ustar") => Ok(Format::Archive("tar")),
            [0x1f, 0x8b, ..] => Err("It is compressed by gzip: unpack it first (gunzip -k FILE)"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Err("It is compressed by zstd: unpack it first (unzstd FILE)"),
            [0xfd, b'7', b'z', ..] => Err("It is compressed by xz: unpack it first (unxz -k FILE)"),
            _ if head.contains(&0) => {
                Err("It is neither SQL text nor a dump in pg_dump's custom, directory or tar format")
            }
            _ => Ok(Format::Plain),
        }
    }
}

/// English messages, and no waiting for the disk in a database that is thrown away.
fn for_restore(cmd: Cmd, url: &DbUrl) -> Cmd {
    for_libpq(cmd.limit(LIMIT), url.target())
        .env("LC_ALL", "C")
        .env("PGOPTIONS", "-c synchronous_commit=off -c client_min_messages=error")
}

/// The end of a statement that says whose an object is and who may use it; as pg_dump writes them, on a line each.
fn is_about_roles(line: &str) -> bool {
    let starts =
        ["GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES ", "COMMENT ON EXTENSION ", "SET SESSION AUTHORIZATION "];
    starts.iter().any(|start| line.starts_with(start)) || (line.starts_with("ALTER ") && line.contains(" OWNER TO "))
}

fn missing(path: &Path, error: &std::io::Error) -> Fail {
    Fail::new(Kind::BackupMissing, "The dump cannot be read")
        .details(format!("{}: {error}", path.display()))
        .action("Name a dump that is there: --baseline=FILE, or `dump` of the component in Cargo.toml")
        .action("Take one with pg_dump -Fc")
        .related(own("doctor"))
}

fn unusable(path: &Path, why: &str) -> Fail {
    Fail::new(Kind::ConfigInvalid, "This is no dump that can be restored as it is")
        .details(path.display().to_string())
        .details(why)
        .action("Take one in pg_dump's own format: pg_dump -Fc")
        .related(own("doctor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_dumps() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (head, expected) in [
            (&b"PGDMP\x01\x0e"[..], Some(Format::Archive("custom"))),
            (&tar, Some(Format::Archive("tar"))),
            (b"--\n-- PostgreSQL database dump\n", Some(Format::Plain)),
            ("-- für Zwecke\n".as_bytes(), Some(Format::Plain)),
            (b"", None),
            (b"\x1f\x8b\x08", None),
            (b"SQLite format 3\0", None),
        ] {
            assert_eq!(Format::of(head).ok(), expected, "{head:?}");
        }
    }

    #[test]
    fn errors_about_roles_are_told_from_others() {
        for line in [
            "GRANT ALL ON TABLE public.t TO app;",
            "ALTER TABLE public.t OWNER TO app;",
            "ALTER TYPE public.mood OWNER TO app;",
        ] {
            assert!(is_about_roles(line), "{line}");
        }
        for line in ["ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (i);", ");", "", "    GRANT"] {
            assert!(!is_about_roles(line), "{line}");
        }
    }
}
