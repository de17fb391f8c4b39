//! Alembic's operations: which table, and what of it, a call is about.

use super::value::{Call, Text, Value};

/// An operation of Alembic's, as far as its arguments stand in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name: `create_table`.
    pub name: String,
    /// What it is about.
    pub subject: Subject,
    /// The table, where there is one.
    pub table: Option<Text>,
    /// The name of the column, index, constraint; of the table itself for a table.
    pub object: Option<Text>,
    /// The table's schema, where one is given.
    pub schema: Option<Text>,
}

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Table,
    Column,
    Index,
    /// A constraint: key, foreign key, unique, check, exclusion.
    Constraint,
    Rows,
    Sql,
}

impl Subject {
    /// As it is said.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Table => "table",
            Subject::Column => "column",
            Subject::Index => "index",
            Subject::Constraint => "constraint",
            Subject::Rows => "rows",
            Subject::Sql => "SQL",
        }
    }
}

/// Name, subject, and where object and table stand: position and keyword. In a batch the table falls out and what stands
/// behind it moves up.
struct Row(&'static str, Subject, (usize, &'static str), (usize, &'static str));

const ROWS: &[Row] = &[
    Row("create_table", Subject::Table, (0, "table_name"), (0, "table_name")),
    Row("drop_table", Subject::Table, (0, "table_name"), (0, "table_name")),
    Row("rename_table", Subject::Table, (0, "old_table_name"), (0, "old_table_name")),
    Row("create_table_comment", Subject::Table, (0, "table_name"), (0, "table_name")),
    Row("drop_table_comment", Subject::Table, (0, "table_name"), (0, "table_name")),
    Row("add_column", Subject::Column, (1, "column"), (0, "table_name")),
    Row("drop_column", Subject::Column, (1, "column_name"), (0, "table_name")),
    Row("alter_column", Subject::Column, (1, "column_name"), (0, "table_name")),
    Row("create_index", Subject::Index, (0, "index_name"), (1, "table_name")),
    Row("drop_index", Subject::Index, (0, "index_name"), (1, "table_name")),
    Row("create_foreign_key", Subject::Constraint, (0, "constraint_name"), (1, "source_table")),
    Row("create_unique_constraint", Subject::Constraint, (0, "constraint_name"), (1, "table_name")),
    Row("create_check_constraint", Subject::Constraint, (0, "constraint_name"), (1, "table_name")),
    Row("create_exclude_constraint", Subject::Constraint, (0, "constraint_name"), (1, "table_name")),
    Row("create_primary_key", Subject::Constraint, (0, "constraint_name"), (1, "table_name")),
    Row("drop_constraint", Subject::Constraint, (0, "constraint_name"), (1, "table_name")),
    Row("bulk_insert", Subject::Rows, (0, "table"), (0, "table")),
    Row("execute", Subject::Sql, (0, "sqltext"), (9, "")),
];

impl Operation {
    /// `op.create_table(…)`; `None` for what is no operation (`op.f`, `op.get_bind`).
    pub(super) fn of(call: &Call) -> Option<Operation> {
        let Row(name, subject, object, table) = row(call)?;
        let object = call.arg(object.0, object.1).and_then(named);
        let table = call.arg(table.0, table.1).and_then(named);
        let schema = call.get("schema").or_else(|| call.get("source_schema")).and_then(named);
        Some(Operation { name: (*name).to_owned(), subject: *subject, table, object, schema })
    }

    /// `batch_op.add_column(…)`.
    pub(super) fn in_batch(call: &Call, table: Option<Text>) -> Option<Operation> {
        let Row(name, subject, object, _) = row(call)?;
        // Without the table in front everything about columns is one to the left.
        let at = if *subject == Subject::Column { object.0 - 1 } else { object.0 };
        let object = call.arg(at, object.1).and_then(named);
        Some(Operation { name: (*name).to_owned(), subject: *subject, table, object, schema: None })
    }

    /// The table's name, if it is known whole.
    pub fn table(&self) -> Option<&str> {
        self.table.as_ref().filter(|text| text.is_whole()).map(|text| text.text.as_str())
    }

    /// The object's name, if it is known whole.
    pub fn object(&self) -> Option<&str> {
        self.object.as_ref().filter(|text| text.is_whole()).map(|text| text.text.as_str())
    }

    /// `column users.email`, `table audit.users`, `index ix_users_email`; what is not known as the script has it.
    pub fn label(&self) -> String {
        let shown = |text: &Option<Text>| text.as_ref().map_or_else(|| "…".to_owned(), |text| text.text.clone());
        let object = shown(&self.object);
        let schema = self.schema.as_ref().map(|schema| format!("{}.", schema.text)).unwrap_or_default();
        match self.subject {
            Subject::Column => format!("column {schema}{}.{object}", shown(&self.table)),
            Subject::Table => format!("table {schema}{object}"),
            Subject::Constraint if self.table.is_some() => format!("constraint {object} of {}", shown(&self.table)),
            subject => format!("{} {object}", subject.name()),
        }
    }
}

fn row(call: &Call) -> Option<&'static Row> {
    let (_, last) = call.name.split_once('.')?;
    ROWS.iter().find(|row| row.0 == last)
}

/// A name that is given as a string, or inside of `sa.Column("name", …)`; a name of the script's where it is neither.
fn named(value: &Value) -> Option<Text> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Call(call) => call.arg(0, "name").and_then(Value::text).cloned(),
        Value::Name(name) => Some(Text::hole(name)),
        _ => None,
    }
}
