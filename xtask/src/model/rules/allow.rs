//! DB208: a comment that is to switch a rule off and does not. `# xtask: allow DB403: reason` switches DB403 off for its
//! file; the reason is part of it, since the next reader will ask for it.

use super::{Check, Context, Level, Rule, Scope, Sink, Source, find, nearest};

pub(super) const RULE: Rule = Rule {
    code: "DB208",
    name: "allow-comment",
    level: Level::Error,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB208.md"),
    check: Check::Each(check),
};

const MARK: &str = "xtask: allow";

/// The rules that a script switches off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    codes: Vec<&'static str>,
    wrong: Vec<(usize, String)>,
}

impl Allowed {
    pub(super) fn read(text: &str) -> Allowed {
        let mut allowed = Allowed::default();
        // Hardly any script has one, and looking for the mark is quicker than going through the lines.
        if !text.contains(MARK) {
            return allowed;
        }
        for (number, line) in text.lines().enumerate() {
            let comment = line.split_once('#').and_then(|(_, comment)| comment.trim_start().strip_prefix(MARK));
            if let Some(rest) = comment {
                allowed.line(number + 1, rest);
            }
        }
        allowed
    }

    fn line(&mut self, number: usize, rest: &str) {
        let (codes, reason) = rest.split_once(':').unwrap_or((rest, ""));
        if reason.trim().is_empty() {
            self.wrong.push((number, "it gives no reason".to_owned()));
            return;
        }
        for word in codes.split([',', ' ']).filter(|word| !word.is_empty()) {
            match (find(word), nearest(word)) {
                (Some(rule), _) => self.codes.push(rule.code),
                (None, Some(meant)) => self.wrong.push((number, format!("there is no rule {word}, perhaps {meant}"))),
                (None, None) => self.wrong.push((number, format!("there is no rule {word}"))),
            }
        }
    }

    pub(super) fn permits(&self, code: &str) -> bool {
        self.codes.contains(&code)
    }
}

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    for (line, wrong) in &source.allowed().wrong {
        let message = format!("This comment switches nothing off: {wrong}");
        sink.at(&source.path, *line, message, "Write it as: # xtask: allow CODE: why it is right here");
    }
}
