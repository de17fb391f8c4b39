//! DB102: the same revision id in two files. Alembic warns and then sees only one of them.

use super::typed_id::random_id;
use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::action::Action;
use crate::model::graph::Problem;

pub(super) const RULE: Rule = Rule {
    code: "DB102",
    name: "duplicate-revision",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB102.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    for problem in context.problems() {
        let Problem::DuplicateId { id, places } = problem else { continue };
        let (Some(first), Some(last)) = (places.first(), places.last()) else { continue };
        let files: Vec<String> = places.iter().map(|place| place.path.display().to_string()).collect();
        let message = format!(
            "Revision id {id} is in {} files: {}. Alembic only warns, then runs one of them and never the other",
            places.len(),
            files.join(" and ")
        );
        let which = if first.path == last.path { "one" } else { "the newer one" };
        let why = format!(
            "If one is a copy, delete it; else give {which} an id of its own (and its children that parent), for example"
        );
        sink.at(&last.path, last.line, message, Action::run(why, random_id()));
    }
}
