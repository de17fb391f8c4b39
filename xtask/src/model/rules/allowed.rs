//! The rules that a script switches off by a comment: `# xtask: allow DB403: reason`.

use super::{find, nearest};

const MARK: &str = "xtask: allow";

/// The rules that a script switches off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    codes: Vec<&'static str>,
    /// What switches nothing off: its line, and why.
    pub(super) wrong: Vec<(usize, String)>,
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
