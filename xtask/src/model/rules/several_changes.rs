//! DB412: a revision that changes tables that have nothing to do with each other.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, own};
use crate::model::script_body::{Function, Value};
use crate::model::sql::mentions;
use std::collections::BTreeSet;

pub(super) const RULE: Rule = Rule {
    code: "DB412",
    name: "several-changes",
    level: Level::Off,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB412.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    let Some(upgrade) = &body.upgrade else { return };
    let groups = groups(upgrade);
    if groups.len() > 1 {
        let named: Vec<String> =
            groups.iter().map(|group| group.iter().cloned().collect::<Vec<_>>().join(" + ")).collect();
        let message = format!(
            "This revision makes {} changes that have nothing to do with each other ({}): if one fails or has to go back, \
             all do",
            groups.len(),
            named.join("; ")
        );
        let make = own("db-create-migration").of(&context.component).words(["--empty", "-m", "what it does"]);
        sink.at(&source.path, upgrade.line, message, Action::run("Make a revision of each", make));
    }
}

/// The tables that are touched, those together that something in the revision links.
fn groups(function: &Function) -> Vec<BTreeSet<String>> {
    let mut links: Vec<BTreeSet<String>> = Vec::new();
    for (operation, call) in function.operations() {
        let mut tables: BTreeSet<String> = operation.table().map(str::to_owned).into_iter().collect();
        if operation.name == "create_foreign_key" {
            tables.extend(call.call.arg(2, "referent_table").and_then(Value::str).map(str::to_owned));
        }
        call.call.calls(&mut |call| {
            let target = call.args.first().filter(|_| call.last() == "ForeignKey").and_then(Value::str);
            tables.extend(target.and_then(|target| target.rsplit_once('.')).map(|(table, _)| table.to_owned()));
        });
        links.push(tables);
    }
    let known: BTreeSet<String> = links.iter().flatten().cloned().collect();
    for sql in function.calls.iter().filter_map(|call| call.sql.as_ref()) {
        links.push(known.iter().filter(|table| mentions(&sql.text, table)).cloned().collect());
    }
    join(links)
}

fn join(links: Vec<BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    for mut link in links.into_iter().filter(|link| !link.is_empty()) {
        let (linked, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| !group.is_disjoint(&link));
        link.extend(linked.into_iter().flatten());
        groups = apart;
        groups.push(link);
    }
    groups
}
