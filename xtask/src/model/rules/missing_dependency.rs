//! DB109: `depends_on` names what is not there.

use super::missing_parent::help;
use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::graph::Problem;

pub(super) const RULE: Rule = Rule {
    code: "DB109",
    name: "missing-dependency",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB109.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    for problem in context.problems() {
        let Problem::MissingDependency { place, dependency, candidates } = problem else { continue };
        if context.may_be_in_unreadable(dependency) {
            continue;
        }
        let message = format!(
            "Revision {} depends on '{dependency}', which is neither a revision nor a branch label: Alembic fails on it",
            place.id
        );
        sink.at(&place.path, place.line, message, help(context, dependency, candidates));
    }
}
