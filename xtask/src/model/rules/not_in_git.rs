//! DB206: a script that was not added to git: it works here and is missing everywhere else.

use super::{Check, Context, Level, Rule, Scope, Sink, Source, Tracking};
use crate::model::action::{Action, git};

pub(super) const RULE: Rule = Rule {
    code: "DB206",
    name: "not-in-git",
    level: Level::Warning,
    scope: Scope::All,
    page: include_str!("../../../rules/DB206.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    if source.tracking != Tracking::Untracked {
        return;
    }
    let followed = source.header.as_ref().ok().and_then(|script| {
        let graph = context.graph.as_ref().ok()?;
        graph.children(&script.id).first().map(|child| format!(", and {child} follows it"))
    });
    let message = format!(
        "This script is not in git{}: a commit leaves it behind, and it is missing everywhere else",
        followed.unwrap_or_default()
    );
    let add = git(["add", "--"]).word(&source.path).at_root();
    sink.at(&source.path, 1, message, Action::run("Add it", add));
}
