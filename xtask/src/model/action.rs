//! What a person can do next, as a value: words, or a command with the reason for it. A command becomes text here alone,
//! with the flags that the user typed, the folder that it runs in and the quotes that a shell needs. A command is always
//! the last thing in its line, so that the rest of the line can be pasted.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    why: String,
    call: Option<Call>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A command of this tool.
    Own(Own),
    /// Another program's.
    Program(Program),
}

/// A command of this tool: `cargo xtask NAME WORDS…`, and the flags that were typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    name: String,
    words: Vec<String>,
    component: Option<String>,
    repeats: Repeats,
}

/// Which of the typed flags a command repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    All,
    AllButComponent,
    Nothing,
}

/// A command of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    words: Vec<String>,
    place: Place,
}

/// Where a program has to run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// Somewhere in the project's tree.
    InTree,
    /// At the project's root.
    AtRoot,
    At(PathBuf),
}

/// A command of this tool.
pub fn own(name: impl Into<String>) -> Own {
    Own { name: name.into(), words: Vec::new(), component: None, repeats: Repeats::All }
}

/// A command of another program, which runs anywhere.
pub fn program<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Program {
    Program { words: words.into_iter().map(Into::into).collect(), place: Place::Anywhere }
}

/// A command of git, which runs in the project's repository.
pub fn git<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Program {
    let words = words.into_iter().map(Into::into);
    Program { words: std::iter::once("git".to_owned()).chain(words).collect(), place: Place::InTree }
}

impl Own {
    /// One more word: a switch, a positional.
    pub fn word(mut self, word: impl Into<String>) -> Own {
        self.words.push(word.into());
        self
    }

    /// More words.
    pub fn words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Own {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// A flag with its value.
    pub fn flag(self, name: &str, value: impl std::fmt::Display) -> Own {
        self.word(format!("{name}={value}"))
    }

    /// About this component, whatever was typed.
    pub fn of(mut self, component: impl Into<String>) -> Own {
        self.component = Some(component.into());
        self
    }

    /// About this component, unless one is said already.
    fn or_of(mut self, component: &str) -> Own {
        if self.repeats == Repeats::All && self.component.is_none() {
            self.component = Some(component.to_owned());
        }
        self
    }

    /// About no component in particular: every one, or the one that a journal knows.
    pub fn of_no_component(mut self) -> Own {
        self.repeats = Repeats::AllButComponent;
        self
    }

    /// Without any flag that was typed: where these are what is wrong, or do not matter.
    pub fn plain(mut self) -> Own {
        self.repeats = Repeats::Nothing;
        self
    }

    /// Its words, to be written down for a later process; the flags that were typed are not among them.
    pub fn written(&self) -> Vec<&str> {
        std::iter::once(&self.name).chain(&self.words).map(String::as_str).collect()
    }

    /// One that was written down. It names no component: what was written down knows which one it is about.
    pub fn read(words: impl IntoIterator<Item = String>) -> Option<Own> {
        let mut words = words.into_iter();
        Some(own(words.next()?).words(words).of_no_component())
    }

    pub fn text(&self, around: &Around) -> String {
        let mut text = format!("cargo xtask {}", self.name);
        for word in self.repeated(around).iter().chain(&self.words) {
            text.push(' ');
            text.push_str(&shell_word(word));
        }
        text
    }

    fn repeated(&self, around: &Around) -> Vec<String> {
        const COMPONENT: &str = "--component";
        if self.repeats == Repeats::Nothing {
            return Vec::new();
        }
        let said = |flag: &str| self.words.iter().any(|word| word.split('=').next() == Some(flag));
        let fits = |flag: &str| !said(flag) && (around.takes)(&self.name, flag);
        let typed = around.typed.iter().map(|(flag, value)| (flag.as_str(), value.as_str()));
        let named = self.component.as_deref().filter(|name| around.default_component.get().is_none_or(|it| it != name));
        let component = match (&self.component, self.repeats) {
            (_, Repeats::AllButComponent) => None,
            (Some(_), _) => named,
            (None, _) => typed.clone().find(|(flag, _)| *flag == COMPONENT).map(|(_, value)| value),
        };
        let others = typed.filter(|(flag, _)| *flag != COMPONENT);
        let all = component.map(|name| (COMPONENT, name)).into_iter().chain(others);
        all.filter(|(flag, _)| fits(flag)).map(|(flag, value)| format!("{flag}={value}")).collect()
    }
}

impl Program {
    /// Its paths are relative to this folder.
    pub fn inside(mut self, folder: impl Into<PathBuf>) -> Program {
        self.place = Place::At(folder.into());
        self
    }

    /// Its paths are relative to the project's root.
    pub fn at_root(mut self) -> Program {
        self.place = Place::AtRoot;
        self
    }

    /// One more word.
    pub fn word(mut self, word: impl AsRef<OsStr>) -> Program {
        self.words.push(word.as_ref().to_string_lossy().into_owned());
        self
    }

    /// More words.
    pub fn words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Program {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    pub fn text(&self, around: &Around) -> String {
        let words: Vec<String> = self.words.iter().map(|word| shell_word(word)).collect();
        let is_git = self.words.first().is_some_and(|word| word == "git");
        let root = around.root.get().map(PathBuf::as_path);
        let folder = match &self.place {
            Place::Anywhere => None,
            Place::InTree => root.filter(|root| !around.folder.starts_with(root)),
            Place::AtRoot => root,
            Place::At(folder) => Some(folder.as_path()),
        };
        let folder = folder.and_then(|folder| around.way_to(folder));
        match folder {
            None => words.join(" "),
            Some(folder) if is_git => format!("git -C {} {}", shell_word(&folder), words[1..].join(" ")),
            // In a shell of its own: what is pasted next runs where the user stands.
            Some(folder) => format!("(cd {} && {})", shell_word(&folder), words.join(" ")),
        }
    }
}

impl Call {
    pub fn text(&self, around: &Around) -> String {
        match self {
            Call::Own(own) => own.text(around),
            Call::Program(program) => program.text(around),
        }
    }
}

impl Action {
    /// A command and what it is for.
    pub fn run(why: impl Into<String>, call: impl Into<Call>) -> Action {
        Action { why: why.into(), call: Some(call.into()) }
    }

    /// The command, if it is one.
    pub fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// The command, if it is this tool's and has this name.
    pub fn is_own(&self, name: &str) -> bool {
        matches!(&self.call, Some(Call::Own(own)) if own.name == name)
    }

    /// The same about a component, unless it says itself which one.
    pub fn or_of(mut self, component: &str) -> Action {
        if let Some(Call::Own(own)) = self.call {
            self.call = Some(Call::Own(own.or_of(component)));
        }
        self
    }

    pub fn text(&self, around: &Around) -> String {
        match &self.call {
            None => self.why.clone(),
            Some(call) if self.why.is_empty() => call.text(around),
            Some(call) => format!("{}: {}", self.why, call.text(around)),
        }
    }
}

impl From<Own> for Call {
    fn from(own: Own) -> Call {
        Call::Own(own)
    }
}

impl From<Program> for Call {
    fn from(program: Program) -> Call {
        Call::Program(program)
    }
}

impl From<Own> for Action {
    fn from(own: Own) -> Action {
        Action::run("", own)
    }
}

impl From<Program> for Action {
    fn from(program: Program) -> Action {
        Action::run("", program)
    }
}

impl From<&str> for Action {
    fn from(words: &str) -> Action {
        Action { why: words.to_owned(), call: None }
    }
}

impl From<String> for Action {
    fn from(words: String) -> Action {
        Action { why: words, call: None }
    }
}

impl From<&String> for Action {
    fn from(words: &String) -> Action {
        words.as_str().into()
    }
}

impl From<&Own> for Action {
    fn from(own: &Own) -> Action {
        own.clone().into()
    }
}

impl From<&Own> for Call {
    fn from(own: &Own) -> Call {
        own.clone().into()
    }
}

impl From<&Action> for Action {
    fn from(action: &Action) -> Action {
        action.clone()
    }
}

/// What a command depends on that its maker need not know.
#[derive(Debug)]
pub struct Around {
    /// The flags that say what the command line is about, with their values, as they were typed.
    pub typed: Vec<(String, String)>,
    /// Whether a command takes a flag.
    pub takes: fn(command: &str, flag: &str) -> bool,
    /// Where the user stands; empty where nobody does.
    pub folder: PathBuf,
    /// The project's root, once it is known.
    pub root: OnceLock<PathBuf>,
    /// The component that is meant where none is named, once it is known.
    pub default_component: OnceLock<String>,
}

impl Default for Around {
    fn default() -> Around {
        Around {
            typed: Vec::new(),
            takes: |_, _| true,
            folder: PathBuf::new(),
            root: OnceLock::new(),
            default_component: OnceLock::new(),
        }
    }
}

impl Around {
    /// How to get to a folder from where the user stands; `None` where that is the place.
    fn way_to(&self, folder: &Path) -> Option<String> {
        let is_here = self.folder.as_os_str().is_empty() || self.folder == folder;
        (!is_here).then(|| folder.strip_prefix(&self.folder).unwrap_or(folder).display().to_string())
    }
}

/// One word for a POSIX shell; of a flag with a value, the value alone is put in quotes.
pub fn shell_word(word: &str) -> String {
    match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") && is_plain(flag) && !is_plain(value) => {
            format!("{flag}={}", quoted(value))
        }
        _ => quoted(word),
    }
}

/// One word for a POSIX shell.
pub fn quoted(word: &str) -> String {
    if !word.is_empty() && is_plain(word) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c))
}

#[cfg(test)]
mod tests;
