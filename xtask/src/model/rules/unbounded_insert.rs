//! DB406: one INSERT with as many values as there are rows.

use super::body::functions;
use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Call, Value};

pub(super) const RULE: Rule = Rule {
    code: "DB406",
    name: "unbounded-insert",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB406.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (_, function) in functions(source) {
        for call in function.calls.iter().filter(|call| !call.in_loop && is_unbounded(&call.call)) {
            let message = "One INSERT with a value for every row: PostgreSQL takes 32,767 parameters in a statement, so \
                           this works on a small database and fails on a large one";
            let help = "Hand the rows over beside the statement: conn.execute(sa.insert(table), rows); or insert them \
                        batch by batch";
            sink.at(&source.path, call.line, message, help);
        }
    }
}

/// `insert(table).values([… for … in …])`, or a list that began empty. One that stands in the file has its length.
fn is_unbounded(call: &Call) -> bool {
    let is_insert =
        |value: &Value| value.call().is_some_and(|call| call.last() == "insert" || call.last().ends_with("_insert"));
    let is_open = |value: &Value| *value == Value::Rows || *value == Value::List(Vec::new());
    call.last() == "values" && call.receiver.as_ref().is_some_and(is_insert) && call.args.first().is_some_and(is_open)
}
