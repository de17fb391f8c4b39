//! What a revision certainly leaves in a database, by its text. A database that counts it as run and has nothing of
//! that has not run it.

use crate::model::script_body::{Body, Found, Operation, Subject};
use crate::model::sql::{Object, Verb, bare, statements};

/// Something that `upgrade()` makes, under the name that it has when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub table: String,
    /// The column, if it is not the whole table.
    pub column: Option<String>,
}

impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {}.{column}", self.table),
            None => write!(f, "table {}", self.table),
        }
    }
}

/// The tables and columns that `upgrade()` makes whatever happens.
pub fn made(body: &Body) -> Vec<Made> {
    let calls = body.upgrade.iter().flat_map(|upgrade| &upgrade.calls);
    calls.filter(|call| !call.is_conditional && !call.in_loop).flat_map(by_call).collect()
}

/// Whether `upgrade()` may take this away again, or give it another name; also where that cannot be told.
pub fn takes_away(body: &Body, made: &Made) -> bool {
    body.upgrade.iter().flat_map(|upgrade| &upgrade.calls).any(|call| may_take_away(call, made))
}

fn may_take_away(call: &Found, made: &Made) -> bool {
    let is = |name: Option<&str>, wanted: &str| name.is_none_or(|name| bare(name) == wanted);
    let on_its_table = |operation: &Operation| is(operation.table(), &made.table);
    if let Some(operation) = call.operation.as_ref().filter(|operation| operation.subject != Subject::Sql) {
        return match operation.name.as_str() {
            "drop_table" | "rename_table" => on_its_table(operation),
            "drop_column" | "alter_column" => {
                made.column.as_ref().is_some_and(|column| is(operation.object(), column) && on_its_table(operation))
            }
            _ => false,
        };
    }
    call.sql.as_ref().is_some_and(|text| {
        let takes = ["drop", "rename"].iter().any(|word| text.text.to_lowercase().contains(word));
        takes && (!text.is_whole() || text.text.contains(&made.table))
    })
}

fn by_call(call: &Found) -> Vec<Made> {
    if let Some(made) = call.operation.as_ref().and_then(by_operation) {
        return vec![made];
    }
    // Text with a hole in it may mean anything.
    let text = call.sql.as_ref().filter(|text| text.is_whole());
    text.map(|text| by_sql(&text.text)).unwrap_or_default()
}

fn by_operation(operation: &Operation) -> Option<Made> {
    let table = bare(operation.table()?).to_owned();
    match (operation.name.as_str(), operation.subject) {
        ("create_table", _) => Some(Made { table, column: None }),
        ("add_column", Subject::Column) => Some(Made { table, column: Some(bare(operation.object()?).to_owned()) }),
        _ => None,
    }
}

fn by_sql(text: &str) -> Vec<Made> {
    let mut found = Vec::new();
    for statement in statements(text) {
        let table = bare(&statement.name).to_owned();
        match (statement.verb, statement.object) {
            (Verb::Create, Object::Table) if !table.is_empty() => found.push(Made { table, column: None }),
            (Verb::Alter, Object::Table) => {
                let added =
                    statement.actions.iter().filter(|it| it.verb == Verb::Create && it.object == Object::Column);
                found.extend(added.map(|it| Made { table: table.clone(), column: Some(bare(&it.name).to_owned()) }));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::script_body;

    fn says(upgrade: &str) -> String {
        let text = format!("from alembic import op\ndef upgrade():\n    {}\n", upgrade.replace("; ", "\n    "));
        let body = script_body::read(Path::new("x.py"), &text).unwrap();
        made(&body).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn tables_and_columns_by_operation_and_by_sql() {
        assert_eq!(says("op.create_table('users', c); op.add_column('s.groups', sa.Column('name'))"), {
            "table users, column groups.name"
        });
        assert_eq!(says("op.execute('create table if not exists \"t\" (v int)')"), "table t");
        assert_eq!(says("op.execute('alter table t add column c int, drop column d')"), "column t.c");
    }

    #[test]
    fn what_takes_it_away_again() {
        let made = Made { table: "users".to_owned(), column: Some("name".to_owned()) };
        let takes = |upgrade: &str| {
            let text = format!("from alembic import op\ndef upgrade():\n    {}\n", upgrade.replace("; ", "\n    "));
            takes_away(&script_body::read(Path::new("x.py"), &text).unwrap(), &made)
        };
        assert!(takes("op.drop_table('users')") && takes("op.drop_column('users', 'name')"));
        assert!(takes("op.alter_column('users', 'name', new_column_name='title')") && takes("op.drop_table(T)"));
        assert!(
            takes("op.execute('alter table users rename name to title')") && takes("op.execute(f'drop table {x}')")
        );
        assert!(!takes("op.drop_column('users', 'email')") && !takes("op.create_index('ix', 'users', ['name'])"));
        assert!(!takes("op.execute('update users set name = 1')") && !takes("op.drop_table('groups')"));
    }

    #[test]
    fn nothing_that_may_not_happen() {
        assert_eq!(says("if x:;     op.create_table('users')"), "");
        assert_eq!(says("op.create_table(NAME); op.execute(f'create table {x} (v int)'); op.drop_table('t')"), "");
        assert_eq!(says("op.execute('update t set a = 1')"), "");
    }
}
