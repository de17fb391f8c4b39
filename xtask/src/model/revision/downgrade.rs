//! What a script says about going back, read off its text: `irreversible = True`, a comment `# irreversible: reason`, a
//! `downgrade()` that does nothing but raise, or one that does nothing at all.

use ruff_python_ast::{Expr, PySourceType, Stmt};
use ruff_python_parser::parse_unchecked_source;
use ruff_text_size::Ranged;

/// What a script says about going back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downgrade {
    /// The script declares that it cannot be undone without running anything; the reason in its own words, as far as it
    /// gives one.
    pub irreversible: Option<String>,
    /// `downgrade()` has no statement that could do anything.
    pub empty: bool,
}

/// Reads it. A script with syntax errors says nothing.
pub fn downgrade(text: &str) -> Downgrade {
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    if !parsed.errors().is_empty() {
        return Downgrade::default();
    }
    let body = &parsed.syntax().body;
    let function = body.iter().find_map(|stmt| match stmt {
        Stmt::FunctionDef(function) if function.name.as_str() == "downgrade" => Some(&function.body),
        _ => None,
    });
    let comments = parsed.tokens().iter().filter(|token| token.kind().is_comment()).map(|token| &text[token.range()]);
    let remark = comments.filter_map(reason_in_comment).next();
    let declared = body.iter().any(says_irreversible).then(|| "irreversible = True".to_owned());
    let raised = function.and_then(|body| only_raised(body, text));
    Downgrade {
        irreversible: remark.or(declared).or(raised),
        empty: function.is_some_and(|body| body.iter().all(does_nothing)),
    }
}

/// `# irreversible: the old values are gone`.
fn reason_in_comment(comment: &str) -> Option<String> {
    let text = comment.trim_start_matches('#').trim();
    let (word, reason) = text.split_once(':')?;
    (word.trim().eq_ignore_ascii_case("irreversible") && !reason.trim().is_empty()).then(|| reason.trim().to_owned())
}

fn says_irreversible(stmt: &Stmt) -> bool {
    let is_name = |expr: &Expr| matches!(expr, Expr::Name(name) if name.id.as_str() == "irreversible");
    let is_true = |expr: &Expr| matches!(expr, Expr::BooleanLiteral(literal) if literal.value);
    match stmt {
        Stmt::Assign(assign) => assign.targets.iter().any(is_name) && is_true(&assign.value),
        Stmt::AnnAssign(assign) => is_name(&assign.target) && assign.value.as_deref().is_some_and(is_true),
        _ => false,
    }
}

/// What `downgrade()` raises, where it does nothing else; its message, if that is a literal.
fn only_raised(body: &[Stmt], text: &str) -> Option<String> {
    let [Stmt::Raise(raise)] =
        &body.iter().filter(|stmt| stmt.is_return_stmt() || !does_nothing(stmt)).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let raised = raise.exc.as_deref()?;
    let as_written = &text[raised.range()];
    // As Python shows it.
    let Some(call) = raised.as_call_expr() else { return Some(as_written.to_owned()) };
    Some(match call.arguments.args.first() {
        Some(Expr::StringLiteral(message)) => format!("{}: {}", &text[call.func.range()], message.value.to_str()),
        _ => as_written.to_owned(),
    })
}

fn does_nothing(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Pass(_) => true,
        Stmt::Expr(expr) => matches!(&*expr.value, Expr::StringLiteral(_) | Expr::EllipsisLiteral(_)),
        Stmt::Return(back) => back.value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Option<String> {
        downgrade(text).irreversible
    }

    #[test]
    fn declared() {
        assert_eq!(reason("irreversible = True\n").as_deref(), Some("irreversible = True"));
        assert_eq!(reason("irreversible: bool = True\n").as_deref(), Some("irreversible = True"));
        let comment = "def downgrade():\n    # Irreversible: the old names are gone\n    pass\n";
        assert_eq!(reason(comment).as_deref(), Some("the old names are gone"));
        let raises = "def downgrade():\n    \"\"\"No.\"\"\"\n    raise Exception('Downgrades not supported')\n";
        assert_eq!(reason(raises).as_deref(), Some("Exception: Downgrades not supported"));
        let raises = "def downgrade() -> None:\n    raise NotImplementedError\n";
        assert_eq!(reason(raises).as_deref(), Some("NotImplementedError"));
    }

    #[test]
    fn not_declared() {
        for text in [
            "irreversible = False\n",
            "x = '# irreversible: no comment'\n",
            "# irreversible:\n",
            "# this is irreversible: or so they say\n",
            "def downgrade():\n    irreversible = True\n",
            "def downgrade():\n    return\n    raise NotImplementedError\n",
            "def downgrade():\n    op.drop_table('t')\n    raise ValueError('late')\n",
            "def downgrade(:\n    # irreversible: broken\n",
        ] {
            assert_eq!(reason(text), None, "{text}");
        }
    }

    #[test]
    fn empty() {
        assert!(downgrade("def downgrade():\n    '''Nothing.'''\n    pass\n").empty);
        assert!(downgrade("def downgrade() -> None:\n    ...\n").empty);
        assert!(!downgrade("def downgrade():\n    op.drop_table('t')\n").empty);
        assert!(!downgrade("def upgrade():\n    pass\n").empty);
    }
}
