//! `cli-executor`.

use super::Command;
use super::spec::{Set, Spec, option, switch, with_short};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CliExecutor {
    /// The service, as Backend.AI's command line calls it.
    pub component: Option<&'static str>,
    /// Its command, with that one's own words.
    pub subcommand: Option<String>,
    /// Only look whether it could run.
    pub check: bool,
}

pub static SPEC: Spec<CliExecutor> = Spec {
    flags: &[
        with_short(
            "-c",
            option(
                "--component",
                "SERVICE",
                "whose command; without it they are listed, and on a terminal asked for",
                Set::OneOf(&[
                    ("mgr", |flags| flags.component = Some("mgr")),
                    ("ag", |flags| flags.component = Some("ag")),
                    ("storage", |flags| flags.component = Some("storage")),
                    ("web", |flags| flags.component = Some("web")),
                    ("app-proxy-coordinator", |flags| flags.component = Some("app-proxy-coordinator")),
                    ("app-proxy-worker", |flags| flags.component = Some("app-proxy-worker")),
                ]),
            ),
        ),
        option(
            "--subcommand",
            "CMD",
            "its command with its own words: start-server, 'schema show'; without it they are listed",
            Set::Text(|flags| &mut flags.subcommand),
        ),
        switch("--check", "stop after the pre-flight", |flags| &mut flags.check),
    ],
    without: &["--component", "--server", "--url", "-x", "--cold"],
    examples: &[
        (
            "Start the manager, if all that it needs is there",
            "cargo xtask cli-executor --component=mgr --subcommand=start-server",
        ),
        ("Is everything there?", "cargo xtask cli-executor --component=web --check"),
        ("What can the coordinator's command line do?", "cargo xtask cli-executor --component=app-proxy-coordinator"),
        ("With words of its own", "cargo xtask cli-executor --component=mgr --subcommand='schema show'"),
    ],
    ..Spec::new(
        "cli-executor",
        "checks infrastructure, then runs a Backend.AI component's CLI",
        "Looks at what the service needs before it is started: its config, PostgreSQL, Valkey, etcd, pending migrations (a\n\
         warning), other services, Docker, folders, ports that are taken and by whom, files that have to agree. Addresses are\n\
         read from the service's own files, where it searches them itself. Then Backend.AI's own command runs in the foreground\n\
         in our place: its terminal, its signals, its exit code. start-server is refused where something is missing, unless it\n\
         is agreed to; other commands run all the same.",
        |flags| Ok(Command::CliExecutor(flags)),
    )
};
