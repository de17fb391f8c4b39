//! What a rule found, and where rules put it.

use std::path::{Path, PathBuf};

use super::{Context, Rule};
use crate::model::action::{Action, Call};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The rule is not asked.
    Off,
    /// It may bite; a check with warnings only passes.
    Warning,
    /// It breaks something, or somebody else's database; a check with errors fails.
    Error,
}

impl Level {
    /// The words, as the configuration takes them.
    pub const NAMES: [&'static str; 3] = ["off", "warning", "error"];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }

    pub fn parse(word: &str) -> Option<Level> {
        [Level::Off, Level::Warning, Level::Error].into_iter().find(|level| level.name() == word)
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's code.
    pub code: &'static str,
    /// The rule's name.
    pub name: &'static str,
    /// How much it weighs.
    pub severity: Level,
    /// The file, relative to the project.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and why it bites.
    pub message: String,
    /// The fix, and other ways to it: words, or a command and what it is for.
    pub help: Vec<Action>,
}

impl Finding {
    /// What makes two findings the same though lines have moved.
    pub fn identity(&self) -> (&'static str, &Path, &str) {
        (self.code, &self.path, &self.message)
    }
}

/// Takes what a rule finds, unless the script it finds it in allows that.
pub struct Sink<'a> {
    rule: &'static Rule,
    level: Level,
    is_configured: bool,
    context: &'a Context,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        rule: &'static Rule,
        configured: Option<Level>,
        context: &'a Context,
        findings: &'a mut Vec<Finding>,
    ) -> Sink<'a> {
        Sink { rule, level: configured.unwrap_or(rule.level), is_configured: configured.is_some(), context, findings }
    }

    /// Whether the project says something about this rule.
    pub(super) fn is_configured(&self) -> bool {
        self.is_configured
    }

    /// Something is wrong in a line of a file.
    pub fn at(
        &mut self,
        path: &Path,
        line: usize,
        message: impl Into<String>,
        help: impl Into<Action>,
    ) -> MoreHelp<'_> {
        self.add(self.level, path, line, message.into(), help.into())
    }

    /// As that, but a warning where the rule is an error, unless the project says what it wants.
    pub fn warn(
        &mut self,
        path: &Path,
        line: usize,
        message: impl Into<String>,
        help: impl Into<Action>,
    ) -> MoreHelp<'_> {
        let level = if self.is_configured { self.level } else { Level::Warning };
        self.add(level, path, line, message.into(), help.into())
    }

    fn add(&mut self, severity: Level, path: &Path, line: usize, message: String, help: Action) -> MoreHelp<'_> {
        let source = self.context.source(path);
        let is_allowed = source.is_some_and(|source| source.allowed().permits(self.rule.code));
        let is_spared = source.is_some_and(|source| self.context.spares(self.rule, source));
        if is_allowed || is_spared {
            return MoreHelp(None);
        }
        self.findings.push(Finding {
            code: self.rule.code,
            name: self.rule.name,
            severity,
            path: path.to_owned(),
            line,
            message,
            help: vec![help],
        });
        MoreHelp(self.findings.last_mut())
    }
}

/// A finding that was just made, unless its script allows it, for more to do about it.
pub struct MoreHelp<'a>(Option<&'a mut Finding>);

impl MoreHelp<'_> {
    /// A command, and what it is for.
    pub fn run(self, why: impl Into<String>, call: impl Into<Call>) -> Self {
        self.help(Action::run(why, call))
    }

    /// Words, or a command.
    pub fn help(mut self, action: impl Into<Action>) -> Self {
        if let Some(finding) = &mut self.0 {
            finding.help.push(action.into());
        }
        self
    }
}
