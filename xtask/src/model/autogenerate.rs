//! The differences that autogenerate finds between models and database, as values, and which of them look like a
//! rename. What autogenerate does not compare is in `autogenerate/unseen.rs`.

use std::collections::BTreeMap;
use std::fmt;

mod unseen;
pub use unseen::{Fact, FactKind, Unseen, unseen};

/// One operation of the upgrade that autogenerate wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// As it is written in a script: `add_column`.
    pub operation: String,
    /// The schema, where it is not the default one.
    pub schema: Option<String>,
    pub table: Option<String>,
    /// The column, index or constraint.
    pub name: Option<String>,
    /// What about it, in a few words: `VARCHAR(64) NOT NULL`.
    pub detail: Option<String>,
    /// The type of a column that comes or goes.
    pub column_type: Option<String>,
    /// The columns of a table that comes or goes: name and type, sorted.
    pub columns: Vec<(String, String)>,
}

impl Operation {
    /// `app.users.email`, as far as it has parts; empty where it has none.
    pub fn object(&self) -> String {
        let parts = [&self.schema, &self.table, &self.name];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".")
    }

    /// `app.users`.
    pub fn qualified_table(&self) -> Option<String> {
        let table = self.table.as_ref()?;
        Some(self.schema.as_ref().map_or_else(|| table.clone(), |schema| format!("{schema}.{table}")))
    }
}

/// `add_column users.email: VARCHAR(64) NOT NULL`
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)?;
        let object = self.object();
        if !object.is_empty() {
            write!(f, " {object}")?;
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

/// Something dropped and something made that may be the same thing under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The table of a column; `None` for a table itself.
    pub table: Option<String>,
    /// As it is called in the database.
    pub from: String,
    /// As the models call it.
    pub to: String,
}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            Some(table) => write!(f, "column {table}.{} -> {}", self.from, self.to),
            None => write!(f, "table {} -> {}", self.from, self.to),
        }
    }
}

impl Rename {
    /// What to write instead of the two operations.
    pub fn instead(&self) -> String {
        match &self.table {
            Some(table) => {
                let ([table, schema], from, to) = (arguments(table), quoted(&self.from), quoted(&self.to));
                format!("op.alter_column({table}, {from}, new_column_name={to}{schema})")
            }
            None => {
                let ([from, schema], [to, _]) = (arguments(&self.from), arguments(&self.to));
                format!("op.rename_table({from}, {to}{schema})")
            }
        }
    }
}

/// A table as an operation takes it: its name, and what is added at the end for its schema.
fn arguments(table: &str) -> [String; 2] {
    match table.split_once('.') {
        Some((schema, table)) => [quoted(table), format!(", schema={}", quoted(schema))],
        None => [quoted(table), String::new()],
    }
}

/// A text as Python has it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The pairs that look like a rename: in one table, one dropped column and one new column of the same type, and tables
/// of one schema with the same columns. Where there are several candidates, none is named.
pub fn renames(operations: &[Operation]) -> Vec<Rename> {
    let mut pairs: BTreeMap<(Option<String>, String), [Vec<String>; 2]> = BTreeMap::new();
    for operation in operations {
        let (key, name) = match operation.operation.as_str() {
            "add_column" | "drop_column" => {
                let Some(kind) = &operation.column_type else { continue };
                ((operation.qualified_table(), kind.clone()), operation.name.clone())
            }
            "create_table" | "drop_table" if !operation.columns.is_empty() => {
                ((None, format!("{:?} {:?}", operation.schema, operation.columns)), operation.qualified_table())
            }
            _ => continue,
        };
        let side = usize::from(operation.operation.starts_with("add") || operation.operation.starts_with("create"));
        pairs.entry(key).or_default()[side].extend(name);
    }
    let mut found = Vec::new();
    for ((table, _), [gone, came]) in pairs {
        if let ([from], [to]) = (gone.as_slice(), came.as_slice()) {
            found.push(Rename { table, from: from.clone(), to: to.clone() });
        }
    }
    found
}

/// What the project's models are made of, as the driver tells it.
#[derive(Clone, Debug, Default)]
pub struct Models {
    /// The tables that autogenerate looks at.
    pub tables: Vec<ModelTable>,
    /// The enum types of their columns: schema, name, labels in their order.
    pub enums: Vec<(Option<String>, String, Vec<String>)>,
    /// Sequences that the models declare: schema and name.
    pub sequences: Vec<(Option<String>, String)>,
    /// DDL that hangs on events of tables and metadata.
    pub ddl: Vec<String>,
    /// What could not be told, a line each.
    pub trouble: Vec<String>,
}

/// A table of the models as DDL of a copy in another schema.
#[derive(Clone, Debug)]
pub struct ModelTable {
    /// The schema, where it is not the default one.
    pub schema: Option<String>,
    pub name: String,
    /// The schema that the copy goes to.
    pub copy_schema: String,
    /// Makes the copy.
    pub create: String,
    /// Make its indexes.
    pub indexes: Vec<String>,
}

impl ModelTable {
    /// `app.users`.
    pub fn qualified(&self) -> String {
        self.schema.as_ref().map_or_else(|| self.name.clone(), |schema| format!("{schema}.{}", self.name))
    }
}

#[cfg(test)]
mod tests;
