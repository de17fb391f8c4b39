//! Makes text from elsewhere (names, messages, SQL) safe for a terminal or a log: without escape sequences, marks that
//! change the direction of writing, and lines that a CI service takes for a command.

use std::borrow::Cow;

/// What is shown stays readable: a character that acts on a terminal stands there as `\u{1b}`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    replaced(text, |c| acts(c) && c != '\n' && c != '\t')
}

/// The same for what has to stay in its line.
pub fn on_a_line(text: &str) -> Cow<'_, str> {
    replaced(text, acts)
}

/// As [`harmless`], but colours that we gave it ourselves stay, where there are any.
pub fn in_colour(text: &str, colours: &[&str]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        shown.push_str(&harmless(&rest[..at]));
        rest = &rest[at..];
        let colour = colours.iter().find(|colour| rest.starts_with(**colour));
        let length = colour.map_or(1, |colour| colour.len());
        match colour {
            Some(colour) => shown.push_str(colour),
            None => shown.push_str(&harmless(&rest[..length])),
        }
        rest = &rest[length..];
    }
    shown.push_str(&harmless(rest));
    shown
}

/// Lines that GitHub's runner would take for a command (`::error::…`, `##[…]`) are changed so that it does not.
pub fn no_commands(text: &str) -> Cow<'_, str> {
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    if !text.lines().any(is_command) {
        return Cow::Borrowed(text);
    }
    let lines = text.split('\n').map(|line| {
        let start = line.len() - line.trim_start().len();
        let line = match line[start..].starts_with("::") {
            true => format!("{}\\{}", &line[..start], &line[start..]),
            false => line.to_owned(),
        };
        line.replace("##[", "#\\#[")
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

fn replaced(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if is_bad(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        assert_eq!(harmless("plain, ü 한글 🎉\n\ttext"), "plain, ü 한글 🎉\n\ttext");
        assert_eq!(harmless("\u{1b}]0;T\u{7}\u{9b}2J\r\u{202e}x"), r"\u{1b}]0;T\u{7}\u{9b}2J\u{d}\u{202e}x");
        assert_eq!(on_a_line("a\n::error::b.py"), r"a\u{a}::error::b.py");
        let colours = ["\u{1b}[31m", "\u{1b}[0m"];
        let mixed = "\u{1b}[31mred\u{1b}[0m \u{1b}[2Jgone";
        assert_eq!(in_colour(mixed, &colours), "\u{1b}[31mred\u{1b}[0m \\u{1b}[2Jgone");
    }

    #[test]
    fn no_line_is_a_command_for_ci() {
        assert_eq!(no_commands("a\n ::error::b\nc::d ##[error]x"), "a\n \\::error::b\nc::d #\\#[error]x");
        assert_eq!(no_commands("a::b"), "a::b");
    }
}
