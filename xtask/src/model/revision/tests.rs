//! Headers as they are met in practice, and those that must be refused.

use super::*;

fn script(text: &str) -> Script {
    read(Path::new("versions/x_add.py"), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str) -> String {
    match read(Path::new("x_add.py"), text) {
        Ok(script) => panic!("read as {script:?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// What the span of `down_revision` covers.
fn down_text(text: &str) -> &str {
    &text[script(text).spans.down_revision.unwrap()]
}

#[test]
fn a_script_as_alembic_writes_it() {
    let text = "\"\"\"Add users\n\nRevision ID: ab12\nRevises: 00aa\n\n\"\"\"\nfrom typing import Union\nfrom alembic import op\n\n\
                # revision identifiers, used by Alembic.\nrevision: str = 'ab12'\ndown_revision: Union[str, None] = '00aa'\n\
                branch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n    pass\n";
    let script = script(text);
    assert_eq!(script.id, "ab12");
    assert_eq!(script.down, ["00aa"]);
    assert!(script.depends_on.is_empty() && script.branch_labels.is_empty());
    assert_eq!((script.message.as_str(), script.title().as_str()), ("Add users", "Add users"));
    assert_eq!((script.line, script.down_line), (11, 12));
    assert_eq!(&text[script.spans.revision.unwrap()], "'ab12'");
    assert_eq!(&text[script.spans.down_revision.unwrap()], "'00aa'");
    assert_eq!(&text[script.spans.branch_labels.unwrap()], "None");
    assert!(text[script.spans.docstring.unwrap()].starts_with("\"\"\"Add users"));
}

#[test]
fn every_way_to_write_parents() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("'b'", &["b"], "'b'"),
        ("None", &[], "None"),
        ("()", &[], "()"),
        ("[]", &[], "[]"),
        ("(None,)", &[], "(None,)"),
        ("('b',)", &["b"], "('b',)"),
        ("('b', 'c')", &["b", "c"], "('b', 'c')"),
        ("'b', 'c'", &["b", "c"], "'b', 'c'"),
        ("['b', 'c']", &["b", "c"], "['b', 'c']"),
        ("{'b'}", &["b"], "{'b'}"),
        ("('b')", &["b"], "'b'"),
        ("(  # parent\n  'b'\n)", &["b"], "'b'"),
        ("(('b', 'c'))", &["b", "c"], "('b', 'c')"),
        ("('b'\n  'c')", &["bc"], "'b'\n  'c'"),
        ("r'b' u'c' 'd'", &["bcd"], "r'b' u'c' 'd'"),
        ("'''b'''", &["b"], "'''b'''"),
        ("'\\x62'", &["b"], "'\\x62'"),
        ("'b'  # Union[str, None]", &["b"], "'b'"),
        ("\\\n  'b'", &["b"], "'b'"),
        ("''", &[], "''"),
        ("'b'; x = 1", &["b"], "'b'"),
        ("PREV", &["p"], "PREV"),
        ("(PREV, 'b')", &["p", "b"], "(PREV, 'b')"),
        ("'b'\ndown_revision = 'c'", &["c"], "'c'"),
        ("None\nx, down_revision = 'a', 'c'", &["c"], "'c'"),
        ("None\n[down_revision, x] = ('c',), None", &["c"], "('c',)"),
        ("None\nrevision = 'c'; revision, down_revision = 'a', revision", &["c"], "revision"),
        ("None\nx = (revision, down_revision) = 'a', None", &[], "None"),
    ];
    for (value, down, span) in cases {
        let text = format!("PREV = 'p'\nrevision = 'a'\ndown_revision = {value}\ndef upgrade(): pass\n");
        assert_eq!(script(&text).down, *down, "{value}");
        assert_eq!(down_text(&text), *span, "{value}");
    }
}

#[test]
fn what_cannot_be_read_names_file_line_and_reason() {
    let cases: &[(&str, &str)] = &[
        ("down_revision = f()", "x_add.py:2: `down_revision` is a call, not a literal"),
        ("down_revision = f'{x}'", "x_add.py:2: `down_revision` is an f-string, not a literal"),
        ("down_revision = b'x'", "x_add.py:2: `down_revision` is a bytes literal, not a literal"),
        ("down_revision = 7", "x_add.py:2: `down_revision` is a number or a truth value, not a literal"),
        ("down_revision = 'a' + 'b'", "x_add.py:2: `down_revision` is an expression, not a literal"),
        ("down_revision = x.y", "x_add.py:2: `down_revision` is an attribute of something, not a literal"),
        ("down_revision = ('a', f())", "x_add.py:2: `down_revision` has an element that is a call, not a literal"),
        ("down_revision = ('a', None)", "x_add.py:2: `down_revision` holds `None` beside other values"),
        ("down_revision = (('a',), 'b')", "x_add.py:2: `down_revision` holds a sequence inside a sequence"),
        ("down_revision = LATER\nLATER = 'x'", "is the name `LATER`, which this file does not set before"),
        ("from m import P\ndown_revision = P", "x_add.py:3: `down_revision` is the name `P`, which is imported"),
        ("from m import x as down_revision", "x_add.py:2: `down_revision` is imported"),
        ("if True:\n    down_revision = 'a'", "x_add.py:3: `down_revision` is assigned inside an `if`"),
        ("down_revision = 'a'\nif x:\n  down_revision = 'b'", "x_add.py:4: `down_revision` is assigned inside an `if`"),
        ("try:\n  down_revision = 'a'\nexcept E: pass", "x_add.py:3: `down_revision` is assigned inside a `try`"),
        ("for down_revision in 'ab': pass", "x_add.py:2: `down_revision` is assigned by or inside a loop"),
        ("with f() as down_revision: pass", "x_add.py:2: `down_revision` is assigned by or inside a `with`"),
        ("x, down_revision = 'ab'", "x_add.py:2: `down_revision` is not assigned on its own"),
        ("x, *down_revision = 'a', 'b'", "x_add.py:2: `down_revision` is not assigned on its own"),
        ("x = (down_revision := 'a')", "x_add.py:2: `down_revision` is not assigned on its own"),
        ("print(down_revision := 'a')", "x_add.py:2: `down_revision` is assigned inside another expression"),
        (
            "down_revision = 'a'\ndown_revision += 'b'",
            "x_add.py:3: `down_revision` is changed by an augmented assignment",
        ),
        ("down_revision = 'a'\ndel down_revision", "x_add.py:3: `down_revision` is deleted"),
        // the line `def` stands in a string, and what is above it looks like a value
        ("down_revision = '''b\ndef q\n '''.strip()", "x_add.py:2: `down_revision` is a call, not a literal"),
        ("down_revision: str", "x_add.py: no `down_revision` at the top level of the file"),
        ("def down_revision(): pass", "x_add.py: no `down_revision` at the top level of the file"),
        ("down_revision = 'a", "x_add.py:2: syntax error: missing closing quote in string literal"),
        ("import (\ndown_revision = 'a'", "x_add.py:2: syntax error: "),
    ];
    for (text, expected) in cases {
        let text = format!("revision = 'a'\n{text}\n");
        let got = refusal(&text);
        assert!(got.contains(expected), "expected: {expected}\ngot:      {got}\nfor:\n{text}");
    }
}

#[test]
fn the_id_may_come_from_a_hexadecimal_file_name_only() {
    let read = |name: &str, text: &str| read(Path::new(name), text).map(|script| script.id).map_err(|e| e.what);
    assert_eq!(read("v/00af.py", "down_revision = None"), Ok("00af".to_owned()));
    assert_eq!(read("v/00af.py", "revision = 'x'\ndown_revision = None"), Ok("x".to_owned()));
    let missing = Err("no `revision` at the top level of the file".to_owned());
    assert_eq!(read("v/00AF.py", "down_revision = None"), missing);
    assert_eq!(read("v/helpers.py", "X = 1"), missing);
    assert_eq!(read("v/x.py", "revision = None\ndown_revision = None"), Err("`revision` is `None`".to_owned()));
    assert_eq!(read("v/x.py", "revision = ''\ndown_revision = None"), Err("`revision` is an empty string".to_owned()));
}

#[test]
fn which_files_alembic_takes() {
    for (name, taken) in [
        ("a.py", true),
        (".hidden.py", true),
        ("__init__.py", false),
        ("__init__x.py", false),
        (".#a.py", false),
        ("a.pyc", false),
        ("a.py~", false),
        ("script.py.mako", false),
        ("_a.py", true),
    ] {
        assert_eq!(is_script_name(name), taken, "{name}");
    }
}

#[test]
fn the_cut_above_the_first_function_changes_nothing() {
    let cases = [
        // a cut inside a string
        "'''doc\ndef not_code\n'''\nrevision = 'a'\ndown_revision = 'b'\ndef upgrade(): pass\n",
        "x = f'''\nclass not_code {1}\n'''\nrevision = 'a'\ndown_revision = 'b'\n",
        // a cut inside brackets
        "x = (y\n@ z)\nrevision = 'a'\ndown_revision = 'b'\n",
        // the values below a function or a class
        "def helper(): pass\nrevision = 'a'\ndown_revision = 'b'\n",
        "class E(str): pass\n\nrevision = 'a'\ndown_revision = 'b'\ndef upgrade(): pass\n",
        "revision = 'a'\ndown_revision = 'x'\ndef f(): pass\ndown_revision = 'b'\n",
        "revision = 'a'\r\ndown_revision = 'x'\r\ndef f(): pass\r\n\r\ndown_revision = 'b'\r\n",
        "revision = 'a'\ndown_revision = 'x'\ndef f(): pass\rdown_revision = 'b'\n",
        "revision = 'a'\ndown_revision = 'x'\ndef f(): pass\n\x0cdown_revision = 'b'\n",
        // what follows the last name belongs to its statement
        "revision = 'a'\ndown_revision = (\n'b'\n)\nX = 1\n",
        "revision = 'a'\ndown_revision = \\\n'b'\nX = 1\n",
        "revision = 'a'\ndown_revision = 'b'; X = '''\nX\n'''\nY = 1\n",
        "revision = 'a'\ndown_revision = 'b'\nif X:\n    Y = 1\nelse:\n    Y = 2\n",
        "revision = 'a'\ndown_revision = 'b'\nX = (\n",
        // local names are nobody's business
        "revision = 'a'\ndown_revision = 'b'\ndef upgrade():\n    down_revision = f()\n    revision = 1\n",
        "revision = 'a'\ndown_revision = 'b'\nx = [revision for revision in 'ab']\nclass C:\n  revision = 1\nX = 1\n",
        "revision = 'a'\ndown_revision = 'b'\nf = lambda: (revision := 1)\n",
        // a syntax error below
        "revision = 'a'\ndown_revision = 'b'\nimport (\n",
        "revision = 'a'\ndown_revision = 'b'\ndef upgrade(:\n    pass\n",
        "revision = 'a'\ndown_revision = 'b'\nasync def upgrade():\n    x = 'open\n\nX = 1\n",
        // other bytes
        "\u{feff}revision = 'a'\ndown_revision = 'b'\n",
        "revision = 'a'\rdown_revision = 'b'\rdef upgrade(): pass\r",
        "\x0crevision = 'a'\n\x0cdown_revision\t=\t'b'\n",
        "revision = 'a'\ndown_revision = 'b'\ntype Names = list[str]\n",
    ];
    for text in cases {
        let script = script(text);
        assert_eq!((script.id.as_str(), script.down.as_slice()), ("a", ["b".to_owned()].as_slice()), "{text:?}");
        assert_eq!(down_text(text), "'b'", "{text:?}");
    }
}

#[test]
fn a_line_behind_a_backslash_is_no_new_statement() {
    for end in ["\n", "\r\n"] {
        let text = ["revision = 'a'", "down_revision = 'b' \\", "u'c'", "X = 1", ""].join(end);
        assert_eq!(script(&text).down, ["bc"], "{text:?}");
    }
}

#[test]
fn a_chained_assignment_shares_its_range() {
    let text = "revision = 'a'\ndown_revision = branch_labels = depends_on = None\n";
    let spans = script(text).spans;
    assert_eq!(spans.down_revision, spans.branch_labels);
    assert_eq!(&text[spans.depends_on.unwrap()], "None");
}

#[test]
fn offsets_and_lines_count_every_byte() {
    let text = "\u{feff}# Ä\r\nrevision = 'a'\r\n\r\ndown_revision = (\r\n    'b',\r\n)\r\n";
    let read = script(text);
    assert_eq!((read.line, read.down_line), (2, 4));
    assert_eq!(down_text(text), "(\r\n    'b',\r\n)");
}

#[test]
fn messages_are_the_first_paragraph_as_alembic_shows_it() {
    let cases = [
        ("'''Add users'''", "Add users"),
        ("'''\n\n  Add users\n  and roles\n\n  Revises: x\n'''", "Add users\nand roles"),
        ("'''Add users\n    and roles\n      so\n\nRest'''", "Add users\n    and roles\n      so"),
        ("'''Add users\r\n\r\nRevises: x\r\n'''", "Add users"),
        ("'Add' ' users'", "Add users"),
        ("r'''a\\b'''", "a\\b"),
        ("'''\n\tAdd users\n\tand roles'''", "Add users\nand roles"),
        ("'no'\n__doc__ = 'Add users\\n\\nmore'", "Add users"),
        ("# comment\n\n\"Ünï\"", "Ünï"),
        ("b'no docstring'", ""),
        ("f'no docstring'", ""),
        ("import x\n'too late'", ""),
        ("''", ""),
    ];
    for (docstring, message) in cases {
        let script = script(&format!("{docstring}\nrevision = 'a'\ndown_revision = None\n"));
        assert_eq!(script.message, message, "{docstring}");
    }
    let long = script(&format!("'''{}'''\nrevision = 'a'\ndown_revision = None\n", "테".repeat(1000))).title();
    assert_eq!((long.chars().count(), long.ends_with('…')), (301, true));
    assert_eq!(script("'''A\nB'''\nrevision = 'a'\ndown_revision = None\n").title(), "A B");
}

#[test]
fn the_first_syntax_error_of_a_body_is_found() {
    let path = Path::new("x.py");
    assert_eq!(syntax_error(path, "revision = 'a'\ndef f():\n    pass\n"), None);
    let error = syntax_error(path, "revision = 'a'\ndef f(:\n    pass\nx = (\n").unwrap();
    assert_eq!((error.line, error.what.starts_with("syntax error: ")), (Some(2), true), "{error}");
}

#[test]
fn no_text_makes_it_panic() {
    for deep in [900, 20_000] {
        nothing_deep_panics(deep);
    }
    // Every prefix and every single character left out of a script is some text, too.
    let text = "\u{feff}'''Ä\n\ndef x'''\nrevision: str = 'a'\r\ndown_revision = ('b', \"c\")\n@x\ndef f(): pass\n";
    for (n, (at, _)) in text.char_indices().enumerate() {
        let _ = read(Path::new("x.py"), &text[..at]);
        let one_less: String = text.chars().enumerate().filter(|&(other, _)| n != other).map(|(_, c)| c).collect();
        let _ = read(Path::new("x.py"), &one_less);
    }
}

fn nothing_deep_panics(deep: usize) {
    let texts = [
        String::new(),
        "\0".to_owned(),
        "\u{feff}".to_owned(),
        "revision = '\\N{nope}'\ndown_revision = '\\xZZ'".to_owned(),
        format!("revision = 'a'\ndown_revision = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("revision = 'a'\ndown_revision = {}'b'{}", "(".repeat(deep), ")".repeat(deep)),
        format!("revision = 'a'\ndown_revision = {}1", "-".repeat(deep)),
        format!("revision = 'a'\ndown_revision = 'a'{}", ".b".repeat(deep)),
        format!("revision = 'a'\ndown_revision = 'a'{}", " + 'b'".repeat(deep)),
        format!("revision = 'a'\ndown_revision = {}1{}", "{f\"".repeat(deep.min(1000)), "\"}".repeat(deep.min(1000))),
        format!("revision = 'a'\ndown_revision = 1{}", " if 1 else 1".repeat(deep)),
        format!("revision = 'a'\ndown_revision = 1{}", ")".repeat(deep)),
        (0..deep.min(3000)).map(|n| format!("{}if x:\n", " ".repeat(n))).collect(),
    ];
    for text in texts {
        let _ = read(Path::new("x.py"), &text);
        let _ = syntax_error(Path::new("x.py"), &text);
    }
}

#[test]
fn labels_and_dependencies_that_cannot_be_read_stop_nothing() {
    let cases: &[(&str, &[&str])] = &[
        (
            "from m import cli\nbranch_labels = (cli.EXPAND,)",
            &["4 `branch_labels` has an element that is an attribute"],
        ),
        (
            "try:\n    depends_on = 'x'\nexcept E:\n    depends_on = None",
            &["6 `depends_on` is assigned inside a `try`"],
        ),
        (
            "branch_labels = X\ndepends_on = [*X]",
            &["4 `depends_on` has an element", "3 `branch_labels` is the name `X`"],
        ),
        ("branch_labels = 'x'", &[]),
    ];
    for (text, expected) in cases {
        let script = script(&format!("revision = 'a'\ndown_revision = 'b'\n{text}\n"));
        let unread: Vec<String> = script.unread.iter().map(|it| format!("{} {}", it.line, it.what)).collect();
        let fits =
            unread.len() == expected.len() && unread.iter().zip(*expected).all(|(it, start)| it.starts_with(start));
        assert!(fits, "{unread:?}\n{text}");
        assert_eq!(script.down, ["b"], "{text}");
    }
}

#[test]
fn python_fills_in_only_what_was_not_read() {
    let path = Path::new("x_add.py");
    let told = |id: &str| Told {
        id: id.to_owned(),
        down: vec!["p".to_owned()],
        depends_on: vec!["d".to_owned()],
        branch_labels: vec!["l".to_owned()],
        message: "told".to_owned(),
    };
    let text = "'''read'''\nrevision = 'a'\ndown_revision = 'b'\ndepends_on = None\nbranch_labels = (X.Y,)\n";
    let header = read(path, text);
    assert!(needs_python(&header));
    let filled = told("z").complete(path, text, header);
    assert_eq!(
        (filled.id.as_str(), filled.down.as_slice(), filled.title().as_str()),
        ("a", &["b".to_owned()][..], "read")
    );
    assert_eq!((filled.branch_labels, filled.depends_on.len(), filled.unread.len()), (vec!["l".to_owned()], 0, 0));

    let text = "revision = 'a'\ndown_revision = parent()\n";
    let filled = told("a").complete(path, text, read(path, text));
    assert_eq!((filled.down.as_slice(), filled.spans.down_revision), (&["p".to_owned()][..], None));
    assert!(!needs_python(&read(path, "revision = 'a'\n")) && !needs_python(&read(path, "revision = (\n")));
}

#[test]
fn bytes_are_read_as_python_reads_them() {
    let broken = |bytes: &[u8]| decode(bytes.to_vec()).broken_line;
    assert_eq!(broken("# Ä\n".as_bytes()), None);
    assert_eq!(broken(b"x = 1\n# \xe9\n"), Some(2));
    assert_eq!(broken(b"# -*- coding: latin-1 -*-\n# \xe9\n"), None);
    assert_eq!(broken(b"# vim: set fileencoding=utf-8 :\n# \xe9\n"), Some(2));
}
