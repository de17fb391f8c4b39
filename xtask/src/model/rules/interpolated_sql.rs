//! DB411: SQL that is put together from values that only show when the script runs.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB411",
    name: "interpolated-sql",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB411.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (_, function) in functions(source) {
        for call in &function.calls {
            let Some(sql) = call.sql.as_ref().filter(|sql| sql.holes > 0) else { continue };
            let hole = sql.text.split('{').nth(1).and_then(|part| part.split_once('}')).map_or("…", |(name, _)| name);
            let message = format!(
                "SQL is put together with {{{hole}}}: a quote in the value breaks the statement, or makes it another one, \
                 and nobody can read here what will run"
            );
            let help = "Bind it: conn.execute(sa.text(\"… = :value\"), {\"value\": value}); a name that cannot be bound \
                        is written out, or quoted by the dialect's identifier_preparer";
            sink.at(&source.path, call.line, message, help);
        }
    }
}
