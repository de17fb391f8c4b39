//! SQL as tokens: words, quoted names, marks, holes. Strings and comments are left out, so nothing in them is taken for
//! more than it is.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word, as written.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    /// `{…}`: what a script puts in, braces included.
    Hole(String),
    /// What follows a hole, or a hole that follows a word, without a blank between.
    Glued(String),
    /// A string of any kind, or a number: it is only there.
    Literal,
    /// Any other character.
    Mark(char),
}

impl Token {
    /// Whether it is this bare word, whatever its case.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    pub(super) fn into_text(self) -> String {
        match self {
            Token::Word(word) => word.to_lowercase(),
            Token::Quoted(text) | Token::Hole(text) | Token::Glued(text) => text,
            Token::Literal | Token::Mark(_) => String::new(),
        }
    }
}

pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = sql;
    let mut is_glued = false;
    while let Some(first) = rest.chars().next() {
        let (length, token) = match first {
            _ if first.is_whitespace() => (first.len_utf8(), None),
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), None),
            '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |end| end + 2), None),
            '\'' => (quoted(rest, '\''), Some(Token::Literal)),
            '"' => {
                let length = quoted(rest, '"');
                let inside = rest[1..length].strip_suffix('"').unwrap_or(&rest[1..length]);
                (length, Some(Token::Quoted(inside.to_owned())))
            }
            '$' if dollar(rest).is_some() => (dollar(rest).unwrap_or(1), Some(Token::Literal)),
            '{' => {
                let length = rest.find('}').map_or(rest.len(), |end| end + 1);
                (length, Some(Token::Hole(rest[..length].to_owned())))
            }
            _ if first.is_ascii_digit() && !is_glued => (word(rest), Some(Token::Literal)),
            _ if is_word(first) => (word(rest), Some(Token::Word(rest[..word(rest)].to_owned()))),
            _ => (first.len_utf8(), Some(Token::Mark(first))),
        };
        rest = &rest[length..];
        match (token, is_glued) {
            (Some(Token::Word(text) | Token::Hole(text)), true) => tokens.push(Token::Glued(text)),
            (Some(Token::Literal), _) => {
                tokens.push(Token::Literal);
                is_glued = false;
                continue;
            }
            (Some(token), _) => tokens.push(token),
            (None, _) => {}
        }
        // Only what touches a word or a hole, and only if one of the two is a hole, is one with it.
        is_glued = match tokens.last() {
            Some(Token::Hole(_) | Token::Glued(_)) => length > 0 && !first.is_whitespace(),
            Some(Token::Word(_)) => !first.is_whitespace() && rest.starts_with('{'),
            _ => false,
        };
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| !is_word(c) && c != '$').unwrap_or(rest.len())
}

/// The length of a quoted text; a doubled quote belongs to it.
fn quoted(rest: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = rest[at..].find(quote) {
        at += end + 1;
        if !rest[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    rest.len()
}

/// The length of `$tag$ … $tag$`, if that is what stands here.
fn dollar(rest: &str) -> Option<usize> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    let is_tag = tag[1..end - 1].chars().all(is_word) && !tag[1..].starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| rest[end..].find(tag).map_or(rest.len(), |at| end + at + end))
}
