//! Puts into a checkout's own files what `cargo xtask` needs, and takes it out again, without touching anything else in
//! them. Text in, text out.

use toml_edit::{Array, DocumentMut, Formatted, Item, Table, TableLike, Value, value};

/// The folder of the crate, and its name.
pub const MEMBER: &str = "xtask";
/// The folders of all crates: the tool, and the launcher that keeps it built.
pub const MEMBERS: [&str; 2] = [MEMBER, "xtask/launcher"];
/// What the alias stands for.
const ALIAS: &str = "run --quiet --package xtask-launcher --";
/// What it stood for before there was a launcher.
const OLD_ALIAS: &str = "run --quiet --package xtask --bin xtask --";
const IGNORED: &str = "/target/";

/// A file of the checkout in which something of this tool has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// `Cargo.toml`: the crate is a member of the workspace.
    Manifest,
    /// `.cargo/config.toml`: the alias that makes `cargo xtask` a command.
    Alias,
    /// `.gitignore`: what cargo builds.
    Ignored,
}

/// Why something cannot be put in or taken out, and what a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub why: String,
    pub what_to_do: String,
}

fn conflict(why: impl Into<String>, what_to_do: impl Into<String>) -> Conflict {
    Conflict { why: why.into(), what_to_do: what_to_do.into() }
}

impl Shared {
    pub const ALL: [Shared; 3] = [Shared::Manifest, Shared::Alias, Shared::Ignored];

    /// From the checkout's root.
    pub fn path(self) -> &'static str {
        match self {
            Shared::Manifest => "Cargo.toml",
            Shared::Alias => ".cargo/config.toml",
            Shared::Ignored => ".gitignore",
        }
    }

    /// The text with ours in it (`None`: it has it already). An empty text stands for a file that is not there.
    ///
    /// # Errors
    /// Where the text has something else in the place of this tool's lines.
    pub fn put_in(self, text: &str) -> Result<Option<String>, Conflict> {
        let (ends, text) = Ends::of(text)?;
        let new = match self {
            Shared::Manifest if text.is_empty() => Some(new_manifest()),
            Shared::Manifest => add_member(&text)?,
            Shared::Alias => add_alias(&text)?,
            Shared::Ignored => add_line(&text),
        };
        Ok(new.map(|new| ends.put_back(new)))
    }

    /// The text without ours; an empty one stands for a file that is not needed any more.
    ///
    /// # Errors
    /// Where the text cannot be read.
    pub fn take_out(self, text: &str) -> Result<String, Conflict> {
        let (ends, text) = Ends::of(text)?;
        let rest = match self {
            Shared::Manifest if text == new_manifest() => String::new(),
            Shared::Manifest => remove_member(&text)?,
            Shared::Alias => remove_alias(&text)?,
            Shared::Ignored => remove_line(&text),
        };
        Ok(ends.put_back(rest))
    }
}

/// How the lines of a file end; the TOML writer would make all of them the same.
#[derive(Clone, Copy)]
enum Ends {
    Unix,
    Windows,
}

impl Ends {
    /// With the text as Unix has it.
    fn of(text: &str) -> Result<(Ends, String), Conflict> {
        match text.matches("\r\n").count() {
            0 => Ok((Ends::Unix, text.to_owned())),
            all if all == text.matches('\n').count() => Ok((Ends::Windows, text.replace("\r\n", "\n"))),
            some => Err(conflict(
                format!("{some} of its lines end as on Windows and the others do not"),
                "Make all lines end alike",
            )),
        }
    }

    fn put_back(self, text: String) -> String {
        match self {
            Ends::Unix => text,
            Ends::Windows => text.replace('\n', "\r\n"),
        }
    }
}

/// The manifest of a checkout that has no Rust of its own.
fn new_manifest() -> String {
    let start = "# The tool in xtask/ is a Rust program; nothing else here is.\n\
         [workspace]\nmembers = [\"xtask\", \"xtask/launcher\"]\nresolver = \"3\"\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n\n\
         # The Python parser, optimised: most of what a look at the scripts costs.\n";
    let parser = ["ruff_python_parser", "ruff_python_ast", "ruff_text_size", "memchr", "compact_str"];
    let tables = parser.map(|name| format!("[profile.dev.package.{name}]\nopt-level = 2\n"));
    format!("{start}{}", tables.concat())
}

/// The manifest of one of the crates as it stands in a checkout: its tests, benchmarks and lints are not there.
///
/// # Errors
/// When it cannot be read.
pub fn manifest_of_copy(text: &str) -> Result<String, Conflict> {
    let mut document = parse(text)?;
    for key in ["test", "bench", "lints"] {
        document.remove(key);
    }
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, Conflict> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let first = error.message().lines().next().unwrap_or_default();
        conflict(format!("it is no TOML: {first}"), "Correct it")
    })
}

fn add_member(text: &str) -> Result<Option<String>, Conflict> {
    let mut document = parse(text)?;
    let workspace = document.entry("workspace").or_insert_with(|| Item::Table(Table::new()));
    let workspace = table(workspace, "workspace")?;
    let has = |key: &str, member: &str| strings(workspace.get(key)).any(|path| fits(path, member));
    if let Some(excluded) = MEMBERS.into_iter().find(|member| has("exclude", member)) {
        let why = format!("`workspace.exclude` has {excluded}");
        return Err(conflict(why, format!("Take {excluded} out of `workspace.exclude`")));
    }
    let missing: Vec<&str> = MEMBERS.into_iter().filter(|member| !has("members", member)).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let members = workspace.entry("members").or_insert_with(|| value(Array::new()));
    let Some(members) = members.as_array_mut() else {
        return Err(conflict("`workspace.members` is no array", "Make it one"));
    };
    missing.into_iter().for_each(|member| push(members, member));
    Ok(Some(document.to_string()))
}

fn remove_member(text: &str) -> Result<String, Conflict> {
    let mut document = parse(text)?;
    let Some(workspace) = document.get_mut("workspace").and_then(Item::as_table_like_mut) else {
        return Ok(text.to_owned());
    };
    let Some(members) = workspace.get_mut("members").and_then(Item::as_array_mut) else { return Ok(text.to_owned()) };
    MEMBERS.into_iter().rev().for_each(|member| remove(members, member));
    if members.is_empty() {
        workspace.remove("members");
    }
    if workspace.is_empty() {
        document.remove("workspace");
    }
    Ok(document.to_string())
}

fn add_alias(text: &str) -> Result<Option<String>, Conflict> {
    let mut document = parse(text)?;
    let aliases = document.entry("alias").or_insert_with(|| Item::Table(Table::new()));
    let aliases = table(aliases, "alias")?;
    match aliases.get_mut(MEMBER) {
        None => drop(aliases.insert(MEMBER, value(ALIAS))),
        Some(there) => {
            let words: Vec<&str> = match there.as_str() {
                Some(words) => words.split_whitespace().collect(),
                None => strings(Some(there)).collect(),
            };
            let words = words.join(" ");
            if words == ALIAS {
                return Ok(None);
            }
            if words == OLD_ALIAS {
                let around = there.as_value().map(|value| value.decor().clone());
                *there = value(ALIAS);
                if let (Some(around), Some(alias)) = (around, there.as_value_mut()) {
                    *alias.decor_mut() = around;
                }
                return Ok(Some(document.to_string()));
            }
            let why = format!("the alias `{MEMBER}` stands for something else: {}", there.to_string().trim());
            return Err(conflict(why, "Give that alias another name"));
        }
    };
    Ok(Some(document.to_string()))
}

fn remove_alias(text: &str) -> Result<String, Conflict> {
    let mut document = parse(text)?;
    if let Some(aliases) = document.get_mut("alias").and_then(Item::as_table_like_mut) {
        aliases.remove(MEMBER);
        if aliases.is_empty() {
            document.remove("alias");
        }
    }
    Ok(document.to_string())
}

fn add_line(text: &str) -> Option<String> {
    let bare = |line: &str| line.trim().trim_start_matches('/').trim_end_matches('/') == "target";
    if text.lines().any(bare) {
        return None;
    }
    Some(match text.is_empty() || text.ends_with('\n') {
        true => format!("{text}{IGNORED}\n"),
        false => format!("{text}\n{IGNORED}"),
    })
}

fn remove_line(text: &str) -> String {
    if let Some(before) = text.strip_suffix(IGNORED).filter(|before| before.ends_with('\n')) {
        return before[..before.len() - 1].to_owned();
    }
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if let Some(at) = lines.iter().rposition(|line| line.trim_end() == IGNORED) {
        lines.remove(at);
    }
    lines.concat()
}

fn table<'a>(item: &'a mut Item, name: &str) -> Result<&'a mut dyn TableLike, Conflict> {
    let wrong = || conflict(format!("`{name}` is no table"), "Make it one");
    item.as_table_like_mut().ok_or_else(wrong)
}

fn strings(item: Option<&Item>) -> impl Iterator<Item = &str> {
    item.and_then(Item::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a member's pattern, as cargo reads it, is about a folder at the root.
fn fits(pattern: &str, name: &str) -> bool {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            !pattern.contains('/')
                && name.len() >= start.len() + end.len()
                && name.starts_with(start)
                && name.ends_with(end)
        }
    }
}

/// One more string, laid out as those before it.
fn push(array: &mut Array, text: &str) {
    let mut new = Value::String(Formatted::new(text.to_owned()));
    if let Some(last) = array.iter_mut().last() {
        let prefix = match last.decor().prefix().and_then(|it| it.as_str()) {
            Some(prefix) if prefix.contains('\n') => prefix.rsplit('\n').next().map(|indent| format!("\n{indent}")),
            _ => Some(" ".to_owned()),
        };
        let suffix = last.decor().suffix().and_then(|it| it.as_str()).unwrap_or_default().to_owned();
        last.decor_mut().set_suffix("");
        *new.decor_mut() = toml_edit::Decor::new(prefix.unwrap_or_default(), suffix);
    }
    array.push_formatted(new);
}

/// Takes a string out; what stood behind it goes to the one before it.
fn remove(array: &mut Array, text: &str) {
    let Some(at) = array.iter().position(|item| item.as_str() == Some(text)) else { return };
    let removed = array.remove(at);
    if at == array.len()
        && let Some(last) = array.iter_mut().last()
        && let Some(suffix) = removed.decor().suffix()
    {
        last.decor_mut().set_suffix(suffix.clone());
    }
}

#[cfg(test)]
mod tests;
