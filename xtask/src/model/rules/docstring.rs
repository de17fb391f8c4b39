//! DB205: `Revision ID:` or `Revises:` in the docstring say something else than the code.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::revision::Script;

pub(super) const RULE: Rule = Rule {
    code: "DB205",
    name: "docstring-lies",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB205.md"),
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
        return (id.trim() != script.id).then(|| (line.to_owned(), script.id.clone()));
    }
    let said = line.strip_prefix("Revises:")?;
    let mut said: Vec<&str> = said.split([',', ' ']).filter(|word| !word.is_empty() && *word != "None").collect();
    let mut parents: Vec<&str> = script.down.iter().map(String::as_str).collect();
    said.sort_unstable();
    parents.sort_unstable();
    let is = if parents.is_empty() { "no parent".to_owned() } else { script.down.join(", ") };
    (said != parents).then(|| (line.to_owned(), is))
}

fn corrected(line: &str, script: &Script) -> String {
    match line.starts_with("Revision ID:") {
        true => format!("Revision ID: {}", script.id),
        false => format!("Revises: {}", script.down.join(", ")).trim_end().to_owned(),
    }
}
