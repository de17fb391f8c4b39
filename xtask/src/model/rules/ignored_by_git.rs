//! DB207: a script that a .gitignore keeps out of git.

use super::{Check, Context, Level, Rule, Scope, Sink, Source, Tracking};

pub(super) const RULE: Rule = Rule {
    code: "DB207",
    name: "ignored-by-git",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../../docs/rules/DB207.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    if source.tracking == Tracking::Ignored {
        let path = context.pasted(&source.path);
        let message = "A .gitignore keeps this script out of git: it runs here and is missing everywhere else";
        let help = format!("See which line does: git check-ignore -v {path}; then mend it, or: git add --force {path}");
        sink.at(&source.path, 1, message, help);
    }
}
