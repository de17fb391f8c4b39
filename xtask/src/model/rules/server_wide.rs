//! DB418: a script that changes what the whole server shares: roles and their memberships, databases, tablespaces, settings.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, own};
use crate::model::sql::{leading_words, server_wide};

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
            for what in leading_words(&text.text).iter().filter_map(|words| server_wide(words)) {
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
