//! The edit, judged by others: Python reads the edited files as Alembic would, and Alembic's own template writes them.

use std::process::Command;

use xtask::model::edit::{Places, repoint};

use crate::support::xtask::Folder;

/// Scripts as people write them; `@` marks the value of `down_revision`.
const SCRIPTS: &[&str] = &[
    "\"\"\"add users\n\nRevision ID: cccc\nRevises: aaaa\nCreate Date: 2024-01-01\n\n\"\"\"\nrevision = \"cccc\"\ndown_revision = @\"aaaa\"@\n",
    "\u{feff}'''x\r\n\r\nRevision ID: cccc\r\nRevises: \r\n'''\r\nrevision = 'cccc'\r\ndown_revision = @None@  # a base\r\n",
    "revision: str = 'cccc'\ndown_revision: str = (\n    @'aa'  # first half\n    'aa'@  # second half\n)\n",
    "revision = 'cccc'\ndown_revision = @(\n    'aaaa',  # main\n    'bbbb',  # mine\n)@\ndepends_on = None\n",
    "revision = 'cccc'\ndown_revision = @'aaaa', 'bbbb'@\n",
    "revision = 'cccc'\ndown_revision = @['aaaa']@; depends_on = ('zzzz',)\n",
    "# -*- coding: utf-8 -*-\nrevision = u'cccc'\ndown_revision = @r'aaaa' \\\n    'bbbb'@\n",
];

/// Prints what a script is to Alembic: the values that its module has.
const READER: &str = r#"
import importlib.util, json, sys
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("script", path)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    down = module.down_revision
    down = [] if down is None else [down] if isinstance(down, str) else list(down)
    print(json.dumps([module.revision, down, getattr(module, "depends_on", None)]))
"#;

#[test]
fn python_reads_the_new_parents_and_the_old_rest() {
    let folder = Folder::new();
    let mut paths = Vec::new();
    let mut expected = Vec::new();
    for (number, marked) in SCRIPTS.iter().enumerate() {
        for parents in [&[][..], &["dddd"], &["aaaa", "dddd"], &["v3.0.0.a", "bbbb", "ünï"]] {
            let parents: Vec<String> = parents.iter().map(|id| (*id).to_owned()).collect();
            let Some(edited) = edit(marked, &parents) else { continue };
            let path = folder.path().join(format!("s{number}_{}.py", parents.len()));
            std::fs::write(&path, edited).unwrap();
            paths.push(path);
            let depends_on =
                if marked.contains("zzzz") { serde_json::json!(["zzzz"]) } else { serde_json::Value::Null };
            expected.push(serde_json::json!(["cccc", parents, depends_on]));
        }
    }
    #[expect(clippy::disallowed_methods)]
    let output = Command::new("python3").args(["-c", READER]).args(&paths).output().expect("python3 is on PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, expected);
    assert!(read.len() > 25, "only {} edits were read", read.len());
}

/// The edited script; `None` where it says so already.
fn edit(marked: &str, parents: &[String]) -> Option<String> {
    let pieces: Vec<&str> = marked.split('@').collect();
    let [front, value, _] = pieces[..] else { panic!("two marks in {marked}") };
    let text = marked.replace('@', "");
    let docstring = ["\"\"\"", "'''"].iter().find_map(|quotes| Some(text.find(quotes)?..text.rfind(quotes)? + 3));
    let places = Places { down_revision: front.len()..front.len() + value.len(), docstring, others: Vec::new() };
    match repoint(&text, &places, parents) {
        Ok(edited) => Some(edited),
        Err(xtask::model::edit::EditError::Unchanged) => None,
        Err(error) => panic!("{error}\n{text}"),
    }
}
