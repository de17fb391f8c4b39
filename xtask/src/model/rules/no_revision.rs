//! DB106: a script without `revision` or `down_revision`. Alembic refuses to load any script.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::own;

pub(super) const RULE: Rule = Rule {
    code: "DB106",
    name: "no-revision",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB106.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    let Err(problem) = &source.header else { return };
    if !is_missing(&problem.what) || source.broken_line.is_some() {
        return;
    }
    let message = format!("There is {}, so Alembic cannot place this script and refuses to load any", problem.what);
    let make = own("db-create-migration").of(&context.component).words(["--empty", "-m", "what it does"]);
    let help = "Add it, or move the file out of the version folder if it is no migration";
    sink.at(&source.path, problem.line.unwrap_or(1), message, help).run("A new one is made by", make);
}

/// The two ways in which a header lacks something.
pub(super) fn is_missing(what: &str) -> bool {
    what.starts_with("no `")
}
