//! What the tool prints for people to paste: every command of its own that any run in the suite prints goes through the
//! real parser.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use xtask::fail::Fail;
use xtask::flags;
use xtask::model::action::Around;

use super::python::python;
use super::xtask::Xtask;

/// The actions of an error as they are printed where nothing was typed.
pub fn actions(fail: &Fail) -> Vec<String> {
    fail.shown_actions(&Around::default())
}

/// Asserts that the parser takes every command of ours that stands in a text.
#[track_caller]
pub fn parse_all(text: &str) {
    for command in own_commands(text) {
        let words = shell_words(&command).unwrap_or_else(|| panic!("no shell takes `{command}`, printed in:\n{text}"));
        let words = words.into_iter().skip(2).map(OsString::from).collect();
        if let Err(fail) = flags::parse(words) {
            panic!("`{command}` is refused: {}; printed in:\n{text}", fail.summary);
        }
    }
}

/// The same of what a command answers: text, or JSON, of which every text is looked at.
#[track_caller]
pub fn parse_answer(text: &str) {
    match serde_json::from_str(text) {
        Ok(json) => texts(&json).iter().for_each(|text| parse_all(text)),
        // Help has lines that are forms of commands; tidy reads its examples.
        Err(_) if text.contains("Usage: cargo xtask ") || text.starts_with(".TH ") => {}
        // For a program, which undoes the escapes.
        Err(_) if text.starts_with("<?xml") => {}
        Err(_) => parse_all(text),
    }
}

fn texts(json: &Value) -> Vec<&str> {
    match json {
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    }
}

/// Pastes what only looks into a shell: every word of it has to be known there.
#[track_caller]
pub fn paste_what_looks(folder: &Path, actions: &[String]) {
    const LOOKS: &[&str] = &["cargo xtask db-status", "git status", "git log", "git branch --all", "heads", "history"];
    for action in actions {
        let command = action.rsplit_once(": ").map_or(action.as_str(), |(_, command)| command);
        let is_alembic = command.contains(" -m alembic ") && LOOKS.iter().any(|end| command.ends_with(end));
        if !is_alembic && !LOOKS.iter().any(|start| command.starts_with(start)) {
            continue;
        }
        let line = command.replace("cargo xtask", env!("CARGO_BIN_EXE_xtask"));
        let shell = Xtask::program(Path::new("/bin/sh"), folder, "-c").arg(&line).env("XTASK_PYTHON", python());
        let done = shell.run();
        assert!(![2, 126, 127, 129].contains(&done.code), "`{command}` cannot be pasted:\n{done}");
    }
}

/// The commands of ours in a text: each ends its line, or stands in backticks.
pub fn own_commands(text: &str) -> Vec<String> {
    const START: &str = "cargo xtask ";
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices(START) {
            let rest = &line[at..];
            let end = if line[..at].ends_with('`') { rest.find('`') } else { None };
            found.push(rest[..end.unwrap_or(rest.len())].to_owned());
        }
    }
    found
}

/// The words of a command line as a POSIX shell sees them; `None` where a shell would do more than run one command.
pub fn shell_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => word.push(chars.next()?),
                        '$' | '`' => return None,
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '#' if word.is_none() => break,
            '(' | ')' | ';' | '&' | '|' | '<' | '>' | '$' | '`' | '*' | '?' | '[' => return None,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}
