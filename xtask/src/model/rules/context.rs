//! Everything that rules judge, gathered before they are asked: scripts, history, git's knowledge.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::allow::Allowed;
use super::{Rule, Scope};
use crate::model::graph::{Graph, Problem};
use crate::model::revision::{self, Script, Unreadable};
use crate::model::script_body::{self, Body};
use crate::model::twins;

/// The scripts of one component and what is known of them.
pub struct Context {
    /// The scripts, in Alembic's order of loading.
    pub sources: Vec<Source>,
    by_path: HashMap<PathBuf, usize>,
    /// The history they make. Scripts that cannot be read are not in it.
    pub graph: Result<Graph, Vec<Problem>>,
    /// Where git has seen a revision that no script holds, by id.
    pub sighted: BTreeMap<String, Sighted>,
    /// What git knows of the main branch, if it knows one.
    pub past: Option<Past>,
    /// Whether released scripts are left alone by rules about scripts that are not released yet.
    pub spares_released: bool,
    /// The packages at the top of the project: its own code.
    pub packages: Vec<String>,
    /// `--component=…` for commands in messages, empty for the default one.
    pub flag: String,
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
}

/// A merge with the main branch that was only thought of.
pub struct Merged {
    /// The scripts that only the main branch has.
    pub theirs: Vec<Source>,
    /// The history of both.
    pub graph: Result<Graph, Vec<Problem>>,
}

/// A place in history that holds a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// `branch feature`, `stash@{0}`.
    pub place: String,
    /// What brings it here.
    pub command: String,
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
    /// Its header.
    pub header: Result<Script, Unreadable>,
    /// Whether it is on the main branch already.
    pub is_released: bool,
    /// Whether rules look at it by itself; in any case it is part of the history.
    pub is_checked: bool,
    /// What git thinks of it.
    pub tracking: Tracking,
    allowed: OnceCell<Allowed>,
    body: OnceCell<Result<Body, Unreadable>>,
}

impl Source {
    /// Takes a file's bytes.
    pub fn new(path: &Path, bytes: Vec<u8>) -> Source {
        let (text, broken_line) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
                (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(line))
            }
        };
        Source {
            path: path.to_owned(),
            header: revision::read(path, &text),
            allowed: OnceCell::new(),
            text,
            broken_line,
            is_released: false,
            is_checked: true,
            tracking: Tracking::Known,
            body: OnceCell::new(),
        }
    }

    /// The rules that it switches off; looked for when it is first asked, since most scripts are only part of the history.
    pub fn allowed(&self) -> &Allowed {
        self.allowed.get_or_init(|| Allowed::read(&self.text))
    }

    /// What it does; read when it is first asked for.
    pub fn body(&self) -> Result<&Body, &Unreadable> {
        self.body.get_or_init(|| script_body::read(&self.path, &self.text)).as_ref()
    }

    /// The text of a line, from 1.
    pub fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
    }
}

impl Context {
    /// Puts the history together; git's knowledge is to be filled in.
    pub fn new(sources: Vec<Source>, flag: String) -> Context {
        let scripts = sources.iter().filter_map(|source| source.header.clone().ok()).collect();
        Context {
            graph: Graph::build(scripts),
            by_path: sources.iter().enumerate().map(|(at, source)| (source.path.clone(), at)).collect(),
            sources,
            sighted: BTreeMap::new(),
            past: None,
            spares_released: true,
            packages: Vec::new(),
            flag,
        }
    }

    /// The source of a path.
    pub fn source(&self, path: &Path) -> Option<&Source> {
        self.by_path.get(path).and_then(|&at| self.sources.get(at))
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
