//! What a script's `downgrade()` would drop, as far as it stands in the text: Alembic's `drop_…` operations, `.drop()` of
//! a type, and SQL that drops, deletes or truncates. A hint for a person before a downgrade; nothing is decided by it.

use std::path::Path;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprCall, Stmt, StmtWith};
use ruff_text_size::Ranged;

use super::header;

/// How much of a statement is shown.
const SHOWN: usize = 80;

/// One phrase for each thing that is dropped, in the order of the text: `table t`, `column t.c`, `` `drop type mood` ``.
/// Empty for a script that cannot be parsed; whoever runs it will hear of that.
pub fn drops(path: &Path, text: &str) -> Vec<String> {
    let Ok(parsed) = header::python(path, text) else { return Vec::new() };
    let mut found = Drops { text, batch: None, phrases: Vec::new() };
    for statement in &parsed.syntax().body {
        if let Stmt::FunctionDef(function) = statement
            && function.name.as_str() == "downgrade"
        {
            found.visit_body(&function.body);
        }
    }
    found.phrases
}

struct Drops<'a> {
    text: &'a str,
    /// The table of the `with op.batch_alter_table(…)` that we are in.
    batch: Option<String>,
    phrases: Vec<String>,
}

impl<'a> Visitor<'a> for Drops<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let outer = self.batch.clone();
        if let Stmt::With(with) = statement {
            self.batch = batch_table(with).or(outer.clone());
        }
        visitor::walk_stmt(self, statement);
        self.batch = outer;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr
            && let Expr::Attribute(attribute) = &*call.func
        {
            let phrase = self.phrase(attribute.attr.as_str(), call);
            self.phrases.extend(phrase);
        }
        visitor::walk_expr(self, expr);
    }
}

impl Drops<'_> {
    fn phrase(&self, name: &str, call: &ExprCall) -> Option<String> {
        let first = string(call, 0);
        let second = string(call, 1);
        match (name, first, second, &self.batch) {
            ("drop_table", Some(table), ..) => Some(format!("table {table}")),
            ("drop_column", Some(column), _, Some(table)) => Some(format!("column {table}.{column}")),
            ("drop_column", Some(table), Some(column), None) => Some(format!("column {table}.{column}")),
            ("drop_index", Some(index), ..) => Some(format!("index {index}")),
            ("drop_constraint", Some(constraint), _, Some(table)) => {
                Some(format!("constraint {constraint} of {table}"))
            }
            ("drop_constraint", Some(constraint), Some(table), None) => {
                Some(format!("constraint {constraint} of {table}"))
            }
            ("execute", Some(sql), ..) if takes_away(sql) => Some(format!("`{}`", one_line(sql))),
            ("drop", ..) => Some(self.as_written(call)),
            (name, ..) if name.starts_with("drop_") => Some(self.as_written(call)),
            _ => None,
        }
    }

    /// What cannot be put into words stands as the script has it.
    fn as_written(&self, call: &ExprCall) -> String {
        format!("`{}`", one_line(self.text.get(call.range().to_std_range()).unwrap_or_default()))
    }
}

fn batch_table(with: &StmtWith) -> Option<String> {
    with.items.iter().find_map(|item| {
        let Expr::Call(call) = &item.context_expr else { return None };
        let Expr::Attribute(attribute) = &*call.func else { return None };
        let batch = attribute.attr.as_str() == "batch_alter_table";
        string(call, 0).filter(|_| batch).map(str::to_owned)
    })
}

/// The string at a position of the arguments, also inside `sa.text(…)`.
fn string(call: &ExprCall, at: usize) -> Option<&str> {
    match call.arguments.args.get(at)? {
        Expr::StringLiteral(literal) => Some(literal.value.to_str()),
        Expr::Call(text) => match text.arguments.args.first()? {
            Expr::StringLiteral(literal) => Some(literal.value.to_str()),
            _ => None,
        },
        _ => None,
    }
}

fn takes_away(sql: &str) -> bool {
    let lower = sql.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| ["drop", "delete", "truncate"].contains(&word))
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Vec<String> {
        let text = format!("revision = 'a'\n\ndef upgrade():\n    op.drop_table('up')\n\ndef downgrade():\n{body}\n");
        drops(Path::new("a.py"), &text)
    }

    #[test]
    fn operations_and_sql() {
        let body = "    op.drop_index('ix', table_name='t')\n    op.drop_constraint('fk', 't')\n    op.drop_column('t', 'c')\n\
                    \x20   if True:\n        op.drop_table('t')\n    op.execute(sa.text('''\n  DROP TYPE\n mood'''))\n\
                    \x20   op.execute('update t set dropped = 1')\n    sa.Enum(name='e').drop(op.get_bind())\n    op.drop_table(NAME)";
        let expected = [
            "index ix",
            "constraint fk of t",
            "column t.c",
            "table t",
            "`DROP TYPE mood`",
            "`sa.Enum(name='e').drop(op.get_bind())`",
            "`op.drop_table(NAME)`",
        ];
        assert_eq!(of(body), expected);
    }

    #[test]
    fn in_a_batch_the_table_is_known() {
        let body = "    with op.batch_alter_table('t') as batch:\n        batch.drop_column('c')\n        batch.drop_constraint('k')\n\
                    \x20   op.drop_column('u', 'd')";
        assert_eq!(of(body), ["column t.c", "constraint k of t", "column u.d"]);
    }

    #[test]
    fn nothing_to_say() {
        assert_eq!(of("    pass"), Vec::<String>::new());
        assert_eq!(drops(Path::new("a.py"), "revision = 'a'"), Vec::<String>::new());
    }

    #[test]
    fn a_script_with_a_syntax_error_gives_what_is_there() {
        assert_eq!(of("    op.drop_table('t'"), ["table t"]);
    }
}
