//! The house rules that can be checked: who may use whom, what a file starts with, how long a function may be, that
//! generated pages are fresh and that nothing of one machine got in. All violations at once, each with what to do.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::flags;
use xtask::sys::settings;

use crate::support::xtask::Folder;

mod arrows;

use arrows::{Arrow, arrows, circles, words};

/// Room -> the rooms it may use. A room may always use itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("fail", &["model"]),
    ("ui", &["model", "fail"]),
    ("flags", &["model", "fail", "ui"]),
    ("report", &["model", "fail"]),
    ("sys", &["model", "fail", "ui"]),
    ("ctx", &["sys", "model", "fail", "ui", "flags"]),
    ("work", &["ctx", "sys", "model", "report", "fail", "ui", "flags"]),
    ("cmd", &["work", "ctx", "sys", "model", "report", "fail", "ui", "flags"]),
    ("lib", &["work", "ctx", "cmd", "sys", "model", "report", "fail", "ui", "flags"]),
    ("main", &["work", "ctx", "cmd", "sys", "model", "report", "fail", "ui", "flags"]),
];

/// Flows are made of commands: a command of the first kind runs those of the second.
const FLOWS: &[(&str, &[&str])] = &[
    ("db_merge", &["db_migrate", "db_rebase", "db_roundtrip", "db_status"]),
    ("db_create_migration", &["db_check", "db_roundtrip"]),
    ("hooks", &["db_check", "db_roundtrip", "db_status"]),
];

/// The most, not the aim: functions are 10 to 25 lines.
const LONGEST_FUNCTION: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_rust() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for dir in ["xtask/src", "xtask/benches", "tests/it"] {
        rust_files(&root().join(dir), &mut files);
    }
    files.sort();
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    files.iter().map(|path| (path.strip_prefix(root()).unwrap().to_owned(), text(path))).collect()
}

/// The source below `xtask/src`, tests left out.
fn sources() -> Vec<(PathBuf, String)> {
    let is_test = |path: &Path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    let below = |(path, text): (PathBuf, String)| Some((path.strip_prefix("xtask/src").ok()?.to_owned(), text));
    all_rust().into_iter().filter_map(below).filter(|(path, _)| !is_test(path)).collect()
}

#[test]
fn layering() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (path, text) in &sources {
        let room = Arrow::room(path);
        if !LAYERS.iter().any(|(name, _)| *name == room) {
            wrong.push(format!("{}: error: no such room `{room}`, add it to LAYERS and the map", path.display()));
        }
        let words = words(text);
        let uses = |path: &[&str]| words.windows(path.len()).any(|words| words == path);
        let is_pg = path.starts_with("sys/pg") || path == Path::new("sys/pg.rs");
        if uses(&["postgres", "::"]) && !is_pg {
            wrong.push(format!("{}: error: only sys/pg uses `postgres`", path.display()));
        }
    }
    for arrow in arrows(&sources) {
        let (from, to) = (Arrow::room(&arrow.from), Arrow::room(&arrow.to));
        let allowed = LAYERS.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, allowed)| allowed);
        if from != to && !allowed.contains(&to) {
            wrong.push(format!("{}; `{from}` may not use `{to}`", arrow.shown()));
        }
        if let (Some(user), Some(used)) = (command(&arrow.from), command(&arrow.to))
            && user != used
            && !FLOWS.iter().any(|(flow, parts)| *flow == user && parts.contains(&used))
        {
            wrong.push(format!(
                "{}; `{user}` is no flow that runs `{used}`: what both do belongs to work",
                arrow.shown()
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whose file it is, below `cmd`.
fn command(path: &Path) -> Option<&str> {
    path.strip_prefix("cmd").ok().map(Arrow::room)
}

/// A circle has no bottom: nobody can understand one of its files without the others. (A file and those in the folder of its
/// name are one thing to the reader: these may name what it defines.)
#[test]
fn no_circles_between_files() {
    let all = arrows(&sources());
    let is_up_to_its_own = |arrow: &&Arrow| !arrow.from.starts_with(arrow.to.with_extension(""));
    let counted: Vec<&Arrow> = all.iter().filter(is_up_to_its_own).collect();
    let mut wrong = Vec::new();
    for circle in circles(&counted) {
        wrong.push(format!("error: a circle of {} files; let what both need stand below them:", circle.len()));
        let inside = counted.iter().filter(|arrow| circle.contains(&arrow.from) && circle.contains(&arrow.to));
        wrong.extend(inside.map(|arrow| format!("  {}", arrow.shown())));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(all.len() > 500, "only {} arrows were found", all.len());
}

#[test]
fn files_say_what_they_are_for_and_functions_stay_short() {
    let mut wrong = Vec::new();
    for (path, text) in all_rust() {
        if !text.starts_with("//!") {
            wrong.push(format!("{}:1: error: no `//!`, say what the file is for", path.display()));
        }
        for (line, length) in function_lengths(&text) {
            if length > LONGEST_FUNCTION {
                wrong.push(format!("{}:{line}: error: {length} lines in one function, split it", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Pairs each `fn` with the closing brace of its own indentation; rustfmt makes that exact.
fn function_lengths(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let start = line.trim_start();
        let is_fn = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn "].iter().any(|word| start.starts_with(word));
        if !is_fn || line.trim_end().ends_with('}') {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent(line)));
        if let Some(end) = lines[at..].iter().position(|line| line.trim_end() == closing) {
            found.push((at + 1, end + 1));
        }
    }
    found
}

#[test]
fn every_test_file_is_part_of_the_binary() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    let support = fs::read_to_string(root().join("tests/it/support/mod.rs")).unwrap();
    for (dir, declared) in [("tests/it", main), ("tests/it/support", support)] {
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if path.extension().is_some_and(|extension| extension == "rs") && !["main", "mod"].contains(&name) {
                assert!(
                    declared.contains(&format!("mod {name};")),
                    "{} is not declared: it never runs",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn commands_page() {
    expect_test::expect_file!["../../docs/commands.md"].assert_eq(&flags::commands_page());
}

/// A printed command that does not exist is worse than none.
#[test]
fn every_command_that_is_named_exists() {
    let known: Vec<&str> = flags::command_names().collect();
    let mut wrong = Vec::new();
    let mut texts = all_rust();
    for page in
        ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "tests/halfstack/README.md", "tests/halfstack/py"]
    {
        texts.push((page.into(), fs::read_to_string(root().join(page)).unwrap()));
    }
    for (path, text) in texts.iter().filter(|(path, _)| {
        !path.ends_with("flags/tests.rs") && !path.starts_with("tests/it") && !path.starts_with("xtask/benches")
    }) {
        for (number, line) in text.lines().enumerate() {
            for rest in line.split("cargo xtask ").skip(1).chain(line.split("command(\"").skip(1)) {
                let word: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
                if !word.is_empty() && !word.starts_with('-') && !known.contains(&word.as_str()) {
                    wrong.push(format!("{}:{}: error: there is no command `{word}`", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_changelog_knows_this_version() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(changelog.contains(&heading), "CHANGELOG.md has no `{heading}`");
}

/// The page of the settings has a row or a mention for each key that the parser takes, and its example is one.
#[test]
fn every_setting_is_documented() {
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let keys = [settings::KEYS, settings::COMPONENT_KEYS, settings::CACHE_KEYS].concat();
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for key in &keys {
        assert!(rows.contains(key), "docs/settings.md has no row for `{key}`");
    }
    for key in rows.iter().filter(|row| row.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
        assert!(keys.contains(key), "docs/settings.md has a row for `{key}`, which no parser takes");
    }
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = Folder::new();
    let manifest = folder.path().join("Cargo.toml");
    fs::write(&manifest, example).unwrap();
    let read = settings::read(&manifest).unwrap().unwrap();
    assert_eq!((read.main.as_deref(), read.cache.days, read.rules.len()), (Some("origin/develop"), 2, 1));
    assert_eq!(read.components[0].version_table.as_ref().unwrap().schema.as_deref(), Some("billing"));
}

/// Every file or folder of the source has its place on the map.
#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rooms = map.split("## The rooms").nth(1).and_then(|rest| rest.split("## ").next()).unwrap();
    for folder in ["xtask/src", "xtask/src/model", "xtask/src/sys"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let stem = name.trim_end_matches(".rs").trim_end_matches("_tests");
            let named =
                [format!("{stem}.rs"), format!("{stem}/"), name.to_owned()].iter().any(|name| rooms.contains(name));
            assert!(named, "docs/architecture.md says nothing about {folder}/{name}");
        }
    }
}

/// The page of promises names tests that there are; `…` stands for all of a module.
#[test]
fn every_promise_has_its_test() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let tests: String =
        all_rust().into_iter().filter(|(path, _)| path.starts_with("tests/it")).map(|it| it.1).collect();
    let named = page.split('`').skip(1).step_by(2).filter(|word| word.contains("::") && !word.contains(' '));
    let mut count = 0;
    for name in named {
        let last = name.rsplit("::").next().unwrap();
        let module = name.rsplit("::").nth(1).unwrap();
        let there = if last == "…" {
            tests.contains(&format!("mod {module};"))
        } else {
            tests.contains(&format!("fn {last}("))
        };
        assert!(there, "docs/reliability.md names {name}, which is no test");
        count += 1;
    }
    assert!(count > 20, "only {count} tests are named");
}
