//! DB302: a released script that is gone or has another name.

use std::collections::HashMap;
use std::path::Path;

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::action::{Action, git, own};
use crate::model::revision;

pub(super) const RULE: Rule = Rule {
    code: "DB302",
    name: "released-removed",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB302.md"),
    check: Check::Together(check),
};

fn check(context: &Context, sink: &mut Sink<'_>) {
    let Some(past) = &context.past else { return };
    let id = |source: &&'_ Source| source.header.as_ref().ok().map(|script| script.id.clone());
    let by_id: HashMap<String, &Source> =
        context.sources.iter().filter_map(|source| Some((id(&source)?, source))).collect();
    for change in past.changes.iter().filter(|change| change.to.as_ref() != Some(&change.from)) {
        let text = String::from_utf8_lossy(&change.before);
        let Ok(script) = revision::read(&change.from, &text) else { continue };
        let now = by_id.get(script.id.as_str());
        let (path, standing) = (&change.from, change.standing(past));
        match now {
            Some(source) => {
                let message = format!(
                    "Script {} {standing}, and was renamed from {}: branches that touch it conflict, and `git log` loses it",
                    script.id,
                    name(path)
                );
                let rename = git(["mv"]).word(&source.path).word(path).at_root();
                sink.at(&source.path, 1, message, Action::run("Give it its name back", rename));
            }
            None => {
                let message = format!(
                    "Script {} ({}) {standing}, and is gone here: a database that stands at it can go neither up nor down",
                    script.id,
                    script.title()
                );
                let back = git(["checkout", past.base.as_str(), "--"]).word(path).at_root();
                let undo = own("db-create-migration").of(&context.component).words(["--empty", "-m", "what it undoes"]);
                sink.at(path, 1, message, Action::run("Bring it back", back))
                    .run("To undo what it does, make a new revision", undo);
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
