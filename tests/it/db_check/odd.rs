//! Scripts that nobody wrote: the example's, cut up and put together anew. Whatever they are, they are judged and do not
//! end the process. Each round judges four of them and is reproducible by its number: `XTASK_FUZZ=250000` is a million,
//! and `XTASK_FUZZ_SCRIPTS` names another folder of scripts to cut up.

use std::path::{Path, PathBuf};

use xtask::model::rules::{Change, Context, Levels, Merged, Past, Release, Source, check};

use crate::support::python::{say, workspace};
use crate::support::random::Random;

/// What breaks readers: brackets that do not close, strings that do not end, deep nesting, odd characters.
const SPLICES: &[&str] = &[
    "(",
    ")",
    "\"\"\"",
    "'",
    "f'{",
    "}",
    "\\\n",
    "\t",
    "\r",
    "\0",
    "é",
    "{x!r:>{y}}",
    "$$",
    "$a$",
    "/*",
    "--",
    ";",
    "%s",
    "lambda: ",
    "def f():\n",
    "    ",
    "\n\n",
    "op.execute(",
    "[[[[",
    "**x",
    "if x:\n",
    "# xtask: allow DB401: x",
    "''.join(x)",
    "<<<<<<< a\n",
    ">>>>>>> b\n",
    "down_revision = ",
    "for x in x: ",
    "x = (x, x)\n",
    "def upgrade(): upgrade()\n",
];

fn scripts() -> Vec<String> {
    let example = || workspace().join("tests/halfstack/src/halfstack/manager/models/alembic/versions");
    let folder = std::env::var_os("XTASK_FUZZ_SCRIPTS").map_or_else(example, PathBuf::from);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    // An `__init__.py` is often empty: there is nothing in it to cut.
    paths.retain(|path| path.extension().is_some_and(|it| it == "py") && path.metadata().unwrap().len() > 0);
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// A script with a few pieces of another one, of the splices, or of nothing in it.
fn mutated(scripts: &[String], random: &mut Random) -> Vec<u8> {
    let mut bytes = scripts[random.below(scripts.len())].clone().into_bytes();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        let piece = match random.below(3) {
            0 => {
                let other = scripts[random.below(scripts.len())].as_bytes();
                let from = random.below(other.len());
                other[from..(from + random.below(200)).min(other.len())].to_vec()
            }
            1 => SPLICES[random.below(SPLICES.len())].repeat(1 + random.below(3)).into_bytes(),
            _ => Vec::new(),
        };
        bytes.splice(at..end, piece);
    }
    bytes
}

#[test]
fn no_script_is_too_odd() {
    let scripts = scripts();
    let count = std::env::var("XTASK_FUZZ").map_or(300, |text| text.parse().unwrap());
    for seed in 0..count {
        if seed % 10_000 == 9_999 {
            say(&format!("no_script_is_too_odd: {} of {count} rounds", seed + 1));
        }
        let mut random = Random::new(seed);
        let mut source = |name: &str| Source::new(Path::new(name), mutated(&scripts, &mut random));
        let (one, two, before, theirs) = (source("a.py"), source("b.py"), source("a.py"), source("c.py"));
        let mut context = Context::new(vec![one, two], "manager");
        let graph = Context::new(vec![source("c.py")], "manager").graph;
        let change = Change {
            from: "a.py".into(),
            to: Some("a.py".into()),
            before: before.text.into_bytes(),
            release: Release::Unknown,
        };
        let merged = Some(Merged { theirs: vec![theirs], graph, is_to_come: true });
        context.past = Some(Past { main: "main".into(), base: "0".into(), changes: vec![change], merged });
        for finding in check(&context, &Levels::new()) {
            assert!(
                finding.line >= 1 && !finding.message.is_empty() && !finding.help.is_empty(),
                "{seed}: {finding:?}"
            );
        }
    }
}
