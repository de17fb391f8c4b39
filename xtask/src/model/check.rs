//! One check of `doctor` or of the pre-flight of `cli-executor`: what was checked, its state, and what to do about it.

use super::action::Action;

/// How it is, by the names of the contract's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    /// Work goes on, and may meet it.
    Warning,
    Failed,
    /// It could not be looked at, or there is nothing to look at; the detail says which.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub state: State,
    pub detail: String,
    pub fix: Option<Action>,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "failed",
            State::Skipped => "skipped",
        }
    }
}

impl Check {
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check::new(name, State::Ok, detail)
    }

    pub fn warning(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check::new(name, State::Warning, detail)
    }

    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check::new(name, State::Failed, detail)
    }

    pub fn skipped(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check::new(name, State::Skipped, detail)
    }

    fn new(name: impl Into<String>, state: State, detail: impl Into<String>) -> Check {
        Check { name: name.into(), state, detail: detail.into(), fix: None }
    }

    /// The same, with what to do about it.
    pub fn fix(self, fix: impl Into<Action>) -> Check {
        Check { fix: Some(fix.into()), ..self }
    }
}
