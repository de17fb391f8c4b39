//! Lets Alembic make a new revision: first it only compares, then it writes. These are separate questions, so that
//! nothing is written before it is known that there is something to write.

use std::path::PathBuf;

use serde_json::Value;

use super::fields::{text, texts};
use crate::model::autogenerate::{ModelTable, Models, Operation};

/// What [`super::Driver::compare`] is to do.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The new revision's message.
    pub message: Option<String>,
    /// Its id; Alembic (or a hook of the project) makes one otherwise.
    pub rev_id: Option<String>,
    /// The revision that it follows; else the one head.
    pub head: Option<String>,
    /// It may follow a revision that is no head.
    pub splice: bool,
    pub depends_on: Vec<String>,
    /// Compare the models with the database; else the revision is to be empty.
    pub autogenerate: bool,
    /// Run env.py for an empty revision, too: what `revision_environment` asks for.
    pub run_env: bool,
}

/// What autogenerate found.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The operations of the upgrade, after the project's own hooks.
    pub operations: Vec<Operation>,
    /// What the models are made of.
    pub models: Models,
}

/// A script that Alembic has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its revision id.
    pub revision: String,
    /// Where it is; absolute.
    pub path: PathBuf,
}

/// Reads the `compared` event.
pub fn compared(value: &Value) -> Compared {
    Compared {
        operations: list(&value["operations"]).iter().map(operation).collect(),
        models: models(&value["models"]),
    }
}

/// Reads the `written` event.
pub fn written(value: &Value) -> Vec<Written> {
    let script = |script: &Value| {
        Some(Written { revision: text(script, "revision")?, path: PathBuf::from(text(script, "path")?) })
    };
    list(&value["scripts"]).iter().filter_map(script).collect()
}

fn operation(value: &Value) -> Operation {
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    Operation {
        operation: text(value, "operation").unwrap_or_default(),
        schema: text(value, "schema"),
        table: text(value, "table"),
        name: text(value, "name"),
        detail: text(value, "detail"),
        column_type: text(value, "type"),
        columns: list(&value["columns"]).iter().filter_map(pair).collect(),
    }
}

fn models(value: &Value) -> Models {
    let named = |value: &Value| Some((text(value, "schema"), text(value, "name")?));
    Models {
        tables: list(&value["tables"]).iter().filter_map(table).collect(),
        enums: (list(&value["enums"]).iter())
            .filter_map(|value| named(value).map(|(schema, name)| (schema, name, texts(value, "labels"))))
            .collect(),
        sequences: list(&value["sequences"]).iter().filter_map(named).collect(),
        ddl: texts(value, "ddl"),
        trouble: texts(value, "trouble"),
    }
}

fn table(value: &Value) -> Option<ModelTable> {
    Some(ModelTable {
        schema: text(value, "schema"),
        name: text(value, "name")?,
        copy_schema: text(value, "copy_schema")?,
        create: text(value, "create")?,
        indexes: texts(value, "indexes"),
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
