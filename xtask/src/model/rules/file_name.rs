//! DB107: a file named after another revision than the one in it.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, git};

pub(super) const RULE: Rule = Rule {
    code: "DB107",
    name: "file-name-differs",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB107.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let (Ok(script), Some(name)) = (&source.header, source.path.file_stem()) else { return };
    let name = name.to_string_lossy();
    // Only a name that holds an id can hold the wrong one; templates may leave it out.
    let Some(other) = name.split(['_', '-']).find(|part| is_id(part)) else { return };
    if name.contains(&script.id) {
        return;
    }
    let message =
        format!("The file is named after {other}, and revision {} is in it: a search finds the wrong one", script.id);
    let renamed = name.replacen(other, &script.id, 1);
    let to = source.path.with_file_name(format!("{renamed}.py"));
    let rename = git(["mv"]).word(&source.path).word(&to).at_root();
    sink.at(&source.path, script.line, message, Action::run("Rename it", rename));
}

/// Twelve hexadecimal digits, as Alembic makes them; a date of digits alone is none.
fn is_id(part: &str) -> bool {
    part.len() == 12
        && part.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
        && part.contains(|c: char| c.is_alphabetic())
}
