//! The house rules that can be checked: who may use whom, what a file starts with, how long a function may be, that
//! generated pages are fresh and that nothing of one machine got in. All violations at once, each with what to do.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::flags;
use xtask::sys::settings;

use crate::support::xtask::Folder;

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

/// A ratchet, not an aim: functions are 10 to 25 lines.
const LONGEST_FUNCTION: usize = 70;

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

#[test]
fn layering() {
    let mut wrong = Vec::new();
    for (path, text) in all_rust() {
        let Ok(inside) = path.strip_prefix("xtask/src") else { continue };
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!(
                "{}: error: no such room `{room}`, add it to LAYERS and docs/architecture.md",
                path.display()
            ));
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = LAYERS.iter().any(|(name, _)| *name == used);
                if known && used != room && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{}: error: `{room}` may not use `{used}`", path.display(), number + 1));
                }
            }
            if line.contains("postgres::")
                && !inside.starts_with("sys/pg")
                && inside != Path::new("sys/pg.rs")
                && !line.trim_start().starts_with("//")
            {
                wrong.push(format!("{}:{}: error: only sys/pg uses `postgres`", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
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
