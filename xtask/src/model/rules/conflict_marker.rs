//! DB202: a merge conflict that was not resolved.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, git};

pub(super) const RULE: Rule = Rule {
    code: "DB202",
    name: "conflict-marker",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB202.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let Some(line) = first(&source.text) else { return };
    let message = "A merge conflict was left here, so Python cannot read the script and Alembic loads none";
    let add = git(["add", "--"]).word(&source.path).at_root();
    let sides = git(["diff", "--"]).word(&source.path).at_root();
    let help = Action::run("Resolve it and add the file", add);
    sink.at(&source.path, line, message, help).run("To see the sides", sides);
}

/// The line of the first conflict. A row of `=` alone is a heading's underline in many docstrings.
pub(super) fn first(text: &str) -> Option<usize> {
    let is_marker =
        |line: &str, mark: &str| line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let begins = text.lines().position(|line| is_marker(line, "<<<<<<<"))?;
    let is_ended = text.lines().skip(begins).any(|line| is_marker(line, ">>>>>>>"));
    is_ended.then_some(begins + 1)
}
