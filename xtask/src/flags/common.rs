//! The flags that (nearly) every command takes.

use std::path::PathBuf;

use super::spec::{Flag, Set, option, switch, switch_by, with_short};
use crate::ui;

#[derive(Clone, Debug, Default)]
pub struct Common {
    /// `None` is the default component.
    pub component: Option<String>,
    pub project: Option<PathBuf>,
    pub python: Option<PathBuf>,
    pub server: Option<ServerChoice>,
    /// The database, when it is not the config's.
    pub url: Option<String>,
    /// `-x`: what is passed on to env.py, as `KEY=VALUE`.
    pub x: Vec<String>,
    pub strict: bool,
    /// A fresh Python, whatever is warm.
    pub cold: bool,
    pub yes: bool,
    pub output: ui::Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerChoice {
    /// The server in the config's `sqlalchemy.url`.
    Configured,
    /// A PostgreSQL of our own, started on demand.
    Embedded,
}

pub static COMMON: &[Flag<Common>] = &[
    with_short(
        "-c",
        option(
            "--component",
            "NAME",
            "which component; needed only where there are several and none is the default",
            Set::Text(|common| &mut common.component),
        ),
    ),
    option(
        "--project",
        "DIR",
        "project root; found upwards from the working directory unless given",
        Set::Path(|common| &mut common.project),
    ),
    option(
        "--python",
        "PATH",
        "the interpreter that runs Alembic; found unless given",
        Set::Path(|common| &mut common.python),
    ),
    option(
        "--server",
        "WHICH",
        "which PostgreSQL: `configured` (the one in sqlalchemy.url) or `embedded` (our own, started on demand)",
        Set::OneOf(&[
            ("configured", |common| common.server = Some(ServerChoice::Configured)),
            ("embedded", |common| common.server = Some(ServerChoice::Embedded)),
        ]),
    ),
    option(
        "--url",
        "URL",
        "the database, when it is not the config's; `env:NAME` reads it from that variable",
        Set::Text(|common| &mut common.url),
    ),
    option(
        "-x",
        "KEY=VALUE",
        "passed on to env.py, as `alembic -x`; may be given several times",
        Set::Texts(|common| &mut common.x),
    ),
    switch("--strict", "what could not be looked at or proven fails (exit 4); the default where CI is set", |common| {
        &mut common.strict
    }),
    switch("--cold", "a fresh Python, whatever is warm", |common| &mut common.cold),
    switch("--json", "one JSON object on stdout, nothing else there", |common| &mut common.output.json),
    with_short("-q", switch("--quiet", "no progress", |common| &mut common.output.quiet)),
    with_short(
        "-v",
        switch("--verbose", "show every command that is run, pasteable, secrets left out", |common| {
            &mut common.output.verbose
        }),
    ),
    option(
        "--color",
        "WHEN",
        "auto (default), always or never; NO_COLOR is honoured",
        Set::OneOf(&[
            ("auto", |common| common.output.color = ui::Color::Auto),
            ("always", |common| common.output.color = ui::Color::Always),
            ("never", |common| common.output.color = ui::Color::Never),
        ]),
    ),
    with_short("-y", switch("--yes", "answer yes to a confirmation", |common| &mut common.yes)),
    with_short("-h", switch_by("--help", "show this", |_, _| Ok(()))),
];

/// Of each list at most one may be given.
pub static EXCLUSIVE: &[&[&str]] = &[&["--quiet", "--verbose"]];
