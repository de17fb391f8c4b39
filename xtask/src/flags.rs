//! The whole command line. `flags/spec.rs` says how a command is defined; each command has a file (`flags/db_status.rs`)
//! with the struct of its flags and its definition, and the list below names them all. Parsing, help, `docs/commands.md`,
//! the manual page, completions and usage errors are made from the definitions, so they cannot disagree.
//!
//! pico-args takes an option's next word whatever it is and lets unknown flags pass as positionals, so every word is
//! checked against the definitions first (`words.rs`); what is left for pico-args is to pull out the values.

mod cli_executor;
mod common;
mod complete;
mod db_backup;
mod db_check;
mod db_create_migration;
mod db_history;
mod db_merge;
mod db_migrate;
mod db_rebase;
mod db_review;
mod db_roundtrip;
mod db_status;
mod db_switch;
mod db_sync;
mod help;
mod init;
mod man;
mod small;
mod spec;
mod values;
mod words;

use std::ffi::OsString;

use pico_args::Arguments;

use crate::fail::Fail;
pub use cli_executor::CliExecutor;
pub use common::{Common, ServerChoice};
pub use complete::{COMPLETE_COMMAND, Offer, Source, offer};
pub use db_backup::{DbBackup, DbRestore, DbUndo};
pub use db_check::{DbCheck, Format, Look, Span};
pub use db_create_migration::DbCreateMigration;
pub use db_history::{DbHistory, Drawn};
pub use db_merge::{DbMerge, Merge};
pub use db_migrate::{DbMigrate, Show, Way};
pub use db_rebase::{DbRebase, Rebase};
pub use db_review::DbReview;
pub use db_roundtrip::{DbRoundtrip, Range};
pub use db_status::DbStatus;
pub use db_switch::{DbSwitch, Switch};
pub use db_sync::DbSync;
pub use help::{command_help, commands_page, overview};
pub use init::Init;
pub use man::man_page;
pub use small::{DbServer, Doctor, Hooks, ShellName};
pub use values::duration_of;

use spec::{CommandRow, FlagRow, Parse, flag_rows, pull_all};
use values::conflict;
use words::{as_text, check_words, command_position, no_command, unknown_command};

/// Every command, in the order of the overview.
static SPECS: &[&dyn Parse] = &[
    &db_status::SPEC,
    &db_migrate::SPEC,
    &db_roundtrip::SPEC,
    &db_rebase::SPEC,
    &db_merge::SPEC,
    &db_sync::SPEC,
    &db_switch::SPEC,
    &db_create_migration::SPEC,
    &db_check::SPEC,
    &db_history::SPEC,
    &db_review::SPEC,
    &db_backup::BACKUP,
    &db_backup::RESTORE,
    &db_backup::UNDO,
    &small::DB_SERVER,
    &small::HOOKS,
    &cli_executor::SPEC,
    &small::DOCTOR,
    &init::SPEC,
    &small::CI,
    &small::COMPAT,
    &small::COMPLETIONS,
    &small::MAN,
    &small::HELP,
];

/// One parsed command with its own flags.
#[derive(Clone, Debug)]
pub enum Command {
    DbStatus(DbStatus),
    DbMigrate(DbMigrate),
    DbRoundtrip(DbRoundtrip),
    DbRebase(DbRebase),
    DbMerge(DbMerge),
    DbSync(DbSync),
    DbSwitch(DbSwitch),
    DbCreateMigration(DbCreateMigration),
    DbCheck(DbCheck),
    DbHistory(DbHistory),
    DbReview(DbReview),
    DbBackup(DbBackup),
    DbRestore(DbRestore),
    DbUndo(DbUndo),
    DbServer(DbServer),
    Hooks(Hooks),
    Init(Init),
    CliExecutor(CliExecutor),
    Doctor(Doctor),
    Ci,
    /// Names of projects; none for all.
    Compat(Vec<String>),
    Completions(ShellName),
    Man,
    /// With the page that was asked for.
    Help(String),
}

impl Command {
    /// As it is typed, and as it stands in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Command::DbStatus(_) => db_status::SPEC.name,
            Command::DbMigrate(_) => db_migrate::SPEC.name,
            Command::DbRoundtrip(_) => db_roundtrip::SPEC.name,
            Command::DbRebase(_) => db_rebase::SPEC.name,
            Command::DbMerge(_) => db_merge::SPEC.name,
            Command::DbSync(_) => db_sync::SPEC.name,
            Command::DbSwitch(_) => db_switch::SPEC.name,
            Command::DbCreateMigration(_) => db_create_migration::SPEC.name,
            Command::DbCheck(_) => db_check::SPEC.name,
            Command::DbHistory(_) => db_history::SPEC.name,
            Command::DbReview(_) => db_review::SPEC.name,
            Command::DbBackup(_) => db_backup::BACKUP.name,
            Command::DbRestore(_) => db_backup::RESTORE.name,
            Command::DbUndo(_) => db_backup::UNDO.name,
            Command::DbServer(_) => small::DB_SERVER.name,
            Command::Hooks(_) => small::HOOKS.name,
            Command::Init(_) => init::SPEC.name,
            Command::CliExecutor(_) => cli_executor::SPEC.name,
            Command::Doctor(_) => small::DOCTOR.name,
            Command::Ci => small::CI.name,
            Command::Compat(_) => small::COMPAT.name,
            Command::Completions(_) => small::COMPLETIONS.name,
            Command::Man => small::MAN.name,
            Command::Help(_) => small::HELP.name,
        }
    }
}

/// Takes the command line (without the program's name) to a command.
///
/// # Errors
/// A `usage` failure (exit 2) that names the word that is wrong and the nearest known one.
pub fn parse(words: Vec<OsString>) -> Result<(Common, Command), Fail> {
    let words = as_text(words)?;
    let Some(at) = command_position(&words) else {
        return no_command(words);
    };
    let name = &words[at];
    let row = command_row(name).ok_or_else(|| unknown_command(name))?;
    let mut rest = words.clone();
    rest.remove(at);
    if rest.iter().any(|word| word == "-h" || word == "--help") {
        return Ok((Common::default(), Command::Help(command_help(&row))));
    }
    check_words(&row, &rest)?;
    let mut args = Arguments::from_vec(rest.into_iter().map(OsString::from).collect());
    let mut common = Common::default();
    pull_all(common::COMMON.iter().filter(|flag| row.takes_named(flag.long)), &mut common, &mut args)?;
    let mut command = row.spec.parse(&mut args)?;
    agree_on_format(&mut common, &mut command)?;
    Ok((common, command))
}

/// `--json` and `--format json` are one thing; with another format one of the two is a mistake.
fn agree_on_format(common: &mut Common, command: &mut Command) -> Result<(), Fail> {
    let Command::DbCheck(check) = command else { return Ok(()) };
    match check.format {
        Format::Json => common.output.json = true,
        Format::Text if common.output.json => check.format = Format::Json,
        Format::Text => {}
        _ if common.output.json => return Err(conflict("--json", "--format")),
        _ => {}
    }
    Ok(())
}

fn command_rows() -> impl Iterator<Item = CommandRow> {
    SPECS.iter().map(|spec| spec.row())
}

fn command_row(name: &str) -> Option<CommandRow> {
    command_rows().find(|row| row.name == name)
}

fn common_rows() -> Vec<FlagRow> {
    flag_rows(common::COMMON)
}

/// Every command's name, in the order of the overview.
pub fn command_names() -> impl Iterator<Item = &'static str> {
    command_rows().map(|row| row.name)
}

/// Whether a command takes a common flag.
pub fn takes(command: &str, flag: &str) -> bool {
    let common = common_rows().into_iter().find(|row| row.long == flag || row.short == Some(flag));
    command_row(command).zip(common).is_some_and(|(row, flag)| row.takes(&flag))
}

/// Whether `--json` stands on the command line, for the error of a command line that could not be parsed.
pub fn wants_json(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--json")
}

#[cfg(test)]
mod tests;
