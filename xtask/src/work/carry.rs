//! Rows that a way down took away, put back from the backup into the tables and columns that were made again. Rows of
//! everything else stay as they are, whoever wrote them since.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::sys::dump::{Destination, Dump};
use crate::sys::pg::{Carried, Db, Identities, Making, Scratch, application_name};
use crate::work::own_database::OwnDatabase;

/// What was put back, and what is in the backup only.
#[derive(Clone, Debug, Default)]
pub struct PutBack {
    /// Each table, or some columns of one, that was made again.
    pub carried: Vec<Carried>,
    /// What held rows perhaps, and is not there any more.
    pub gone: Vec<String>,
}

/// Puts the rows of a backup into what was made again since `before`, which was asked when the backup was taken.
///
/// # Errors
/// `backup-failed` where the backup cannot be read; what a throwaway database may meet.
pub fn from_backup(ctx: &Ctx, own: &mut OwnDatabase<'_>, path: &Path, before: &Identities) -> Result<PutBack> {
    let now = own.db().identities()?;
    let again = before.made_again(&now);
    let gone = before.gone(&now);
    if again.is_empty() {
        return Ok(PutBack { carried: Vec::new(), gone });
    }
    let _task = ctx.ui.task("Putting rows back from the backup");
    let database = own.database.clone();
    let making = Making { ui: &ctx.ui, why: "rows of a backup", file_copy: database.embedded, tools: &database.tools };
    let scratch = Scratch::empty(&database.url, &making)?;
    let major = own.db().server_version().major();
    Dump::open(path)?.restore(&ctx.ui, &Destination { url: scratch.url(), major, tools: &database.tools })?;
    let mut from = Db::connect(scratch.url(), &application_name(own.command()))?;
    let carried = own.db().carry_from(&mut from, &again)?;
    drop(from);
    scratch.remove()?;
    Ok(PutBack { carried, gone })
}

impl PutBack {
    /// A line for each that held rows.
    pub fn lines(&self) -> Vec<String> {
        let line = |it: &Carried| {
            let (table, columns) = (&it.to.table, it.to.columns.join(", "));
            let what =
                if columns.is_empty() { format!("rows of {table}") } else { format!("values of {table} ({columns})") };
            match &it.why_not {
                None => format!("{} {what} were put back", it.rows),
                Some(why) => format!("⚠️  {} {what} are in the backup only: {why}", it.rows),
            }
        };
        let carried = self.carried.iter().filter(|it| it.rows > 0).map(line);
        let gone =
            self.gone.iter().map(|name| format!("{name} is not there any more; what was in it is in the backup"));
        carried.chain(gone).collect()
    }

    /// For JSON.
    pub fn json(&self) -> Value {
        let one = |it: &Carried| json!({"table": it.to.table, "columns": it.to.columns, "rows": it.rows, "why_not": it.why_not});
        json!({"put_back": self.carried.iter().map(one).collect::<Vec<_>>(), "gone": self.gone})
    }
}
