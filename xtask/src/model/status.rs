//! Where a database stands: the files say the heads, the database says what it holds.

use std::path::PathBuf;

use super::graph::{Graph, Links};
use super::revision::one_line;

/// The states of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The database is at the head.
    UpToDate,
    /// There are revisions to apply.
    Behind,
    /// The scripts have several heads, and not on purpose.
    Diverged,
    /// The database holds no revision at all.
    NoRevision,
    /// The database holds an id that no file has.
    UnknownRevision,
    /// The database could not be asked.
    Unreachable,
    /// Nobody has set the component up here, and that is usual.
    NotSetUp,
}

impl State {
    /// The word as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::UpToDate => "up-to-date",
            State::Behind => "behind",
            State::Diverged => "diverged",
            State::NoRevision => "no-revision",
            State::UnknownRevision => "unknown-revision",
            State::Unreachable => "unreachable",
            State::NotSetUp => "not-set-up",
        }
    }
}

/// A revision as it is shown: its id, the first line of its docstring, its file if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub id: String,
    /// The docstring's first paragraph; empty when there is none or no file.
    pub message: String,
    /// Relative to the project where the file is inside it.
    pub path: Option<PathBuf>,
}

impl Revision {
    /// The revision of that id, as far as the history knows it.
    pub fn of(graph: &Graph, id: &str) -> Revision {
        let script = graph.get(id);
        Revision {
            id: id.to_owned(),
            message: script.map(|script| script.message.clone()).unwrap_or_default(),
            path: script.map(|script| script.path.clone()),
        }
    }

    /// `abc123 (Add session priority)`.
    pub fn with_message(&self) -> String {
        match self.title() {
            title if title.is_empty() => self.id.clone(),
            title => format!("{} ({title})", self.id),
        }
    }

    /// The message on one line.
    pub fn title(&self) -> String {
        one_line(&self.message)
    }
}

/// Two rows of the version table of which one is enough: a revision, and one that has it below it, or the same once more. Alembic cannot go on
/// from there ('overlaps with other requested revisions').
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The row that should not be there.
    pub revision: String,
    /// The row above it.
    pub below: String,
}

/// The overlapping rows of a version table.
pub fn overlaps(graph: &Graph, applied: &[String]) -> Vec<Overlap> {
    let mut found = Vec::new();
    let is_twice = |at: &usize| applied[..*at].contains(&applied[*at]);
    for row in (0..applied.len()).filter(is_twice).map(|at| &applied[at]) {
        found.push(Overlap { revision: row.clone(), below: row.clone() });
    }
    for above in applied {
        let below = graph.ancestors(std::slice::from_ref(above), Links::Parents);
        let rows = applied.iter().filter(|row| *row != above && below.contains(&row.as_str()));
        found.extend(rows.map(|row| Overlap { revision: row.clone(), below: above.clone() }));
    }
    found
}

/// What a history and a database's version table say together.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The one word for it.
    pub state: State,
    /// What the version table holds.
    pub current: Vec<Revision>,
    /// The heads of the scripts.
    pub heads: Vec<Revision>,
    /// What would be applied by an upgrade to all heads, in that order; empty when the table holds an unknown id.
    pub pending: Vec<Revision>,
    /// Ids in the version table that no file has.
    pub unknown: Vec<String>,
    /// Rows of the version table that say the same twice.
    pub overlaps: Vec<Overlap>,
}

impl Standing {
    /// Puts the two together.
    pub fn new(graph: &Graph, applied: &[String]) -> Standing {
        let named = |ids: &[&str]| ids.iter().map(|id| Revision::of(graph, id)).collect::<Vec<_>>();
        let current: Vec<&str> = applied.iter().map(String::as_str).collect();
        let unknown = graph.unknown(applied);
        let pending = if unknown.is_empty() { graph.pending(applied) } else { Vec::new() };
        let heads = graph.heads();
        let state = if !unknown.is_empty() {
            State::UnknownRevision
        } else if graph.is_diverged() {
            State::Diverged
        } else if applied.is_empty() {
            State::NoRevision
        } else if pending.is_empty() {
            State::UpToDate
        } else {
            State::Behind
        };
        Standing {
            state,
            current: named(&current),
            heads: named(&heads),
            pending: named(&pending),
            unknown: unknown.into_iter().map(str::to_owned).collect(),
            overlaps: overlaps(graph, applied),
        }
    }

    /// What can be said when the database cannot be asked.
    pub fn unreachable(graph: &Graph) -> Standing {
        Standing { state: State::Unreachable, current: Vec::new(), pending: Vec::new(), ..Standing::new(graph, &[]) }
    }

    /// What can be said where nobody has set the component up.
    pub fn not_set_up(graph: &Graph) -> Standing {
        Standing { state: State::NotSetUp, ..Standing::unreachable(graph) }
    }
}
