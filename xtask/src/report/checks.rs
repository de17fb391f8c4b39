//! The checks of `doctor` and `cli-executor`, as they are printed and as the contract's JSON has them.

use serde_json::{Value, json};

use crate::fail::Fail;
use crate::model::action::Around;
use crate::model::check::{Check, State};

/// A line with its sign, and a line with what to do about it.
pub fn text(check: &Check, around: &Around) -> String {
    let sign = match check.state {
        State::Ok => "✅",
        State::Warning => "⚠️ ",
        State::Failed => "❌",
        State::Skipped => "⏹",
    };
    let mut lines = check.detail.lines();
    let mut text = format!("{sign} {}: {}", check.name, lines.next().unwrap_or_default());
    for more in lines {
        text.push_str(&format!("\n     {more}"));
    }
    if let Some(fix) = &check.fix {
        text.push_str(&format!("\n     fix: {}", fix.text(around)));
    }
    text
}

/// `"checks"` of the contract.
pub fn json(checks: &[Check], around: &Around) -> Value {
    let one = |check: &Check| {
        json!({
            "name": check.name,
            "state": check.state.name(),
            "detail": check.detail,
            "fix": check.fix.as_ref().map(|fix| fix.text(around)),
        })
    };
    checks.iter().map(one).collect()
}

/// What went wrong while something was looked at, with the first thing to do about it.
pub fn of_fail(name: impl Into<String>, fail: &Fail) -> Check {
    let detail = format!("{}\n{}", fail.summary, fail.details);
    Check { fix: fail.actions.first().cloned(), ..Check::failed(name, detail.trim_end()) }
}
