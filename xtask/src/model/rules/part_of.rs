//! DB501: no `# Part of:` marker that says which release a script belongs to.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::release_marker::{Habit, value};

pub(super) const RULE: Rule = Rule {
    code: "DB501",
    name: "part-of-missing",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB501.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Ok(graph) = &context.graph else { return };
    let newest = graph.scripts().filter_map(|script| context.source(&script.path)).filter(|source| source.is_released);
    let habit = Habit::of(newest.map(|source| source.text.as_str()));
    // The rule is off in a project without such comments, unless its configuration names the rule.
    if !sink.is_configured() && !habit.is_habit {
        return;
    }
    let line = habit.line().unwrap_or_else(|| "# Part of: VERSION (main)".to_owned());
    for source in context.sources.iter().filter(|source| source.is_checked && value(&source.text).is_none()) {
        let Ok(script) = &source.header else { continue };
        let message =
            "No `# Part of:` marker: nobody can tell which release this revision came with, which a backport needs";
        sink.at(&source.path, script.line, message, format!("Put above the identifiers: {line}"));
    }
}
