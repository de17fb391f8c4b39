//! Every form of value that was seen in the wild, and the promise: the new parents are read back, everything else is as
//! it was, byte for byte.

use ruff_python_ast::{Expr, PySourceType, Stmt};
use ruff_python_parser::parse_unchecked_source;
use ruff_text_size::Ranged;

use super::*;

/// What a script says, and where: found by the parser and nothing of the code under test.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    values: Vec<(String, Vec<String>)>,
    places: Places,
}

fn header(text: &str) -> Header {
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    assert!(parsed.errors().is_empty(), "{text}\n{:?}", parsed.errors());
    let mut header = Header { values: Vec::new(), places: Places::default() };
    for (number, statement) in parsed.syntax().body.iter().enumerate() {
        let (names, value): (Vec<&Expr>, &Expr) = match statement {
            Stmt::Assign(assign) => (assign.targets.iter().collect(), &assign.value),
            Stmt::AnnAssign(assign) => (vec![&*assign.target], assign.value.as_deref().unwrap()),
            Stmt::Expr(docstring) if number == 0 => {
                header.places.docstring = Some(docstring.value.range().to_std_range());
                continue;
            }
            _ => continue,
        };
        for name in names {
            let name = name.as_name_expr().unwrap().id.to_string();
            if !["revision", "down_revision", "depends_on", "branch_labels"].contains(&name.as_str()) {
                continue;
            }
            let range = value.range().to_std_range();
            match name.as_str() {
                "down_revision" => header.places.down_revision = range,
                _ => header.places.others.push(range),
            }
            header.values.push((name, ids(value)));
        }
    }
    header
}

fn ids(value: &Expr) -> Vec<String> {
    match value {
        Expr::NoneLiteral(_) => Vec::new(),
        Expr::StringLiteral(text) => vec![text.value.to_str().to_owned()],
        Expr::Tuple(tuple) => tuple.elts.iter().flat_map(ids).collect(),
        Expr::List(list) => list.elts.iter().flat_map(ids).collect(),
        Expr::Set(set) => set.elts.iter().flat_map(ids).collect(),
        Expr::Name(name) => vec![format!("name {}", name.id)],
        other => panic!("{other:?}"),
    }
}

fn strings(ids: &str) -> Vec<String> {
    ids.split_whitespace().map(str::to_owned).collect()
}

/// Edits and holds the result to the promise.
#[track_caller]
fn checked(text: &str, parents: &str) -> String {
    let (before, parents) = (header(text), strings(parents));
    let edited = repoint(text, &before.places, &parents).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let after = header(&edited);
    for ((name, old), (_, new)) in before.values.iter().zip(&after.values) {
        let expected = if name == "down_revision" { &parents } else { old };
        assert_eq!(new, expected, "{name}\n{text}\n=>\n{edited}");
    }
    assert_eq!(before.values.len(), after.values.len());
    // In front of the value only the `Revises:` line may differ, behind it nothing.
    let (front, behind) = text.split_at(before.places.down_revision.start);
    assert!(neutral(&edited).starts_with(&neutral(front)), "{text}\n=>\n{edited}");
    let behind = &behind[before.places.down_revision.len()..];
    assert!(edited.ends_with(behind), "{text}\n=>\n{edited}");
    assert!(after.places.down_revision.end <= edited.len() - behind.len());
    assert_eq!(comments(text), comments(&edited), "{text}\n=>\n{edited}");
    edited
}

/// The text with the docstring's `Revises:` line made the same in all.
fn neutral(text: &str) -> String {
    let docstring = header_docstring(text);
    let Some(value) = docstring.clone().and_then(|range| revises_value(&text[range])) else { return text.to_owned() };
    let start = docstring.unwrap().start;
    format!("{}␀{}", text[..start + value.start].trim_end_matches(' '), &text[start + value.end..])
}

fn header_docstring(text: &str) -> Option<Range<usize>> {
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    let first = parsed.syntax().body.first()?.as_expr_stmt()?;
    first.value.is_string_literal_expr().then(|| first.value.range().to_std_range())
}

fn comments(text: &str) -> Vec<&str> {
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    let is_comment = |kind| kind == ruff_python_ast::token::TokenKind::Comment;
    let tokens = parsed.tokens().iter().filter(|token| is_comment(token.kind()));
    tokens.map(|token| text[token.range().to_std_range()].trim_end()).collect()
}

/// The value of `down_revision` alone, in a file whose own quotes are double.
#[track_caller]
fn value(old: &str, parents: &str, new: &str) {
    let text = format!("revision = \"cccc\"\ndown_revision = {old}\ndepends_on = None\n");
    let expected = format!("revision = \"cccc\"\ndown_revision = {new}\ndepends_on = None\n");
    assert_eq!(checked(&text, parents), expected);
}

#[test]
fn a_string_keeps_its_quotes_and_prefix() {
    value("\"aaaa\"", "bbbb", "\"bbbb\"");
    value("'aaaa'", "bbbb", "'bbbb'");
    value("'''aaaa'''", "bbbb", "'''bbbb'''");
    value("\"\"\"aaaa\"\"\"", "v3.0.0.a", "\"\"\"v3.0.0.a\"\"\"");
    value("r'aaaa'", "bbbb", "r'bbbb'");
    value("u\"aaaa\"", "bbbb", "u\"bbbb\"");
    value("\"aaaa\"  # the old one", "bbbb", "\"bbbb\"  # the old one");
    value("\"aaaa\";", "bbbb", "\"bbbb\";");
    value("\"\"", "bbbb", "\"bbbb\"");
}

#[test]
fn none_and_names_take_the_files_quotes() {
    value("None", "bbbb", "\"bbbb\"");
    value("None", "bbbb cccc", "(\"bbbb\", \"cccc\")");
    value("(None)", "bbbb", "(\"bbbb\")");
    value("(None,)", "bbbb", "(\"bbbb\",)");
    value("revision", "bbbb", "\"bbbb\"");
    let single = "revision = 'cccc'\ndown_revision = None\n";
    assert_eq!(checked(single, "bbbb"), "revision = 'cccc'\ndown_revision = 'bbbb'\n");
    assert_eq!(checked("down_revision = None", "bbbb"), "down_revision = \"bbbb\"");
}

#[test]
fn no_parents_are_none() {
    value("\"aaaa\"", "", "None");
    value("(\"aaaa\", \"bbbb\")", "", "None");
    value("[\"aaaa\"]", "", "None");
    value("'aaaa', 'bbbb'", "", "None");
    value("(\n    'aaaa'  # one\n    'bbbb'\n)", "", "(\n    # one\n    None\n)");
    value("(\n    'aaaa',  # one\n    'bbbb',  # two\n)", "", "(\n    # one\n    # two\n)");
}

#[test]
fn one_string_becomes_a_tuple_for_several_parents() {
    value("\"aaaa\"", "bbbb cccc", "(\"bbbb\", \"cccc\")");
    value("('aaaa')", "bbbb cccc dddd", "(('bbbb', 'cccc', 'dddd'))");
}

#[test]
fn a_sequence_stays_one() {
    value("(\"aaaa\", \"bbbb\")", "aaaa cccc", "(\"aaaa\", \"cccc\")");
    value("('aaaa',)", "bbbb", "('bbbb',)");
    value("( 'aaaa' , )", "bbbb", "( 'bbbb' , )");
    value("['aaaa', 'bbbb']", "cccc dddd", "['cccc', 'dddd']");
    value("{'aaaa', 'bbbb'}", "cccc dddd", "{'cccc', 'dddd'}");
    value("'aaaa', \"bbbb\"", "aaaa cccc", "'aaaa', 'cccc'");
    value("('aaaa', revision)", "aaaa dddd", "('aaaa', 'dddd')");
    value("(('aaaa'), ('bbbb'))", "cccc dddd", "('cccc', 'dddd')");
}

#[test]
fn items_are_put_in() {
    value("('aaaa', 'bbbb')", "aaaa bbbb cccc", "('aaaa', 'bbbb', 'cccc')");
    value("('aaaa',)", "aaaa bbbb", "('aaaa', 'bbbb')");
    value("['aaaa']", "bbbb cccc dddd", "['bbbb', 'cccc', 'dddd']");
    value("['aaaa', 'bbbb',]", "aaaa bbbb cccc", "['aaaa', 'bbbb', 'cccc',]");
    value("'aaaa', 'bbbb'", "aaaa bbbb cccc", "'aaaa', 'bbbb', 'cccc'");
    value("'aaaa',", "aaaa bbbb", "'aaaa', 'bbbb'");
    value("()", "aaaa", "(\"aaaa\",)");
    value("[]", "aaaa", "[\"aaaa\"]");
    value("( )", "aaaa bbbb", "(\"aaaa\", \"bbbb\" )");
    value("(\n    'aaaa',\n    'bbbb',\n)", "aaaa bbbb cccc", "(\n    'aaaa',\n    'bbbb',\n    'cccc',\n)");
    value(
        "(\n\t'aaaa',  # one\n\t'bbbb'  # two\n)",
        "aaaa bbbb cccc",
        "(\n\t'aaaa',  # one\n\t'bbbb',  # two\n\t'cccc'\n)",
    );
    value("(\n  'aaaa',  # only\n)", "aaaa bbbb", "(\n  'aaaa',  # only\n  'bbbb',\n)");
    value("['aaaa',\n 'bbbb']", "aaaa bbbb cccc dddd", "['aaaa',\n 'bbbb',\n 'cccc',\n 'dddd']");
    value("(  # none yet\n)", "aaaa bbbb", "(\"aaaa\", \"bbbb\"  # none yet\n)");
}

#[test]
fn items_are_taken_out() {
    value("('aaaa', 'bbbb')", "aaaa", "('aaaa',)");
    value("('aaaa', 'bbbb')", "bbbb", "('bbbb',)");
    value("('aaaa', 'bbbb')", "cccc", "('cccc',)");
    value("('aaaa', 'bbbb', 'cccc')", "aaaa cccc", "('aaaa', 'cccc')");
    value("('aaaa', 'bbbb', 'cccc')", "aaaa bbbb", "('aaaa', 'bbbb')");
    value("('aaaa', 'bbbb', 'cccc',)", "aaaa bbbb", "('aaaa', 'bbbb',)");
    value("['aaaa', 'bbbb']", "bbbb", "['bbbb']");
    value("['aaaa', 'bbbb']", "aaaa", "['aaaa']");
    value("'aaaa', 'bbbb'", "aaaa", "'aaaa',");
    value("'aaaa', 'bbbb'", "bbbb", "'bbbb',");
    value("(\n    'aaaa',\n    'bbbb',\n    'cccc',\n)", "aaaa cccc", "(\n    'aaaa',\n    'cccc',\n)");
    value("(\n    'aaaa',\n    'bbbb'\n)", "aaaa", "(\n    'aaaa',\n)");
    value("(\n    'aaaa',  # mine\n    'bbbb',  # theirs\n)", "bbbb", "(\n    # mine\n    'bbbb',  # theirs\n)");
    value("(\n    'aaaa',  # mine\n    'bbbb'  # theirs\n)", "aaaa", "(\n    'aaaa',  # mine\n    # theirs\n)");
}

#[test]
fn joined_strings_become_one_and_no_comment_is_lost() {
    value("'aa' 'bb'", "cccc", "'cccc'");
    value("'aa' \\\n    'bb'", "cccc", "'cccc'");
    value("('aa'\n    'bb')", "cccc", "('cccc')");
    value("(\n    'aa'  # one\n    'bb'  # two\n)", "cccc", "(\n    # one\n    'cccc'  # two\n)");
    value("(\n    'aa'\n    # between\n    'bb'\n)", "cccc", "(\n    # between\n    'cccc'\n)");
    value("('aa' # one\n    'bb' # two\n    'cc')", "dddd", "(# one\n    # two\n    'dddd')");
    value("(\n    # before\n    'aa'\n)", "bbbb cccc", "(\n    # before\n    ('bbbb', 'cccc')\n)");
    value("(\n    'aa'  # one\n    'bb',  # two\n)", "cccc dddd", "(\n    # one\n    'cccc',  # two\n    'dddd',\n)");
    value("(\n    'aa'  # one\n    'bb'\n)", "cccc dddd", "(\n    # one\n    ('cccc', 'dddd')\n)");
    value("(\n    ('aa'  # one\n    ),\n)", "cccc", "(\n    # one\n    'cccc',\n)");
}

#[test]
fn annotations_and_layout_are_left_alone() {
    for name in
        ["down_revision: str", "down_revision: Union[str, Sequence[str], None]", "down_revision  :  'str | None' "]
    {
        let text = format!("from x import y\n\nrevision : str='cccc'\n{name}= 'aaaa'\n");
        assert_eq!(checked(&text, "bbbb"), text.replace("aaaa", "bbbb"));
    }
}

#[test]
fn the_file_around_it_is_kept() {
    let text = "\u{feff}# -*- coding: utf-8 -*-\r\n\"\"\"naïve ☂\r\n\r\nRevision ID: cccc\r\nRevises: aaaa\r\n\"\"\"\r\n\
        revision = 'cccc'\t\r\ndown_revision = 'aaaa'   \r\ndef upgrade():\r\n\tpass  \r\n\r\n\r\n# end";
    assert_eq!(checked(text, "bbbb"), text.replace("aaaa", "bbbb"));
    let list = text.replace("'aaaa'", "(\r\n\t'aaaa', # one\r\n\t'ffff',\r\n)");
    let grown = "(\r\n\t'aaaa', # one\r\n\t'ffff',\r\n\t'bbbb',\r\n)";
    assert!(checked(&list, "aaaa ffff bbbb").contains(grown));
    assert!(checked(&list, "ffff").contains("(\r\n\t# one\r\n\t'ffff',\r\n)"));
}

#[track_caller]
fn docstring(old: &str, parents: &str, new: &str) {
    let text = format!("{old}\nrevision = 'cccc'\ndown_revision = 'aaaa'\n");
    let edited = checked(&text, parents);
    let got = &edited[..edited.find("\nrevision = ").unwrap()];
    assert_eq!(got, new);
}

#[test]
fn the_revises_line_follows() {
    docstring("'''x\n\nRevises: aaaa\n'''", "bbbb cccc", "'''x\n\nRevises: bbbb, cccc\n'''");
    docstring("'''x\n\nRevises: aaaa\n'''", "", "'''x\n\nRevises: \n'''");
    docstring("'''x\n\nRevises: \n'''", "bbbb", "'''x\n\nRevises: bbbb\n'''");
    docstring("'''x\n\nRevises:\n'''", "bbbb", "'''x\n\nRevises: bbbb\n'''");
    docstring("'''x\n\n  Revises:\taaaa  \n'''", "bbbb", "'''x\n\n  Revises:\tbbbb  \n'''");
    docstring("'''x\n\nRevises: aaaa'''", "bbbb", "'''x\n\nRevises: bbbb'''");
    docstring("'''Revises: aaaa'''", "bbbb", "'''Revises: bbbb'''");
    docstring(
        "'''x\n\nRevises: aaaa,\n    ffff\nCreate Date: 1\n'''",
        "bbbb",
        "'''x\n\nRevises: bbbb\nCreate Date: 1\n'''",
    );
}

#[test]
fn a_lie_in_the_docstring_is_put_right() {
    docstring("'''x\n\nRevises: zzzz\n'''", "bbbb", "'''x\n\nRevises: bbbb\n'''");
    let text = "'''x\n\nRevises: zzzz\n'''\nrevision = 'cccc'\ndown_revision = 'aaaa'\n";
    assert_eq!(checked(text, "aaaa"), text.replace("zzzz", "aaaa"));
}

#[test]
fn a_docstring_without_that_line_is_left_alone() {
    for docstring_text in ["'''x'''", "'x\\n\\nRevises: aaaa'", "'''It Revises: aaaa\n'''", "'''x\n\nRevises aaaa\n'''"]
    {
        docstring(docstring_text, "bbbb", docstring_text);
    }
    // The message may say what it likes.
    let message = "'''Revises: the wording\n\nRevision ID: cccc\nRevises: aaaa\n'''";
    docstring(message, "bbbb", &message.replace("aaaa", "bbbb"));
}

#[track_caller]
fn refused(text: &str, parents: &[&str]) -> EditError {
    let parents: Vec<String> = parents.iter().map(|id| (*id).to_owned()).collect();
    repoint(text, &header(text).places, &parents).unwrap_err()
}

#[test]
fn nothing_to_change_is_an_error() {
    assert_eq!(refused("down_revision = 'aaaa'\n", &["aaaa"]), EditError::Unchanged);
    assert_eq!(refused("down_revision = None\n", &[]), EditError::Unchanged);
    assert_eq!(refused("down_revision = ('aaaa', 'bbbb')\n", &["aaaa", "bbbb"]), EditError::Unchanged);
    assert_eq!(refused("'''Revises: aaaa'''\ndown_revision = 'aaaa'\n", &["aaaa"]), EditError::Unchanged);
}

#[test]
fn what_cannot_be_edited_is_refused() {
    assert_eq!(
        refused("x = 1\ndown_revision = depends_on = None\n".trim_start_matches("x = 1\n"), &["a"]),
        EditError::Shared { line: 1 }
    );
    for id in ["", "a b", "a'b", "a\\b", "a\nb", "a,b"] {
        assert_eq!(refused("down_revision = 'aaaa'\n", &[id]), EditError::BadParent(id.to_owned()));
    }
    let places = |range: Range<usize>| Places { down_revision: range, ..Places::default() };
    let text = "down_revision = f(1)\n";
    assert_eq!(repoint(text, &places(16..20), &strings("a")), Err(EditError::NotAValue { line: 1 }));
    assert_eq!(repoint(text, &places(16..99), &strings("a")), Err(EditError::WrongPlaces));
    assert_eq!(repoint("x = 'ü'\n", &places(6..7), &strings("a")), Err(EditError::WrongPlaces));
    let deep = format!("x = {}'a'{}", "(".repeat(50_000), ")".repeat(50_000));
    assert_eq!(repoint(&deep, &places(4..deep.len()), &strings("a")), Err(EditError::NotAValue { line: 1 }));
}

#[test]
fn a_set_that_would_become_a_dictionary_is_refused() {
    assert_eq!(refused("down_revision = {\n    'aaaa',  # one\n}\n", &[]), EditError::Unsure { line: 1 });
}

#[test]
fn other_encodings_are_refused_by_line_and_name() {
    let text = b"# -*- coding: latin-1 -*-\n# na\xefve\ndown_revision = 'aaaa'\n";
    let places = Places { down_revision: 50..56, ..Places::default() };
    let error = repoint_bytes(text, &places, &strings("bbbb")).unwrap_err();
    assert_eq!(error.to_string(), "line 2 is not UTF-8 (the file declares latin-1), save it as UTF-8");
    // Without such letters it is ASCII, which is the same in each.
    let text = b"# vim: set fileencoding=cp1252 :\ndown_revision = 'aaaa'\n";
    let places = Places { down_revision: 49..55, ..Places::default() };
    let edited = repoint_bytes(text, &places, &strings("bbbb")).unwrap();
    assert!(edited.ends_with(b"down_revision = 'bbbb'\n"));
    assert!(matches!(repoint_bytes(text, &places, &strings("bß")), Err(EditError::NotUtf8 { declared: Some(_), .. })));
    assert!(
        repoint_bytes(b"x = '\xff'\n", &places, &[]).unwrap_err().to_string().starts_with("line 1 is not UTF-8, save")
    );
}

/// Random values in random layouts, with random new parents: the promise holds for each.
#[test]
fn whatever_the_layout_the_promise_holds() {
    let mut random = Random(11);
    for _ in 0..5_000 {
        let text = random.script();
        let before = header(&text);
        let parents: Vec<String> = (0..random.below(4)).map(|_| random.id()).collect();
        match repoint(&text, &before.places, &parents) {
            Ok(_) => drop(checked(&text, &parents.join(" "))),
            Err(EditError::Unchanged) => {
                let (_, now) = before.values.iter().find(|(name, _)| name == "down_revision").unwrap();
                assert_eq!(now, &parents, "{text}");
            }
            // Without its items a set would be a dictionary; with comments in it, it cannot become `None`.
            Err(EditError::Unsure { .. }) => {
                assert!(text[before.places.down_revision].starts_with('{') && parents.is_empty(), "{text}");
            }
            Err(error) => panic!("{error}\n{text}"),
        }
    }
}

/// A small generator; the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn id(&mut self) -> String {
        self.of(&["aaaa", "bbbb", "cccc", "v3.0.0.a", "ünï"]).to_owned()
    }

    fn gap(&mut self, line_break: &str) -> String {
        let gap = self.of(&["", " ", "\n", "\n    ", "  # why\n    ", "\n\t# so\n\t", "\n\n"]);
        gap.replace('\n', line_break)
    }

    fn string(&mut self) -> String {
        let (prefix, quote) = (self.of(&["", "", "r", "u"]), self.of(&["'", "\"", "'''", "\"\"\""]));
        format!("{prefix}{quote}{}{quote}", self.id())
    }

    fn element(&mut self, line_break: &str) -> String {
        match self.below(6) {
            0 => format!("{} {}{}", self.string(), self.gap(line_break), self.string()),
            1 => format!("({}{}{})", self.gap(line_break), self.string(), self.gap(line_break)),
            2 => "None".to_owned(),
            _ => self.string(),
        }
    }

    fn value(&mut self, line_break: &str) -> String {
        let (open, close) = [("(", ")"), ("[", "]"), ("{", "}"), ("(", ")")][self.below(4)];
        let count = if open == "{" { 1 + self.below(3) } else { self.below(4) };
        let mut value = format!("{open}{}", self.gap(line_break));
        for number in 1..=count {
            let comma = if number < count || (open == "(" && count == 1) || self.below(2) == 0 { "," } else { "" };
            value += &format!("{}{}{comma}{}", self.element(line_break), self.gap(line_break), self.gap(line_break));
        }
        value + close
    }

    fn script(&mut self) -> String {
        let line_break = self.of(&["\n", "\r\n"]);
        let value = match self.below(4) {
            0 => self.string(),
            1 => format!("({})", self.element(line_break)),
            _ => self.value(line_break),
        };
        let docstring = self.of(&["", "'''x\n\nRevision ID: y\nRevises: old\n'''\n", "'''Revises: aaaa'''\n"]);
        let start = self.of(&["", "\u{feff}"]);
        let end = self.of(&["", "\n", "  # last\n", "\ndef upgrade():\n\tpass\n"]);
        let text = format!("{docstring}revision = 'zzzz'\ndown_revision = {value}{end}");
        format!("{start}{}", text.replace("\r\n", "\n").replace('\n', line_break))
    }
}
