//! DB403: an import of the application that the script migrates: it drifts away from the script.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use crate::model::script_body::{Body, Import, Value};
use std::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "DB403",
    name: "application-import",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../rules/DB403.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    for import in body.imports.iter().filter(|import| is_own(&import.module, &source.path, context)) {
        let drifting: Vec<&str> =
            import.names.iter().map(String::as_str).filter(|name| !is_steady(name, import, source, body)).collect();
        if drifting.is_empty() && !import.names.is_empty() {
            continue;
        }
        let what = if drifting.is_empty() { String::new() } else { format!(" ({})", drifting.join(", ")) };
        let message = format!(
            "This imports the application's own {}{what}: the code will change, this script will not, and one day it \
             no longer runs from an empty database",
            import.module
        );
        let help = "Write down here what the script needs as of today: its own sa.table(), types and constants";
        sink.at(&source.path, import.line, message, help);
    }
}

/// Where projects keep what their columns are made of, and functions for all.
const FOUNDATIONS: &[&str] =
    &["base", "types", "type", "sqltypes", "custom_types", "db_types", "columns", "utils", "util", "helpers", "helper"];

/// Whether a name is one that migrations share with the models and that hardly ever changes: a column type (`GUID`), a
/// naming convention, a helper function.
fn is_steady(name: &str, import: &Import, source: &Source, body: &Body) -> bool {
    let module = import.module.rsplit('.').next().unwrap_or_default();
    let is_type = name.ends_with("Type") || name.ends_with("Column") || name.chars().all(|c| c.is_uppercase());
    let is_helper =
        name.starts_with(|c: char| c.is_lowercase()) && !matches!(name, "metadata" | "registry" | "mapper_registry");
    let is_foundation = FOUNDATIONS.contains(&module);
    (is_foundation && (is_type || is_helper)) || name.ends_with("convention") || is_only_a_type(name, source, body)
}

/// Whether a name stands, but for the import, only where the type of a column stands.
fn is_only_a_type(name: &str, source: &Source, body: &Body) -> bool {
    let is_named = |value: &Value| match value {
        Value::Name(other) => other == name,
        Value::Call(call) => call.name == name,
        _ => false,
    };
    let mut seen = 0;
    for function in [&body.upgrade, &body.downgrade].into_iter().flatten() {
        for found in &function.calls {
            // `sa.Column` is met by itself as well, since it is a call.
            let call = &found.call;
            let of_column = call.args.iter().skip(1).filter(|_| call.last() == "Column");
            let by_name = ["type_", "existing_type"].iter().filter_map(|key| call.get(key));
            seen += of_column.chain(by_name).filter(|value| is_named(value)).count();
        }
    }
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let text = &source.text;
    let words = text.match_indices(name).filter(|(at, _)| {
        !is_word(text[..*at].chars().next_back()) && !is_word(text[at + name.len()..].chars().next())
    });
    // Once it is imported.
    seen > 0 && words.count() == seen + 1
}

/// Whether a module is one of the project's, by its name or by the folders that the script is in. The helpers beside
/// the version folder belong to the migrations.
fn is_own(module: &str, path: &Path, context: &Context) -> bool {
    if module.starts_with('.') || module.split('.').any(|part| matches!(part, "alembic" | "migration" | "migrations")) {
        return module.starts_with('.') && !module.contains("alembic");
    }
    let parts: Vec<&str> = module.split('.').collect();
    if context.packages.iter().any(|package| package == parts[0]) {
        return true;
    }
    // `src/ai/backend/manager/models/alembic/versions/x.py` is part of `ai.backend`.
    let folders: Vec<_> = path.parent().map(|folder| folder.iter().collect()).unwrap_or_default();
    parts.len() > 1 && folders.windows(2).any(|pair| pair[0] == parts[0] && pair[1] == parts[1])
}
