//! DB108: two revisions without a parent: two histories in one folder.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::graph::Links;
use crate::model::revision::Script;

pub(super) const RULE: Rule = Rule {
    code: "DB108",
    name: "several-bases",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB108.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Ok(graph) = &context.graph else { return };
    // A labelled base begins an independent branch on purpose.
    let bases = graph.bases().into_iter().filter_map(|id| graph.get(id));
    let bases: Vec<&Script> = bases.filter(|script| script.branch_labels.is_empty()).collect();
    let above = |script: &Script| graph.descendants(&[script.id.as_str()], Links::Parents).len();
    // The history proper is the one with most revisions in it; of two alike, the first.
    let Some(main) = bases.iter().rev().max_by_key(|script| above(script)) else { return };
    for script in bases.iter().filter(|script| script.id != main.id) {
        let message = format!(
            "Revision {} has no parent, and neither has {}: it begins a second history, which `upgrade head` does not join",
            script.id, main.id
        );
        let ancestry = |head: &&&str| graph.ancestors(&[**head], Links::Parents).contains(&main.id.as_str());
        let help = match graph.heads().iter().find(ancestry) {
            Some(parent) => format!("Give it the parent that was meant, perhaps: down_revision = \"{parent}\""),
            None => {
                "Give it a parent, or a branch label if two histories are meant: branch_labels = (\"name\",)".to_owned()
            }
        };
        sink.at(&script.path, script.down_line, message, help);
    }
}
