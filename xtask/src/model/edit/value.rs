//! The value of `down_revision`, rewritten token by token: strings replaced, items put in and taken out, everything
//! between them left alone. The result is read back before it is given out.

use std::ops::Range;

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_python_ast::{Expr, ModExpression};
use ruff_python_parser::{Parsed, parse_expression};
use ruff_text_size::Ranged;

use super::edits::{Edits, is_blank};

/// Brackets in brackets beyond this are not a list of ids, and reading them would be a way to the end of the stack.
const DEEPEST: usize = 20;

/// Why there is no new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is something else than a string, `None`, a name, or a sequence of these.
    NotAValue,
    /// The new one would not read back.
    Unsure,
}

/// The value's text with other parents; `quotes` are the file's, where the value has none of its own.
pub(super) fn rewrite(old: &str, parents: &[String], quotes: Option<Quotes>) -> Result<String, Trouble> {
    let value = Value::read(old).ok_or(Trouble::NotAValue)?;
    let quotes = quotes_in(old).or(quotes).unwrap_or_default();
    let new = if value.says(parents) {
        old.to_owned()
    } else if value.is_sequence {
        value.with_items(parents, &quotes)
    } else {
        value.with_scalar(parents, &quotes)
    };
    let again = Value::read(&new).ok_or(Trouble::Unsure)?;
    let is_on_one_line = |text: &str| !text.contains(['\n', '\r']);
    let is_right = again.says(parents) && again.comments() == value.comments();
    // A value without brackets around it ends where its line ends.
    if is_right && (is_on_one_line(&new) || !is_on_one_line(old)) { Ok(new) } else { Err(Trouble::Unsure) }
}

/// How a string begins and ends, for instance `r"` and `"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quotes {
    prefix: String,
    quote: String,
}

impl Default for Quotes {
    fn default() -> Quotes {
        Quotes { prefix: String::new(), quote: "\"".to_owned() }
    }
}

impl Quotes {
    fn round(&self, id: &str) -> String {
        format!("{}{}{id}{}", self.prefix, self.quote, self.quote)
    }
}

/// The quotes of the first string in a piece of Python, comments passed over.
pub(super) fn quotes_in(text: &str) -> Option<Quotes> {
    let parsed = parse(text)?;
    let string = parsed.tokens().iter().find(|token| token.kind() == TokenKind::String)?;
    let literal = &text[unwrapped(string.range().to_std_range())];
    let start = literal.find(['"', '\''])?;
    let one = &literal[start..=start];
    let three = one.repeat(3);
    let quote = if literal[start..].starts_with(&three) { three } else { one.to_owned() };
    Some(Quotes { prefix: literal[..start].to_owned(), quote })
}

/// Wrapped in brackets of our own a value may go over several lines, as it may in the file.
const BEFORE: &str = "(";

fn parse(text: &str) -> Option<Parsed<ModExpression>> {
    let opening = |c: char| matches!(c, '(' | '[' | '{');
    if text.chars().filter(|c| opening(*c)).count() > DEEPEST {
        return None;
    }
    // A comment at the end must not hide our closing bracket.
    parse_expression(&format!("{BEFORE}{text}\n)")).ok()
}

/// A range in the wrapped text as one in the text.
fn unwrapped(range: Range<usize>) -> Range<usize> {
    range.start - BEFORE.len()..range.end - BEFORE.len()
}

/// A token that matters: not a line break.
#[derive(Clone, Debug)]
struct Token {
    kind: TokenKind,
    range: Range<usize>,
}

/// An item of a sequence, or the whole of a single value.
#[derive(Clone, Debug)]
struct Item {
    /// Its tokens without comments; parentheses of its own are among them.
    tokens: Vec<Token>,
    /// The comma behind it.
    comma: Option<Range<usize>>,
    /// The id, if it is a string.
    id: Option<String>,
}

/// A value, taken apart.
struct Value<'a> {
    text: &'a str,
    is_sequence: bool,
    is_tuple: bool,
    /// `None`, or a sequence of nothing else: no parents.
    is_none: bool,
    /// Where the opening bracket ends and the closing one begins; all of the text without brackets.
    inside: Range<usize>,
    items: Vec<Item>,
    comments: Vec<Range<usize>>,
}

impl<'a> Value<'a> {
    fn read(text: &'a str) -> Option<Value<'a>> {
        let parsed = parse(text)?;
        let (expr, tokens) = (&*parsed.syntax().body, own_tokens(parsed.tokens(), text));
        let elements: Vec<&Expr> = match expr {
            Expr::Tuple(tuple) => tuple.elts.iter().collect(),
            Expr::List(list) => list.elts.iter().collect(),
            Expr::Set(set) => set.elts.iter().collect(),
            single => vec![single],
        };
        let is_sequence = matches!(expr, Expr::Tuple(_) | Expr::List(_) | Expr::Set(_));
        // A tuple without parentheses of its own takes ours: it then begins in front of the value.
        let is_bare = !is_sequence || expr.range().start().to_usize() < BEFORE.len();
        let is_none = elements.iter().all(|element| element.is_none_literal_expr());
        let ids = elements.into_iter().map(id_of).collect::<Option<Vec<_>>>()?;
        let (comments, code): (Vec<&Token>, Vec<&Token>) =
            tokens.iter().partition(|token| token.kind == TokenKind::Comment);
        let inside = if is_bare { 0..text.len() } else { code.first()?.range.end..code.last()?.range.start };
        let is_inside = |token: &&Token| token.range.start >= inside.start && token.range.end <= inside.end;
        let code: Vec<&Token> = code.into_iter().filter(is_inside).collect();
        let mut items = if is_sequence { split_at_commas(&code) } else { vec![Item::of(&code)] };
        if items.len() != ids.len() {
            return None;
        }
        items.iter_mut().zip(ids).for_each(|(item, id)| item.id = id);
        let comments = comments.into_iter().map(|token| token.range.clone()).collect();
        Some(Value { text, is_sequence, is_tuple: expr.is_tuple_expr(), is_none, inside, items, comments })
    }

    /// Whether these are the parents.
    fn says(&self, parents: &[String]) -> bool {
        let ids: Vec<Option<&str>> = self.items.iter().map(|item| item.id.as_deref()).collect();
        let wanted: Vec<Option<&str>> = parents.iter().map(|id| Some(id.as_str())).collect();
        if self.is_none { parents.is_empty() } else { ids == wanted }
    }

    fn comments(&self) -> Vec<&str> {
        self.comments.iter().map(|range| self.text[range.clone()].trim_end()).collect()
    }

    fn with_scalar(&self, parents: &[String], quotes: &Quotes) -> String {
        let literals: Vec<String> = parents.iter().map(|id| quotes.round(id)).collect();
        let new = match &literals[..] {
            [] => "None".to_owned(),
            [one] => one.clone(),
            several => format!("({})", several.join(", ")),
        };
        let mut edits = Edits::new(self.text, 0);
        self.items.iter().for_each(|item| self.replace(item, new.clone(), &mut edits));
        edits.apply()
    }

    fn with_items(&self, parents: &[String], quotes: &Quotes) -> String {
        if parents.is_empty() && self.comments.is_empty() {
            return "None".to_owned();
        }
        let mut edits = Edits::new(self.text, self.inside.start);
        let kept = self.kept(parents);
        for (item, id) in kept.iter().zip(parents).filter(|(item, id)| item.id.as_ref() != Some(id)) {
            self.replace(item, quotes.round(id), &mut edits);
        }
        self.take_out(&kept, parents.len(), &mut edits);
        let more: Vec<String> = parents[kept.len()..].iter().map(|id| quotes.round(id)).collect();
        if !more.is_empty() {
            self.put_in(kept.last().copied(), &more, &mut edits);
        }
        edits.apply()
    }

    /// The items that stay, in order: those whose ids are wanted if that gives all there have to be, else the first ones.
    fn kept(&self, parents: &[String]) -> Vec<&Item> {
        let mut kept: Vec<&Item> = Vec::new();
        for item in &self.items {
            if item.id.is_some() && item.id.as_ref() == parents.get(kept.len()) {
                kept.push(item);
            }
        }
        if kept.len() == parents.len() { kept } else { self.items.iter().take(parents.len()).collect() }
    }

    /// Puts a literal in an item's place: of all of it, or, where comments stand between its parts, of the last part.
    fn replace(&self, item: &Item, literal: String, edits: &mut Edits<'_>) {
        let range = item.range();
        let has_comments = self.comments.iter().any(|comment| comment.start > range.start && comment.end < range.end);
        match item.tokens.split_last() {
            Some((last, others)) if has_comments => {
                others.iter().for_each(|token| edits.delete(token.range.clone()));
                edits.replace(last.range.clone(), literal);
            }
            _ => edits.replace(range, literal),
        }
    }

    /// Takes the items out that do not stay, with a comma each; a tuple of one item keeps or gets its comma.
    fn take_out(&self, kept: &[&Item], wanted: usize, edits: &mut Edits<'_>) {
        let stays = |item: &Item| kept.iter().any(|kept| kept.range() == item.range());
        let gone: Vec<&Item> = self.items.iter().filter(|item| !stays(item)).collect();
        for token in gone.iter().flat_map(|item| &item.tokens) {
            edits.delete(token.range.clone());
        }
        gone.iter().filter_map(|item| item.comma.clone()).for_each(|comma| edits.delete(comma));
        let (Some(last), false) = (kept.last(), gone.is_empty()) else { return };
        let needs_comma = self.is_tuple && wanted == 1;
        let had_trailing = self.items.last().is_some_and(|item| item.comma.is_some());
        match &last.comma {
            None if needs_comma => edits.insert(last.range().end, ",".to_owned()),
            Some(comma) if !needs_comma && !had_trailing => edits.delete(comma.clone()),
            _ => {}
        }
    }

    /// Adds items behind the last one, each on its own line if that one is on its own.
    fn put_in(&self, last: Option<&Item>, literals: &[String], edits: &mut Edits<'_>) {
        let Some(last) = last else {
            let comma = if self.is_tuple && literals.len() == 1 { "," } else { "" };
            return edits.insert(self.inside.start, format!("{}{comma}", literals.join(", ")));
        };
        // `("a",)` has its comma because it must; it says nothing about style.
        let trailing = last.comma.is_some() && (self.items.len() > 1 || self.line_of_its_own(last).is_some());
        let end = last.range().end;
        if last.comma.is_none() {
            edits.insert(end, ",".to_owned());
        }
        let behind = last.comma.as_ref().map_or(end, |comma| comma.end);
        let (at, before) = match self.line_of_its_own(last) {
            Some(indent) => (self.end_of_line(behind), indent),
            None => (behind, " ".to_owned()),
        };
        let joined = literals.join(&format!(",{before}"));
        edits.insert(at, format!("{before}{joined}{}", if trailing { "," } else { "" }));
    }

    /// The line break and the indentation in front of an item that is the first on its line.
    fn line_of_its_own(&self, item: &Item) -> Option<String> {
        let before = &self.text[self.inside.start..item.range().start];
        let start = before.trim_end_matches([' ', '\t']).len();
        let (head, indent) = before.split_at(start);
        let line_break = if head.ends_with("\r\n") { "\r\n" } else { head.get(start.checked_sub(1)?..)? };
        matches!(line_break, "\n" | "\r" | "\r\n").then(|| format!("{line_break}{indent}"))
    }

    /// Where the line ends as far as the sequence goes: behind a comment that follows, or here.
    fn end_of_line(&self, from: usize) -> usize {
        let behind_blanks = self.text.len() - self.text[from..].trim_start_matches(is_blank).len();
        let comment = self.comments.iter().find(|comment| comment.start == behind_blanks);
        comment.map_or(from, |comment| comment.end)
    }
}

/// The tokens that are the value's own: neither our brackets nor line breaks.
fn own_tokens(tokens: &Tokens, text: &str) -> Vec<Token> {
    let own = |range: &Range<usize>| range.start >= BEFORE.len() && range.end <= BEFORE.len() + text.len();
    let counts =
        |kind: TokenKind| !matches!(kind, TokenKind::NonLogicalNewline | TokenKind::Newline | TokenKind::EndOfFile);
    let tokens = tokens.iter().map(|token| (token.kind(), token.range().to_std_range()));
    let own = tokens.filter(|(kind, range)| counts(*kind) && own(range) && !range.is_empty());
    own.map(|(kind, range)| Token { kind, range: unwrapped(range) }).collect()
}

/// The id in an element; `Some(None)` for what is no id but may stand there, `None` for what may not.
fn id_of(expr: &Expr) -> Option<Option<String>> {
    match expr {
        Expr::StringLiteral(literal) => Some(Some(literal.value.to_str().to_owned())),
        Expr::NoneLiteral(_) | Expr::Name(_) => Some(None),
        _ => None,
    }
}

fn split_at_commas(code: &[&Token]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = code;
    while !rest.is_empty() {
        let end = rest.iter().position(|token| token.kind == TokenKind::Comma).unwrap_or(rest.len());
        let mut item = Item::of(&rest[..end]);
        item.comma = rest.get(end).map(|token| token.range.clone());
        items.push(item);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    items
}

impl Item {
    fn of(tokens: &[&Token]) -> Item {
        Item { tokens: tokens.iter().map(|token| (*token).clone()).collect(), comma: None, id: None }
    }

    fn range(&self) -> Range<usize> {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => 0..0,
        }
    }
}
