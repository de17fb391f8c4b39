//! What a function changes in a database, without its guards, so that two functions can be compared, whether they use
//! Alembic's operations or SQL.

use crate::model::script_body::{Call, Found, Function, Operation, Subject, Value};
use crate::model::sql::{self, Action, Object, Statement, Verb};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `create column users.email`, `update users`.
    pub what: String,
    /// The line in the script, from 1.
    pub line: usize,
    /// Whether it is about rows and not about structure.
    pub is_rows: bool,
    /// The words of a statement about rows, without what guards it; empty where it does not stand there as SQL.
    words: Vec<String>,
}

/// All changes of a function.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Those that can be read, in the order of the text.
    pub all: Vec<Change>,
    /// Whether there may be more: SQL with holes, names that only show when the script runs.
    pub is_partial: bool,
}

/// What a function changes, in the order of the text.
pub fn changes(function: &Function) -> Changes {
    let mut changes = Changes { all: Vec::new(), is_partial: function.is_cut };
    for found in &function.calls {
        changes.add(found);
    }
    changes
}

/// Whether `one` is known in whole, and `other` does all of it.
pub(super) fn covers(one: &Changes, other: &Changes) -> bool {
    let is_done = |change: &Change| other.all.iter().any(|other| is_same(change, other));
    !one.is_partial && !one.all.is_empty() && one.all.iter().all(is_done)
}

/// Whether there is anything that both do.
pub(super) fn overlap(one: &Changes, other: &Changes) -> bool {
    one.all.iter().any(|change| other.all.iter().any(|other| other.what == change.what))
}

/// Two statements about rows are the same if one has all the words of the other, in their order: what it has beside them
/// are guards.
fn is_same(one: &Change, other: &Change) -> bool {
    let holds = |long: &[String], short: &[String]| {
        let mut rest = long.iter();
        !short.is_empty() && short.iter().all(|word| rest.any(|other| other == word))
    };
    one.what == other.what && (!one.is_rows || holds(&one.words, &other.words) || holds(&other.words, &one.words))
}

impl Changes {
    fn add(&mut self, found: &Found) {
        if let Some(operation) = &found.operation {
            self.operation(operation, found);
        } else if let Some((verb, table)) = by_sqlalchemy(&found.call) {
            self.all.push(Change {
                what: format!("{verb} {table}"),
                line: found.line,
                is_rows: true,
                words: Vec::new(),
            });
        }
        if let Some(text) = &found.sql {
            self.is_partial |= !text.is_whole();
            for part in statements(&text.text) {
                for statement in sql::statements(&part) {
                    self.statement(&statement, &part, found.line);
                }
            }
        }
    }

    fn operation(&mut self, operation: &Operation, found: &Found) {
        if operation.name.ends_with("_comment") || operation.subject == Subject::Sql {
            // An expression instead of a text; what it does is read off its own calls.
            return;
        }
        let is_rows = operation.subject == Subject::Rows;
        self.is_partial |= operation.object().is_none() && !is_rows;
        let verb = match operation.name.split('_').next() {
            Some("add" | "create") => "create",
            Some("bulk") => "insert",
            Some(verb) => verb,
            None => "alter",
        };
        let table = operation.table().unwrap_or("?");
        let object = operation.object().unwrap_or("?");
        let name = match operation.subject {
            Subject::Column => format!("{table}.{object}"),
            _ if is_rows => table.to_owned(),
            _ => object.to_owned(),
        };
        let what = format!("{verb} {} {name}", if is_rows { "" } else { operation.subject.name() }).replace("  ", " ");
        self.all.push(Change { what, line: found.line, is_rows, words: Vec::new() });
    }

    fn statement(&mut self, statement: &Statement, text: &str, line: usize) {
        let mut push = |what: String| {
            let is_rows = matches!(statement.verb, Verb::Insert | Verb::Update | Verb::Delete | Verb::Truncate);
            let words = if is_rows { words(text) } else { Vec::new() };
            self.all.push(Change { what, line, is_rows, words });
        };
        let verb = statement.verb.name();
        match (statement.verb, statement.object) {
            (Verb::Select, _) => {}
            (Verb::Insert | Verb::Update | Verb::Delete | Verb::Truncate, _) => {
                statement.names().for_each(|name| push(format!("{verb} {name}")));
            }
            (Verb::Alter, Object::Table) if !statement.actions.is_empty() => {
                statement.actions.iter().for_each(|action| push(of_action(&statement.name, action)));
            }
            // `ALTER TYPE mood ADD VALUE 'glad'`: of these the words are all there is.
            (Verb::Alter, _) => push(words(text).join(" ")),
            // Of a rule, a policy, statistics no more is read than their words.
            (Verb::Create | Verb::Drop, Object::Other) => push(words(text).join(" ")),
            (Verb::Create | Verb::Drop, object) => {
                statement.names().for_each(|name| push(format!("{verb} {} {name}", object.name())));
            }
            _ => {}
        }
        // A `DO` block, a function call, a `COPY`.
        self.is_partial |= statement.verb == Verb::Other;
    }
}

fn of_action(table: &str, action: &Action) -> String {
    match action.object {
        Object::Column => format!("{} column {table}.{}", action.verb.name(), action.name),
        object => format!("{} {} {}", action.verb.name(), object.name(), action.name),
    }
}

/// `sa.update(users)`, `users.insert()`: the verb and the table, as far as it has a name.
fn by_sqlalchemy(call: &Call) -> Option<(&'static str, String)> {
    let verb = ["insert", "update", "delete"].into_iter().find(|verb| *verb == call.last())?;
    let table = call.args.first().or(call.receiver.as_ref())?;
    let name = match table {
        Value::Name(name) => name.clone(),
        Value::Call(made) => made.args.first().and_then(Value::str)?.to_owned(),
        _ => return None,
    };
    Some((verb, name))
}

/// The statements of a text as texts. A semicolon in a string only cuts that statement short.
fn statements(text: &str) -> Vec<String> {
    // What stands between `$$` is one text for the reader of tokens.
    if text.contains("$$") { vec![text.to_owned()] } else { text.split(';').map(str::to_owned).collect() }
}

/// The words of a statement, without comments, whatever its case and layout, and without what guards it.
fn words(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let plain = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let plain = plain.split(" on conflict").next().unwrap_or_default();
    let plain = ["if not exists", "if exists", "or replace"]
        .iter()
        .fold(plain.to_owned(), |text, guard| text.replace(guard, " "));
    let is_mark = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';' | '"');
    plain.split(is_mark).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
