//! DB401: a downgrade that does nothing while the upgrade does something.

use super::{Check, Level, Rule, Scene, Scope, Sink, Source};
use crate::model::script_body::Kind;

pub(super) const RULE: Rule = Rule {
    code: "DB401",
    name: "downgrade-missing",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB401.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Scene, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    let Some(upgrade) = body.upgrade.as_ref().filter(|upgrade| upgrade.kind == Kind::Works) else { return };
    let help = "Write the way back, or say that there is none: raise NotImplementedError(\"why\")";
    match &body.downgrade {
        None => {
            let message = "There is no downgrade(): going back fails with an AttributeError, and nobody meant it to";
            sink.at(&source.path, upgrade.line, message, help);
        }
        Some(downgrade) if downgrade.kind == Kind::Empty => {
            let message = "downgrade() does nothing while upgrade() does: the database is then recorded as older than it \
                           is, and the next upgrade meets what is there already";
            sink.at(&source.path, downgrade.line, message, help);
        }
        Some(_) => {}
    }
}
