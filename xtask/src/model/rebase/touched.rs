//! Finds what both sides change. The order of two scripts that change the same table, column, type or constraint was
//! open before a rebase; after it the order is fixed, and the database may look different from what either author saw.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::script_body::{Body, Call, Found, Operation, Value};
use crate::model::sql::{Object, Statement, Verb, bare};

/// A script with its place.
pub struct Source {
    pub revision: String,
    /// Its file.
    pub path: PathBuf,
    /// What it does.
    pub body: Body,
}

/// A place where something is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    pub revision: String,
    /// Its file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

/// The same thing, touched on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Both {
    /// `table users`, `type mood`.
    pub what: String,
    /// By a revision that moves.
    pub mine: Touch,
    /// By one that will be below it.
    pub theirs: Touch,
}

/// The pairs, once for each thing and pair of revisions, by the thing's name.
pub fn both(mine: &[Source], theirs: &[Source]) -> Vec<Both> {
    let (mine, theirs) = (touches(mine), touches(theirs));
    let mut pairs = Vec::new();
    for (what, mine) in &mine {
        for (mine, theirs) in
            mine.iter().flat_map(|mine| theirs.get(what).into_iter().flatten().map(move |it| (mine, it)))
        {
            pairs.push(Both { what: what.clone(), mine: mine.clone(), theirs: theirs.clone() });
        }
    }
    pairs
}

/// Where each thing is first touched by each revision.
fn touches(sources: &[Source]) -> BTreeMap<String, Vec<Touch>> {
    let mut found: BTreeMap<String, Vec<Touch>> = BTreeMap::new();
    for source in sources {
        for call in source.body.upgrade.iter().flat_map(|upgrade| &upgrade.calls) {
            for what in things(call) {
                let places = found.entry(what).or_default();
                if places.last().is_none_or(|last| last.revision != source.revision) {
                    let (revision, path) = (source.revision.clone(), source.path.clone());
                    places.push(Touch { revision, path, line: call.line });
                }
            }
        }
    }
    found
}

/// A column, an index, a constraint count as their table: a change of one may well affect the other.
fn things(call: &Found) -> Vec<String> {
    let table = call.operation.as_ref().and_then(Operation::table).map(|table| format!("table {}", bare(table)));
    let statements = call.sql.iter().flat_map(|text| crate::model::sql::statements(&text.text));
    let mut all: Vec<String> = table.into_iter().chain(statements.flat_map(|statement| by_sql(&statement))).collect();
    enums(&call.call, &mut all);
    all
}

/// The types of `sa.Enum("a", "b", name="mood")`, wherever in a call it stands: in a column, or with `.create(bind)` on it.
fn enums(call: &Call, found: &mut Vec<String>) {
    let is_enum = call.last().to_lowercase().ends_with("enum");
    let name = call.get("name").and_then(Value::str).filter(|_| is_enum);
    found.extend(name.map(|name| format!("type {}", bare(name))));
    let named = call.named.iter().map(|(_, value)| value);
    for value in call.args.iter().chain(named).chain(&call.receiver) {
        enums_in(value, found);
    }
}

fn enums_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Call(call) => enums(call, found),
        Value::List(values) => values.iter().for_each(|value| enums_in(value, found)),
        _ => {}
    }
}

fn by_sql(statement: &Statement) -> Vec<String> {
    let named = |kind: &str, name: &str| format!("{kind} {}", bare(name));
    let whole = |name: &&str| !name.is_empty() && !name.contains('{');
    match (statement.verb, statement.object) {
        (Verb::Select | Verb::Other, _) => Vec::new(),
        (Verb::Insert | Verb::Update | Verb::Delete | Verb::Truncate, _) | (_, Object::Table) => {
            statement.names().filter(whole).map(|name| named("table", name)).collect()
        }
        (_, object) => match &statement.on {
            Some(table) => vec![named("table", table)],
            None => statement.names().filter(whole).map(|name| named(object.name(), name)).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::script_body;

    fn source(id: &str, upgrade: &str) -> Source {
        let text = format!("from alembic import op\ndef upgrade():\n    {}\n", upgrade.replace("; ", "\n    "));
        let path = PathBuf::from(format!("{id}.py"));
        Source { revision: id.to_owned(), body: script_body::read(Path::new("x.py"), &text).unwrap(), path }
    }

    fn said(mine: &str, theirs: &str) -> Vec<String> {
        let pairs = both(&[source("a", mine)], &[source("r", theirs)]);
        pairs
            .iter()
            .map(|it| {
                format!("{} {}:{} {}:{}", it.what, it.mine.revision, it.mine.line, it.theirs.revision, it.theirs.line)
            })
            .collect()
    }

    #[test]
    fn the_same_table_by_operation_and_by_sql() {
        let drop = "op.execute('alter table \"users\" drop column name')";
        assert_eq!(said("op.add_column('users', c)", drop), ["table users a:3 r:3"]);
        assert_eq!(said("pass; op.create_index('ix', 'users', ['name'])", drop), ["table users a:4 r:3"]);
        assert_eq!(said("op.execute('update users set a = 1')", "op.drop_table('users')"), ["table users a:3 r:3"]);
        assert!(said("op.add_column('users', c)", "op.add_column('groups', c)").is_empty());
        assert!(said("op.execute('select 1 from users')", drop).is_empty());
    }

    #[test]
    fn the_same_type() {
        let add = "op.execute(\"alter type mood add value 'sad'\")";
        assert_eq!(said(add, add), ["type mood a:3 r:3"]);
        let column = "op.add_column('users', sa.Column('m', sa.Enum('a', 'b', name='mood')))";
        assert_eq!(said(column, add), ["type mood a:3 r:3"]);
        let made = "mood = postgresql.ENUM('a', name='mood', schema='x'); mood.create(op.get_bind())";
        assert_eq!(said(made, add), ["type mood a:3 r:3"]);
        let array = "op.alter_column('t', 'c', type_=sa.ARRAY(sa.Enum(name='mood')))";
        assert_eq!(said(add, array), ["type mood a:3 r:3"]);
        assert!(said("op.add_column('a', sa.Column('mood', sa.Enum(Mood)))", add).is_empty());
    }
}
