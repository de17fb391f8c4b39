//! `--dry-run=exact`: migrates a throwaway copy of the database, and compares it with what it was before.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::preflight::{Facts, NOT_THERE, Plan};
use crate::ctx::{Ctx, version_table};
use crate::fail::Fail;
use crate::flags::DbMigrate;
use crate::model::catalog::{self, Change, Snapshot};
use crate::model::rows::{self, DataChange, Rows};
use crate::report::json::{data_change, schema_change};
use crate::report::roundtrip::rows_lines;
use crate::sys::alembic::{Driver, Event, Patience, Stop};
use crate::sys::pg::{Db, Scratch, application_name, catalog as pg_catalog, rows as pg_rows};
use crate::work::bystander::Bystanders;
use crate::work::driver::{self, Labels};

const COMMAND: &str = "db-migrate";

/// What the walk has done to the copy.
pub struct Exact {
    schema: Vec<Change>,
    rows: Vec<DataChange>,
    /// Tables that were there before and after, and were written anew.
    rewritten: Vec<String>,
    seconds: f64,
    /// What the copy does not have of the database.
    lacks: Option<String>,
}

/// A database at one moment.
struct Look {
    schema: Snapshot,
    rows: Rows,
    files: Vec<(u32, String, u32)>,
}

/// Walks a copy. The database itself is only read.
///
/// # Errors
/// `remote-database`, what making a copy may meet, and what the walk meets.
pub fn try_out(ctx: &Ctx, flags: &DbMigrate, facts: &mut Facts, plan: &Plan) -> Result<Exact> {
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    let mut own = facts.own.take().context(NOT_THERE)?;
    super::preflight::require_right(ctx, flags, &mut own, plan)?;
    let config = own.config.clone();
    // A session in the database is in the way of a copy.
    drop(own);
    let database = &facts.database;
    let making = database.making(&ctx.ui, "dry run");
    let own = Bystanders::look(ctx, &config, database.embedded, COMMAND);
    let scratch = Scratch::clone_of(&database.url, &database.url.target().database, &making)?;
    let mut db = Db::connect(scratch.url(), &application_name(COMMAND))?;
    let before = look(&mut db, facts)?;
    let mut driver = Driver::start(&ctx.ui, &driver::launch_throwaway(ctx, &config, &mut db, COMMAND)?)?;
    let patience = Patience { limit: flags.step_timeout, watch: None };
    let mut progress = ctx.ui.steps("On a copy", plan.walk.steps.len());
    let mut on = |event: &Event| {
        if let Event::Started(step, _) = event {
            progress.next(plan.walk.line(&facts.graph, &step.revision));
        }
    };
    let migrated = match driver.migrate(&plan.walk.for_driver(), patience, &mut on) {
        Ok(migrated) => migrated,
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Trouble(trouble)) => {
            let fail: Fail = driver::to_fail(&trouble, &Labels::new(ctx, facts.component)?, &mut db, &driver);
            return Err(fail.details("This was on a copy: the database itself is as it was").into());
        }
    };
    driver.stop();
    let after = look(&mut db, facts)?;
    let lacks = scratch.lacks().map(str::to_owned);
    drop(db);
    scratch.remove()?;
    own.warn(ctx);
    Ok(Exact {
        schema: catalog::diff(&before.schema, &after.schema),
        rows: rows::diff(&before.rows, &after.rows),
        rewritten: rewritten(&before, &after),
        seconds: migrated.steps.iter().map(|step| step.seconds).sum(),
        lacks,
    })
}

fn look(db: &mut Db, facts: &Facts) -> Result<Look> {
    let options = pg_catalog::Options { version_tables: vec![version_table(facts.component).name] };
    let schema = pg_catalog::take(db.client(), &options)?;
    let rows = pg_rows::take(db.client(), &options, None).map_err(|error| pg_rows::with_role(error, db.url()))?;
    Ok(Look { schema, rows, files: db.table_files()? })
}

fn rewritten(before: &Look, after: &Look) -> Vec<String> {
    let is_anew = |(oid, name, file): &(u32, String, u32)| {
        let same = after.files.iter().find(|it| it.0 == *oid)?;
        (same.2 != *file).then(|| name.clone())
    };
    before.files.iter().filter_map(is_anew).collect()
}

impl Exact {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("On a throwaway copy it took {:.1} s and made this difference:", self.seconds)];
        let schema =
            self.schema.iter().flat_map(|change| change.to_string().lines().map(str::to_owned).collect::<Vec<_>>());
        let found: Vec<String> = schema
            .chain(self.rows.iter().flat_map(rows_lines))
            .chain(self.rewritten.iter().map(|table| format!("~ {table} is written anew; nobody can use it meanwhile")))
            .collect();
        if found.is_empty() {
            lines.push("  none: neither schema nor rows".to_owned());
        }
        lines.extend(found.into_iter().map(|line| format!("  {line}")));
        lines.extend(self.lacks.iter().map(|lacks| format!("The copy does not have: {lacks}")));
        lines
    }

    /// For JSON.
    pub fn json(&self) -> Value {
        json!({
            "schema_changes": self.schema.iter().map(schema_change).collect::<Value>(),
            "data_changes": self.rows.iter().map(data_change).collect::<Value>(),
            "rewritten": self.rewritten,
            "seconds": self.seconds,
            "copy_lacks": self.lacks,
        })
    }
}
