//! What a hook does when it cannot do its work: it says so in one line and lets git go on, since a commit or a push
//! must not fail because its author's machine lacks something. In CI, where nobody reads that line, it fails.

use anyhow::Result;

use crate::fail::{Exit, Kind, from_anyhow};
use crate::ui::Ui;

pub struct Lenient<'a> {
    pub ui: &'a Ui,
    pub is_strict: bool,
}

impl Lenient<'_> {
    /// Ends a hook. `undone`: what the hook is for and did not do, if `done` is an error.
    pub fn settle(&self, undone: &str, done: Result<Exit>) -> Exit {
        let fail = match done {
            Ok(exit) => return exit,
            Err(error) => from_anyhow(&error),
        };
        if fail.kind == Kind::Interrupted {
            return Exit::Interrupted;
        }
        let details = fail.details.lines().next().map(|line| format!(" ({line})")).unwrap_or_default();
        self.not_done(&format!("{undone}: {}{details}", fail.summary))
    }

    /// Says that something was not looked at, and why.
    pub fn not_done(&self, why: &str) -> Exit {
        self.ui.warn(why);
        if self.is_strict { Exit::Findings } else { Exit::Done }
    }
}
