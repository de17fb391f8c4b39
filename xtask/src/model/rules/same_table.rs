//! DB305: a table that this branch and the main branch both change.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, own};
use crate::model::script_body::Function;
use crate::model::sql::{Object, Verb};

pub(super) const RULE: Rule = Rule {
    code: "DB305",
    name: "same-table",
    level: Level::Warning,
    scope: Scope::All,
    page: include_str!("../../../rules/DB305.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Some(past) = &context.past else { return };
    let Some(merged) = &past.merged else { return };
    let mut theirs: BTreeMap<String, String> = BTreeMap::new();
    for source in &merged.theirs {
        let (Ok(script), Some(upgrade)) = (&source.header, upgrade(source)) else { continue };
        theirs.extend(tables(upgrade).into_keys().map(|table| (table, script.id.clone())));
    }
    for source in context.sources.iter().filter(|source| !source.is_released) {
        let Some(upgrade) = upgrade(source) else { continue };
        let mut said = BTreeSet::new();
        for (table, line) in tables(upgrade) {
            let Some(other) = theirs.get(&table).filter(|other| said.insert((*other).clone())) else { continue };
            let message = format!(
                "This changes table {table}, and so does {other} on {}: each was written for a table that the other one \
                 changes",
                past.main
            );
            let both = own("db-roundtrip").of(&context.component).flag("--steps", 2);
            let help = Action::run("Read both before the merge; then try them in their order", both);
            sink.at(&source.path, line, message, help);
        }
    }
}

fn upgrade(source: &Source) -> Option<&Function> {
    source.body().ok()?.upgrade.as_ref()
}

/// The tables that a function changes, each with the line where it first does.
fn tables(function: &Function) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (operation, call) in function.operations() {
        if let Some(table) = operation.table() {
            found.entry(table.to_owned()).or_insert(call.line);
        }
    }
    for (statement, call) in function.statements() {
        let is_table = statement.object == Object::Table && statement.verb != Verb::Select;
        for name in statement.names().filter(|name| is_table && !name.is_empty() && !name.contains('{')) {
            found.entry(name.to_owned()).or_insert(call.line);
        }
    }
    found
}
