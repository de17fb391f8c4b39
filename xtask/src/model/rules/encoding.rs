//! DB203: bytes that are no UTF-8, characters that nobody sees, tabs and blanks mixed.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};

pub(super) const RULE: Rule = Rule {
    code: "DB203",
    name: "encoding",
    level: Level::Error,
    scope: Scope::All,
    page: include_str!("../../../rules/DB203.md"),
    check: Check::Each(check),
};

/// Characters that change what is read without being seen: the trick of \"Trojan Source\".
const UNSEEN: [char; 10] =
    ['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\0'];
/// It turns nothing round, and stands in mails and pages on purpose.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let path = &source.path;
    if let Some(line) = source.broken_line {
        let message = "Bytes that are no UTF-8: Python refuses the script, and Alembic loads all scripts or none";
        let help = format!(
            "Save it as UTF-8, for example: iconv -f latin1 -t utf-8 {0} > {0}.new && mv {0}.new {0}",
            path.display()
        );
        sink.at(path, line, message, help);
    }
    let message =
        |unseen: char| format!("An invisible character (U+{:04X}): the text is not what it looks like", unseen as u32);
    let help = "Delete the character, or write it as an escape in the string";
    if let Some((line, unseen)) = position(&source.text, |line| line.chars().find(|c| UNSEEN.contains(c))) {
        sink.at(path, line, message(unseen), help);
    }
    if let Some((line, ())) = position(&source.text, |line| line.contains(ZERO_WIDTH_SPACE).then_some(())) {
        sink.warn(path, line, message(ZERO_WIDTH_SPACE), help);
    }
    let mixed = |line: &str| {
        let indent = &line[..line.len() - line.trim_start().len()];
        (indent.contains('\t') && indent.contains(' ')).then_some(())
    };
    if let (Some((line, ())), Err(_)) = (position(&source.text, mixed), source.body()) {
        let message = "Tabs and blanks are mixed in the indentation, and Python does not take that for one block";
        sink.at(path, line, message, format!("expand -t 4 {0} > {0}.new && mv {0}.new {0}", path.display()));
    }
}

fn position<T>(text: &str, find: impl Fn(&str) -> Option<T>) -> Option<(usize, T)> {
    text.lines().enumerate().find_map(|(at, line)| Some((at + 1, find(line)?)))
}
