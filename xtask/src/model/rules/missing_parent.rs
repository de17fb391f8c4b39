//! DB103: a parent that no script holds. Every Alembic command fails with a KeyError.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::action::{Action, git};
use crate::model::graph::Problem;

pub(super) const RULE: Rule = Rule {
    code: "DB103",
    name: "missing-parent",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB103.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    for problem in context.problems() {
        let Problem::MissingParent { place, parent, candidates } = problem else { continue };
        if context.may_be_in_unreadable(parent) {
            continue;
        }
        let message = format!(
            "Revision {} follows '{parent}', which no script holds: every Alembic command fails (KeyError: '{parent}')",
            place.id
        );
        sink.at(&place.path, place.line, message, help(context, parent, candidates));
    }
}

pub(super) fn help(context: &Context, wanted: &str, candidates: &[String]) -> Action {
    if let Some(sighted) = context.sighted.get(wanted) {
        return Action::run(format!("It is on {}", sighted.place), sighted.command.clone());
    }
    match candidates {
        [] => Action::run("Correct the id, or pull what is missing", git(["pull"])),
        _ => {
            let why = format!("Perhaps {} is meant; else pull what is missing", candidates.join(" or "));
            Action::run(why, git(["pull"]))
        }
    }
}
