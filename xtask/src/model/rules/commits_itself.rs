//! DB414: a script that ends the transaction that Alembic has begun.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Found, Function, Value};
use crate::model::sql::leading_words;

pub(super) const RULE: Rule = Rule {
    code: "DB414",
    name: "commits-itself",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB414.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        for found in function.calls.iter().filter(|found| !found.in_autocommit && !found.on_own_connection) {
            let Some(what) = by_sql(found).or_else(|| by_call(source, found)) else { continue };
            let message = format!(
                "{name}() ends Alembic's transaction by itself ({what}): what stands above stays when what stands below \
                 fails, the revision counts as not run, and the next try meets half of it"
            );
            let help = "Leave it to Alembic. What cannot run in a transaction: with op.get_context().autocommit_block(): …; \
                        what must be committed before goes into a revision of its own";
            sink.at(&source.path, found.line, message, help);
        }
    }
}

/// Whether the script has ended Alembic's transaction by SQL before this: with some drivers nothing begins a new one, so what
/// cannot run in one may run here. That it was ended is this rule's finding.
pub(super) fn is_ended_before(function: &Function, found: &Found) -> bool {
    let before = function.calls.iter().take_while(|other| !std::ptr::eq(*other, found));
    before.filter(|other| !other.in_autocommit && !other.on_own_connection).any(ends)
}

/// Whether it ends Alembic's transaction by SQL.
pub(super) fn ends(found: &Found) -> bool {
    by_sql(found).is_some()
}

/// `op.execute("COMMIT")`; a savepoint may be rolled back.
fn by_sql(found: &Found) -> Option<String> {
    let words = leading_words(&found.sql.as_ref()?.text);
    let ends = words.into_iter().find(|words| {
        let is_savepoint = words.iter().any(|word| matches!(word.as_str(), "to" | "prepared" | "savepoint"));
        matches!(words[0].as_str(), "commit" | "rollback") && !is_savepoint
    })?;
    Some(ends[0].to_uppercase())
}

/// `op.get_bind().commit()`. A session of one's own on that connection only ends its own part.
fn by_call(source: &Source, found: &Found) -> Option<String> {
    let call = &found.call;
    let is_ending = matches!(call.last(), "commit" | "rollback");
    let is_bind =
        |value: &Value| value.call().is_some_and(|call| call.name == "op.get_bind" || call.name == "?.get_bind");
    let is_named =
        |value: &Value| matches!(value, Value::Name(name) if matches!(name.as_str(), "conn" | "connection" | "bind"));
    let is_alembics = call.receiver.as_ref().is_some_and(|it| is_bind(it) || is_named(it)) || is_drivers(source, found);
    (is_ending && is_alembics).then(|| format!("{}()", call.last()))
}

/// `op.get_bind().connection.commit()`: the driver's own connection below Alembic's.
fn is_drivers(source: &Source, found: &Found) -> bool {
    let code: String = source.text.get(found.range.clone()).unwrap_or_default().split_whitespace().collect();
    let roots = ["op.get_bind().", "conn.", "connection.", "bind."];
    let below = roots.iter().find_map(|root| code.strip_prefix(root)).and_then(|rest| rest.rsplit_once('.'));
    below.is_some_and(|(path, _)| {
        path.split('.').all(|part| matches!(part, "connection" | "driver_connection" | "dbapi_connection"))
    })
}
