//! DB404: a script that asks a person: deployments have none.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB404",
    name: "waits-for-input",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB404.md"),
    check: Check::Each(check),
};

const ASKS: &[&str] = &[
    "input",
    "breakpoint",
    "getpass.getpass",
    "getpass",
    "click.prompt",
    "click.confirm",
    "pdb.set_trace",
    "sys.stdin.read",
    "sys.stdin.readline",
    "questionary.confirm",
    "typer.confirm",
    "typer.prompt",
];

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        for call in function.calls.iter().filter(|call| ASKS.contains(&call.call.name.as_str())) {
            let message = format!(
                "{name}() calls {}() and waits for a person: a deployment stands still here, with locks taken",
                call.call.name
            );
            let help = "Read an environment variable, with a default that is safe: os.environ.get(\"NAME\", \"…\")";
            sink.at(&source.path, call.line, message, help);
        }
    }
}
