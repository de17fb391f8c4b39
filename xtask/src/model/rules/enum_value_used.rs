//! DB417: a value that is added to an enumerated type and used in the same transaction.

use super::body::functions;
use super::commits_itself::{ends, is_ended_before};
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Call, Found, Function, Value};
use crate::model::sql::leading_words;

pub(super) const RULE: Rule = Rule {
    code: "DB417",
    name: "enum-value-used",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB417.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (name, function) in functions(source) {
        for (added, value) in added(function) {
            let Some(used) = function
                .calls
                .iter()
                .skip_while(|found| !std::ptr::eq(*found, added))
                .take_while(
                    |found| if std::ptr::eq(*found, added) { !ends_after_adding(found) } else { !is_over(found) },
                )
                .filter(|found| !found.on_own_connection)
                .find(|it| uses(source, it, &value))
            else {
                continue;
            };
            let message = format!(
                "{name}() adds the value '{value}' to an enumerated type in line {} and uses it here: PostgreSQL refuses that \
                 in one transaction (55P04, unsafe use of new value)",
                added.line
            );
            let help = "Add the value in a revision of its own below, or inside with op.get_context().autocommit_block(): … at \
                        the top";
            sink.at(&source.path, used.line, message, help);
        }
    }
}

/// Whether the transaction has ended in any case: by SQL, or since an `autocommit_block()` commits it.
fn is_over(found: &Found) -> bool {
    !found.is_conditional && !found.on_own_connection && (found.in_autocommit || ends(found))
}

/// `ALTER TYPE mood ADD VALUE 'glad'; COMMIT`; one that stands before it ends another transaction.
fn ends_after_adding(found: &Found) -> bool {
    let sql = found.sql.as_ref().map(|sql| sql.text.to_lowercase()).unwrap_or_default();
    let rest = sql.find("add value").and_then(|at| sql[at..].split_once(';'));
    rest.is_some_and(|(_, rest)| {
        leading_words(rest).iter().any(|words| matches!(words[0].as_str(), "commit" | "rollback"))
    })
}

/// The values that are added in the transaction of the migration, to types that were not made in it.
fn added(function: &Function) -> Vec<(&Found, String)> {
    let texts = function.calls.iter().filter(|found| !found.in_autocommit && !found.on_own_connection);
    let texts = texts.filter(|found| !is_ended_before(function, found));
    texts.filter_map(|found| Some((found, value(&found.sql.as_ref()?.text, function)?))).collect()
}

/// The value of `ALTER TYPE mood ADD VALUE IF NOT EXISTS 'glad' AFTER 'sad'`.
fn value(sql: &str, function: &Function) -> Option<String> {
    let words = leading_words(sql)
        .into_iter()
        .find(|words| words[0] == "alter" && words.get(1).is_some_and(|it| it == "type"))?;
    let kind = words.get(2)?;
    let is_made = |found: &Found| {
        found.sql.as_ref().is_some_and(|text| text.text.to_lowercase().contains(&format!("create type {kind}")))
    };
    let lower = sql.to_lowercase();
    let at = lower.find("add value")?;
    let value = sql.get(at..)?.split('\'').nth(1)?;
    (!function.calls.iter().any(is_made)).then(|| value.to_owned())
}

/// Whether the value stands in a statement, as a default, as a row's value or as a parameter. To add another value beside it
/// is no use.
fn uses(source: &Source, found: &Found, value: &str) -> bool {
    let quoted = format!("'{value}'");
    let adds = |text: &str| text.to_lowercase().contains("add value");
    if found.sql.as_ref().is_some_and(|sql| sql.text.split(';').any(|it| it.contains(&quoted) && !adds(it))) {
        return true;
    }
    let code = source.text.get(found.range.clone()).unwrap_or_default();
    if found.call.last().ends_with("_column") {
        // Its other texts are names, or list the type's values.
        return sets(found, value);
    }
    let mut is_name = false;
    found.call.calls(&mut |call| {
        let is_first = call.args.first().and_then(|arg| arg.str()) == Some(value);
        is_name |= is_first && ["column", "Column", "table", "Table"].contains(&call.last());
    });
    let mut is_written = !adds(code) && (is_value_in(code, &quoted) || is_value_in(code, &format!("\"{value}\"")));
    if !is_name {
        // A constant of the file, a helper's parameter.
        found.call.texts(&mut |text| is_written |= text.text == value);
    }
    // An enumerated type that is only described is not used.
    let changes = ["bulk_insert", "values", "where", "execute", "exec_driver_sql", "executemany"];
    is_written && changes.contains(&found.call.last()) && !is_listed(found, value)
}

/// Types of columns that hold a text, whatever it says.
const TEXTS: [&str; 4] = ["Text", "String", "Unicode", "VARCHAR"];

/// Whether a column's default, or what its values are made of, is the value.
fn sets(found: &Found, value: &str) -> bool {
    let mut is_set = false;
    let mut look = |call: &Call| {
        let last = |name: &str| name.rsplit('.').next().is_some_and(|last| TEXTS.contains(&last));
        let is_text = |value: &Value| match value {
            Value::Name(name) => last(name),
            Value::Call(made) => last(&made.name),
            _ => false,
        };
        if call.args.iter().any(is_text) {
            return;
        }
        for given in ["server_default", "postgresql_using"].iter().filter_map(|key| call.get(key)) {
            given.texts(&mut |text| is_set |= text.text.contains(value));
        }
    };
    look(&found.call);
    found.call.calls(&mut look);
    is_set
}

/// Whether the text stands in the code other than as a name: the key of a dictionary, the first argument of a column.
fn is_value_in(code: &str, text: &str) -> bool {
    code.match_indices(text).any(|(at, _)| {
        let behind = code[at + text.len()..].trim_start();
        let is_key = behind.starts_with(':') && !behind.starts_with("::");
        !is_key && !["column(", "table("].iter().any(|it| code[..at].trim_end().to_lowercase().ends_with(it))
    })
}

/// `existing_type=sa.Enum("sad", "glad", name="mood")` lists the value.
fn is_listed(found: &Found, value: &str) -> bool {
    let mut is_listed = false;
    let mut look = |call: &Call| {
        let is_enum = call.last().to_lowercase().contains("enum");
        is_listed |= is_enum && call.args.iter().any(|arg| arg.str() == Some(value));
    };
    look(&found.call);
    found.call.calls(&mut look);
    is_listed
}
