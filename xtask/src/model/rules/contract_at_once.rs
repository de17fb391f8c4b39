//! DB410: a column that is read and dropped in the same revision.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::Found;
use crate::model::sql::mentions;

pub(super) const RULE: Rule = Rule {
    code: "DB410",
    name: "contract-at-once",
    level: Level::Off,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB410.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    let Some(upgrade) = &body.upgrade else { return };
    for (operation, call) in upgrade.operations().filter(|(operation, _)| operation.name == "drop_column") {
        let (Some(table), Some(column)) = (operation.table(), operation.object()) else { continue };
        let reads = |found: &&Found| {
            found.sql.as_ref().is_some_and(|sql| mentions(&sql.text, column) && mentions(&sql.text, table))
        };
        if upgrade.calls.iter().take_while(|found| !std::ptr::eq(*found, call)).any(|found| reads(&found)) {
            let message = format!(
                "{table}.{column} is still read above and dropped here: while both are deployed, the older application \
                 asks for a column that is gone"
            );
            let help = "Drop it in a revision of the next release, when no running application uses it";
            sink.at(&source.path, call.line, message, help);
        }
    }
}
