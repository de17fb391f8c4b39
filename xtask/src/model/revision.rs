//! One migration script's text, read as a value: id, parents, dependencies, labels, message, and where in the bytes each
//! of them stands, so that an edit can leave everything else alone.
//!
//! Python is not run, and nothing is guessed. What the text does not show (a call, an `if`, an imported name) is
//! reported: the file is [`Unreadable`] where that is the id or the parents, the value is [`Unread`] where that is
//! labels or dependencies, without which most questions can be answered. Where there is a Python, its answer can be
//! filled in ([`Told`]).

mod depth;
mod downgrade;
mod encoding;
mod header;
mod names;
mod told;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ruff_python_ast::{Expr, ModModule, Stmt};
use ruff_python_parser::Parsed;
use ruff_text_size::Ranged;

pub use downgrade::{Downgrade, downgrade};
pub(in crate::model) use encoding::is_utf8;
pub use encoding::{Decoded, declared_encoding, decode};
use names::{Binding, Names, Value};
pub use told::{Told, needs_python};

/// A migration script, as far as the history is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file.
    pub path: PathBuf,
    /// The revision id.
    pub id: String,
    /// The parents (`down_revision`) as written; none for a base, several for a merge point.
    pub down: Vec<String>,
    /// What must be applied before as well (`depends_on`): ids or branch labels, as written.
    pub depends_on: Vec<String>,
    /// The labels that the script itself declares.
    pub branch_labels: Vec<String>,
    /// The message that alembic shows: the docstring's first paragraph, which may have several lines; `""` without one.
    pub message: String,
    /// Labels and dependencies that are there and cannot be read; they are missing above.
    pub unread: Vec<Unread>,
    /// Where the values stand.
    pub spans: Spans,
    /// The line (from 1) on which the id stands.
    pub line: usize,
    /// The line (from 1) on which the value of `down_revision` begins.
    pub down_line: usize,
}

/// Byte ranges of the values in the script's text, a byte order mark included in the count.
///
/// A range covers exactly one expression: a string with all its implicitly joined parts, a tuple with its own
/// parentheses, or, where a name is followed, the name. Redundant parentheses round the value are left out
/// (`("ab12")` gives `"ab12"`), so whatever stands on its own as an expression (a string, `None`, a tuple in
/// parentheses) can be put in the range's place. In a chained assignment (`revision = down_revision = None`) several
/// names share one range: an editor has to look for that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// `revision`; `None` where the id is taken from the file name.
    pub revision: Option<Range<usize>>,
    pub down_revision: Option<Range<usize>>,
    pub depends_on: Option<Range<usize>>,
    pub branch_labels: Option<Range<usize>>,
    /// The docstring, quotes included.
    pub docstring: Option<Range<usize>>,
}

/// A value of the header that only Python can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// `branch_labels` or `depends_on`.
    pub name: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// What is in the way, as a sentence without a full stop.
    pub what: String,
}

/// Why a script cannot be read without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is in the way, as a sentence without a full stop.
    pub what: String,
    /// Whether Python may know more: the value is there, and is no literal.
    pub may_be_told: bool,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.what),
            None => write!(f, "{}: {}", self.path.display(), self.what),
        }
    }
}

impl std::error::Error for Unreadable {}

impl Script {
    /// The message on one line.
    pub fn title(&self) -> String {
        one_line(&self.message)
    }

    /// Whether there are labels that could not be read.
    pub fn has_unread_labels(&self) -> bool {
        self.unread.iter().any(|unread| unread.name == LABELS)
    }
}

const LABELS: &str = "branch_labels";
const DEPENDENCIES: &str = "depends_on";

/// Where a message is cut: nobody reads on.
const TITLE: usize = 300;

/// A message on one line, its words apart by one blank; a very long one is cut.
pub fn one_line(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TITLE) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// Whether alembic takes a file of this name for a migration script: `*.py`, but not `__init__*` and not the lock files
/// that Emacs leaves (`.#*`). Other dot files count.
pub fn is_script_name(name: &str) -> bool {
    name.ends_with(".py") && !name.starts_with("__init__") && !name.starts_with(".#")
}

/// Reads a script.
///
/// # Errors
/// [`Unreadable`] when there is a syntax error down to the last of the four values, when `down_revision` is missing (alembic
/// fails as well), when there is neither a `revision` nor a file name of hexadecimal digits to take it from, and when one
/// of these two is not a literal, or a name bound to a literal, at the top level of the file. A syntax error further down
/// does not matter here; see [`syntax_error`].
pub fn read(path: &Path, text: &str) -> Result<Script, Unreadable> {
    let parsed = header::parse(path, text)?;
    let body = parsed.statements();
    let names = Names::collect(body);
    let reader = Reader { path, text, names: &names };
    let (id, revision) = reader.id()?;
    let (down, down_at) =
        reader.list("down_revision").map_err(|unread| reader.unreadable(Some(unread.line), unread.what, true))?;
    let Some(down_at) = down_at else {
        return Err(reader.unreadable(None, "no `down_revision` at the top level of the file".to_owned(), false));
    };
    let mut unread = Vec::new();
    let mut optional = |name: &'static str| {
        reader.list(name).unwrap_or_else(|trouble| {
            unread.push(trouble);
            (Vec::new(), None)
        })
    };
    let (depends_on, depends_at) = optional(DEPENDENCIES);
    let (branch_labels, labels_at) = optional(LABELS);
    let (message, docstring) = reader.message(body);
    Ok(Script {
        path: path.to_owned(),
        id,
        down,
        depends_on,
        branch_labels,
        message,
        unread,
        line: revision.as_ref().map_or(1, |range| line_of(text, range.start)),
        down_line: line_of(text, down_at.start),
        spans: Spans {
            revision,
            down_revision: Some(down_at),
            depends_on: depends_at,
            branch_labels: labels_at,
            docstring,
        },
    })
}

/// The first syntax error of the whole text, if it has one.
pub fn syntax_error(path: &Path, text: &str) -> Option<Unreadable> {
    header::first_error(path, text)
}

/// The whole text as a syntax tree, for what has more to read in it than the header.
///
/// # Errors
/// A syntax error, or nesting beyond measure.
pub(in crate::model) fn parse(path: &Path, text: &str) -> Result<Parsed<ModModule>, Unreadable> {
    header::parse_whole(path, text)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    names: &'a Names<'a>,
}

impl Reader<'_> {
    fn id(&self) -> Result<(String, Option<Range<usize>>), Unreadable> {
        let Some(binding) = self.names.get("revision") else {
            return match legacy_id(self.path) {
                Some(id) => Ok((id, None)),
                None => Err(self.unreadable(None, "no `revision` at the top level of the file".to_owned(), false)),
            };
        };
        match &binding.value {
            Value::Str(id) if !id.is_empty() => Ok((id.clone(), Some(binding.range.clone()))),
            Value::Str(_) => Err(self.refused("revision", binding, "is an empty string", false)),
            Value::None => Err(self.refused("revision", binding, "is `None`", false)),
            Value::Seq(_) => Err(self.refused("revision", binding, "is not a string", false)),
            Value::Opaque(why) => Err(self.refused("revision", binding, why, true)),
        }
    }

    /// The strings that one of the header's names is bound to. Alembic takes `None`, an empty sequence, an empty
    /// string and a missing name for the same thing, and `(None,)` too.
    fn list(&self, name: &'static str) -> Result<(Vec<String>, Option<Range<usize>>), Unread> {
        let Some(binding) = self.names.get(name) else { return Ok((Vec::new(), None)) };
        let list = match &binding.value {
            // Of a label that is empty Alembic makes a label.
            Value::Str(one) if one.is_empty() && name != LABELS => Vec::new(),
            Value::Str(one) => vec![one.clone()],
            Value::None => Vec::new(),
            Value::Seq(items) if items.as_slice() == [None] => Vec::new(),
            Value::Seq(items) => match items.iter().cloned().collect() {
                Some(strings) => strings,
                None => return Err(self.unread(name, binding, "holds `None` beside other values")),
            },
            Value::Opaque(why) => return Err(self.unread(name, binding, why)),
        };
        Ok((list, Some(binding.range.clone())))
    }

    /// The message, and where the docstring stands. `__doc__` may be set like any other name.
    fn message(&self, body: &[Stmt]) -> (String, Option<Range<usize>>) {
        let docstring = docstring(body);
        let text = match self.names.get("__doc__").map(|binding| &binding.value) {
            Some(Value::Str(text)) => text.trim().split("\n\n").next().map(str::to_owned),
            Some(Value::None) => None,
            _ => docstring.as_ref().map(|(text, _)| message(text)),
        };
        (text.unwrap_or_default(), docstring.map(|(_, range)| range))
    }

    fn unread(&self, name: &'static str, binding: &Binding, why: &str) -> Unread {
        Unread { name, line: line_of(self.text, binding.range.start), what: format!("`{name}` {why}") }
    }

    fn refused(&self, name: &'static str, binding: &Binding, why: &str, may_be_told: bool) -> Unreadable {
        let unread = self.unread(name, binding, why);
        self.unreadable(Some(unread.line), unread.what, may_be_told)
    }

    fn unreadable(&self, line: Option<usize>, what: String, may_be_told: bool) -> Unreadable {
        Unreadable { path: self.path.to_owned(), line, what, may_be_told }
    }
}

/// Before alembic 0.2 the id was the file's name, and alembic still takes it from there if it is hexadecimal.
fn legacy_id(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".py")?;
    let hex = |c: char| matches!(c, 'a'..='f' | '0'..='9');
    (!stem.is_empty() && stem.chars().all(hex)).then(|| stem.to_owned())
}

fn docstring(body: &[Stmt]) -> Option<(String, Range<usize>)> {
    let Stmt::Expr(statement) = body.first()? else { return None };
    let Expr::StringLiteral(literal) = &*statement.value else { return None };
    Some((literal.value.to_str().to_owned(), literal.range().to_std_range()))
}

/// What alembic shows of a docstring (`Script.doc`): stripped, up to the first empty line; tabs and margin as Python takes
/// them away from 3.13 on.
fn message(docstring: &str) -> String {
    // Python reads source with universal newlines.
    let text = without_tabs(&docstring.replace("\r\n", "\n").replace('\r', "\n"));
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let filled = text.lines().skip(1).filter(|line| !line.trim().is_empty());
    let margin = filled.map(indent).min().unwrap_or(0);
    let lines: Vec<&str> = text
        .split('\n')
        .enumerate()
        .map(|(n, line)| if n == 0 { line } else { &line[margin.min(indent(line))..] })
        .collect();
    let clean = lines.join("\n");
    let clean = clean.trim();
    clean.split("\n\n").next().unwrap_or(clean).to_owned()
}

/// Tabs as blanks up to the next column that eight divides.
fn without_tabs(text: &str) -> String {
    let mut column = 0;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => {
                let width = 8 - column % 8;
                plain.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            _ => {
                plain.push(c);
                column = if c == '\n' { 0 } else { column + 1 };
            }
        }
    }
    plain
}

/// The line (from 1) of a byte offset; `\n`, `\r\n` and a lone `\r` end a line, as in Python.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    let lone = |at: &(usize, &str)| text.as_bytes().get(at.0 + 1) != Some(&b'\n');
    1 + before.matches('\n').count() + before.match_indices('\r').filter(lone).count()
}

#[cfg(test)]
mod tests;
