//! The house rules that can be checked: who may use whom, what a file starts with, how long a function may be, that
//! generated pages are fresh and that nothing of one machine got in. All violations at once, each with what to do.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::flags;
use xtask::model::rules;
use xtask::sys::settings;

use crate::support::pasted::shell_words;
use crate::support::xtask::Folder;

mod arrows;

use arrows::{Arrow, arrows, circles, texts, words};

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
    ("bin", &[]),
    ("main", &["work", "ctx", "cmd", "sys", "model", "report", "fail", "ui", "flags"]),
];

/// Flows are made of commands: a command of the first kind runs those of the second.
const FLOWS: &[(&str, &[&str])] = &[
    ("db_merge", &["db_migrate", "db_rebase", "db_roundtrip", "db_status"]),
    ("db_review", &["db_check", "db_roundtrip"]),
    ("db_undo", &["db_merge", "db_rebase", "db_restore"]),
    ("db_sync", &["db_migrate", "db_status"]),
    ("db_switch", &["db_sync"]),
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
    for dir in ["xtask/src", "xtask/launcher/src", "xtask/benches", "tests/it"] {
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
        if room == "cmd" && (uses(&["std", "::", "fs"]) || uses(&["fs", "::"])) {
            wrong.push(format!("{}: error: cmd touches no file by itself, sys/files.rs does", path.display()));
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
        if !begins_function(line.trim_start()) || line.trim_end().ends_with(['}', ';']) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent(line)));
        if let Some(end) = lines[at..].iter().position(|line| line.trim_end() == closing) {
            found.push((at + 1, end + 1));
        }
    }
    found
}

/// Whether a line begins a function, whatever stands before its `fn`: `pub(in crate::sys) const fn`, `async fn`.
fn begins_function(line: &str) -> bool {
    let visible = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(')').map_or("", |(_, rest)| rest),
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let is_modifier = |word: &&str| ["default", "const", "async", "unsafe", "extern", "\"C\""].contains(word);
    visible.split_whitespace().find(|word| !is_modifier(word)) == Some("fn")
}

#[test]
fn functions_are_seen_however_they_are_declared() {
    let starts = ["fn", "pub fn", "const fn", "pub(crate) async fn", "pub(in crate::sys) fn", "pub extern \"C\" fn"];
    for start in starts {
        let long = format!("mod a {{\n    {start} b(\n        c: u8,\n    ) {{\n        c;\n    }}\n}}\n");
        assert_eq!(function_lengths(&long), [(2, 5)], "{start}");
    }
    for other in ["let fn_ = 1;", "pub struct Fn {", "const N: fn(u8) = f;", "// fn of it {", "fn declared(&self);"] {
        assert_eq!(function_lengths(&format!("{other}\n}}\n")), [], "{other}");
    }
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

/// A command that people are to paste is a value: what was typed, quotes and folders are added where all of them become
/// text. Help alone is written by hand.
#[test]
fn printed_commands_are_values() {
    let is_free = |path: &Path| path == Path::new("model/action.rs") || path.starts_with("flags");
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| !is_free(path)) {
        for literal in texts(text).iter().filter(|literal| literal.contains("cargo xtask ")) {
            let advice = "print own(\"NAME\") of model/action.rs";
            wrong.push(format!("xtask/src/{}: error: {literal} is a command as text, {advice}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the help, the documentation and the example's files tell people to type is taken by the parser.
#[test]
fn commands_in_the_documentation_are_right() {
    let mut pages = vec![("help".into(), flags::commands_page())];
    let mut folders = vec![root().join("docs"), root().join("xtask/rules")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("md" | "yml" | "yaml") => {
                    // What a CI service puts in the place of its variables.
                    let text = fs::read_to_string(&path).unwrap();
                    let text = CI_VARIABLES.iter().fold(text, |text, (name, value)| text.replace(name, value));
                    pages.push((path.display().to_string(), text));
                }
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    for page in ["README.md", "CONTRIBUTING.md", "tests/halfstack/README.md", "tests/halfstack/py"] {
        pages.push((page.to_owned(), fs::read_to_string(root().join(page)).unwrap()));
    }
    let mut count = 0;
    for (page, text) in &pages {
        for command in documented(text) {
            let words = shell_words(&command).unwrap_or_else(|| panic!("{page}: no shell takes `{command}`"));
            let words = words.into_iter().skip(2).map(std::ffi::OsString::from).collect();
            if let Err(fail) = flags::parse(words) {
                panic!("{page}: `{command}` is refused: {}", fail.summary);
            }
            count += 1;
        }
    }
    assert!(count > 60, "only {count} commands were found");
}

/// Variables of CI services, and something that may stand in their place.
const CI_VARIABLES: [(&str, &str); 4] = [
    ("${{ matrix.part }}", "1"),
    ("\"$BASE\"", "main"),
    ("\"${CI_MERGE_REQUEST_DIFF_BASE_SHA:-$CI_COMMIT_BEFORE_SHA}\"", "main"),
    ("\"$CI_NODE_INDEX/$CI_NODE_TOTAL\"", "1/2"),
];

/// Our commands in a page: in backticks, or in a line of code to its end or to what the shell does next.
fn documented(page: &str) -> Vec<String> {
    const START: &str = "cargo xtask ";
    let mut found = Vec::new();
    for line in page.lines().filter(|line| !line.contains("[flags]")) {
        let line = line.trim_end_matches(" -->");
        for (at, _) in line.match_indices(START) {
            let rest = &line[at..];
            let before = &line[..at];
            let ends: &[&str] = match before.chars().next_back() {
                Some('`') => &["`"],
                _ if before.matches('"').count() % 2 == 1 => &["\""],
                _ => &["`", " && ", " > ", ")", " | "],
            };
            let command = ends.iter().filter_map(|end| rest.find(end)).fold(rest.len(), usize::min);
            // `COMMAND`, `…`, a flag's choices: a form, not a command.
            let is_form = |word: &str| word.contains(['…', '|', '[']) || word == "COMMAND";
            if !rest[..command].split(' ').any(is_form) {
                found.push(rest[..command].to_owned());
            }
        }
    }
    found
}

/// A copy of the crate builds without the repository round it.
#[test]
fn the_crate_includes_nothing_from_outside() {
    let crate_root = root().join("xtask");
    let mut count = 0;
    for (path, text) in all_rust().iter().filter(|(path, _)| path.starts_with("xtask/src")) {
        let starts = ["include_str!(", "include_bytes!(", "include!(", "#[path = "];
        for start in starts.iter().flat_map(|start| text.match_indices(start).map(|(at, start)| at + start.len())) {
            let literal = text[start..].trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            let Some(literal) = literal else { continue };
            let included = root().join(path).with_file_name(literal).canonicalize();
            let inside = included.is_ok_and(|included| included.starts_with(&crate_root));
            assert!(inside, "{}: error: {literal} lies outside of xtask/, move it into the crate", path.display());
            count += 1;
        }
    }
    assert!(count > 50, "only {count} files are included");
}

#[test]
fn the_readme_knows_how_many_rules_there_are() {
    let count = format!(" {} rules;", rules::of_scripts().len() + rules::of_models().len());
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&count), "README.md says another number than{count}");
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
    let mut folders = vec![root().join("xtask/src")];
    while let Some(folder) = folders.pop() {
        // Of these, every file is named; further in, every folder.
        let is_room = folder.parent() == Some(&root().join("xtask/src")) || folder.ends_with("xtask/src");
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // What Python leaves, and what git does not know: an empty folder.
            if path.is_dir() && (name == "__pycache__" || fs::read_dir(&path).unwrap().next().is_none()) {
                continue;
            }
            let stem = name.trim_end_matches(".rs").trim_end_matches("_tests");
            let is_named = match path.is_dir() {
                true => rooms.contains(&format!("{name}/")),
                false => rooms.contains(name) || rooms.contains(&format!("{stem}.rs")),
            };
            let is_listed = ["flags", "report"].iter().any(|room| folder.ends_with(room));
            let must_be = path.is_dir() && name != "tests" || is_room && !is_listed;
            let has_only_tests =
                path.is_dir() && fs::read_dir(&path).unwrap().count() == 1 && path.join("tests.rs").exists();
            assert!(
                is_named || !must_be || has_only_tests,
                "docs/architecture.md says nothing about {}",
                path.display()
            );
            if path.is_dir() {
                folders.push(path);
            }
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
