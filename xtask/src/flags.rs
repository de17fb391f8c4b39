//! The whole command line: a struct per command, one table of commands and flags (`flags/table.rs`), and parsing. Help,
//! `docs/commands.md` and usage errors all come from that table, so they cannot disagree with what is parsed.
//!
//! pico-args takes an option's next word whatever it is and lets unknown flags pass as positionals, so every word is
//! checked against the table first (`check_words`); what is left for pico-args is to pull out the values.

mod commands;
mod help;
mod table;
mod words;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use pico_args::Arguments;

use crate::fail::Fail;
use crate::model::route::Part;
use crate::ui;
use commands::{agree_on_format, command, common};
pub use help::{command_help, commands_page, overview};
use table::{COMMANDS, COMMON};
pub use words::duration_of;
use words::{as_text, check_watch, check_words, command_position, no_command, unknown_command};

/// What every command takes.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// `-c, --component`; `None` is the default component.
    pub component: Option<String>,
    /// `--project`.
    pub project: Option<PathBuf>,
    /// `--python`.
    pub python: Option<PathBuf>,
    /// `--server`.
    pub server: Option<ServerChoice>,
    /// `-y, --yes`.
    pub yes: bool,
    /// `--json`, `-q`, `-v`, `--color`.
    pub output: ui::Options,
}

/// `--server`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerChoice {
    /// The server in the config's `sqlalchemy.url`.
    Configured,
    /// A PostgreSQL of our own, started on demand.
    Embedded,
}

/// One parsed command with its own flags.
#[derive(Clone, Debug)]
pub enum Command {
    /// `db-status`
    DbStatus(DbStatus),
    /// `db-migrate`
    DbMigrate(DbMigrate),
    /// `db-roundtrip`
    DbRoundtrip(DbRoundtrip),
    /// `db-rebase`
    DbRebase(DbRebase),
    /// `db-merge`
    DbMerge(DbMerge),
    /// `db-create-migration`
    DbCreateMigration(DbCreateMigration),
    /// `db-check`
    DbCheck(DbCheck),
    /// `db-server`
    DbServer(DbServer),
    /// `hooks`
    Hooks(Hooks),
    /// `doctor`
    Doctor,
    /// `ci`
    Ci,
    /// `help`, with the page that was asked for.
    Help(String),
}

impl Command {
    /// As it is typed, and as it stands in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Command::DbStatus(_) => "db-status",
            Command::DbMigrate(_) => "db-migrate",
            Command::DbRoundtrip(_) => "db-roundtrip",
            Command::DbRebase(_) => "db-rebase",
            Command::DbMerge(_) => "db-merge",
            Command::DbCreateMigration(_) => "db-create-migration",
            Command::DbCheck(_) => "db-check",
            Command::DbServer(_) => "db-server",
            Command::Hooks(_) => "hooks",
            Command::Doctor => "doctor",
            Command::Ci => "ci",
            Command::Help(_) => "help",
        }
    }
}

/// `db-status`.
#[derive(Clone, Debug, Default)]
pub struct DbStatus {
    /// Every component.
    pub all: bool,
    /// Exit 4 unless up-to-date.
    pub check: bool,
}

/// Which way `db-migrate` goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Apply newer revisions.
    #[default]
    Upgrade,
    /// Take revisions back.
    Downgrade,
}

impl Way {
    /// The word of the flag.
    pub fn name(self) -> &'static str {
        match self {
            Way::Upgrade => "upgrade",
            Way::Downgrade => "downgrade",
        }
    }
}

/// `db-migrate`.
#[derive(Clone, Debug, Default)]
pub struct DbMigrate {
    /// `--direction`.
    pub way: Way,
    /// `--target`; `head` unless given.
    pub target: Option<String>,
    /// What is shown instead of done.
    pub show: Option<Show>,
    /// Take no backup before a downgrade.
    pub no_backup: bool,
    /// Go on though the database is on another machine.
    pub allow_remote: bool,
    /// Go on though others are connected.
    pub allow_connections: bool,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Option<Duration>,
    /// How long one revision may take.
    pub step_timeout: Option<Duration>,
}

/// What `db-migrate` shows instead of migrating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// `--dry-run`: the revisions that would run.
    Plan,
    /// `--sql`: Alembic's offline SQL.
    Sql,
}

/// `db-roundtrip`.
#[derive(Clone, Debug, Default)]
pub struct DbRoundtrip {
    /// Which revisions.
    pub range: Range,
    /// Which part of them.
    pub partition: Option<Part>,
    /// On the component's own database.
    pub in_place: bool,
    /// Again whenever a file changes, until it is interrupted.
    pub watch: bool,
    /// Where JUnit XML goes.
    pub junit: Option<PathBuf>,
    /// Where an HTML page goes.
    pub html: Option<PathBuf>,
    /// Keep the scratch database.
    pub keep: bool,
    /// A dump to make the database from, whatever else there is.
    pub baseline: Option<PathBuf>,
    /// Neither use nor keep a cached baseline.
    pub no_cache: bool,
    /// Drop the cached baselines and do nothing else.
    pub clear_cache: bool,
    /// Take over what an interrupted run has found.
    pub resume: bool,
    /// How many walkers; none counts as one.
    pub jobs: usize,
    /// How long one step may take.
    pub step_timeout: Option<Duration>,
}

/// Which revisions `db-roundtrip` tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// What this branch adds to the main one, else the head revision (every head, if there are several).
    #[default]
    Head,
    /// What came since the work tree and this commit went apart.
    Since(String),
    /// The newest N.
    Steps(usize),
    /// From this revision up to the head, both included.
    From(String),
    /// The whole history.
    All,
    /// What the program itself found out: the ids, and in words which those are.
    #[expect(missing_docs, reason = "the sentence above says it")]
    These { ids: BTreeSet<String>, words: String },
}

/// `db-rebase`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbRebase {
    /// Make the heads one.
    Begin(Rebase),
    /// Go on with one that did not end.
    Resume,
    /// Take one back that did not end.
    Abort,
}

/// How `db-rebase` makes the heads one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebase {
    /// `--onto`: a revision, or the git branch that released revisions are on.
    pub onto: Option<String>,
    /// Make a merge revision.
    pub merge: bool,
    /// Show the plan and stop.
    pub dry_run: bool,
    /// Leave the database alone.
    pub no_db: bool,
    /// Edit files though they have changes that git does not know.
    pub allow_dirty: bool,
}

/// `db-merge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbMerge {
    /// Begin.
    Begin(Merge),
    /// Say what would happen.
    DryRun(Merge),
    /// Go on with one that stopped.
    Continue(Merge),
    /// Take one back that stopped.
    Abort,
}

/// How `db-merge` goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// What is merged; `None`: what git is in the middle of, or what was merged already.
    pub branch: Option<String>,
    /// Commit what came of it.
    pub commit: bool,
    /// Leave the databases alone.
    pub no_db: bool,
    /// Prove nothing about the moved revisions.
    pub no_roundtrip: bool,
}

/// `db-create-migration`.
#[derive(Clone, Debug, Default)]
pub struct DbCreateMigration {
    /// What the migration does, in a line.
    pub message: String,
    /// Its id, where Alembic is not to make one.
    pub rev_id: Option<String>,
    /// Two empty functions, to be filled by hand.
    pub empty: bool,
    /// Prove at once that it goes down and up again.
    pub roundtrip: bool,
    /// Add the file to git.
    pub add: bool,
}

/// `db-check`.
#[derive(Clone, Debug, Default)]
pub struct DbCheck {
    /// Every component.
    pub all: bool,
    /// Compare the models with the migrations instead of reading scripts.
    pub models: bool,
    /// What is looked at.
    pub look: Look,
    /// Look at released scripts with every rule.
    pub released: bool,
    /// `--format`; `--json` is the same as `--format json`.
    pub format: Format,
    /// Print a rule's page instead of checking.
    pub explain: Option<String>,
}

/// What `db-check` looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// The files as they lie there.
    #[default]
    WorkTree,
    /// What would be committed, compared with the last commit.
    Staged,
    /// The files as they lie there, compared with a commit.
    Since(String),
}

/// How `db-check` reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The contract's JSON.
    Json,
    /// GitHub's workflow commands.
    Github,
    /// JUnit XML.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
}

/// `db-server`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbServer {
    /// Start it and keep it up.
    Start,
    /// Stop it.
    Stop,
    /// Is it up, since when, where.
    Status,
    /// A psql session on the component's database.
    Psql,
}

/// `hooks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// Put them in, or bring them up to date.
    Install {
        /// The one that takes long as well.
        pre_push: bool,
    },
    /// Take them out.
    Uninstall,
    /// How each stands.
    Status,
}

/// Takes the command line (without the program's name) to a command.
///
/// # Errors
/// A `usage` failure (exit 2) that names the word that is wrong and the nearest known one.
pub fn parse(words: Vec<OsString>) -> Result<(Common, Command), Fail> {
    let words = as_text(words)?;
    let Some(at) = command_position(&words)? else {
        return no_command(words);
    };
    let name = &words[at];
    let row = COMMANDS.iter().find(|row| row.name == name).ok_or_else(|| unknown_command(name))?;
    let mut rest = words.clone();
    rest.remove(at);
    if rest.iter().any(|word| word == "-h" || word == "--help") {
        return Ok((Common::default(), Command::Help(command_help(row))));
    }
    check_words(row, &rest)?;
    check_watch(row, &rest)?;
    let mut args = Arguments::from_vec(rest.into_iter().map(OsString::from).collect());
    let mut common = common(&mut args)?;
    let mut command = command(row, &mut args)?;
    agree_on_format(&mut common, &mut command)?;
    Ok((common, command))
}

/// Every command's name, in the order of the overview.
pub fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|row| row.name)
}

/// Whether a command takes a common flag.
pub fn takes(command: &str, flag: &str) -> bool {
    let row = COMMANDS.iter().find(|row| row.name == command);
    row.zip(COMMON.iter().find(|row| row.long == flag)).is_some_and(|(row, flag)| row.takes(flag))
}

/// Whether `--json` stands on the command line, for the error of a command line that could not be parsed.
pub fn wants_json(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--json")
}

#[cfg(test)]
mod tests;
