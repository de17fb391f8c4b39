//! DB702: an env.py that runs a statement before `context.configure()` and does not commit it.

use super::{Check, Context, Level, Rule, Scope, Sink};
use crate::model::script_body::Found;

pub(super) const RULE: Rule = Rule {
    code: "DB702",
    name: "env-begins-transaction",
    level: Level::Warning,
    scope: Scope::All,
    page: include_str!("../../../rules/DB702.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Some(env) = &context.env else { return };
    let mut open: Option<&Found> = None;
    let mut is_begun_by_env = false;
    for found in &env.calls {
        match found.call.last() {
            "connect" => is_begun_by_env = false,
            // Code that begins a transaction also ends it.
            "begin" => is_begun_by_env = true,
            "commit" | "rollback" => open = None,
            "execute" | "exec_driver_sql" | "scalar" | "scalars" if is_connection(found) && !is_begun_by_env => {
                open = open.or(Some(found));
            }
            "configure" if found.call.name.starts_with("context.") => {
                if let Some(first) = open.take() {
                    let message = format!(
                        "This statement begins a transaction before context.configure() (line {}): Alembic then leaves the \
                         commit to env.py, and where that never comes, every migration is rolled back in silence",
                        found.line
                    );
                    sink.at(&env.path, first.line, message, "Commit it before: connection.commit()");
                }
            }
            _ => {}
        }
    }
}

fn is_connection(found: &Found) -> bool {
    let front = found.call.name.split('.').next().unwrap_or_default();
    ["conn", "connection", "bind", "db"].iter().any(|name| front.ends_with(name))
}
