//! Which part of a script has to be parsed. The values that matter stand in its first lines; below the last line that
//! names one of them nothing can change them. Parsing only that much makes reading a long history several times faster.
//!
//! The cut must not change the answer. So the whole text is parsed after all where the part above the cut does not parse
//! by itself (a cut inside a triple-quoted string, say) or where top-level code below the functions may assign the values.

use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use ruff_python_ast::{ModModule, PySourceType, Stmt};
use ruff_python_parser::{Parsed, parse_unchecked_source};
use ruff_text_size::Ranged;

use super::{Unreadable, depth, line_of};

/// What the values are called. `down_revision` holds `revision`.
const NAMES: [&str; 4] = ["revision", "depends_on", "branch_labels", "__doc__"];

/// The parsed part of a script, free of syntax errors as far as `statements` goes.
pub(super) struct Header {
    parsed: Parsed<ModModule>,
    usable: usize,
}

impl Header {
    /// The top-level statements, up to the first syntax error.
    pub(super) fn statements(&self) -> &[Stmt] {
        &self.parsed.syntax().body[..self.usable]
    }
}

/// Parses as much as is needed.
///
/// # Errors
/// A syntax error above the cut, or an expression that nests beyond measure.
pub(super) fn parse(path: &Path, text: &str) -> Result<Header, Unreadable> {
    if let Some(at) = cut(text) {
        let parsed = python(path, text.get(..at).unwrap_or(text))?;
        if parsed.errors().is_empty() {
            let usable = parsed.syntax().body.len();
            return Ok(Header { parsed, usable });
        }
    }
    whole(path, text)
}

/// The first syntax error in the text.
pub(super) fn first_error(path: &Path, text: &str) -> Option<Unreadable> {
    match python(path, text) {
        Ok(parsed) => error_in(path, text, &parsed).map(|(_, error)| error),
        Err(too_deep) => Some(too_deep),
    }
}

/// The whole text, free of syntax errors.
pub(super) fn parse_whole(path: &Path, text: &str) -> Result<Parsed<ModModule>, Unreadable> {
    let parsed = python(path, text)?;
    match error_in(path, text, &parsed) {
        None if depth::is_indented_too_far(parsed.tokens()) => {
            std::mem::forget(parsed);
            Err(Unreadable {
                path: path.to_owned(),
                line: None,
                what: "too many levels of indentation".to_owned(),
                may_be_told: false,
            })
        }
        None => Ok(parsed),
        Some((_, error)) => Err(error),
    }
}

fn whole(path: &Path, text: &str) -> Result<Header, Unreadable> {
    let parsed = python(path, text)?;
    let body = &parsed.syntax().body;
    let mut usable = body.len();
    if let Some((at, error)) = error_in(path, text, &parsed) {
        let is_definition = |stmt: &&Stmt| matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_));
        let header_end = body.iter().find(is_definition).map_or(text.len(), |stmt| stmt.start().to_usize());
        if at <= header_end {
            return Err(error);
        }
        // Behind an error the parser's view of what is top level is a guess.
        usable = body.iter().take_while(|stmt| stmt.start().to_usize() < at).count();
    }
    Ok(Header { parsed, usable })
}

fn error_in(path: &Path, text: &str, parsed: &Parsed<ModModule>) -> Option<(usize, Unreadable)> {
    let error = parsed.errors().iter().min_by_key(|error| error.location.start())?;
    let at = error.location.start().to_usize();
    let what = format!("syntax error: {}", error.error);
    Some((at, Unreadable { path: path.to_owned(), line: Some(line_of(text, at)), what, may_be_told: false }))
}

pub(super) fn python(path: &Path, text: &str) -> Result<Parsed<ModModule>, Unreadable> {
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    // A level takes a token at least.
    if parsed.tokens().len() > depth::LIMIT && depth::is_exceeded(parsed.tokens()) {
        // Dropping it would be the very recursion that must not happen.
        std::mem::forget(parsed);
        let what = format!("an expression nests more than {} levels deep", depth::LIMIT);
        return Err(Unreadable { path: path.to_owned(), line: None, what, may_be_told: false });
    }
    Ok(parsed)
}

/// Where the text may be cut, if anywhere: behind the last of the names, or above the functions that mention them as well.
fn cut(text: &str) -> Option<usize> {
    let named = behind_names(text);
    match first_definition(&text[..named]) {
        // Without a name there is nothing to read but what is wrong with it.
        None if named == 0 => None,
        None => next_statement(text, named),
        Some(at) => (!has_code(&text[at..])).then_some(at),
    }
}

/// The end of the last of the names in the text; 0 without any.
fn behind_names(text: &str) -> usize {
    // The standard library's search is compiled into this crate, which is built to be built quickly: it took a quarter of a look.
    static FINDERS: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| NAMES.map(Finder::new));
    let mut end = 0;
    for (name, finder) in NAMES.iter().zip(FINDERS.iter()) {
        end += finder.find_iter(&text.as_bytes()[end..]).last().map_or(0, |at| at + name.len());
    }
    end
}

/// The offset of the first line after `from` that begins with a word or a decorator in column 0. Inside brackets, a
/// string or after a backslash such a line is no statement; then the part above it does not parse.
fn next_statement(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    for line in text[from..].split_inclusive('\n') {
        let is_word = |first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '@');
        if at > from && line.starts_with(is_word) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// The offset of the first line that begins a function, a class or a decorator in column 0.
fn first_definition(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if begins_definition(line) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Whether anything but functions, classes, comments and closing brackets stands in column 0. Text in a triple-quoted
/// string looks like code to this; the price is only that the whole file is parsed.
fn has_code(text: &str) -> bool {
    let code = |line: &str| match line.as_bytes().first() {
        None | Some(b' ' | b'\t' | b'\n' | b'#' | b')' | b']' | b'}') => false,
        Some(b'\r') => line != "\r\n",
        Some(_) => !begins_definition(line),
    };
    // A lone carriage return ends a line for Python, but not for `split_inclusive`.
    let lone_return = |line: &str| line.trim_end_matches(['\r', '\n']).contains('\r');
    text.split_inclusive('\n').any(|line| code(line) || lone_return(line))
}

fn begins_definition(line: &str) -> bool {
    let keyword = |word: &str| line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '\t', '\\', '\x0c']));
    match line.as_bytes().first() {
        Some(b'@') => true,
        Some(b'd') => keyword("def"),
        Some(b'c') => keyword("class"),
        Some(b'a') => keyword("async"),
        _ => false,
    }
}
