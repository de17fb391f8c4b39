//! DB204: a header value that only Python can tell: then nobody can read the history without running it.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB204",
    name: "not-static",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../../docs/rules/DB204.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let Err(problem) = &source.header else { return };
    let is_another = problem.what.starts_with("syntax error") || super::no_revision::is_missing(&problem.what);
    if is_another || source.broken_line.is_some() || super::conflict_marker::first(&source.text).is_some() {
        return;
    }
    let message = format!("{}: what this script follows cannot be told without running it", problem.what);
    sink.at(
        &source.path,
        problem.line.unwrap_or(1),
        message,
        "Write the value as a plain string, tuple of strings or None",
    );
}
