//! Reads the schema through `pg_dump`, which reads the catalog with queries of its own.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Db, SCHEMA, client_tool, for_libpq};
use crate::model::second_opinion::Dumped;
use crate::sys::run::Cmd;
use crate::ui::Ui;

/// Asks it. The version tables and the ledger are left out, as they are of our own reading.
///
/// # Errors
/// `tool-missing`, and what `pg_dump` says when it fails.
pub fn take(ui: &Ui, db: &Db, version_tables: &[String], tools: &[PathBuf]) -> Result<Dumped> {
    let tool = client_tool(ui, "pg_dump", db.server_version().major(), tools)?;
    let mut cmd = Cmd::new(tool, "/").args(["--schema-only", "--no-password", "--exclude-schema", SCHEMA]);
    for table in version_tables {
        cmd = cmd.args(["--exclude-table", &format!("*.{table}")]);
    }
    let text = for_libpq(cmd, db.url().target()).read(ui).context("asking pg_dump for the schema")?;
    Ok(Dumped::of(&text))
}
