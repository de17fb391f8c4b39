//! DB418: a script that changes what the whole server shares: roles, databases, tablespaces, settings.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, own};
use crate::model::sql::leading_words;

pub(super) const RULE: Rule = Rule {
    code: "DB418",
    name: "server-wide",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB418.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        for found in &function.calls {
            let Some(text) = &found.sql else { continue };
            for what in leading_words(&text.text).iter().filter_map(|words| shared(words)) {
                let message = format!(
                    "{name}() says {what}: that is not this database's alone but the whole server's, and a round trip on a \
                     throwaway database does it to the real one"
                );
                let elsewhere = own("db-roundtrip").of(&context.component).flag("--server", "embedded");
                let why = "Leave it to the people who set the server up; or try it where nothing else lives";
                sink.at(&source.path, found.line, message, Action::run(why, elsewhere));
            }
        }
    }
}

/// `DROP ROLE`, `ALTER SYSTEM`, as it is said.
fn shared(words: &[String]) -> Option<String> {
    let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
    let is_shared = match (word(0), word(1)) {
        ("create" | "alter" | "drop", "user") => word(2) != "mapping",
        ("create" | "alter" | "drop", "role" | "group" | "database" | "tablespace") => true,
        ("alter", "system") | ("drop" | "reassign", "owned") => true,
        _ => false,
    };
    is_shared.then(|| format!("{} {}", word(0), word(1)).to_uppercase())
}
