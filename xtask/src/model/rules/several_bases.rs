//! DB108: two revisions without a parent: two histories in one folder.

use super::{Check, Context, Level, Rule, Scope, Sink};

pub(super) const RULE: Rule = Rule {
    code: "DB108",
    name: "several-bases",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB108.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Ok(graph) = &context.graph else { return };
    // What cannot be read may join them, or be the label of one.
    if context.has_unread_labels() || !context.is_whole() {
        return;
    }
    // Bases that a merge joins are one history.
    let mut histories = graph.components();
    // A labelled branch is independent on purpose, and what depends on another history belongs to it.
    histories.retain(|ids| ids.iter().all(|id| graph.labels(id).is_empty() && graph.dependencies(id).is_empty()));
    // The history proper is the one with most revisions in it; of two alike, the first.
    let Some(main) = histories.iter().rev().max_by_key(|ids| ids.len()) else { return };
    let heads: Vec<&str> = main.iter().copied().filter(|id| graph.is_head(id)).collect();
    let base = |ids: &[&str]| ids.iter().copied().find(|id| graph.is_base(id)).and_then(|id| graph.get(id));
    let Some(first) = base(main) else { return };
    for script in histories.iter().filter(|ids| ids.first() != main.first()).filter_map(|ids| base(ids)) {
        let message = format!(
            "Revision {} has no parent, and neither has {}: it begins a second history, which `upgrade head` does not join",
            script.id, first.id
        );
        let help = match heads[..] {
            [parent] => format!("Give it the parent that was meant, perhaps: down_revision = \"{parent}\""),
            _ => {
                "Give it a parent, or a branch label if two histories are meant: branch_labels = (\"name\",)".to_owned()
            }
        };
        sink.at(&script.path, script.down_line, message, help);
    }
}
