//! DB303: a revision put in below a released one: databases that are past that point never run it.

use std::collections::HashMap;

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::graph::Graph;
use crate::model::revision::Script;
use crate::model::twins::{self, Twin};

pub(super) const RULE: Rule = Rule {
    code: "DB303",
    name: "below-released",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB303.md"),
    check: Check::Together(check),
};

/// More revisions than this are no backport, and nobody looks for as many twins.
const BACKPORT: usize = 50;

fn check(context: &Context, sink: &mut Sink<'_>) {
    let (Ok(graph), Some(past)) = (&context.graph, &context.past) else { return };
    let above = released_above(graph, context);
    let below: Vec<&Script> = graph
        .scripts()
        .filter(|script| !context.is_released(script) && above.contains_key(script.id.as_str()))
        .collect();
    let is_backport = below.len() <= BACKPORT;
    for script in &below {
        let released = above[script.id.as_str()];
        let gap = format!(
            "Revision {} was put in below {}, which is on {}: databases that are at {} or later never run it",
            script.id, released.id, past.main, released.id
        );
        match twin(context, graph, &below, script).filter(|_| is_backport) {
            Some(Twin { unguarded: None, .. }) => {}
            Some(Twin { revision, unguarded: Some(open), .. }) => {
                let message = format!(
                    "{gap}; its twin {} does not look first ({}, line {}), so it fails where both run",
                    revision.script.id, open.what, open.line
                );
                let help = format!(
                    "Let {} do nothing where it is done already: IF NOT EXISTS, ON CONFLICT DO NOTHING, if_not_exists=True",
                    revision.script.path.display()
                );
                sink.at(&script.path, script.down_line, message, help);
            }
            None => {
                let heads = graph.heads().join(", ");
                let help = format!(
                    "If it is no backport: down_revision = \"{heads}\". If it is one: add a twin on top of {heads} that does \
                     the same where it is not done yet, and names {} in its docstring",
                    script.id
                );
                sink.at(&script.path, script.down_line, gap, help);
            }
        }
    }
}

/// A released revision above each revision that has one, the nearest.
fn released_above<'a>(graph: &'a Graph, context: &Context) -> HashMap<&'a str, &'a Script> {
    let mut above: HashMap<&str, &Script> = HashMap::new();
    // Newest first: children come before their parents.
    for script in graph.scripts() {
        let over = graph.children(&script.id).into_iter().filter_map(|id| graph.get(id)).find_map(|child| {
            if context.is_released(child) { Some(child) } else { above.get(child.id.as_str()).copied() }
        });
        if let Some(over) = over {
            above.insert(&script.id, over);
        }
    }
    above
}

/// The revision that does the same for databases that are past the gap. It may be new, or released long before this one.
fn twin<'a>(context: &'a Context, graph: &'a Graph, below: &[&Script], script: &Script) -> Option<Twin<'a>> {
    let own = context.revision(context.source(&script.path)?)?;
    let is_below = |other: &Script| below.iter().any(|below| below.id == other.id);
    let is_other = |source: &&Source| {
        source.header.as_ref().is_ok_and(|script| graph.get(&script.id).is_some() && !is_below(script))
    };
    let others = context.like(&own).filter(is_other);
    twins::twin(&own, others.filter_map(|source| context.revision(source)))
}
