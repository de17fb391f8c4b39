//! The whole command line: a struct per command, one table of commands and flags (`flags/table.rs`), and parsing. Help,
//! `docs/commands.md` and usage errors all come from that table, so they cannot disagree with what is parsed.
//!
//! pico-args takes an option's next word whatever it is and lets unknown flags pass as positionals, so every word is
//! checked against the table first (`check_words`); what is left for pico-args is to pull out the values.

mod help;
mod table;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use pico_args::Arguments;

use crate::fail::{Fail, Kind};
use crate::model::route::Part;
use crate::ui;
pub use help::{command_help, commands_page, overview};
use table::{COMMANDS, COMMON, CommandRow, FlagRow};

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

/// Whether `--json` stands on the command line, for the error of a command line that could not be parsed.
pub fn wants_json(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--json")
}

fn command(row: &CommandRow, args: &mut Arguments) -> Result<Command, Fail> {
    Ok(match row.name {
        "db-status" => Command::DbStatus(db_status(args)?),
        "db-migrate" => Command::DbMigrate(db_migrate(args)?),
        "db-roundtrip" => Command::DbRoundtrip(db_roundtrip(args)?),
        "db-rebase" => Command::DbRebase(db_rebase(args)?),
        "db-merge" => Command::DbMerge(db_merge(args)?),
        "db-create-migration" => Command::DbCreateMigration(db_create_migration(args)?),
        "db-check" => Command::DbCheck(db_check(args)?),
        "db-server" => Command::DbServer(db_server(row, args)?),
        "hooks" => Command::Hooks(hooks(row, args)?),
        "doctor" => Command::Doctor,
        "ci" => Command::Ci,
        _ => Command::Help(help_about(args)?),
    })
}

fn common(args: &mut Arguments) -> Result<Common, Fail> {
    let output = ui::Options {
        json: args.contains("--json"),
        quiet: args.contains(["-q", "--quiet"]),
        verbose: args.contains(["-v", "--verbose"]),
        color: match value(args, "--color")?.as_deref() {
            Some("always") => ui::Color::Always,
            Some("never") => ui::Color::Never,
            _ => ui::Color::Auto,
        },
    };
    if output.quiet && output.verbose {
        return Err(conflict("--quiet", "--verbose"));
    }
    Ok(Common {
        yes: args.contains(["-y", "--yes"]),
        component: args.opt_value_from_str(["-c", "--component"]).map_err(from_pico)?,
        project: value(args, "--project")?.map(PathBuf::from),
        python: value(args, "--python")?.map(PathBuf::from),
        server: value(args, "--server")?.map(|word| match word.as_str() {
            "embedded" => ServerChoice::Embedded,
            _ => ServerChoice::Configured,
        }),
        output,
    })
}

fn db_status(args: &mut Arguments) -> Result<DbStatus, Fail> {
    Ok(DbStatus { all: args.contains("--all"), check: args.contains("--check") })
}

fn db_migrate(args: &mut Arguments) -> Result<DbMigrate, Fail> {
    let show = match (args.contains("--dry-run"), args.contains("--sql")) {
        (true, true) => return Err(conflict("--dry-run", "--sql")),
        (true, false) => Some(Show::Plan),
        (false, true) => Some(Show::Sql),
        (false, false) => None,
    };
    let flags = DbMigrate {
        show,
        no_backup: args.contains("--no-backup"),
        allow_remote: args.contains("--allow-remote"),
        allow_connections: args.contains("--allow-connections"),
        way: match value(args, "--direction")?.as_deref() {
            Some("downgrade") => Way::Downgrade,
            _ => Way::Upgrade,
        },
        target: value(args, "--target")?,
        lock_timeout: duration(args, "--lock-timeout")?,
        step_timeout: duration(args, "--step-timeout")?,
    };
    check_target(&flags)?;
    Ok(flags)
}

/// A target that goes the other way than the direction is a slip of the pen, not a plan.
fn check_target(flags: &DbMigrate) -> Result<(), Fail> {
    let target = flags.target.as_deref();
    match (flags.way, target) {
        (Way::Downgrade, None) => Err(usage("`--direction downgrade` needs a `--target`")
            .details("Without one it would not be clear how far to go down")
            .action("Take back the last revision: cargo xtask db-migrate --direction=downgrade --target=-1")),
        (Way::Upgrade, Some(text)) if text.starts_with('-') => {
            Err(usage(format!("`--target={text}` goes down, the direction is upgrade"))
                .action(format!("To go down: cargo xtask db-migrate --direction=downgrade --target={text}")))
        }
        (Way::Downgrade, Some(text)) if text.starts_with('+') => {
            Err(usage(format!("`--target={text}` goes up, the direction is downgrade"))
                .action(format!("To go up: cargo xtask db-migrate --target={text}")))
        }
        _ => Ok(()),
    }
}

fn db_roundtrip(args: &mut Arguments) -> Result<DbRoundtrip, Fail> {
    let watch = args.contains("--watch");
    let flags = DbRoundtrip {
        range: if watch { Range::Steps(1) } else { range(args)? },
        partition: value(args, "--partition")?.map(|text| part(&text)).transpose()?,
        in_place: args.contains("--in-place"),
        watch,
        junit: value(args, "--junit")?.map(PathBuf::from),
        html: value(args, "--html")?.map(PathBuf::from),
        keep: args.contains("--keep"),
        baseline: value(args, "--baseline")?.map(PathBuf::from),
        no_cache: args.contains("--no-cache"),
        clear_cache: args.contains("--clear-cache"),
        resume: args.contains("--resume"),
        jobs: value(args, "--jobs")?.map_or(Ok(1), |text| whole_number("--jobs", &text))?,
        step_timeout: duration(args, "--step-timeout")?,
    };
    let several = flags.jobs > 1;
    let pairs = [
        (flags.in_place && flags.keep, "--in-place", "--keep"),
        (flags.in_place && flags.baseline.is_some(), "--in-place", "--baseline"),
        (flags.in_place && flags.resume, "--in-place", "--resume"),
        (flags.in_place && several, "--in-place", "--jobs"),
        (flags.keep && several, "--keep", "--jobs"),
    ];
    match pairs.into_iter().find(|(both, _, _)| *both) {
        Some((_, one, other)) => Err(conflict(one, other)),
        None => Ok(flags),
    }
}

fn range(args: &mut Arguments) -> Result<Range, Fail> {
    let all = args.contains("--all").then_some(("--all", Range::All));
    let steps = value(args, "--steps")?.map(|text| whole_number("--steps", &text)).transpose()?;
    let given = [
        all,
        steps.map(|count| ("--steps", Range::Steps(count))),
        value(args, "--from")?.map(|id| ("--from", Range::From(id))),
        value(args, "--since")?.map(|reference| ("--since", Range::Since(reference))),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some((one, _)), Some((other, _))) => Err(conflict(one, other)),
        (Some((_, range)), None) => Ok(range),
        (None, _) => Ok(Range::Head),
    }
}

fn part(text: &str) -> Result<Part, Fail> {
    Part::parse(text).ok_or_else(|| {
        usage(format!("`--partition` does not take `{text}`"))
            .details("It takes K/N, the K-th of N parts: 1/4, 2/4, 3/4, 4/4")
    })
}

fn db_create_migration(args: &mut Arguments) -> Result<DbCreateMigration, Fail> {
    let message: Option<String> = args.opt_value_from_str(["-m", "--message"]).map_err(from_pico)?;
    let Some(message) = message.filter(|message| !message.trim().is_empty()) else {
        return Err(usage("`db-create-migration` needs a message: -m TEXT")
            .details("It becomes the file's name and the first line of its docstring")
            .action("Say what the migration does: cargo xtask db-create-migration -m \"add email to users\""));
    };
    Ok(DbCreateMigration {
        message,
        rev_id: value(args, "--rev-id")?,
        empty: args.contains("--empty"),
        roundtrip: args.contains("--roundtrip"),
        add: args.contains("--add"),
    })
}

fn db_check(args: &mut Arguments) -> Result<DbCheck, Fail> {
    let look = match (args.contains("--staged"), value(args, "--base")?) {
        (true, Some(_)) => return Err(conflict("--staged", "--base")),
        (true, None) => Look::Staged,
        (false, Some(reference)) => Look::Since(reference),
        (false, None) => Look::WorkTree,
    };
    let format = match value(args, "--format")?.as_deref() {
        Some("json") => Format::Json,
        Some("github") => Format::Github,
        Some("junit") => Format::Junit,
        Some("sarif") => Format::Sarif,
        _ => Format::Text,
    };
    let (all, released, models) = (args.contains("--all"), args.contains("--released"), args.contains("--models"));
    let flags = DbCheck { all, models, look, released, format, explain: value(args, "--explain")? };
    match (&flags.look, &flags.explain) {
        (Look::Staged, _) if models => Err(conflict("--models", "--staged")),
        (Look::Since(_), _) if models => Err(conflict("--models", "--base")),
        (_, Some(_)) if models => Err(conflict("--models", "--explain")),
        _ if models && released => Err(conflict("--models", "--released")),
        _ => Ok(flags),
    }
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

fn db_rebase(args: &mut Arguments) -> Result<DbRebase, Fail> {
    let (resume, abort) = (args.contains("--resume"), args.contains("--abort"));
    let flags = Rebase {
        merge: args.contains("--merge"),
        dry_run: args.contains("--dry-run"),
        no_db: args.contains("--no-db"),
        allow_dirty: args.contains("--allow-dirty"),
        onto: value(args, "--onto")?,
    };
    if flags.merge && flags.onto.is_some() {
        return Err(conflict("--merge", "--onto"));
    }
    match (resume, abort) {
        (true, true) => Err(conflict("--resume", "--abort")),
        (false, false) => Ok(DbRebase::Begin(flags)),
        _ if flags != Rebase::default() => {
            let flag = if resume { "--resume" } else { "--abort" };
            Err(usage(format!("`{flag}` stands alone: what was asked for is in the journal"))
                .action(format!("cargo xtask db-rebase {flag}")))
        }
        (true, false) => Ok(DbRebase::Resume),
        (false, true) => Ok(DbRebase::Abort),
    }
}

fn db_merge(args: &mut Arguments) -> Result<DbMerge, Fail> {
    let ways = ["--dry-run", "--continue", "--abort"].map(|flag| (flag, args.contains(flag)));
    let mut ways = ways.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag);
    let way = ways.next();
    if let (Some(one), Some(other)) = (way, ways.next()) {
        return Err(conflict(one, other));
    }
    let flags = Merge {
        commit: args.contains("--commit"),
        no_db: args.contains("--no-db"),
        no_roundtrip: args.contains("--no-roundtrip"),
        branch: args.opt_free_from_str().map_err(from_pico)?,
    };
    match way {
        Some(way @ ("--continue" | "--abort")) if flags.branch.is_some() || flags.no_db => {
            Err(usage(format!("`{way}` takes no branch and no `--no-db`: what was asked for is in the journal"))
                .action(format!("cargo xtask db-merge {way}")))
        }
        Some("--abort") if flags != Merge::default() => {
            Err(usage("`--abort` stands alone").action("cargo xtask db-merge --abort"))
        }
        Some("--abort") => Ok(DbMerge::Abort),
        Some("--continue") => Ok(DbMerge::Continue(flags)),
        Some(_) => Ok(DbMerge::DryRun(flags)),
        None => Ok(DbMerge::Begin(flags)),
    }
}

fn db_server(row: &CommandRow, args: &mut Arguments) -> Result<DbServer, Fail> {
    let actions =
        [("start", DbServer::Start), ("stop", DbServer::Stop), ("status", DbServer::Status), ("psql", DbServer::Psql)];
    action(row, args, &actions)
}

fn hooks(row: &CommandRow, args: &mut Arguments) -> Result<Hooks, Fail> {
    let pre_push = args.contains("--pre-push");
    let actions =
        [("install", Hooks::Install { pre_push }), ("uninstall", Hooks::Uninstall), ("status", Hooks::Status)];
    let hooks = action(row, args, &actions)?;
    if pre_push && !matches!(hooks, Hooks::Install { .. }) {
        return Err(usage("`--pre-push` goes with `install`").action("cargo xtask hooks install --pre-push"));
    }
    Ok(hooks)
}

/// The one word that says what a command is to do.
fn action<T: Copy>(row: &CommandRow, args: &mut Arguments, actions: &[(&'static str, T)]) -> Result<T, Fail> {
    let word: Option<String> = args.opt_free_from_str().map_err(from_pico)?;
    let command = row.name;
    let names: Vec<&str> = actions.iter().map(|(name, _)| *name).collect();
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    let listed = format!("{} or {last}", others.join(", "));
    let Some(word) = word else {
        return Err(usage(format!("`{command}` needs an action: {listed}"))
            .action(format!("See where it stands: cargo xtask {command} status")));
    };
    let known = actions.iter().find(|(name, _)| *name == word).map(|(_, action)| *action);
    known.ok_or_else(|| {
        usage(format!("unknown action `{word}`"))
            .details(format!("`cargo xtask {command}` takes {listed}"))
            .action(nearest_action(&word, names.iter().copied(), &format!("cargo xtask {command} ")))
    })
}

fn help_about(args: &mut Arguments) -> Result<String, Fail> {
    let name: Option<String> = args.opt_free_from_str().map_err(from_pico)?;
    match name {
        None => Ok(overview()),
        Some(name) => {
            let row = COMMANDS.iter().find(|row| row.name == name).ok_or_else(|| unknown_command(&name))?;
            Ok(command_help(row))
        }
    }
}

/// Where the command's name stands: the first word that is neither a flag nor a common flag's value.
fn command_position(words: &[String]) -> Result<Option<usize>, Fail> {
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        if !word.starts_with('-') {
            return Ok(Some(at));
        }
        let takes_next = find_flag(COMMON, word).is_some_and(|flag| flag.value.is_some()) && !word.contains('=');
        at += if takes_next { 2 } else { 1 };
    }
    Ok(None)
}

fn no_command(words: Vec<String>) -> Result<(Common, Command), Fail> {
    match words.iter().find(|word| !matches!(word.as_str(), "-h" | "--help")) {
        None if !words.is_empty() => Ok((Common::default(), Command::Help(overview()))),
        None => Err(usage("no command given").action("See what there is: cargo xtask help")),
        Some(word) if word == "--version" || word == "-V" => {
            Ok((Common::default(), Command::Help(format!("xtask {}", env!("CARGO_PKG_VERSION")))))
        }
        Some(word) => {
            Err(usage(format!("`{word}` stands alone, without a command"))
                .action("See what there is: cargo xtask help"))
        }
    }
}

/// Checks every word against the table before pico-args sees it: unknown flags, missing values, repeated flags, values
/// that are not among the allowed ones, leftover words.
fn check_words(row: &CommandRow, words: &[String]) -> Result<(), Fail> {
    let mut seen: Vec<&str> = Vec::new();
    let mut positionals = 0;
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        at += 1;
        if !word.starts_with('-') {
            positionals += 1;
            if positionals > row.positional.len() {
                return Err(leftover(row, word));
            }
            continue;
        }
        let flag = find_flag(row.flags, word)
            .or_else(|| find_flag(COMMON, word).filter(|flag| row.takes(flag)))
            .ok_or_else(|| unknown_flag(row, word))?;
        if seen.contains(&flag.long) {
            return Err(usage(format!("`{}` is given twice", flag.long)));
        }
        seen.push(flag.long);
        let inline = word.split_once('=').map(|(_, value)| value);
        match (flag.value, inline) {
            (None, Some(_)) => return Err(usage(format!("`{}` takes no value", flag.long))),
            (None, None) => {}
            (Some(_), Some(value)) => check_value(flag, value)?,
            (Some(metavar), None) => {
                let value = words.get(at).ok_or_else(|| missing_value(flag, metavar, None))?;
                if looks_like_flag(value) {
                    return Err(missing_value(flag, metavar, Some(value)));
                }
                check_value(flag, value)?;
                at += 1;
            }
        }
    }
    Ok(())
}

fn check_value(flag: &FlagRow, value: &str) -> Result<(), Fail> {
    if value.is_empty() {
        return Err(missing_value(flag, flag.value.unwrap_or("VALUE"), None));
    }
    if flag.allowed.is_empty() || flag.allowed.contains(&value) {
        return Ok(());
    }
    Err(usage(format!("`{}` does not take `{value}`", flag.long))
        .details(format!("It takes: {}", flag.allowed.join(", ")))
        .action(nearest_action(value, flag.allowed.iter().copied(), &format!("{}=", flag.long))))
}

/// `-1` and `-12` are targets, everything else with a dash is a flag.
fn looks_like_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn find_flag<'a>(flags: &'a [FlagRow], word: &str) -> Option<&'a FlagRow> {
    let name = word.split('=').next().unwrap_or(word);
    flags.iter().find(|flag| flag.long == name || flag.short == Some(name))
}

fn as_text(words: Vec<OsString>) -> Result<Vec<String>, Fail> {
    words
        .into_iter()
        .map(|word| word.into_string().map_err(|word| usage(format!("{} is not UTF-8", word.display()))))
        .collect()
}

fn value(args: &mut Arguments, flag: &'static str) -> Result<Option<String>, Fail> {
    args.opt_value_from_str(flag).map_err(from_pico)
}

fn duration(args: &mut Arguments, flag: &'static str) -> Result<Option<Duration>, Fail> {
    value(args, flag)?.map(|text| parse_duration(flag, &text)).transpose()
}

fn parse_duration(flag: &str, text: &str) -> Result<Duration, Fail> {
    duration_of(text).ok_or_else(|| {
        usage(format!("`{flag}` does not take `{text}`"))
            .details("A duration is a whole number over 0 with ms, s, m or h: 500ms, 30s, 2m")
    })
}

/// `500ms`, `30s`, `2m`, `1h`; a plain number is seconds. `None` for anything else, and for no time at all.
pub fn duration_of(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
    millis.filter(|millis| *millis > 0).map(Duration::from_millis)
}

fn whole_number(flag: &str, text: &str) -> Result<usize, Fail> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| usage(format!("`{flag}` does not take `{text}`")).details("It takes a whole number, 1 or more"))
}

fn from_pico(error: pico_args::Error) -> Fail {
    usage(error.to_string())
}

fn usage(summary: impl Into<String>) -> Fail {
    Fail::new(Kind::Usage, summary)
}

/// `--watch` is the newest revision, again and again: what chooses revisions, or is written or kept at the end of a run,
/// does not go with it; and JSON is one object.
fn check_watch(row: &CommandRow, words: &[String]) -> Result<(), Fail> {
    let given = |flag: &&str| words.iter().any(|word| word.split('=').next() == Some(*flag));
    let flags = row.flags.iter().map(|flag| flag.long).chain(["--json"]);
    const TOGETHER: [&str; 4] = ["--watch", "--step-timeout", "--baseline", "--no-cache"];
    match flags.filter(|flag| !TOGETHER.contains(flag)).find(given) {
        Some(other) if given(&"--watch") => Err(conflict("--watch", other)),
        _ => Ok(()),
    }
}

fn conflict(one: &str, other: &str) -> Fail {
    usage(format!("`{one}` and `{other}` exclude each other"))
        .action(format!("Leave one of them out: {one} or {other}"))
}

fn missing_value(flag: &FlagRow, metavar: &str, next: Option<&str>) -> Fail {
    let fail = usage(format!("`{}` needs a value: {} {metavar}", flag.long, flag.long));
    match next {
        Some(next) => fail.details(format!("The next word is `{next}`, a flag")),
        None => fail,
    }
}

fn leftover(row: &CommandRow, word: &str) -> Fail {
    usage(format!("`{word}` is one word too many for `{}`", row.name))
        .action(format!("See what it takes: cargo xtask help {}", row.name))
}

fn unknown_command(name: &str) -> Fail {
    usage(format!("unknown command `{name}`"))
        .action(nearest_action(name, COMMANDS.iter().map(|row| row.name), "cargo xtask "))
        .action("See what there is: cargo xtask help")
}

fn unknown_flag(row: &CommandRow, word: &str) -> Fail {
    let name = word.split('=').next().unwrap_or(word);
    let known = row.flags.iter().chain(COMMON.iter().filter(|flag| row.takes(flag))).map(|flag| flag.long);
    usage(format!("unknown flag `{name}` for `{}`", row.name))
        .action(nearest_action(name, known, ""))
        .action(format!("See what it takes: cargo xtask help {}", row.name))
}

fn nearest_action<'a>(word: &str, known: impl Iterator<Item = &'a str>, before: &str) -> String {
    let nearest = known.max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)));
    format!("Perhaps you mean: {before}{}", nearest.unwrap_or_default())
}

#[cfg(test)]
mod tests;
