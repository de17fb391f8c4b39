//! DB205: `Revision ID:` or `Revises:` in the docstring say something else than the code.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::revision::Script;

pub(super) const RULE: Rule = Rule {
    code: "DB205",
    name: "docstring-lies",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB205.md"),
    check: Check::Each(check),
};

fn check(source: &Source, _: &Context, sink: &mut Sink<'_>) {
    let Ok(script) = &source.header else { return };
    let Some(span) = &script.spans.docstring else { return };
    let Some(docstring) = source.text.get(span.clone()) else { return };
    let first = 1 + source.text[..span.start].matches('\n').count();
    for (at, line) in docstring.lines().enumerate() {
        if let Some((said, is)) = lie(line.trim(), script) {
            let message = format!("The docstring says `{said}`, the code says {is}: who reads only the top is misled");
            sink.at(&source.path, first + at, message, format!("Write there: {}", corrected(line.trim(), script)));
        }
    }
}

fn lie(line: &str, script: &Script) -> Option<(String, String)> {
    if let Some(id) = line.strip_prefix("Revision ID:") {
        let is_same = id.trim().trim_matches(QUOTES) == script.id || id.split_whitespace().next() == Some(&script.id);
        return (!is_same).then(|| (line.to_owned(), script.id.clone()));
    }
    let said = ids(line.strip_prefix("Revises:")?);
    // Or the parent's file, with its id in front.
    let is_file = |said: &str, parent: &str| {
        said.ends_with(".py") && said.rsplit('/').next().is_some_and(|name| name.starts_with(parent))
    };
    let means = |said: &String, parent: &String| {
        parent == said || (said.len() >= SHORTEST && parent.starts_with(said)) || is_file(said, parent)
    };
    let all_said = script.down.iter().all(|parent| said.iter().any(|said| means(said, parent)));
    let all_true = said.iter().all(|said| script.down.iter().any(|parent| means(said, parent)));
    let is = if script.down.is_empty() { "no parent".to_owned() } else { script.down.join(", ") };
    (!all_said || !all_true).then(|| (line.to_owned(), is))
}

const QUOTES: [char; 3] = ['"', '\'', '`'];
/// Alembic takes an id that is shortened to this.
const SHORTEST: usize = 4;

/// The ids behind `Revises:`, as any version of Alembic has written them: `a1, b2`, `('a1', 'b2')`, `None`. Behind an id
/// a remark may stand: `a1 (the one with the users)`.
fn ids(said: &str) -> Vec<String> {
    let said = said.trim();
    let inside = said.strip_prefix(['(', '[', '{']).and_then(|rest| rest.strip_suffix([')', ']', '}'])).unwrap_or(said);
    let bare = |word: &str| {
        let word = word.trim_matches(['(', ')', '[', ']']);
        let word = ["u'", "u\""].iter().find_map(|prefix| word.strip_prefix(prefix)).unwrap_or(word);
        word.trim_matches(QUOTES).to_owned()
    };
    let of_part = |part: &str| {
        let part = part.split(['(', '#']).next().unwrap_or_default();
        part.split_whitespace().map(bare).collect::<Vec<_>>()
    };
    let is_none = |word: &String| matches!(word.as_str(), "" | "None" | "none" | "<base>" | "base" | "-" | "and");
    let mut words: Vec<String> = inside.split(',').flat_map(of_part).collect();
    words.retain(|word| !is_none(word));
    words
}

fn corrected(line: &str, script: &Script) -> String {
    match line.starts_with("Revision ID:") {
        true => format!("Revision ID: {}", script.id),
        false => format!("Revises: {}", script.down.join(", ")).trim_end().to_owned(),
    }
}
