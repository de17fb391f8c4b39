//! Plans how diverged heads become one: which revisions move on top of which, or that an empty merge revision joins the
//! heads, and the way of a database meanwhile. It decides; nothing in here reads or writes.
//!
//! The rules: a revision that is released is never edited. One's own revisions, all of them, move on top of the one
//! released head, in the shape they have: own chains stay chains, own merge revisions stay where they are and lose only
//! the parents that have become ancestors anyway. Several own heads are put on top of each other. Where the released
//! revisions themselves have several heads, nobody's revision may move, and a merge revision joins all heads.

mod database;
mod place;
mod touched;

use std::collections::HashSet;
use std::fmt;

use crate::model::graph::{Graph, Links};
use crate::model::revision::Script;

pub use database::{Trip, after, trip};
pub use touched::{Both, Source, Touch, both};

/// What the person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// By the rules.
    Usual,
    /// This revision and what is below it stay, everything else moves on top of it.
    Onto(String),
    /// A merge revision, whatever the rules say.
    Merge,
}

/// A revision that gets other parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub revision: String,
    /// Its parents as they are.
    pub from: Vec<String>,
    /// Its parents as they will be.
    pub to: Vec<String>,
}

/// Why the heads are joined by a merge revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was asked for.
    Asked,
    /// The released revisions have several heads themselves.
    ReleasedDiverged,
}

/// What is to change in the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is one head already, and everything is where it belongs.
    Nothing,
    /// Revisions get other parents, in the order in which they will be applied.
    Move(Vec<Moved>),
    /// A new revision that does nothing has all heads as parents.
    Merge {
        /// The heads.
        parents: Vec<String>,
        why: Why,
    },
}

/// What is there and what is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The heads as they are.
    pub heads: Vec<String>,
    /// The newest revisions that all heads have in common.
    pub ancestors: Vec<String>,
    /// What one's own revisions are put on; `None` where nothing is released.
    pub onto: Option<String>,
    pub change: Change,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No script has the revision that was asked for.
    Unknown(String),
    /// These would have to be edited, and they are released.
    Released {
        /// What they would be put on.
        onto: String,
        revisions: Vec<String>,
    },
    /// This base has a branch label: it is a branch of its own by intent.
    Labelled(String),
    /// The result would still have several heads.
    StillDiverged(Vec<String>),
    /// The result would be no sound history.
    Unsound(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown(id) => write!(f, "no file holds revision {id}"),
            Refusal::Released { onto, revisions } => {
                write!(f, "to put everything on {onto}, released revisions would be edited: {}", revisions.join(", "))
            }
            Refusal::Labelled(id) => write!(f, "{id} begins a branch of its own: it has a branch label and no parent"),
            Refusal::StillDiverged(heads) => write!(f, "there would still be several heads: {}", heads.join(", ")),
            Refusal::Unsound(what) => write!(f, "the history would not be sound afterwards: {what}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.revision, ids(&self.from), ids(&self.to))
    }
}

/// Parents, as a person reads them.
pub fn ids(ids: &[String]) -> String {
    if ids.is_empty() { "<base>".to_owned() } else { ids.join(" + ") }
}

/// Makes the plan. `released` are the revisions that nobody may edit; what is below one of them counts as well.
///
/// # Errors
/// [`Refusal`].
pub fn plan(graph: &Graph, released: &HashSet<String>, wish: &Wish) -> Result<Plan, Refusal> {
    let heads: Vec<String> = graph.heads().into_iter().map(str::to_owned).collect();
    let ancestors = common(graph, &heads);
    let plan =
        |onto: Option<&str>, change| Plan { onto: onto.map(str::to_owned), heads: heads.clone(), ancestors, change };
    let joined = |why| Change::Merge { parents: heads.clone(), why };
    let released: Vec<&str> = released.iter().map(String::as_str).collect();
    let released = graph.closure(graph.indices(&released), Links::WithDependencies);
    let (kept, tip) = match wish {
        Wish::Usual if !graph.is_diverged() => return Ok(plan(None, Change::Nothing)),
        Wish::Merge if heads.len() < 2 => return Ok(plan(None, Change::Nothing)),
        Wish::Merge => return Ok(plan(None, joined(Why::Asked))),
        Wish::Usual => match tips(graph, &released)[..] {
            [] => (released, None),
            [tip] => (released, Some(tip)),
            _ => return Ok(plan(None, joined(Why::ReleasedDiverged))),
        },
        Wish::Onto(id) => {
            let tip = graph.index(id).ok_or_else(|| Refusal::Unknown(id.clone()))?;
            let kept = graph.closure(vec![tip], Links::WithDependencies);
            let edited = (0..graph.len()).filter(|&at| released[at] && !kept[at]);
            let edited: Vec<String> = graph.ids(edited).into_iter().map(str::to_owned).collect();
            if !edited.is_empty() {
                return Err(Refusal::Released { onto: id.clone(), revisions: edited });
            }
            (kept, Some(tip))
        }
    };
    let moved = place::on_top(graph, &kept, tip)?;
    let change = if moved.is_empty() { Change::Nothing } else { Change::Move(moved) };
    let after = applied(graph, &change)?;
    if after.is_diverged() {
        return Err(Refusal::StillDiverged(after.heads().iter().map(|&id| id.to_owned()).collect()));
    }
    Ok(plan(tip.map(|at| graph.id(at)), change))
}

/// The history as it will be.
///
/// # Errors
/// [`Refusal::Unsound`].
pub fn applied(graph: &Graph, change: &Change) -> Result<Graph, Refusal> {
    let moved = match change {
        Change::Move(moved) => moved.as_slice(),
        Change::Nothing | Change::Merge { .. } => &[],
    };
    let mut scripts: Vec<Script> = graph.scripts().cloned().collect();
    for script in &mut scripts {
        if let Some(moved) = moved.iter().find(|moved| moved.revision == script.id) {
            script.down.clone_from(&moved.to);
        }
    }
    // The files of a folder come by name.
    scripts.sort_by(|a, b| a.path.cmp(&b.path));
    Graph::build(scripts).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Refusal::Unsound(problems.join("; "))
    })
}

/// The marked revisions without marked children, in the order of loading.
fn tips(graph: &Graph, marked: &[bool]) -> Vec<usize> {
    let is_tip = |&at: &usize| marked[at] && !graph.nodes[at].children.iter().any(|&child| marked[child]);
    (0..graph.len()).filter(is_tip).collect()
}

/// The newest revisions that all of these have below them.
fn common(graph: &Graph, heads: &[String]) -> Vec<String> {
    let mut shared = vec![true; graph.len()];
    for head in graph.indices(heads) {
        let below = graph.closure(vec![head], Links::Parents);
        shared.iter_mut().zip(below).for_each(|(shared, below)| *shared &= below);
    }
    graph.ids(tips(graph, &shared)).into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
