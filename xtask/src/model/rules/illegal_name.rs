//! DB110: an id or a branch label that Alembic cannot use.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::graph::Problem;

pub(super) const RULE: Rule = Rule {
    code: "DB110",
    name: "illegal-name",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB110.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    for problem in context.problems() {
        let help = match problem {
            Problem::IllegalId { .. } => "Take letters, digits and underscores only",
            Problem::DuplicateLabel { .. } => "Give one of them another label",
            _ => continue,
        };
        if let Some(place) = problem.place() {
            sink.at(&place.path, place.line, format!("{}: Alembic refuses the whole history", sentence(problem)), help);
        }
    }
}

fn sentence(problem: &Problem) -> String {
    let text = problem.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
