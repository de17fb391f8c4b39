//! DB101: several heads. `upgrade head` refuses them, so nobody can migrate.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::action::{Action, own};

pub(super) const RULE: Rule = Rule {
    code: "DB101",
    name: "several-heads",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB101.md"),
    check: Check::Together(check),
};

/// How many heads are named.
const NAMED: usize = 10;

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Ok(graph) = &context.graph else { return };
    let heads = graph.heads();
    // A label that cannot be read may be what makes a head one on purpose, a script that cannot be read what joins two.
    if context.has_unread_labels() || heads.iter().any(|id| context.may_be_in_unreadable(id)) {
        return;
    }
    if !graph.is_diverged() {
        return;
    }
    let scripts: Vec<_> = heads.iter().filter_map(|id| graph.get(id)).collect();
    let mut named: Vec<String> =
        scripts.iter().take(NAMED).map(|script| format!("{} ({})", script.id, script.title())).collect();
    if scripts.len() > NAMED {
        named.push(format!("{} more", scripts.len() - NAMED));
    }
    // The one to move is one's own: the last that is not released.
    let Some(mine) = scripts.iter().rev().find(|script| !context.is_released(script)).or(scripts.last()) else {
        return;
    };
    let message = format!(
        "The history has {} heads: {}. `alembic upgrade head` refuses that, for everybody who gets this",
        heads.len(),
        named.join(", ")
    );
    let rebase = own("db-rebase").of(&context.component);
    let join = rebase.clone().word("--merge");
    let help = Action::run("Put your own on top of the others", rebase);
    sink.at(&mine.path, mine.down_line, message, help).run("Or keep both and join them", join);
}
