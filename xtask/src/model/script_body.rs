//! What a migration script does, read off its text: every call in `upgrade()` and `downgrade()` and in the helpers of the
//! same file that they call, with the arguments that stand there, and the SQL that is handed over as text.
//!
//! Python is not run. A value that is only known when the script runs is [`Value::Unknown`], a string that is only partly
//! known has holes ([`Text`]); a reader has to take either for "could be anything".

mod compare;
mod dialect;
mod dropped;
mod follow;
mod heavy;
mod made;
mod operation;
mod scope;
mod value;

use std::path::Path;

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Expr, ModModule, Stmt, StmtFunctionDef};
use ruff_python_parser::Parsed;
use ruff_text_size::Ranged;

use crate::model::revision::{self, Unreadable};
use crate::model::sql::{self, Statement};

pub use compare::difference;
pub use dropped::{Dropped, Fate, dropped};
pub use heavy::{Heavy, heavy};
pub use made::{Made, made};
pub use operation::{Operation, Subject};
pub use value::{Call, Text, Value};

use follow::Walk;
use scope::Scope;

/// A migration script, as far as its work is concerned.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub upgrade: Option<Function>,
    pub downgrade: Option<Function>,
    /// Every import, wherever it stands.
    pub imports: Vec<Import>,
    /// The names of the functions that the file defines at its top level.
    pub functions: Vec<String>,
}

/// One of the two functions, with what it reaches in the same file.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// The line of `def`, from 1.
    pub line: usize,
    /// What kind of body it has.
    pub kind: Kind,
    /// The calls, in the order of the text; those of a helper stand where it is called.
    pub calls: Vec<Found>,
    /// Whether a docstring or a comment in it says something, in words.
    pub is_explained: bool,
    /// Whether something was left out: a helper that calls itself, or more calls than anybody writes.
    pub is_cut: bool,
    /// Whether a part of it is for other kinds of database; that part is not among the calls.
    pub is_partly_foreign: bool,
}

/// What kind of body a function has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nothing happens: `pass`, `...`, a docstring, `return`.
    #[default]
    Empty,
    /// It raises an exception before anything else: it is declared not to work.
    Raises,
    /// It does something.
    Works,
}

/// A call and where it happens.
#[derive(Clone, Debug)]
pub struct Found {
    pub call: Call,
    /// Its line, from 1.
    pub line: usize,
    /// Where it stands in the text, in bytes.
    pub range: std::ops::Range<usize>,
    /// Under a `for` or `while`, or in a comprehension.
    pub in_loop: bool,
    /// Under an `if`, `try` or `match`: it may not happen.
    pub is_conditional: bool,
    /// Inside `with op.get_context().autocommit_block()`.
    pub in_autocommit: bool,
    /// On a connection of its own that is in no transaction: `with ….execution_options(isolation_level="AUTOCOMMIT") as own`.
    pub on_own_connection: bool,
    /// The operation, if it is one of Alembic's.
    pub operation: Option<Operation>,
    /// The SQL that it executes, if that is a text.
    pub sql: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The module, dots of a relative import in front.
    pub module: String,
    /// What is taken out of it; empty for `import module`.
    pub names: Vec<String>,
    /// The line, from 1.
    pub line: usize,
}

impl Function {
    /// The operations, in the order of the text.
    pub fn operations(&self) -> impl Iterator<Item = (&Operation, &Found)> {
        self.calls.iter().filter_map(|found| Some((found.operation.as_ref()?, found)))
    }

    /// The SQL statements in texts, in their order.
    pub fn statements(&self) -> impl Iterator<Item = (Statement, &Found)> {
        let texts = self.calls.iter().filter_map(|found| Some((found.sql.as_ref()?, found)));
        texts.flat_map(|(text, found)| sql::statements(&text.text).into_iter().map(move |statement| (statement, found)))
    }
}

/// Reads a script.
///
/// # Errors
/// A syntax error anywhere in it, or nesting beyond what Python itself takes.
pub fn read(path: &Path, text: &str) -> Result<Body, Unreadable> {
    let parsed = revision::parse(path, text)?;
    Ok(Reader::new(text, &parsed).body())
}

/// The calls that a file makes when it is run, in their order: env.py.
///
/// # Errors
/// As [`read`].
pub fn run(path: &Path, text: &str) -> Result<Vec<Found>, Unreadable> {
    let parsed = revision::parse(path, text)?;
    let reader = Reader::new(text, &parsed);
    let scope = Scope::of_module(reader.module);
    let mut walk = Walk::new(&scope, &reader.lines);
    walk.statements(reader.module);
    Ok(walk.found)
}

struct Reader<'a> {
    text: &'a str,
    parsed: &'a Parsed<ModModule>,
    module: &'a [Stmt],
    lines: Lines,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, parsed: &'a Parsed<ModModule>) -> Reader<'a> {
        Reader { text, parsed, module: &parsed.syntax().body, lines: Lines::new(text) }
    }

    fn body(&self) -> Body {
        let scope = Scope::of_module(self.module);
        Body {
            upgrade: self.function("upgrade", &scope),
            downgrade: self.function("downgrade", &scope),
            imports: self.imports(),
            functions: scope.functions.keys().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn function(&self, name: &str, scope: &Scope<'a>) -> Option<Function> {
        let definition = *scope.functions.get(name)?;
        let mut walk = Walk::new(scope, &self.lines);
        walk.function(definition);
        Some(Function {
            line: self.lines.of(definition.name.start().to_usize()),
            kind: kind(&definition.body),
            calls: walk.found,
            is_explained: self.is_explained(definition),
            is_cut: walk.is_cut,
            is_partly_foreign: walk.is_partly_foreign,
        })
    }

    /// A sentence of at least three words; what Alembic's template writes, and code that was switched off, are none.
    fn is_explained(&self, function: &StmtFunctionDef) -> bool {
        let says = |text: &str| {
            let text = text.trim_matches(['#', '"', '\'', ' ', '\n']);
            let is_code =
                text.contains("op.") || text.contains("please adjust!") || text.ends_with("Alembic commands ###");
            !is_code && text.split_whitespace().count() >= 3
        };
        let docstring = match function.body.first() {
            Some(Stmt::Expr(stmt)) if stmt.value.is_string_literal_expr() => Some(stmt.value.range()),
            _ => None,
        };
        let comments = self.parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Comment);
        // A comment behind the last statement is behind the function for the parser.
        let end = function.end().to_usize();
        let end = end + self.text[end..].find('\n').unwrap_or(self.text.len() - end);
        let inside = comments
            .map(Ranged::range)
            .filter(|range| range.start() >= function.start() && range.end().to_usize() <= end);
        inside.chain(docstring).any(|range| says(&self.text[range.to_std_range()]))
    }

    fn imports(&self) -> Vec<Import> {
        let mut imports = follow::Imports { lines: &self.lines, found: Vec::new() };
        for stmt in self.module {
            ruff_python_ast::visitor::Visitor::visit_stmt(&mut imports, stmt);
        }
        imports.found
    }
}

fn kind(body: &[Stmt]) -> Kind {
    let idle = |stmt: &&Stmt| match stmt {
        Stmt::Pass(_) => true,
        Stmt::Return(stmt) => stmt.value.as_deref().is_none_or(Expr::is_none_literal_expr),
        Stmt::Expr(stmt) => matches!(&*stmt.value, Expr::StringLiteral(_) | Expr::EllipsisLiteral(_)),
        _ => false,
    };
    match body.iter().find(|stmt| !idle(stmt)) {
        None => Kind::Empty,
        Some(Stmt::Raise(_)) => Kind::Raises,
        Some(_) => Kind::Works,
    }
}

/// Where lines begin, so that an offset's line need not be counted each time.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        let bytes = text.as_bytes();
        let ends = |&at: &usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        Lines((0..bytes.len()).filter(ends).map(|at| at + 1).collect())
    }

    fn of(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|&start| start <= offset)
    }
}

#[cfg(test)]
mod tests;
