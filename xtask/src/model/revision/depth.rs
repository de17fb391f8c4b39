//! A bound on how deeply an expression nests. The parser grows its own stack, but dropping and visiting its tree is
//! recursive, so a file with some thousand brackets or operators in one expression could end the process. Python itself
//! refuses such files at a few hundred to a few thousand levels.

use ruff_python_ast::token::{TokenKind, Tokens};

/// How many levels are taken; each costs about 1 kB of stack in an unoptimised build.
pub(super) const LIMIT: usize = 1000;

/// Whether any expression may nest deeper than [`LIMIT`]. Errs on the side of yes: every operator, dot and bracket since
/// the last comma of each open bracket counts as a level.
pub(super) fn is_exceeded(tokens: &Tokens) -> bool {
    let mut open = vec![0];
    let mut depth = 0_usize;
    for token in tokens {
        let innermost = open.len() - 1;
        match token.kind() {
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                open.push(1);
                depth += 1;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace | TokenKind::FStringEnd | TokenKind::TStringEnd => {
                if innermost > 0 {
                    depth -= open.pop().unwrap_or(0);
                }
                // What follows a closed bracket (`f()()`) nests around it.
                depth += 1;
                if let Some(level) = open.last_mut() {
                    *level += 1;
                }
            }
            TokenKind::Comma | TokenKind::Newline | TokenKind::Semi => {
                depth -= open[innermost];
                open[innermost] = 0;
            }
            TokenKind::Name
            | TokenKind::String
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline => {}
            _ => {
                depth += 1;
                open[innermost] += 1;
            }
        }
        if depth > LIMIT {
            return true;
        }
    }
    false
}

/// How many levels of indentation Python takes.
const INDENTS: usize = 100;

/// Whether Python would refuse it: a tree of statements is visited recursively, too.
pub(super) fn is_indented_too_far(tokens: &Tokens) -> bool {
    let mut level = 0_usize;
    for token in tokens {
        match token.kind() {
            TokenKind::Indent => level += 1,
            TokenKind::Dedent => level = level.saturating_sub(1),
            _ => {}
        }
        if level >= INDENTS {
            return true;
        }
    }
    false
}
