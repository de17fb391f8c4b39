//! DB208: a comment that is to switch a rule off and does not. `# xtask: allow DB403: reason` switches DB403 off for its
//! file; the reason is part of it, since the next reader will ask for it.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB208",
    name: "allow-comment",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB208.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (line, wrong) in &source.allowed().wrong {
        let message = format!("This comment switches nothing off: {wrong}");
        sink.at(&source.path, *line, message, "Write it as: # xtask: allow CODE: why it is right here");
    }
}
