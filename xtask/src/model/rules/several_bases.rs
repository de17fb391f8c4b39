//! DB108: two revisions without a parent: two histories in one folder.

use super::{Check, Level, Rule, Scene, Scope, Sink};

pub(super) const RULE: Rule = Rule {
    code: "DB108",
    name: "several-bases",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB108.md"),
    check: Check::Together(check),
};

fn check(scene: &Scene, sink: &mut Sink<'_>) {
    let Ok(graph) = &scene.graph else { return };
    let bases: Vec<&str> = graph.bases();
    // A labelled base begins an independent branch on purpose.
    let scripts = bases.iter().filter_map(|id| graph.get(id)).filter(|script| script.branch_labels.is_empty());
    let scripts: Vec<_> = scripts.collect();
    if bases.len() < 2 {
        return;
    }
    let heads = graph.heads();
    for script in scripts {
        // The history proper is the one with most revisions in it.
        let is_main =
            graph.descendants(&[script.id.as_str()], crate::model::graph::Links::Parents).len() * 2 > graph.len();
        if is_main {
            continue;
        }
        let message = format!(
            "Revision {} has no parent, beside {}: it begins a second history, which `upgrade head` does not join",
            script.id,
            bases.iter().filter(|id| **id != script.id).copied().collect::<Vec<_>>().join(", ")
        );
        let parent = heads.iter().find(|head| {
            !graph.ancestors(&[**head], crate::model::graph::Links::Parents).contains(&script.id.as_str())
        });
        let help = match parent {
            Some(parent) => format!("Give it the parent that was meant, perhaps: down_revision = \"{parent}\""),
            None => {
                "Give it a parent, or a branch label if two histories are meant: branch_labels = (\"name\",)".to_owned()
            }
        };
        sink.at(&script.path, script.down_line, message, help);
    }
}
