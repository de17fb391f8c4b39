//! DB207: a script that a .gitignore keeps out of git.

use super::{Check, Context, Level, Rule, Scope, Sink, Source, Tracking};
use crate::model::action::{Action, git};

pub(super) const RULE: Rule = Rule {
    code: "DB207",
    name: "ignored-by-git",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB207.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    if source.tracking == Tracking::Ignored {
        let message = "A .gitignore keeps this script out of git: it runs here and is missing everywhere else";
        let why = git(["check-ignore", "-v"]).word(&source.path).at_root();
        let add = git(["add", "--force", "--"]).word(&source.path).at_root();
        let help = Action::run("See which line does, and mend it", why);
        sink.at(&source.path, 1, message, help).run("Or add it in spite of that", add);
    }
}
