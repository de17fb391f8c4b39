//! Commands of ours that still stand in the words of an action get the flags that were typed, as those do that are
//! values ([`crate::model::action`]).

use super::{Fail, Kind};
use crate::model::action::{Action, Around, shell_word};

const CALL: &str = "cargo xtask ";

impl Fail {
    /// An action as it is printed. Where the flags themselves are what is wrong, words do not repeat them.
    pub(super) fn shown(&self, action: &Action, around: &Around) -> String {
        let text = action.text(around);
        if action.call().is_some() || matches!(self.kind, Kind::Usage | Kind::ConfigMissing) {
            return text;
        }
        let flags = around.typed.iter().filter(|(flag, _)| flag != "--python");
        let flags = flags.map(|(flag, value)| shell_word(&format!("{flag}={value}")));
        with_flags(&text, &flags.collect::<Vec<_>>())
    }
}

/// Puts the flags behind the name of each command in a text that takes them and has not said them itself.
fn with_flags(text: &str, flags: &[String]) -> String {
    let mut parts = text.split(CALL);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(part.len());
        let (command, rest) = part.split_at(end);
        out.push_str(CALL);
        out.push_str(command);
        for flag in flags.iter().filter(|flag| takes(command, rest, flag)) {
            out.push(' ');
            out.push_str(flag);
        }
        out.push_str(rest);
    }
    out
}

fn takes(command: &str, rest: &str, flag: &str) -> bool {
    let name = flag.split('=').next().unwrap_or(flag);
    let has = |word: &str| rest.split_whitespace().any(|it| it.trim_end_matches([',', ';', ')', '`']) == word);
    if rest.contains(&format!("{name}=")) || has("--explain") {
        return false;
    }
    match name {
        // The journal knows the component; `--all` of these two names every one.
        "--component" => {
            let every = matches!(command, "db-status" | "db-check") && has("--all");
            let journalled = ["--continue", "--abort", "--resume"].into_iter().any(has);
            command.starts_with("db-") && command != "db-server" && !every && !journalled
        }
        "--server" => (command.starts_with("db-") && command != "db-server") || command == "doctor",
        _ => command.starts_with("db-") || matches!(command, "doctor" | "hooks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_lead_back_to_what_was_named() {
        let flags = ["--component=appproxy".to_owned(), "--server=embedded".to_owned()];
        for (text, wanted) in [
            (
                "Try again: cargo xtask db-migrate",
                "Try again: cargo xtask db-migrate --component=appproxy --server=embedded",
            ),
            ("cargo xtask db-rebase --no-db", "cargo xtask db-rebase --component=appproxy --server=embedded --no-db"),
            (
                "cargo xtask db-rebase, then: cargo xtask db-migrate --component=a",
                "cargo xtask db-rebase --component=appproxy --server=embedded, then: \
                 cargo xtask db-migrate --server=embedded --component=a",
            ),
            ("cargo xtask db-status --all", "cargo xtask db-status --server=embedded --all"),
            ("cargo xtask db-roundtrip --all", "cargo xtask db-roundtrip --component=appproxy --server=embedded --all"),
            ("cargo xtask db-rebase --abort", "cargo xtask db-rebase --server=embedded --abort"),
            ("cargo xtask doctor", "cargo xtask doctor --server=embedded"),
            ("cargo xtask db-check --explain DB101", "cargo xtask db-check --explain DB101"),
            ("git pull", "git pull"),
        ] {
            assert_eq!(with_flags(text, &flags), wanted);
        }
        let text = "cargo xtask db-status, cargo xtask db-migrate";
        assert_eq!(with_flags(text, &[]), text);
    }
}
