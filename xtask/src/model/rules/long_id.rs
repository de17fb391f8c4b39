//! DB111: a revision id that does not fit into the version table.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB111",
    name: "long-revision-id",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB111.md"),
    check: Check::Each(check),
};

/// `version_num varchar(32)`, as Alembic makes it.
const LONGEST: usize = 32;

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    let Ok(script) = &source.header else { return };
    let length = script.id.chars().count();
    if length <= LONGEST || is_widened(context) {
        return;
    }
    let message = format!(
        "Revision id {} has {length} characters, and Alembic's version table takes {LONGEST}: the migration runs to its end \
         and then fails where it is recorded (value too long for type character varying({LONGEST}))",
        script.id
    );
    let help = format!(
        "Give it a shorter id, for example: {}; or widen alembic_version.version_num before, in env.py or a migration",
        script.id.chars().take(LONGEST).collect::<String>().trim_end_matches(['_', '-', '.'])
    );
    sink.at(&source.path, script.line, message, help);
}

/// Whether env.py or a script says anything about the version table's column.
fn is_widened(context: &Context) -> bool {
    let says = |text: &str| ["version_num", "version_table_impl"].iter().any(|word| text.contains(word));
    context.env.as_ref().is_some_and(|env| says(&env.text)) || context.sources.iter().any(|source| says(&source.text))
}
