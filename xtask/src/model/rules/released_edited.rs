//! DB301: a released script whose code was changed. Databases that ran it keep what it did then.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::difference;

pub(super) const RULE: Rule = Rule {
    code: "DB301",
    name: "released-edited",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../../docs/rules/DB301.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Some(past) = &context.past else { return };
    for change in &past.changes {
        let Some(source) = change.to.as_ref().and_then(|path| context.source(path)) else { continue };
        let before = String::from_utf8_lossy(&change.before);
        let mut differs = difference(&source.path, &before, &source.text);
        // Going down runs the text of today: a way back that is mended is mended for everybody.
        differs.retain(|name| name != "downgrade()");
        if follows_something_new(context, source) {
            differs.retain(|name| name != "down_revision");
        }
        if !differs.is_empty() {
            let message = format!(
                "This script is released ({} had it at {}) and is edited: {}. Databases that ran it keep what it did then, \
                 new ones get something else",
                past.main,
                past.base,
                differs.join(", ")
            );
            let line = source.body().ok().and_then(|body| body.upgrade.as_ref()).map_or(1, |upgrade| upgrade.line);
            let help = format!(
                "Take the edit back: git checkout {} -- {}; then make a revision of it: \
                 alembic revision -m MESSAGE",
                past.base,
                context.pasted(&source.path)
            );
            sink.at(&source.path, line, message, help);
        }
    }
}

/// A parent that is not released was put in below on purpose; DB303 has that.
fn follows_something_new(context: &Context, source: &Source) -> bool {
    let Ok(script) = &source.header else { return false };
    let parents = context.sources.iter().filter(|other| {
        other.header.as_ref().is_ok_and(|parent| script.down.contains(&parent.id)) && !other.is_released
    });
    parents.count() > 0
}
