//! DB304: a history that has two heads as soon as it is merged with the main branch of today.

use super::{Check, Context, Level, Rule, Scope, Sink};

pub(super) const RULE: Rule = Rule {
    code: "DB304",
    name: "behind-main",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../../docs/rules/DB304.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let (Ok(own), Some(past)) = (&context.graph, &context.past) else { return };
    let Some(merged) = &past.merged else { return };
    let own_heads = own.heads();
    let Some(head) = own_heads.iter().filter_map(|id| own.get(id)).find(|script| !context.is_released(script)) else {
        return;
    };
    let command = format!("git merge {} && cargo xtask db-rebase{}", past.main, context.flag);
    match &merged.graph {
        Ok(graph) if graph.heads().len() > own_heads.len() => {
            let theirs: Vec<&str> = graph.heads().into_iter().filter(|id| !own_heads.contains(id)).collect();
            let message = format!(
                "{} has moved on to {}: after a merge there are two heads, and `alembic upgrade head` refuses that",
                past.main,
                theirs.join(", ")
            );
            sink.at(&head.path, head.down_line, message, command);
        }
        Ok(_) => {}
        // A script that cannot be read may hold what seems to be missing.
        Err(_) if !context.is_whole() => {}
        Err(problems) => {
            let Some(problem) = problems.first() else { return };
            let message = format!("After a merge with {} the history is broken: {problem}", past.main);
            sink.at(&head.path, head.line, message, format!("git merge {}, then: cargo xtask db-check", past.main));
        }
    }
}
