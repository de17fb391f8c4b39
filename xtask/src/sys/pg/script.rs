//! Runs SQL text from a file over a connection of this tool: statement by statement, and the rows of `COPY … FROM
//! stdin`. It does what psql would do, but refuses psql's own commands (`\!`, `\connect`, backticks in `\set`), through
//! which somebody else's dump could reach this machine or another database.

use std::io::{BufRead, Write};

use anyhow::{Context, Result};

use super::{Db, sql_fail};
use crate::fail::{Fail, Kind};
use crate::model::sql::{is_said_outside, leading_words};
use crate::model::values::{LEFT_OUT, message_without};
use crate::sys::interrupt;

/// A statement that PostgreSQL refused; what comes after it was run all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it begins, from 1.
    pub line: usize,
    pub statement: String,
    pub message: String,
}

impl Db {
    /// Runs the whole text.
    ///
    /// # Errors
    /// `config-invalid` at a command of psql's, `connection-lost`, `interrupted`.
    pub fn run_script(&mut self, input: impl BufRead) -> Result<Vec<Refused>> {
        let mut lines = Lines { input, number: 0 };
        let mut splitter = Splitter::default();
        let (mut refused, mut begin) = (Vec::new(), 1);
        while let Some(line) = lines.next()? {
            interrupt::check()?;
            if is_key(&line) && splitter.is_between() {
                continue;
            }
            for statement in splitter.feed(&line).map_err(|command| of_psql(lines.number, &command))? {
                refused.extend(self.run_statement(&statement, &mut lines, begin)?);
                begin = lines.number;
            }
            if splitter.text.trim_ascii().is_empty() {
                begin = lines.number + 1;
            }
        }
        let rest = splitter.rest();
        if !without_comments(&rest).trim().is_empty() {
            refused.extend(self.run_statement(&rest, &mut lines, begin)?);
        }
        Ok(refused)
    }

    /// Runs one statement, with its rows where it is a `COPY … FROM stdin`.
    fn run_statement(&mut self, text: &str, lines: &mut Lines<impl BufRead>, line: usize) -> Result<Option<Refused>> {
        let statement = without_comments(text).trim().to_owned();
        if reaches_beyond(&statement) {
            return Err(beyond(line, &statement).into());
        }
        let done = if copies_in(&statement) { self.copy(text, lines)? } else { self.client().batch_execute(text) };
        match done {
            Ok(()) => Ok(None),
            Err(error) => match error.as_db_error() {
                Some(said) => Ok(Some(Refused {
                    line,
                    statement,
                    message: message_without(said.code().code(), said.message(), LEFT_OUT),
                })),
                None => Err(sql_fail(&error, "running the dump's statements").into()),
            },
        }
    }

    /// The rows come up to a line `\.`, whether they are taken or not.
    fn copy(&mut self, statement: &str, lines: &mut Lines<impl BufRead>) -> Result<Result<(), postgres::Error>> {
        let mut writer = self.client().copy_in(statement);
        while let Some(line) = lines.next()? {
            if line.trim_ascii_end() == b"\\." {
                break;
            }
            if let Ok(writer) = &mut writer {
                // What is wrong with a row shows at the end.
                let _ = writer.write_all(&line);
            }
        }
        Ok(writer.and_then(|writer| writer.finish()).map(|_| ()))
    }
}

/// Whether a statement changes what the whole server shares, or starts a program there.
fn reaches_beyond(statement: &str) -> bool {
    let words = leading_words(statement).into_iter().next().unwrap_or_default();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["create" | "alter" | "drop", "user", "mapping", ..] => false,
        ["create" | "alter" | "drop", "database" | "role" | "user" | "group" | "tablespace" | "system", ..] => true,
        ["copy", ..] => is_said_outside(statement, "program"),
        _ => false,
    }
}

fn beyond(line: usize, statement: &str) -> Fail {
    Fail::new(Kind::ConfigInvalid, "The dump reaches beyond its database")
        .details(format!("Line {line}: {}", statement.lines().next().unwrap_or_default()))
        .details("What all databases of the server share, and its programs, are not for a dump that is tried")
        .action("Take it without --create, and not by pg_dumpall: pg_dump -Fc -f FILE DATABASE")
}

fn of_psql(line: usize, command: &str) -> anyhow::Error {
    Fail::new(Kind::ConfigInvalid, "The dump holds a command for psql, which is never run")
        .details(format!("Line {line}: {command}"))
        .action("Take it without --create, and not by pg_dumpall: pg_dump -Fc -f FILE DATABASE")
        .into()
}

/// `\restrict KEY` and `\unrestrict KEY`: pg_dump's own guard against such commands.
fn is_key(line: &[u8]) -> bool {
    line.starts_with(b"\\restrict ") || line.starts_with(b"\\unrestrict ")
}

/// How much of a statement may be the head of a `COPY`: a table with all its columns.
const COPY_HEAD: usize = 200_000;

/// Whether rows follow the statement.
fn copies_in(statement: &str) -> bool {
    let head: String = without_comments(statement).chars().take(COPY_HEAD).collect();
    let plain = head.to_ascii_lowercase();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let from_stdin = words.windows(2).any(|pair| pair[0] == "from" && pair[1].trim_end_matches(';') == "stdin");
    words.first() == Some(&"copy") && from_stdin
}

fn without_comments(statement: &str) -> String {
    let lines = statement.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n")
}

struct Lines<R> {
    input: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line with its end.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self.input.read_until(b'\n', &mut line).context("reading the dump")?;
        self.number += 1;
        Ok((read > 0).then_some(line))
    }
}

/// Where in a statement the text is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// `'…'`; whether a backslash escapes (`E'…'`).
    Text(bool),
    /// `"…"`.
    Name,
    /// `$tag$ … $tag$`.
    Dollars(Vec<u8>),
    /// `/* … */`, so deep.
    Comment(usize),
}

/// Cuts a text into statements as psql does.
#[derive(Default)]
struct Splitter {
    text: Vec<u8>,
    inside: Inside,
    parentheses: usize,
    /// How many `BEGIN ATOMIC` and `CASE` are open in the body of a function.
    blocks: usize,
}

impl Splitter {
    /// Between two statements; comments are none.
    fn is_between(&self) -> bool {
        self.inside == Inside::Nothing && without_comments(&String::from_utf8_lossy(&self.text)).trim().is_empty()
    }

    fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.text)).into_owned()
    }

    /// Takes a line; gives the statements that end in it, or the command of psql's that stands in it.
    fn feed(&mut self, line: &[u8]) -> Result<Vec<String>, String> {
        let mut statements = Vec::new();
        let mut at = 0;
        while at < line.len() {
            let length = self.step(&line[at..])?;
            self.text.extend_from_slice(&line[at..at + length]);
            at += length;
            if self.inside == Inside::Nothing && self.parentheses == 0 && self.blocks == 0 && line[at - 1] == b';' {
                statements.push(self.rest());
            }
        }
        Ok(statements)
    }

    /// How much of the text goes on in the same way, and what it is inside of then.
    fn step(&mut self, text: &[u8]) -> Result<usize, String> {
        let starts = |word: &[u8]| text.starts_with(word);
        match &mut self.inside {
            Inside::Text(true) if starts(b"\\") => return Ok(text.len().min(2)),
            Inside::Text(_) if starts(b"'") => self.inside = Inside::Nothing,
            Inside::Name if starts(b"\"") => self.inside = Inside::Nothing,
            Inside::Dollars(tag) if text.starts_with(tag) => {
                let length = tag.len();
                self.inside = Inside::Nothing;
                return Ok(length);
            }
            Inside::Comment(1) if starts(b"*/") => {
                self.inside = Inside::Nothing;
                return Ok(2);
            }
            Inside::Comment(depth) if starts(b"*/") || starts(b"/*") => {
                if starts(b"*/") {
                    *depth -= 1
                } else {
                    *depth += 1
                }
                return Ok(2);
            }
            Inside::Nothing => return self.step_outside(text),
            _ => {}
        }
        Ok(1)
    }

    fn step_outside(&mut self, text: &[u8]) -> Result<usize, String> {
        match text {
            [b'\\', ..] => return Err(String::from_utf8_lossy(text).trim().to_owned()),
            [b'-', b'-', ..] => return Ok(text.len()),
            [b'/', b'*', ..] => {
                self.inside = Inside::Comment(1);
                return Ok(2);
            }
            [b'\'', ..] => self.inside = Inside::Text(self.ends_in_e()),
            [b'"', ..] => self.inside = Inside::Name,
            [b'$', ..] => {
                if let Some(tag) = tag(text).filter(|_| !self.text.last().copied().is_some_and(is_word)) {
                    let length = tag.len();
                    self.inside = Inside::Dollars(tag);
                    return Ok(length);
                }
            }
            [b'(', ..] => self.parentheses += 1,
            [b')', ..] => self.parentheses = self.parentheses.saturating_sub(1),
            [first, ..] if is_word(*first) => {
                let length = text.iter().take_while(|byte| is_word(**byte)).count();
                // `E'…'` is seen at the quote.
                self.word(&text[..length].to_ascii_lowercase());
                return Ok(length);
            }
            _ => {}
        }
        Ok(1)
    }

    /// The body of an SQL function has semicolons of its own.
    fn word(&mut self, word: &[u8]) {
        if self.parentheses > 0 || !matches!(word, b"begin" | b"case" | b"end") || !self.makes_function() {
            return;
        }
        match word {
            b"begin" => self.blocks += 1,
            b"case" if self.blocks > 0 => self.blocks += 1,
            b"end" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
    }

    fn makes_function(&self) -> bool {
        let head = String::from_utf8_lossy(&self.text).to_ascii_lowercase();
        let head = without_comments(&head);
        let words: Vec<&str> = head.split_whitespace().take(4).collect();
        match words.as_slice() {
            ["create", "or", "replace", kind] => matches!(*kind, "function" | "procedure"),
            ["create", kind, ..] => matches!(*kind, "function" | "procedure"),
            _ => false,
        }
    }

    fn ends_in_e(&self) -> bool {
        let mut end = self.text.iter().rev();
        matches!(end.next(), Some(b'e' | b'E')) && !end.next().copied().is_some_and(is_word)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// `$$` or `$name$` at the beginning of a text.
fn tag(text: &[u8]) -> Option<Vec<u8>> {
    let length = text[1..].iter().position(|byte| !is_word(*byte))? + 1;
    let is_tag = text.get(length) == Some(&b'$') && !text[1].is_ascii_digit();
    is_tag.then(|| text[..=length].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_beyond_the_database() {
        for statement in [
            "create database x",
            "DROP /* a */ ROLE r",
            "alter user u set work_mem = '1'",
            "Alter System set x = 1",
            "copy t from program 'touch x'",
            "create tablespace s location '/x'",
        ] {
            assert!(reaches_beyond(statement), "{statement}");
        }
        for statement in [
            "create user mapping for u server s",
            "copy t from stdin",
            "copy public.program (id, program) from stdin",
            "create table role (program int)",
            "",
        ] {
            assert!(!reaches_beyond(statement), "{statement}");
        }
    }

    fn split(text: &str) -> Result<Vec<String>, String> {
        let mut splitter = Splitter::default();
        let mut all = Vec::new();
        for line in text.split_inclusive('\n') {
            all.extend(splitter.feed(line.as_bytes())?);
        }
        let rest = splitter.rest();
        all.extend((!rest.trim().is_empty()).then_some(rest));
        Ok(all.iter().map(|statement| statement.trim().to_owned()).collect())
    }

    #[test]
    fn statements_end_where_psql_ends_them() {
        for (text, expected) in [
            ("select 1; select 2", vec!["select 1;", "select 2"]),
            ("select ';' as \"a;b\"; select E'\\';';", vec!["select ';' as \"a;b\";", "select E'\\';';"]),
            ("do $x$ begin; $y$; end $x$; select $1;", vec!["do $x$ begin; $y$; end $x$;", "select $1;"]),
            ("select 1 /* ; /* ; */ ; */; -- ;\nselect 2;", vec!["select 1 /* ; /* ; */ ; */;", "-- ;\nselect 2;"]),
            (
                "create rule r as on insert to t do (select 1; select 2); x;",
                vec!["create rule r as on insert to t do (select 1; select 2);", "x;"],
            ),
            (
                "create function f() returns int begin atomic select case 1 when 1 then 2 end; select 3; end; x;",
                vec![
                    "create function f() returns int begin atomic select case 1 when 1 then 2 end; select 3; end;",
                    "x;",
                ],
            ),
        ] {
            assert_eq!(
                split(text).as_deref(),
                Ok(expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>().as_slice()),
                "{text}"
            );
        }
    }

    #[test]
    fn no_command_of_psql_gets_through() {
        for text in [
            "\\! touch x\n",
            "select 1; \\! touch x\n",
            "select 1 \\gexec\n",
            "select 1 \\g |touch x\n",
            "\\c other\n",
            "\\connect other\n",
            "   \\i /etc/passwd\n",
            "\\set a `touch x`\n",
            "\\copy t from program 'touch x'\n",
            "/* */ \\o |touch x\n",
            "select 'a'\\\\ \\! touch x\n",
            "$$ $$ \\! touch x\n",
        ] {
            assert!(split(text).is_err(), "{text}");
        }
        assert!(split("select '\\! no', $$\\! no$$, \"\\! no\" -- \\! no\n;").is_ok());
    }

    #[test]
    fn what_rows_follow() {
        assert!(copies_in("--\n-- Data\n--\n\nCOPY public.t (a) FROM stdin;"));
        assert!(copies_in("copy t from STDIN with (format csv);"));
        assert!(!copies_in("copy t from '/x';") && !copies_in("copy t to stdout;"));
    }
}
