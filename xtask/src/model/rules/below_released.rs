//! DB303: a revision put in below a released one: databases that are past that point never run it.

use super::{Check, Level, Rule, Scene, Scope, Sink, Source};
use crate::model::graph::Links;
use crate::model::revision::Script;

pub(super) const RULE: Rule = Rule {
    code: "DB303",
    name: "below-released",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../../docs/rules/DB303.md"),
    check: Check::Together(check),
};

fn check(scene: &Scene, sink: &mut Sink<'_>) {
    let (Ok(graph), Some(_)) = (&scene.graph, &scene.past) else { return };
    let new = |script: &&Script| !scene.is_released(script);
    let above = |script: &Script| {
        let above = graph.descendants(&[script.id.as_str()], Links::Parents);
        above.into_iter().rev().filter_map(|id| graph.get(id)).find(|other| scene.is_released(other))
    };
    let (below, on_top): (Vec<_>, Vec<_>) = graph.scripts().filter(new).partition(|script| above(script).is_some());
    for script in below {
        let Some(released) = above(script) else { continue };
        let gap = format!(
            "Revision {} was put in below {}, which is released: databases that are at {} or later never run it",
            script.id, released.id, released.id
        );
        match on_top.iter().find(|twin| is_twin(scene, script, twin)) {
            Some(twin) if scene.source(&twin.path).is_some_and(is_idempotent) => {}
            Some(twin) => {
                let message =
                    format!("{gap}; its twin {} on top does not look first, so it fails where both run", twin.id);
                let help = format!(
                    "Let {} do nothing where it is done already: IF NOT EXISTS, ON CONFLICT DO NOTHING, if_not_exists=True",
                    twin.path.display()
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

/// The revision on top that does the same for databases that are past the gap: it names the other one, or bears its name.
fn is_twin(scene: &Scene, script: &Script, twin: &Script) -> bool {
    let names = scene.source(&twin.path).is_some_and(|source| {
        let header = twin.down.contains(&script.id);
        source.text.contains(&script.id) && !header
    });
    names || (!script.title().is_empty() && twin.title().starts_with(script.title()))
}

fn is_idempotent(source: &Source) -> bool {
    let text = source.text.to_lowercase();
    ["if not exists", "if exists", "if_not_exists", "if_exists", "on conflict", "not exists", "inspect(", "is null"]
        .iter()
        .any(|sign| text.contains(sign))
}
