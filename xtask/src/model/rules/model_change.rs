//! DB601: the models say something that no migration makes. Not to be told from the scripts: `db-check --models` asks
//! Alembic and puts the answer here.

use std::path::Path;

use super::{Check, Finding, Level, Levels, Rule, Scope};
use crate::model::action::own;
use crate::model::autogenerate::Operation;

pub(super) const RULE: Rule = Rule {
    code: "DB601",
    name: "model-change",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB601.md"),
    check: Check::Models,
};

/// An operation that autogenerate wants, found in a component's config (the one place that it is sure to have); `None`
/// where the project has the rule off.
pub fn model_change(
    operation: &Operation,
    component: &str,
    path: &Path,
    line: usize,
    levels: &Levels,
) -> Option<Finding> {
    let severity = levels.get(RULE.code).copied().unwrap_or(RULE.level);
    (severity != Level::Off).then(|| Finding {
        code: RULE.code,
        name: RULE.name,
        severity,
        path: path.to_owned(),
        line,
        message: format!("{operation}: the models say so, and no migration does it"),
        help: vec![own("db-create-migration").of(component).words(["-m", "what it does"]).into()],
    })
}
