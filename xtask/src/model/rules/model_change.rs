//! DB601, DB602: the models say something that no migration makes. Not to be told from the scripts: `db-check --models` asks
//! Alembic and, for what Alembic does not compare, PostgreSQL, and puts the answers here.

use std::path::Path;

use super::{Check, Finding, Level, Levels, Rule, Scope};
use crate::model::action::{Action, own};
use crate::model::autogenerate::{Operation, Unseen};

pub(super) const SEEN: Rule = Rule {
    code: "DB601",
    name: "model-change",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB601.md"),
    check: Check::Models,
};

/// A difference may be older than anybody remembers, so it is no error.
pub(super) const UNSEEN: Rule = Rule {
    code: "DB602",
    name: "unseen-model-change",
    level: Level::Warning,
    scope: Scope::All,
    page: include_str!("../../../rules/DB602.md"),
    check: Check::Models,
};

/// Where findings about a component's models are put: its config, the one place that it is sure to have.
pub struct Place<'a> {
    pub component: &'a str,
    pub path: &'a Path,
    pub line: usize,
}

/// An operation that autogenerate wants; `None` where the project has the rule off.
pub fn model_change(operation: &Operation, place: &Place<'_>, levels: &Levels) -> Option<Finding> {
    let message = format!("{operation}: the models say so, and no migration does it");
    let make = own("db-create-migration").of(place.component).words(["-m", "what it does"]);
    finding(&SEEN, message, vec![make.into()], place, levels)
}

/// Something that the models say and autogenerate does not compare; `None` where the project has the rule off, and where
/// it is the database that says more: that is mostly old.
pub fn unseen_model_change(unseen: &Unseen, place: &Place<'_>, levels: &Levels) -> Option<Finding> {
    unseen.models.as_ref()?;
    let make = own("db-create-migration").of(place.component).words(["--empty", "-m", "what it does"]);
    let mut help = vec![Action::run("By hand, since autogenerate does not compare it", make)];
    help.extend(unseen.help().map(|text| format!("Perhaps: {text}").into()));
    finding(&UNSEEN, unseen.to_string(), help, place, levels)
}

fn finding(rule: &Rule, message: String, help: Vec<Action>, place: &Place<'_>, levels: &Levels) -> Option<Finding> {
    let severity = levels.get(rule.code).copied().unwrap_or(rule.level);
    (severity != Level::Off).then(|| Finding {
        code: rule.code,
        name: rule.name,
        severity,
        path: place.path.to_owned(),
        line: place.line,
        message,
        help,
    })
}
