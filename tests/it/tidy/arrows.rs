//! Which file of `xtask/src` uses which: from the `use` lines (in braces too) and from the paths in the code. A name that a
//! file only passes on (`pub use`) is followed to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A place in the tree of modules: `["sys", "git", "parse"]`; the crate itself is empty.
type Module = Vec<String>;

/// One file uses names of another.
pub struct Arrow {
    pub from: PathBuf,
    pub to: PathBuf,
    pub names: BTreeSet<String>,
}

impl Arrow {
    /// The room of a file: the first part of its path below `src`.
    pub fn room(path: &Path) -> &str {
        path.iter().next().and_then(|part| part.to_str()).map_or("", |part| part.trim_end_matches(".rs"))
    }

    pub fn shown(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        format!("xtask/src/{}: error: uses {} of {}", self.from.display(), names.join(", "), self.to.display())
    }
}

struct File {
    path: PathBuf,
    imports: Vec<Import>,
    paths: Vec<Vec<String>>,
}

struct Import {
    path: Vec<String>,
    name: String,
    is_passed_on: bool,
}

/// All arrows between files, tests left out; `sources` are paths below `src`, with their texts.
pub fn arrows(sources: &[(PathBuf, String)]) -> Vec<Arrow> {
    let files: BTreeMap<Module, File> = sources.iter().map(|(path, text)| (module(path), read(path, text))).collect();
    let mut names: BTreeMap<(&Path, &Path), BTreeSet<String>> = BTreeMap::new();
    for (module, file) in &files {
        for path in used(file) {
            let Some(target) = absolute(&files, module, &path).and_then(|path| definer(&files, &path, 0)) else {
                continue;
            };
            if target != *module && !target.is_empty() {
                let name = path.last().cloned().unwrap_or_default();
                names.entry((&file.path, &files[&target].path)).or_default().insert(name);
            }
        }
    }
    let arrow = |((from, to), names): ((&Path, &Path), _)| Arrow { from: from.to_owned(), to: to.to_owned(), names };
    names.into_iter().map(arrow).collect()
}

/// The circles among arrows: files that can be reached from themselves, a group each.
pub fn circles(arrows: &[&Arrow]) -> Vec<BTreeSet<PathBuf>> {
    let mut next: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().push(&arrow.to);
    }
    let reached = |start: &Path| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
        while let Some(file) = todo.pop() {
            let new = next.get(file).into_iter().flatten().filter(|file| seen.insert((**file).to_owned()));
            todo.extend(new);
        }
        seen
    };
    let all: BTreeMap<&Path, BTreeSet<PathBuf>> = next.keys().map(|file| (*file, reached(file))).collect();
    let group = |file: &Path| -> BTreeSet<PathBuf> {
        let both = |other: &&PathBuf| all.get(other.as_path()).is_some_and(|back| back.contains(file));
        all[file].iter().filter(both).cloned().collect()
    };
    let groups: BTreeSet<BTreeSet<PathBuf>> = all.keys().map(|file| group(file)).filter(|it| !it.is_empty()).collect();
    groups.into_iter().collect()
}

fn module(path: &Path) -> Module {
    let parts: Module = path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts == ["lib"] { Vec::new() } else { parts }
}

/// What a file uses: the paths in its code with imported names made whole, and imports that no path names (traits).
fn used(file: &File) -> Vec<Vec<String>> {
    let import = |name: &String| file.imports.iter().find(|import| import.name == *name);
    let whole = |path: &Vec<String>| match import(&path[0]) {
        Some(import) => [&import.path[..], &path[1..]].concat(),
        None => path.clone(),
    };
    let in_code = file.paths.iter().map(whole);
    let is_silent = |import: &&Import| !import.is_passed_on && !file.paths.iter().any(|path| path[0] == import.name);
    in_code.chain(file.imports.iter().filter(is_silent).map(|import| import.path.clone())).collect()
}

/// A path from the crate's root; `None` where it leads out of the crate, or is a local name.
fn absolute(files: &BTreeMap<Module, File>, module: &[String], path: &[String]) -> Option<Vec<String>> {
    let child = [module, &path[..1]].concat();
    match path[0].as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            Some([&module[..module.len().saturating_sub(ups)], &path[ups..]].concat())
        }
        _ if files.contains_key(&child) => Some([module, path].concat()),
        _ => None,
    }
}

/// The file that defines what an absolute path names.
fn definer(files: &BTreeMap<Module, File>, path: &[String], depth: usize) -> Option<Module> {
    let length = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(length);
    let passed_on = rest.first().and_then(|name| files[module].imports.iter().find(|import| import.name == *name));
    if let (Some(import), true) = (passed_on, depth < 5)
        && let Some(path) = absolute(files, module, &import.path)
    {
        return definer(files, &[&path[..], &rest[1..]].concat(), depth + 1);
    }
    Some(module.to_vec())
}

fn read(path: &Path, text: &str) -> File {
    let words = words(text);
    let (mut imports, mut paths) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < words.len() {
        if words[at] == "use" {
            let end = at + words[at..].iter().position(|word| word == ";").unwrap_or(words.len() - at);
            let is_passed_on = at > 0 && matches!(words[at - 1].as_str(), "pub" | ")");
            tree(&words[at + 1..end], &[], is_passed_on, &mut imports);
            at = end;
        } else if is_name(&words[at]) && (at == 0 || !matches!(words[at - 1].as_str(), "." | "::" | "mod" | "fn")) {
            let mut path = vec![words[at].clone()];
            while at + 2 < words.len() && words[at + 1] == "::" && is_name(&words[at + 2]) {
                at += 2;
                path.push(words[at].clone());
            }
            paths.push(path);
        }
        at += 1;
    }
    File { path: path.to_owned(), imports, paths }
}

/// The imports of what stands behind `use`.
fn tree(words: &[String], before: &[String], is_passed_on: bool, imports: &mut Vec<Import>) {
    let mut path = before.to_vec();
    let mut at = 0;
    while at < words.len() && words[at] != "{" {
        match words[at].as_str() {
            "::" => {}
            "as" => {
                let name = words.get(at + 1).cloned().unwrap_or_default();
                return imports.push(Import { path, name, is_passed_on });
            }
            _ => path.push(words[at].clone()),
        }
        at += 1;
    }
    if at == words.len() {
        if path.last().is_some_and(|last| last == "self") && !before.is_empty() {
            path.pop();
        }
        let name = path.last().cloned().unwrap_or_default();
        return imports.push(Import { path, name, is_passed_on });
    }
    let mut depth = 0;
    let mut start = at + 1;
    for (here, word) in words.iter().enumerate().skip(at) {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        let ends = (word == "," && depth == 1) || (word == "}" && depth == 0);
        if ends && start < here {
            tree(&words[start..here], &path, is_passed_on, imports);
        }
        if ends {
            start = here + 1;
        }
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single marks; without comments, without what stands in quotes, and without the tests at the end.
pub fn words(text: &str) -> Vec<String> {
    parts(text).into_iter().filter_map(|part| if let Part::Word(word) = part { Some(word) } else { None }).collect()
}

/// What stands in quotes.
pub fn texts(text: &str) -> Vec<String> {
    parts(text).into_iter().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None }).collect()
}

enum Part {
    Word(String),
    Text(String),
}

fn parts(text: &str) -> Vec<Part> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let chars: Vec<char> = text.chars().collect();
    let of = |from: usize, to: usize| chars[from..to.min(chars.len())].iter().collect::<String>();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => at = end_of(&chars, at, |c| c != '\n'),
            ('"', _) => {
                at = end_of_text(&chars, at + 1);
                parts.push(Part::Text(of(start, at)));
            }
            ('r', Some('"' | '#')) if is_raw(&chars, at) => {
                at = end_of_raw(&chars, at + 1);
                parts.push(Part::Text(of(start, at)));
            }
            ('\'', Some('\\')) => at = end_of(&chars, at + 3, |c| c != '\'') + 1,
            ('\'', _) if chars.get(at + 2) == Some(&'\'') => at += 3,
            (':', Some(':')) => {
                at += 2;
                parts.push(Part::Word("::".to_owned()));
            }
            (c, _) if c.is_alphanumeric() || c == '_' => {
                at = end_of(&chars, at, |c| c.is_alphanumeric() || c == '_');
                parts.push(Part::Word(of(start, at)));
            }
            (c, _) => {
                at += 1;
                if !c.is_whitespace() {
                    parts.push(Part::Word(c.to_string()));
                }
            }
        }
    }
    parts
}

fn end_of(chars: &[char], from: usize, goes_on: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|c| !goes_on(*c)).map_or(chars.len(), |length| from + length)
}

fn end_of_text(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn is_raw(chars: &[char], at: usize) -> bool {
    let is_inside_a_word = at > 0 && (chars[at - 1].is_alphanumeric() && chars[at - 1] != 'b' || chars[at - 1] == '_');
    !is_inside_a_word && chars.get(end_of(chars, at + 1, |c| c == '#')) == Some(&'"')
}

fn end_of_raw(chars: &[char], from: usize) -> usize {
    let open = end_of(chars, from, |c| c == '#');
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', open - from)).collect();
    let rest = &chars[open + 1..];
    rest.windows(closing.len())
        .position(|end| end == closing)
        .map_or(chars.len(), |length| open + 1 + length + closing.len())
}

#[test]
fn what_stands_in_an_import_and_what_is_text() {
    let names = |text: &str| {
        let file = read(Path::new("a.rs"), text);
        file.imports.iter().map(|import| (import.path.join("::"), import.name.clone())).collect::<Vec<_>>()
    };
    let of = |path: &str, name: &str| (path.to_owned(), name.to_owned());
    assert_eq!(
        names("use crate::{a::{self, B as C}, d::E};"),
        [of("crate::a", "a"), of("crate::a::B", "C"), of("crate::d::E", "E")]
    );
    assert!(
        names("// use crate::a;\nconst A: &str = \"use crate::a;\"; const B: &str = r#\"\"use crate::a;\"#;")
            .is_empty()
    );
    assert_eq!(texts("let c = '\"'; // \"a\"\n\"b \\\" c\" + r\"d\""), ["\"b \\\" c\"", "r\"d\""]);
    let source = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let sources = [
        source("a.rs", "mod b;\nmod c;\npub use b::B;\nfn f() { c::run() }"),
        source("a/b.rs", "pub struct B;\nfn g(c: char) -> bool { c == '\"' }\nuse super::super::d::D;\nfn h(d: D) {}"),
        source("a/c.rs", "use super::B;\npub fn run(b: B) {}"),
        source("d.rs", "pub struct D;\nfn i() { crate::a::B; }"),
    ];
    let found = arrows(&sources);
    let shown: Vec<String> = found.iter().map(|it| format!("{} -> {}", it.from.display(), it.to.display())).collect();
    assert_eq!(shown, ["a/b.rs -> d.rs", "a/c.rs -> a/b.rs", "a.rs -> a/c.rs", "d.rs -> a/b.rs"]);
    assert_eq!(circles(&found.iter().collect::<Vec<_>>()), [["a/b.rs".into(), "d.rs".into()].into()]);
}
