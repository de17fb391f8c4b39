//! DB304: a history that has two heads as soon as it is merged with the main branch of today.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::action::{Action, git, own};

pub(super) const RULE: Rule = Rule {
    code: "DB304",
    name: "behind-main",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB304.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let (Ok(mine), Some(past)) = (&context.graph, &context.past) else { return };
    let Some(merged) = past.merged.as_ref().filter(|merged| merged.is_to_come) else { return };
    let my_heads = mine.heads();
    let Some(head) = my_heads.iter().filter_map(|id| mine.get(id)).find(|script| !context.is_released(script)) else {
        return;
    };
    let merge = Action::run("Merge it", git(["merge", past.main.as_str()]));
    match &merged.graph {
        Ok(graph) if graph.heads().len() > my_heads.len() => {
            let theirs: Vec<&str> = graph.heads().into_iter().filter(|id| !my_heads.contains(id)).collect();
            let message = format!(
                "{} has moved on to {}: after a merge there are two heads, and `alembic upgrade head` refuses that",
                past.main,
                theirs.join(", ")
            );
            let rebase = own("db-rebase").of(&context.component);
            sink.at(&head.path, head.down_line, message, merge).run("Then make the heads one again", rebase);
        }
        Ok(_) => {}
        // A script that cannot be read may hold what seems to be missing.
        Err(_) if !context.is_whole() => {}
        Err(problems) => {
            let Some(problem) = problems.first() else { return };
            let message = format!("After a merge with {} the history is broken: {problem}", past.main);
            let look = own("db-check").of(&context.component);
            sink.at(&head.path, head.line, message, merge).run("Then look again", look);
        }
    }
}
