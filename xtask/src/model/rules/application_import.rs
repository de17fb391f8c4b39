//! DB403: an import of the application that the script migrates: it drifts away from the script.

use super::{Check, Context, Level, Rule, Scope, Sink, Source};
use std::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "DB403",
    name: "application-import",
    level: Level::Warning,
    scope: Scope::Unreleased,
    page: include_str!("../../../../docs/rules/DB403.md"),
    check: Check::Each(check),
};

fn check(source: &Source, context: &Context, sink: &mut Sink<'_>) {
    let Ok(body) = source.body() else { return };
    for import in body.imports.iter().filter(|import| is_own(&import.module, &source.path, context)) {
        let what = if import.names.is_empty() { String::new() } else { format!(" ({})", import.names.join(", ")) };
        let message = format!(
            "This imports the application's own {}{what}: the code will change, this script will not, and one day it \
             no longer runs from an empty database",
            import.module
        );
        let help = "Write down here what the script needs as of today: its own sa.table(), types and constants";
        sink.at(&source.path, import.line, message, help);
    }
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
