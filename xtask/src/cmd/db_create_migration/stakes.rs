//! Finds what a new script would take away: whether that is meant (models that were never imported look like models
//! that were deleted), and how much of it the component's own database holds.

use anyhow::Result;

use super::COMMAND;
use super::preflight::Facts;
use crate::ctx::{Ctx, Database};
use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::autogenerate::Operation;
use crate::sys::alembic::Compared;
use crate::sys::pg::{Count, Counted, Db, MOST_COUNTED, application_name};
use crate::work::advice;

/// From how many tables on a script that drops more than the models have is taken for an oversight.
const MANY: usize = 3;

/// A table or a column that goes with rows or values in it.
pub struct Stake {
    /// `table users`, `column users.email`.
    pub object: String,
    /// `500 rows`.
    pub held: String,
}

/// Refuses models that hold (nearly) nothing while tables would be dropped for it. Nothing is written then.
///
/// # Errors
/// `config-invalid`, with the tables that would go.
pub fn check_models(ctx: &Ctx, facts: &Facts, compared: &Compared) -> Result<()> {
    let drops: Vec<&Operation> = compared.operations.iter().filter(|it| it.operation == "drop_table").collect();
    let modelled = compared.models.tables.len();
    let env = facts.subject.config.script_location.join("env.py");
    let env = crate::ctx::shown(ctx.project()?, &env);
    if modelled == 0 && drops.is_empty() {
        ctx.ui.not_looked_at(format!("any model: target_metadata of {} has no tables", env.display()));
    }
    let is_oversight = drops.len() > modelled && (modelled == 0 || (drops.len() >= MANY && !ctx.common.yes));
    if !is_oversight {
        return Ok(());
    }
    let names: Vec<String> = drops.iter().take(5).map(|it| it.object()).collect();
    let more = if drops.len() > names.len() { ", …" } else { "" };
    let has = match modelled {
        0 => "no tables".to_owned(),
        1 => "1 table".to_owned(),
        count => format!("{count} tables"),
    };
    let fail = Fail::new(Kind::ConfigInvalid, format!("The models that env.py loads have {has}"))
        .details(format!("The new migration would drop {}: {}{more}", drops.len(), names.join(", ")))
        .details("Perhaps the modules of the models are not imported: target_metadata knows only what was")
        .details("Nothing was written")
        .at(&env, None)
        .action(format!("Import every module of the models in {} before it names target_metadata", env.display()))
        .related(own("db-check").word("--models"))
        .refused();
    let fail = if modelled == 0 { fail } else { fail.action("If the tables are meant to go: repeat with --yes") };
    Err(fail.into())
}

/// What the operations drop that holds something, by the component's own database; nothing where there is none.
///
/// # Errors
/// What connecting may meet.
pub fn of(database: &Database, operations: &[Operation]) -> Result<Vec<Stake>> {
    let drops: Vec<&Operation> =
        operations.iter().filter(|it| ["drop_table", "drop_column"].contains(&it.operation.as_str())).collect();
    if drops.is_empty() {
        return Ok(Vec::new());
    }
    let mut db = match Db::connect(&database.url, &application_name(COMMAND)) {
        Err(error) if advice::is_database_missing(&error) => return Ok(Vec::new()),
        connected => connected?,
    };
    let mut stakes = Vec::new();
    for drop in drops {
        let Some(table) = drop.qualified_table() else { continue };
        let column = drop.name.clone().filter(|_| drop.operation == "drop_column");
        let (kind, unit) = if column.is_some() { ("column", "value") } else { ("table", "row") };
        let held = match db.count(&Counted { table, column })? {
            None | Some(Count::Rows(0)) => continue,
            Some(Count::Hidden) => format!("{unit}s that a policy hides"),
            Some(Count::Rows(1)) => format!("1 {unit}"),
            Some(Count::Rows(count)) if count > MOST_COUNTED => format!("more than {MOST_COUNTED} {unit}s"),
            Some(Count::Rows(count)) => format!("{count} {unit}s"),
        };
        stakes.push(Stake { object: format!("{kind} {}", drop.object()), held });
    }
    Ok(stakes)
}
