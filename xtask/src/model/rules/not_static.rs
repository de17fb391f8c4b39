//! DB204: a header value that only Python can tell: then nobody can read the history without running it.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB204",
    name: "not-static",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB204.md"),
    check: Check::Each(check),
};

const HELP: &str = "Write the value as a plain string, tuple of strings or None";

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    match &source.header {
        Ok(script) if !source.is_released => {
            for unread in &script.unread {
                let message = format!(
                    "{}: without Python its value is not known, and the history is read without it",
                    unread.what
                );
                sink.warn(&source.path, unread.line, message, HELP);
            }
        }
        Err(problem) if problem.may_be_told => {
            let message = format!("{}: what this script follows cannot be told without running it", problem.what);
            sink.at(&source.path, problem.line.unwrap_or(1), message, HELP);
        }
        _ => {}
    }
}
