//! `model/ini.rs` against every Python at hand: files made to be misread, then thousands of random ones.

use std::path::Path;

use serde_json::{Map, Value, json};
use xtask::model::ini::Ini;

use super::{Folder, ask, one_per_version};

/// Reads each text as Alembic does, through the same layer as a file.
const ORACLE: &str = r#"
import configparser, io, json, sys
question = json.load(sys.stdin)
def read(text):
    parser = configparser.ConfigParser({"here": question["here"]})
    try:
        parser.read_file(io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))
    except configparser.Error as error:
        return {"error": True}
    out = {}
    for section in parser.sections():
        out[section] = values = {}
        for option in parser.options(section):
            try:
                values[option] = parser.get(section, option)
            except configparser.Error as error:
                values[option] = {"error": True}
    return out
print(json.dumps([read(text) for text in question["texts"]]))
"#;

/// Each is one file. What is meant to bite stands in it.
const NASTY: &[&str] = &[
    "",
    "\n\n# only a comment\n",
    "[alembic]\n",
    "[alembic]\na = 1\nb: 2\nc=3\nd :4\ne = f = g\nh : i = j\nk = l : m\n",
    "[alembic]\nurl = postgresql+asyncpg://u:p%%40ss@h:1/d?x=1;y=2 # no comment ; here\n",
    "[alembic]\nKEY = up\n[Alembic]\nkey = other section\n",
    "[alembic]\nKey = 1\nkEY = 2\n",
    "[alembic]\na = 1\n[alembic]\nb = 2\n",
    "[DEFAULT]\na = 1\n[alembic]\nb = %(a)s\n[DEFAULT]\nc = 3\n",
    "[DEFAULT]\na = 1\na = 2\n",
    "[default]\na = 1\n[alembic]\nb = %(a)s\n",
    "[DEFAULT]\nhere = mine\n[alembic]\nx = %(here)s/y\n",
    "[DEFAULT]\nhere = mine\n  and more\n[alembic]\nx = %(here)s/y\n",
    "[DEFAULT]\nhere = a\nHERE = b\n[alembic]\n",
    "[alembic]\nhere = %(here)s\n",
    "[alembic]\nx = %(here)s/%(HERE)s/%(x)\n",
    "[alembic]\na = %(b)s\nb = %(c)s\nc = %(d)s%%\nd = e\n",
    "[alembic]\na = %(b)s\nb = %(a)s\n",
    "[alembic]\na = %(a)s\n",
    "[alembic]\na = %(nope)s\nb = %(here)\nc = %(here)d\nd = %()s\ne = 50%\nf = 5%x\ng = %%(here)s\nh = %%%(here)s\n",
    "[alembic]\na = %(b c)s\nb c = with space\nd = %( b c )s\n",
    "[alembic]\na = %(b\n c)s\n",
    "[alembic]\na = 1\n  2\n\n  3\n# c\n  4\n ; c\n\n\nb = 5\n",
    "[alembic]\na = 1\n\n\n\nb = 2\n\n\n",
    "[alembic]\n  a = 1\n  b = 2\n    3\n c = 4\nd = 5\n",
    "[alembic]\na =\n  1\n  2\nb =\n\n",
    "[alembic]\na =\n  # comment inside\n  1\n  [not a section]\n  x = y\n",
    "[alembic]\n  [other]\na = 1\n",
    "[alembic]\na = 1\n  [other]\nb = 2\n",
    "  [alembic]\n a = 1\n  b = 2\n",
    "[a]b]\nx = 1\n",
    "[alembic] trailing = words\nx = 1\n",
    "[alembic\nx = 1\n",
    "[]\nx = 1\n",
    "[]]\nx = 1\n",
    "[ spaced ]\nx = 1\n",
    "[alembic]\n[=]\n[\n",
    "x = 1\n[alembic]\n",
    "\u{feff}[alembic]\nx = 1\n",
    "[alembic]\nno delimiter\n",
    "[alembic]\n= value\n",
    "[alembic]\n: value\n",
    "[alembic]\na\n b = 1\n",
    "[alembic]\r\na = 1\r\n  2\r\n\r\nb = 3\r\n",
    "[alembic]\ra = 1\rb = 2\r",
    "[alembic]\na = 1\u{b}2\u{c}3\u{1c}4\u{85}5\u{2028}6\nb = 7\n",
    "[alembic]\n\u{1f}a\u{1c}=\u{85}1\u{a0}\n\u{3000}b = 2\n",
    "[alembic]\na = \ttabs\t\n\tb = 1\n\t\tc = 2\n",
    "[alembic]\nStraße = 1\nÄ = %(STRASSE)s\nΣΑΣ = 2\nb = %(σας)s\nİ = 3\n",
    "[alembic]\na = \"quoted\"\nb = 'x'\nc = \\n\nd = \\\n  e\n",
    "[alembic]\na = 1 ; x\nb = 2 # y\n;c = 3\n#d = 4\n  #e = 5\n",
    "[alembic]\na = #x\nb = ;y\n",
    "[alembic]\na = 1\n%%b = 2\n%(a)s = 3\n",
    "[alembic]\n[loggers]\nkeys = root,sqlalchemy\n[formatter_generic]\nformat = %(levelname)-5.5s [%(name)s] %(message)s\n",
    "[alembic]\na1=%(a2)s\na2=%(a3)s\na3=%(a4)s\na4=%(a5)s\na5=%(a6)s\na6=%(a7)s\na7=%(a8)s\na8=%(a9)s\na9=%(b1)s\nb1=%(b2)s\nb2=%(b3)s\nb3=x\n",
    "[alembic]\na = x%(b)s%(b)sy\nb =\n",
    "[alembic]\nlast = no newline",
    "[alembic]\nlast",
    "[alembic]\na = 1\n\n  # c\n\n   2\nb=",
];

#[test]
fn agrees_with_python_on_files_made_to_be_misread() {
    let texts: Vec<String> = NASTY.iter().map(|text| (*text).to_owned()).collect();
    compare("/srv/app", &texts);
    // A folder's name goes through interpolation as well.
    compare("/srv/100%", &texts);
    compare("/srv/%(here)s", &texts);
}

#[test]
fn agrees_with_python_on_random_files() {
    const PIECES: &[&str] = &[
        "[a]",
        "[b]",
        "[DEFAULT]",
        "[",
        "]",
        "\n",
        "\n",
        "\n",
        "\n ",
        "\n  ",
        "\n\t",
        " ",
        "=",
        ":",
        " = ",
        "#",
        ";",
        "%",
        "%%",
        "%(",
        ")s",
        "%(x)s",
        "%(here)s",
        "%(Y)s",
        "x",
        "y",
        "X",
        "Y = 1",
        "z",
        "here",
        "\r\n",
        "\u{a0}",
        "é",
    ];
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let mut texts = Vec::new();
    for _ in 0..4000 {
        // Begun with a section mostly, since without one all else is refused at once.
        let mut text = if next(8) == 0 { String::new() } else { "[a]\nx = 1\n".to_owned() };
        for _ in 0..next(24) {
            text.push_str(PIECES[next(PIECES.len())]);
        }
        texts.push(text);
    }
    let readable = compare("/srv/app", &texts);
    assert!(readable > 1000, "only {readable} of the random files are readable, which proves little");
}

/// How many of the texts could be read.
fn compare(here: &str, texts: &[String]) -> usize {
    let folder = Folder::new();
    let ours: Vec<Value> = texts.iter().map(|text| read(text, here)).collect();
    for python in one_per_version() {
        let theirs = ask(python, &folder, ORACLE, &json!({"here": here, "texts": texts}));
        for ((text, ours), theirs) in texts.iter().zip(&ours).zip(theirs.as_array().unwrap()) {
            assert_eq!(ours, theirs, "{} reads {text:?} as on the right", python.display());
        }
    }
    ours.iter().filter(|value| value.get("error").is_none()).count()
}

fn read(text: &str, here: &str) -> Value {
    let Ok(ini) = Ini::parse(text, here) else { return json!({"error": true}) };
    let mut out = Map::new();
    for section in ini.sections() {
        let value = |option: &&str| match ini.get(section, option) {
            Ok(value) => json!(value),
            Err(_) => json!({"error": true}),
        };
        let options = ini.options(section);
        let values: Map<_, _> = options.iter().map(|option| ((*option).to_owned(), value(option))).collect();
        out.insert(section.to_owned(), values.into());
    }
    out.into()
}

#[test]
fn errors_name_the_option_and_the_line_but_no_value() {
    let line = |text: &str| Ini::parse(text, "/").unwrap_err().to_string();
    assert_eq!(line("[a]\nx = 1\nsecret\n"), "line 3: neither a [section] nor `name = value`");
    assert_eq!(line("\nx = secret\n"), "line 2: an option stands before the first [section]");
    assert_eq!(line("[a]\nx = 1\nX = secret\n"), "line 3: option `x` stands here for the second time");
    let text = "[a]\nother = 1\nurl = pg://u:secret%40@h/d\nu2 = %(no)s secret\nu3 = %(secret\n";
    let ini = Ini::parse(text, "/").unwrap();
    let value = |option: &str| ini.get("a", option).unwrap_err().to_string();
    assert_eq!(value("url"), "line 3: option `url`: a single `%`, which is written `%%` in this file");
    assert_eq!(value("U2"), "line 4: option `u2`: `%(no)s` refers to an option that does not exist");
    assert_eq!(value("u3"), "line 5: option `u3`: `%(` without a closing `)s`");
    assert_eq!(ini.line("a", "URL"), Some(3));
    assert!(Path::new(&ini.get("a", "here").unwrap().unwrap()).is_absolute());
}
