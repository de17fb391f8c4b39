//! DB105: a merge revision whose parents are ancestor and descendant, so that it merges nothing.

use super::{Check, Context, Level, Rule, Scope, Sink};

pub(super) const RULE: Rule = Rule {
    code: "DB105",
    name: "merge-of-ancestor",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB105.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Ok(graph) = &context.graph else { return };
    for script in graph.scripts().filter(|script| graph.is_merge_point(&script.id)) {
        let parents = graph.parents(&script.id);
        for &parent in &parents {
            let others: Vec<&str> = parents.iter().copied().filter(|&other| other != parent).collect();
            let above = others.iter().find(|other| graph.is_ancestor(parent, other));
            if let Some(above) = above {
                let message = format!(
                    "Merge revision {} has the parent {parent}, which is an ancestor of its other parent {above}: \
                     there is nothing to merge, and going down from it is ambiguous",
                    script.id
                );
                let help = format!("Write: down_revision = \"{above}\", or delete the revision if nothing follows it");
                sink.at(&script.path, script.down_line, message, help);
            }
        }
    }
}
