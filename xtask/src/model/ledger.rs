//! What a database has really run. Alembic records heads only: if a revision that a database holds gets another parent,
//! the database counts as having run everything below it now. The ledger is this tool's own record of what ran, with
//! the parents at that time; here it is compared with the history.
//!
//! Nobody may be accused wrongly. What the ledger says is certain only as long as nobody else has written the version
//! table since ([`Ledger::is_unbroken`]); everything else is a suspicion that the database itself has to confirm.

mod delta;
mod evidence;
pub mod recorded;
mod remedy;
mod undone;

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Graph, Links};
use super::target::Direction;

pub use delta::Delta;
pub use evidence::{Made, made, takes_away};
pub use remedy::{by_hand, remedy};
pub use undone::Undone;

/// How a revision came into the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// This tool ran it.
    Ran,
    /// The database held it when the ledger was begun.
    Found,
    /// As that, but there is reason to doubt that it ever ran.
    Doubted,
    /// The database counts as holding it, and it never ran.
    Skipped,
}

impl How {
    /// All, for reading the word back.
    pub const ALL: [How; 4] = [How::Ran, How::Found, How::Doubted, How::Skipped];

    /// The word read back; older versions of this tool wrote `implied`.
    pub fn of_word(word: &str) -> Option<How> {
        let word = if word == "implied" { How::Skipped.word() } else { word };
        How::ALL.into_iter().find(|how| how.word() == word)
    }

    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            How::Ran => "ran",
            How::Found => "found",
            How::Doubted => "doubted",
            How::Skipped => "skipped",
        }
    }
}

/// A revision in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What had to be applied before it at that time: parents, then dependencies.
    pub parents: Vec<String>,
    /// How it came in.
    pub how: How,
}

/// One run of a script by this tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub revision: String,
    /// Which of its functions.
    pub direction: Direction,
    /// SHA-256 of the text that ran.
    pub digest: String,
    /// A digest of the schema below the revision, where it was seen.
    pub below: Option<String>,
    /// The same above it.
    pub above: Option<String>,
    /// What it changed, where both were seen.
    pub delta: Option<Delta>,
}

/// A row of the version table, and the transaction that wrote it: a session that writes it again, even with the same
/// id, leaves another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The id.
    pub revision: String,
    /// The row's `xmin`.
    pub writer: String,
}

/// The ledger of one version table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// By revision.
    pub entries: BTreeMap<String, Entry>,
    /// The version table as this tool left it, sorted.
    pub left: Vec<Mark>,
    /// The version table as it is, sorted.
    pub now: Vec<Mark>,
}

/// A revision that the database counts as having run and has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub revision: String,
    /// The revision above it that was given other parents, where that can still be told.
    pub because: Option<Reparented>,
    /// What the database lacks that the revision would have made; empty where the ledger knows it.
    pub lacks: Vec<String>,
}

/// A revision that a database holds and whose parents are no longer those of then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reparented {
    pub revision: String,
    /// Its parents and dependencies of then.
    pub was: Vec<String>,
    /// Those of now.
    pub is: Vec<String>,
}

/// Parents and dependencies of a revision, as the ledger keeps them.
pub fn links(graph: &Graph, id: &str) -> Vec<String> {
    graph.parents(id).into_iter().chain(graph.dependencies(id)).map(str::to_owned).collect()
}

impl Ledger {
    /// Whether nobody but this tool has written the version table since the ledger was last written. `heads` is what was
    /// read off it for everything else.
    pub fn is_unbroken(&self, heads: &[String]) -> bool {
        let now: BTreeSet<&str> = self.now.iter().map(|mark| mark.revision.as_str()).collect();
        self.left == self.now && now == heads.iter().map(String::as_str).collect()
    }

    /// What a database at `heads` certainly never ran, newest first; the ledger has to be unbroken.
    pub fn skipped(&self, graph: &Graph, heads: &[String]) -> Vec<Skipped> {
        let past = self.past();
        let reparented = reparented(graph, heads, &past);
        let held = graph.ancestors(heads, Links::WithDependencies);
        let never = held.into_iter().filter_map(|id| {
            let because = below(&reparented, id);
            match self.entries.get(id).map(|entry| entry.how) {
                Some(How::Skipped) => Some(skipped(id, because)),
                None if because.is_some() => Some(skipped(id, because)),
                _ => None,
            }
        });
        never.collect()
    }

    /// What may never have run: of an unbroken ledger what it doubts itself, else what `past` parents of held revisions
    /// give reason to doubt. What the ledger has seen run is not among it.
    pub fn suspects(&self, graph: &Graph, heads: &[String], past: &[(String, Vec<String>)]) -> Vec<Skipped> {
        let past: Vec<_> = self.past().into_iter().chain(past.iter().cloned()).collect();
        let reparented = reparented(graph, heads, &past);
        let held = graph.ancestors(heads, Links::WithDependencies);
        let is_unbroken = self.is_unbroken(heads);
        let doubted = held.into_iter().filter_map(|id| {
            let because = below(&reparented, id);
            match self.entries.get(id).map(|entry| entry.how) {
                Some(How::Doubted) => Some(skipped(id, because)),
                Some(How::Skipped) if !is_unbroken => Some(skipped(id, because)),
                None if !is_unbroken && because.is_some() => Some(skipped(id, because)),
                _ => None,
            }
        });
        doubted.collect()
    }

    /// The entries to begin a walk with: those of an unbroken ledger and what is skipped; else the database as it is
    /// found, with what there is to doubt.
    pub fn begun(&self, graph: &Graph, heads: &[String]) -> BTreeMap<String, Entry> {
        let held = graph.ancestors(heads, Links::WithDependencies);
        let is_unbroken = self.is_unbroken(heads);
        let (odd, how) = match is_unbroken {
            true => (self.skipped(graph, heads), How::Skipped),
            false => (self.suspects(graph, heads, &[]), How::Doubted),
        };
        let odd: BTreeSet<&str> = odd.iter().map(|skipped| skipped.revision.as_str()).collect();
        // What an unbroken ledger has seen run stays true, also where the present scripts do not imply it.
        let mut entries = if is_unbroken { self.entries.clone() } else { BTreeMap::new() };
        for id in held {
            let how = if odd.contains(id) { how } else { How::Found };
            let known = self.entries.get(id).filter(|entry| entry.how != How::Skipped || is_unbroken);
            let entry = known.cloned().unwrap_or_else(|| Entry { parents: links(graph, id), how });
            entries.insert(id.to_owned(), entry);
        }
        entries
    }

    fn past(&self) -> Vec<(String, Vec<String>)> {
        self.entries.iter().map(|(id, entry)| (id.clone(), entry.parents.clone())).collect()
    }
}

fn skipped(id: &str, because: Option<Reparented>) -> Skipped {
    Skipped { revision: id.to_owned(), because, lacks: Vec::new() }
}

/// The revisions of the database that had other parents in the past, each with the revisions that are below it now and
/// were not then. Where an old parent has no file any more, revisions were renamed or joined into one, and nothing can
/// be concluded.
fn reparented<'a>(
    graph: &'a Graph,
    heads: &[String],
    past: &[(String, Vec<String>)],
) -> Vec<(Reparented, BTreeSet<&'a str>)> {
    let held: BTreeSet<&str> = graph.ancestors(heads, Links::WithDependencies).into_iter().collect();
    let mut found = Vec::new();
    for (id, was) in past.iter().filter(|(id, _)| held.contains(id.as_str())) {
        let is = links(graph, id);
        let differs = was.iter().collect::<BTreeSet<_>>() != is.iter().collect::<BTreeSet<_>>();
        if differs && was.iter().all(|id| graph.get(id).is_some()) {
            let then: BTreeSet<&str> = graph.ancestors(was, Links::WithDependencies).into_iter().collect();
            let mut new: BTreeSet<&str> = graph.ancestors(&is, Links::WithDependencies).into_iter().collect();
            new.retain(|id| !then.contains(id));
            found.push((Reparented { revision: id.clone(), was: was.clone(), is }, new));
        }
    }
    found
}

/// The first of these that has `id` below it now and had not then.
fn below(reparented: &[(Reparented, BTreeSet<&str>)], id: &str) -> Option<Reparented> {
    reparented.iter().find(|(_, new)| new.contains(id)).map(|(it, _)| it.clone())
}

#[cfg(test)]
mod tests;
