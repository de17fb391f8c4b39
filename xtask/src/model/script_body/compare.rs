//! Whether two versions of a script do the same: the code without comments, docstring and formatting.

use std::path::Path;

use ruff_python_ast::comparable::ComparableStmt;
use ruff_python_ast::{Expr, Stmt};

use crate::model::revision;

/// What differs between two versions of a script, by the names of functions and variables: `upgrade()`, `TABLE`. Empty
/// when they do the same; `the text` where one of them cannot be parsed.
pub fn difference(path: &Path, before: &str, after: &str) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let (Ok(before), Ok(after)) = (revision::parse(path, before), revision::parse(path, after)) else {
        return vec!["the text".to_owned()];
    };
    let (before, after) = (code(&before.syntax().body), code(&after.syntax().body));
    let mut names = Vec::new();
    for (name, stmt) in before.iter().chain(&after) {
        let same = |list: &[(String, &Stmt)]| {
            list.iter().any(|(_, other)| ComparableStmt::from(*other) == ComparableStmt::from(*stmt))
        };
        let is_kept = same(&before) && same(&after);
        if !is_kept && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The statements with a name for each; the docstring and other bare strings do nothing.
fn code(body: &[Stmt]) -> Vec<(String, &Stmt)> {
    let is_text = |stmt: &&Stmt| matches!(stmt, Stmt::Expr(stmt) if stmt.value.is_string_literal_expr());
    body.iter().filter(|stmt| !is_text(stmt)).map(|stmt| (name(stmt), stmt)).collect()
}

fn name(stmt: &Stmt) -> String {
    let target = |target: &Expr| target.as_name_expr().map(|name| name.id.to_string());
    let named = match stmt {
        Stmt::FunctionDef(function) => Some(format!("{}()", function.name)),
        Stmt::ClassDef(class) => Some(class.name.to_string()),
        Stmt::Assign(assign) => assign.targets.first().and_then(target),
        Stmt::AnnAssign(assign) => target(&assign.target),
        Stmt::Import(_) | Stmt::ImportFrom(_) => Some("imports".to_owned()),
        _ => None,
    };
    named.unwrap_or_else(|| "top-level code".to_owned())
}
