//! DB501: no `# Part of:` marker that says which release a script belongs to.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB501",
    name: "part-of-missing",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB501.md"),
    check: Check::Together(check),
};

/// How many of the newest scripts tell what the project's habit is.
const NEWEST: usize = 20;
const MARKER: &str = "# Part of:";

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Ok(graph) = &context.graph else { return };
    let newest = graph.scripts().filter_map(|script| context.source(&script.path)).filter(|source| source.is_released);
    let newest: Vec<&Source> = newest.take(NEWEST).collect();
    let marked = newest.iter().filter(|source| source.text.contains(MARKER)).count();
    // Off where it is nobody's habit; a project that names the rule in its configuration wants it anyway.
    if !sink.is_configured() && (newest.len() < 5 || marked * 2 <= newest.len()) {
        return;
    }
    for source in context.sources.iter().filter(|source| source.is_checked && !source.text.contains(MARKER)) {
        let Ok(script) = &source.header else { continue };
        let message =
            "No `# Part of:` marker: nobody can tell which release this revision came with, which a backport needs";
        sink.at(&source.path, script.line, message, "Put above the identifiers: # Part of: VERSION (main)");
    }
}
