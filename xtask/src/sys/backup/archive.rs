//! Reads a backup file through `pg_restore`: its table of contents, and every row in it, counted while they are read.
//! Only a small piece is in memory at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::LIMIT;
use crate::model::sql::first_name;
use crate::sys::interrupt;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// The table of contents.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Toc {
    /// The database's name, as far as a line can show it.
    pub database: String,
    /// The tables that it defines, by the number that they had.
    pub tables: BTreeSet<u32>,
    /// The tables whose rows it holds.
    pub rows: BTreeSet<u32>,
}

/// A piece of a backup, in the order of the file.
pub enum Piece<'p> {
    /// The rows of a table, in COPY's text format. Schema and name are as they are, the columns quoted and in a list.
    #[expect(missing_docs, reason = "the sentence above says it")]
    Table { schema: &'p str, name: &'p str, columns: &'p str, rows: &'p mut dyn Read },
    /// Any other line: a comment, a `setval`.
    Line(&'p str),
}

/// The rows of one table in COPY's text format, to be read; they end where the table does. Lines are never put together: a
/// row may be large.
struct Rows<'r> {
    input: &'r mut dyn BufRead,
    /// What was looked at to find the end, and is to be given first.
    looked_at: Vec<u8>,
    begins: bool,
    over: bool,
}

/// How many rows each table has in the file; the keys are schema and name.
pub type Counts = BTreeMap<(String, String), u64>;

/// Reads the table of contents.
///
/// # Errors
/// With what `pg_restore` says.
pub fn toc(ui: &Ui, tool: &Path, path: &Path) -> Result<Toc> {
    let done = Cmd::new(tool, "/").arg("-l").ends_with_us().reads(path).env("LC_ALL", "C").capture(ui)?;
    ensure!(done.status.success(), "{}", done.last_lines());
    Ok(parse_toc(&done.stdout))
}

fn parse_toc(text: &str) -> Toc {
    let mut toc = Toc::default();
    for line in text.lines() {
        if let Some(name) =
            line.trim_start_matches([';', ' ']).strip_prefix("dbname: ").filter(|_| line.starts_with(';'))
        {
            toc.database = name.to_owned();
        }
        // `215; 1259 16386 TABLE public t owner`, `3309; 0 16386 TABLE DATA public t owner`
        let Some((_, entry)) = line.split_once("; ").filter(|_| !line.starts_with(';')) else { continue };
        let mut words = entry.splitn(3, ' ');
        let (_, Some(Ok(oid)), Some(what)) = (words.next(), words.next().map(str::parse), words.next()) else {
            continue;
        };
        if what.starts_with("TABLE DATA ") {
            toc.rows.insert(oid);
        } else if what.starts_with("TABLE ") && !what.starts_with("TABLE ATTACH ") {
            toc.tables.insert(oid);
        }
    }
    toc
}

/// Reads every row and gives how many there are.
///
/// # Errors
/// With what `pg_restore` says; `interrupted`.
pub fn count(ui: &Ui, tool: &Path, path: &Path) -> Result<Counts> {
    let mut counts = Counts::new();
    read(ui, tool, path, &mut |piece| {
        if let Piece::Table { schema, name, rows, .. } = piece {
            let mut counter = Counter(0);
            std::io::copy(rows, &mut counter)?;
            *counts.entry((schema.to_owned(), name.to_owned())).or_insert(0) += counter.0;
        }
        Ok(())
    })?;
    Ok(counts)
}

/// Counts lines.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Hands every piece to `visit`.
///
/// # Errors
/// What `visit` says, else what `pg_restore` says; `interrupted`.
pub fn read(ui: &Ui, tool: &Path, path: &Path, visit: &mut dyn FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
    let cmd = Cmd::new(tool, "/").args(["--data-only", "-f", "-"]).env("LC_ALL", "C").limit(LIMIT);
    let (done, ()) = cmd.ends_with_us().reads(path).stream(ui, |output| scan(output, visit))?;
    ensure!(done.status.success(), "{}", done.last_lines());
    Ok(())
}

fn scan(input: &mut dyn BufRead, visit: &mut dyn FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        interrupt::check()?;
        if input.read_until(b'\n', &mut line).context("reading the backup")? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        if !text.starts_with("COPY ") {
            visit(Piece::Line(text.trim_end_matches('\n')))?;
            continue;
        }
        let mut head = text;
        // A name may hold a line break.
        while !is_whole(&head) {
            line.clear();
            ensure!(input.read_until(b'\n', &mut line)? > 0, "the backup ends in the middle of a line");
            head.push_str(&String::from_utf8_lossy(&line));
        }
        let (schema, name, columns) = parse_copy(&head).with_context(|| format!("not understood: {}", head.trim()))?;
        let mut rows = Rows { input: &mut *input, looked_at: Vec::new(), begins: true, over: false };
        visit(Piece::Table { schema: &schema, name: &name, columns, rows: &mut rows })?;
        std::io::copy(&mut rows, &mut std::io::sink())?;
    }
}

impl Read for Rows<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.begins && self.looked_at.is_empty() && !self.over {
            self.look()?;
        }
        if self.over {
            return Ok(0);
        }
        if !self.looked_at.is_empty() {
            let taken = self.looked_at.len().min(into.len());
            into[..taken].copy_from_slice(&self.looked_at[..taken]);
            self.looked_at.drain(..taken);
            return Ok(taken);
        }
        let buffer = self.input.fill_buf()?;
        if buffer.is_empty() {
            return Err(cut_off());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(buffer.len(), |end| end + 1).min(into.len());
        into[..taken].copy_from_slice(&buffer[..taken]);
        self.begins = buffer[taken - 1] == b'\n';
        self.input.consume(taken);
        Ok(taken)
    }
}

impl Rows<'_> {
    /// Looks at how a line begins: `\.` alone ends the rows, and in the rows a backslash is never followed by a dot.
    fn look(&mut self) -> std::io::Result<()> {
        interrupt::check().map_err(std::io::Error::other)?;
        while self.looked_at.len() < 2 {
            let Some(byte) = self.input.fill_buf()?.first().copied() else { return Err(cut_off()) };
            self.input.consume(1);
            self.looked_at.push(byte);
            if byte == b'\n' {
                return Ok(());
            }
        }
        self.begins = false;
        if self.looked_at == b"\\." {
            self.over = true;
            self.input.read_until(b'\n', &mut Vec::new())?;
        }
        Ok(())
    }
}

fn cut_off() -> std::io::Error {
    std::io::Error::other("the backup ends in the middle of a table")
}

fn is_whole(head: &str) -> bool {
    head.matches('"').count().is_multiple_of(2) && head.trim_end().ends_with("FROM stdin;")
}

/// `COPY public."T" (id, "x y") FROM stdin;`
fn parse_copy(head: &str) -> Option<(String, String, &str)> {
    let rest = head.strip_prefix("COPY ")?.trim_end().strip_suffix("FROM stdin;")?;
    let (schema, rest) = word(rest)?;
    let (name, rest) = word(rest.strip_prefix('.')?)?;
    let columns = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
    Some((schema, name, columns))
}

/// The name that a text begins with, without its quotes, and what comes behind it.
fn word(text: &str) -> Option<(String, &str)> {
    let found = first_name(text, &['.', ' ', ',', '('])?;
    (!found.0.is_empty() || text.starts_with('"')).then_some(found)
}

/// The names in a list, without quotes: `id, "x y"`.
pub fn names(list: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), list.trim());
    while let Some((name, after)) = word(rest) {
        found.push(name);
        rest = after.trim_start_matches([',', ' ']);
    }
    found
}

/// `public."T"` without quotes: schema and name.
pub fn parts(name: &str) -> Option<(String, String)> {
    let (schema, rest) = word(name)?;
    Some((schema, word(rest.strip_prefix('.')?)?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_contents() {
        let text = ";\n; Archive created at 2026\n;     dbname: a b\n;     TOC Entries: 3\n;\n\
            215; 1259 16386 TABLE public t postgres\n3309; 0 16386 TABLE DATA public x; 1 2 TABLE y postgres\n\
            3; 0 0 TABLE ATTACH public p1 postgres\n6; 2615 2200 SCHEMA - public x\n";
        let toc = parse_toc(text);
        assert_eq!(toc.database, "a b");
        assert_eq!((toc.tables.into_iter().collect::<Vec<_>>(), toc.rows.len()), (vec![16386], 1));
    }

    #[test]
    fn rows_are_told_from_the_rest() {
        let text = b"SET x;\nCOPY public.t (id, x) FROM stdin;\n1\ta\\nb\n\n2\t\\\\.\n\\.\n\nCOPY \"S.1\".\"a\n\"\"b FROM stdin;\" (\"i d\") FROM stdin;\n\
            7\n\\.\nSELECT pg_catalog.setval('public.s', 5, true);\n";
        for capacity in [1, 2, 7, 4096] {
            let mut seen = Vec::new();
            scan(&mut std::io::BufReader::with_capacity(capacity, &text[..]), &mut |piece| {
                match piece {
                    Piece::Table { schema, name, columns, rows } => {
                        seen.push(format!("{schema}|{name}|{columns}"));
                        let mut text = String::new();
                        rows.read_to_string(&mut text)?;
                        seen.push(text);
                    }
                    Piece::Line(line) => seen.push(line.to_owned()),
                }
                Ok(())
            })
            .unwrap();
            let expected = [
                "SET x;",
                "public|t|id, x",
                "1\ta\\nb\n\n2\t\\\\.\n",
                "",
                "S.1|a\n\"b FROM stdin;|\"i d\"",
                "7\n",
                "SELECT pg_catalog.setval('public.s', 5, true);",
            ];
            assert_eq!(seen, expected, "{capacity}");
        }
        let half = b"COPY public.t (id) FROM stdin;\n1\n";
        assert!(scan(&mut &half[..], &mut |_| Ok(())).is_err());
    }

    #[test]
    fn names_and_lists() {
        assert_eq!(parts("public.\"a.\"\"b\""), Some(("public".to_owned(), "a.\"b".to_owned())));
        assert_eq!(parts("\"S\".t"), Some(("S".to_owned(), "t".to_owned())));
        assert_eq!(parts("t"), None);
        assert_eq!(names("id, \"x, y\", z"), ["id", "x, y", "z"]);
        assert!(names("").is_empty());
    }
}
