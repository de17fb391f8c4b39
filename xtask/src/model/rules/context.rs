//! Everything that rules judge, gathered before they are asked: scripts, history, git's knowledge.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::allowed::Allowed;
use super::{Rule, Scope};
use crate::model::action::Program;
use crate::model::graph::{Graph, Problem};
use crate::model::revision::{self, Decoded, Script, Unreadable};
use crate::model::script_body::{self, Body, Found};
use crate::model::twins;

/// The scripts of one component and what is known of them.
pub struct Context {
    /// The scripts, in Alembic's order of loading.
    pub sources: Vec<Source>,
    by_path: HashMap<PathBuf, usize>,
    /// Those whose header cannot be read.
    unreadable: Vec<usize>,
    /// The history they make. Scripts that cannot be read are not in it.
    pub graph: Result<Graph, Vec<Problem>>,
    /// Where git has seen a revision that no script holds, by id.
    pub sighted: BTreeMap<String, Sighted>,
    /// What git knows of the main branch, if it knows one.
    pub past: Option<Past>,
    /// Whether released scripts are left alone by rules about scripts that are not released yet.
    pub spares_released: bool,
    /// env.py, where rules are to look at it.
    pub env: Option<Env>,
    /// The packages at the top of the project: its own code.
    pub packages: Vec<String>,
    /// The component that the scripts are of.
    pub component: String,
    twins: OnceLock<twins::Index<usize>>,
}

/// A component's env.py.
pub struct Env {
    /// Relative to the project.
    pub path: PathBuf,
    pub text: String,
    /// What it calls when it is run; nothing where it cannot be parsed, and where it is not judged.
    pub calls: Vec<Found>,
}

impl Env {
    /// Reads it.
    pub fn new(path: &Path, text: String) -> Env {
        Env { path: path.to_owned(), calls: script_body::run(path, &text).unwrap_or_default(), text }
    }
}

/// What is released, and what has happened to it.
pub struct Past {
    /// The main branch, by the name that git found it under: `origin/main`.
    pub main: String,
    /// The commit at which the work parted from it, short.
    pub base: String,
    /// What became of released scripts since.
    pub changes: Vec<Change>,
    /// The history as it would be after a merge with the main branch of today; `None` where nothing is new there.
    pub merged: Option<Merged>,
}

impl Past {
    /// The same main branch, seen from where nothing has become of its scripts.
    pub fn without_changes(&self) -> Past {
        Past { main: self.main.clone(), base: self.base.clone(), changes: Vec::new(), merged: None }
    }
}

/// A released script that is not what it was.
pub struct Change {
    /// Where it was, relative to the project.
    pub from: PathBuf,
    /// Where it is; `None` where it is gone.
    pub to: Option<PathBuf>,
    /// What it was.
    pub before: Vec<u8>,
    pub release: Release,
}

/// What is known of a script's release. That it is on the main branch is known in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// There are no tags that could tell.
    #[default]
    Unknown,
    /// No tag has it.
    None,
    /// This tag has it.
    In(String),
}

impl Change {
    /// In words, what stands for the script's being known to others.
    pub fn standing(&self, past: &Past) -> String {
        match &self.release {
            Release::In(tag) => format!("is released in {tag}"),
            Release::None => format!("is on {} ({}), though in no release yet", past.main, past.base),
            Release::Unknown => format!("is on {} ({})", past.main, past.base),
        }
    }
}

/// A merge with the main branch that was only thought of.
pub struct Merged {
    /// The scripts that only the main branch has.
    pub theirs: Vec<Source>,
    /// The history of both.
    pub graph: Result<Graph, Vec<Problem>>,
    /// Whether such a merge is to come: into a maintained line main is never merged.
    pub is_to_come: bool,
}

/// A place in history that holds a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// `branch feature`, `stash@{0}`.
    pub place: String,
    /// What brings it here.
    pub command: Program,
}

/// What git thinks of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// It is known, or there is no git.
    #[default]
    Known,
    /// It was never added.
    Untracked,
    /// It matches a `.gitignore`.
    Ignored,
}

/// A script's file.
pub struct Source {
    /// Relative to the project.
    pub path: PathBuf,
    /// Its text, with what is no UTF-8 replaced.
    pub text: String,
    /// The line of the first byte that is no UTF-8.
    pub broken_line: Option<usize>,
    /// Why it cannot be read from the disk at all.
    pub io_error: Option<String>,
    pub header: Result<Script, Unreadable>,
    /// Whether it is on the main branch already.
    pub is_released: bool,
    /// Whether rules look at it by itself; in any case it is part of the history.
    pub is_checked: bool,
    /// What git thinks of it.
    pub tracking: Tracking,
    allowed: OnceLock<Allowed>,
    body: OnceLock<Result<Body, Unreadable>>,
}

impl Source {
    /// Takes a file's bytes.
    pub fn new(path: &Path, bytes: Vec<u8>) -> Source {
        let Decoded { text, broken_line } = revision::decode(bytes);
        Source {
            path: path.to_owned(),
            header: revision::read(path, &text),
            allowed: OnceLock::new(),
            text,
            broken_line,
            io_error: None,
            is_released: false,
            is_checked: true,
            tracking: Tracking::Known,
            body: OnceLock::new(),
        }
    }

    /// Takes a text whose header was read before.
    pub fn known(path: &Path, text: &str, header: &Result<Script, Unreadable>) -> Source {
        Source {
            path: path.to_owned(),
            header: header.clone(),
            allowed: OnceLock::new(),
            text: text.to_owned(),
            broken_line: None,
            io_error: None,
            is_released: false,
            is_checked: false,
            tracking: Tracking::Known,
            body: OnceLock::new(),
        }
    }

    /// For what lies in a script's place and cannot be read: a FIFO, a link to nowhere.
    pub fn unreadable(path: &Path, why: String) -> Source {
        let error = Unreadable { path: path.to_owned(), line: None, what: why, may_be_told: false };
        let io_error = Some(error.what.clone());
        let source = Source::new(path, Vec::new());
        Source { io_error, header: Err(error.clone()), body: OnceLock::from(Err(error)), ..source }
    }

    /// The rules that it switches off; looked for when it is first asked, since most scripts are only part of the history.
    pub fn allowed(&self) -> &Allowed {
        self.allowed.get_or_init(|| Allowed::read(&self.text))
    }

    /// What it does; read when it is first asked for.
    pub fn body(&self) -> Result<&Body, &Unreadable> {
        self.body.get_or_init(|| script_body::read(&self.path, &self.text)).as_ref()
    }

    /// Forgets what it does; it is read again when it is needed. Why it cannot be read stays.
    pub(super) fn forget_body(&mut self) {
        if self.body.get().is_some_and(Result::is_ok) {
            self.body.take();
        }
    }

    /// The text of a line, from 1.
    pub fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
    }
}

impl Context {
    /// Puts the history together; git's knowledge is to be filled in.
    pub fn new(sources: Vec<Source>, component: impl Into<String>) -> Context {
        let scripts = sources.iter().filter_map(|source| source.header.clone().ok()).collect();
        Context {
            graph: Graph::build(scripts),
            unreadable: (0..sources.len()).filter(|&at| sources[at].header.is_err()).collect(),
            by_path: sources.iter().enumerate().map(|(at, source)| (source.path.clone(), at)).collect(),
            sources,
            sighted: BTreeMap::new(),
            past: None,
            env: None,
            spares_released: true,
            packages: Vec::new(),
            component: component.into(),
            twins: OnceLock::new(),
        }
    }

    /// The scripts that may be twins of one, among them itself.
    pub(super) fn like<'a>(&'a self, own: &twins::Revision<'_>) -> impl Iterator<Item = &'a Source> {
        let index = self.twins.get_or_init(|| {
            let id = |(at, source): (usize, &Source)| source.header.as_ref().ok().map(|it| (it.id.clone(), at));
            let mut index = twins::Index::new(self.sources.iter().enumerate().filter_map(id));
            for (at, source) in self.sources.iter().enumerate() {
                // Not by `body()`, which keeps what it has read.
                let body = script_body::read(&source.path, &source.text);
                if let (Ok(script), Ok(body)) = (&source.header, &body) {
                    index.add(at, &twins::Revision { script, text: &source.text, body });
                }
            }
            index
        });
        index.like(own).into_iter().filter_map(|at| self.sources.get(at))
    }

    pub fn source(&self, path: &Path) -> Option<&Source> {
        self.by_path.get(path).and_then(|&at| self.sources.get(at))
    }

    /// Whether a script that cannot be read may hold, or follow, this revision: it names it, or computes what it names. Then
    /// nobody can say that the revision is missing, or that nothing follows it.
    pub(super) fn may_be_in_unreadable(&self, id: &str) -> bool {
        let is_computed = |source: &Source| source.header.as_ref().is_err_and(|error| error.may_be_told);
        let may = |source: &Source| is_computed(source) || contains_word(&source.text, id);
        self.unreadable.iter().any(|&at| may(&self.sources[at]))
    }

    /// Whether a script has branch labels that cannot be read.
    pub(super) fn has_unread_labels(&self) -> bool {
        self.sources.iter().any(|source| source.header.as_ref().is_ok_and(Script::has_unread_labels))
    }

    /// Whether every script could be read.
    pub(super) fn is_whole(&self) -> bool {
        self.unreadable.is_empty()
    }

    /// What is wrong with the history.
    pub fn problems(&self) -> &[Problem] {
        self.graph.as_ref().err().map_or(&[], Vec::as_slice)
    }

    /// Whether a rule has nothing to say about a script, since it is released.
    pub(super) fn spares(&self, rule: &Rule, source: &Source) -> bool {
        self.spares_released && source.is_released && rule.scope == Scope::Unreleased
    }

    /// A script's revision with what it does; `None` where either cannot be read.
    pub fn revision<'a>(&self, source: &'a Source) -> Option<twins::Revision<'a>> {
        Some(twins::Revision { script: source.header.as_ref().ok()?, text: &source.text, body: source.body().ok()? })
    }

    /// Whether a script of the history is released.
    pub fn is_released(&self, script: &Script) -> bool {
        self.source(&script.path).is_some_and(|source| source.is_released)
    }
}

/// Whether a word stands in a text, not as a part of a longer one.
fn contains_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !word.is_empty()
        && text
            .match_indices(word)
            .any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next()))
}
