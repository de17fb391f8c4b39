//! DB104: revisions that follow one another in a circle. None of them can ever be applied.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::action::{Action, git};
use crate::model::graph::Problem;

pub(super) const RULE: Rule = Rule {
    code: "DB104",
    name: "cycle",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB104.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    for problem in context.problems() {
        let (place, circle) = match problem {
            Problem::SelfLoop { place } => (place, format!("{0} -> {0}", place.id)),
            Problem::Cycle { places, .. } => {
                let Some(first) = places.first() else { continue };
                let ids: Vec<&str> = places.iter().chain([first]).map(|place| place.id.as_str()).collect();
                (first, ids.join(" -> "))
            }
            _ => continue,
        };
        let what = match problem {
            Problem::Cycle { through_dependencies: true, .. } => "follow one another or depend on one another",
            _ => "follow one another",
        };
        let message = format!("Revisions {what} in a circle ({circle}): none of them can ever be applied");
        let log = git(["log", "-p", "--"]).word(&place.path).at_root();
        let help = Action::run("Let one of them follow what it followed before, which git may know", log);
        sink.at(&place.path, place.line, message, help);
    }
}
