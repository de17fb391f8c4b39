//! DB301: a released script whose code was changed. Databases that ran it keep what it did then.

use std::collections::HashSet;

use super::{Change, Check, Context, Level, Release, Rule, Scope, Sink};
use crate::model::action::{Action, git, own};
use crate::model::release_marker;
use crate::model::script_body::difference;

pub(super) const RULE: Rule = Rule {
    code: "DB301",
    name: "released-edited",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB301.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Some(past) = &context.past else { return };
    // A parent that is not released was put in below on purpose; DB303 has that.
    let new: HashSet<&str> = context
        .sources
        .iter()
        .filter(|source| !source.is_released)
        .filter_map(|source| source.header.as_ref().ok().map(|script| script.id.as_str()))
        .collect();
    for change in &past.changes {
        let Some(source) = change.to.as_ref().and_then(|path| context.source(path)) else { continue };
        let before = String::from_utf8_lossy(&change.before);
        let mut differs = difference(&source.path, &before, &source.text);
        // Going down runs the text of today: a way back that is mended is mended for everybody.
        differs.retain(|name| name != "downgrade()");
        if source.header.as_ref().is_ok_and(|script| script.down.iter().any(|id| new.contains(id.as_str()))) {
            differs.retain(|name| name != "down_revision");
        }
        if differs.is_empty() {
            continue;
        }
        let line = source.body().ok().and_then(|body| body.upgrade.as_ref()).map_or(1, |upgrade| upgrade.line);
        let back = git(["checkout", past.base.as_str(), "--"]).word(&source.path).at_root();
        let make = own("db-create-migration").of(&context.component).words(["--empty", "-m", "what it changes"]);
        let (edits, standing) = (differs.join(", "), change.standing(past));
        if is_unreleased(change, &before) {
            let message = format!(
                "This script {standing}, and is edited: {edits}. Databases that ran it, those of other developers, keep what \
                 it did then"
            );
            sink.warn(&source.path, line, message, Action::run("If it can wait, take the edit back", back))
                .run("Then make a revision of it", make)
                .help("Else tell the others");
        } else {
            let message = format!(
                "This script {standing}, and is edited: {edits}. Databases that ran it keep what it did then, new ones get \
                 something else"
            );
            sink.at(&source.path, line, message, Action::run("Take the edit back", back))
                .run("Then make a revision of it", make);
        }
    }
}

/// Whether a script is on the main branch and in no release. Where no tag tells, the script may say it itself.
fn is_unreleased(change: &Change, before: &str) -> bool {
    match change.release {
        Release::In(_) => false,
        Release::None => true,
        Release::Unknown => release_marker::value(before).is_some_and(release_marker::is_placeholder),
    }
}
