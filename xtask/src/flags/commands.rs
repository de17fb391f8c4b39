//! From words that were checked to the struct of a command: here pico-args pulls out the values.

use std::path::PathBuf;

use pico_args::Arguments;

use super::table::{COMMANDS, CommandRow};
use super::words::{conflict, duration, from_pico, nearest_action, unknown_command, usage, value, whole_number};
use super::{
    Command, Common, DbCheck, DbCreateMigration, DbMerge, DbMigrate, DbRebase, DbRoundtrip, DbServer, DbStatus, Format,
    Hooks, Look, Merge, Range, Rebase, ServerChoice, Show, Way, command_help, overview,
};
use crate::fail::Fail;
use crate::model::route::Part;
use crate::ui;

pub(super) fn command(row: &CommandRow, args: &mut Arguments) -> Result<Command, Fail> {
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

pub(super) fn common(args: &mut Arguments) -> Result<Common, Fail> {
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

pub(super) fn db_status(args: &mut Arguments) -> Result<DbStatus, Fail> {
    Ok(DbStatus { all: args.contains("--all"), check: args.contains("--check") })
}

pub(super) fn db_migrate(args: &mut Arguments) -> Result<DbMigrate, Fail> {
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
pub(super) fn check_target(flags: &DbMigrate) -> Result<(), Fail> {
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

pub(super) fn db_roundtrip(args: &mut Arguments) -> Result<DbRoundtrip, Fail> {
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

pub(super) fn range(args: &mut Arguments) -> Result<Range, Fail> {
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

pub(super) fn part(text: &str) -> Result<Part, Fail> {
    Part::parse(text).ok_or_else(|| {
        usage(format!("`--partition` does not take `{text}`"))
            .details("It takes K/N, the K-th of N parts: 1/4, 2/4, 3/4, 4/4")
    })
}

pub(super) fn db_create_migration(args: &mut Arguments) -> Result<DbCreateMigration, Fail> {
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

pub(super) fn db_check(args: &mut Arguments) -> Result<DbCheck, Fail> {
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
pub(super) fn agree_on_format(common: &mut Common, command: &mut Command) -> Result<(), Fail> {
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

pub(super) fn db_rebase(args: &mut Arguments) -> Result<DbRebase, Fail> {
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

pub(super) fn db_merge(args: &mut Arguments) -> Result<DbMerge, Fail> {
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

pub(super) fn db_server(row: &CommandRow, args: &mut Arguments) -> Result<DbServer, Fail> {
    let actions =
        [("start", DbServer::Start), ("stop", DbServer::Stop), ("status", DbServer::Status), ("psql", DbServer::Psql)];
    action(row, args, &actions)
}

pub(super) fn hooks(row: &CommandRow, args: &mut Arguments) -> Result<Hooks, Fail> {
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
pub(super) fn action<T: Copy>(
    row: &CommandRow,
    args: &mut Arguments,
    actions: &[(&'static str, T)],
) -> Result<T, Fail> {
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

pub(super) fn help_about(args: &mut Arguments) -> Result<String, Fail> {
    let name: Option<String> = args.opt_free_from_str().map_err(from_pico)?;
    match name {
        None => Ok(overview()),
        Some(name) => {
            let row = COMMANDS.iter().find(|row| row.name == name).ok_or_else(|| unknown_command(&name))?;
            Ok(command_help(row))
        }
    }
}
