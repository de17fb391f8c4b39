//! Why a target cannot be reached.

use std::fmt;

use super::Direction;

/// Why a target cannot be gone to. Ids are full ids of the history, newest first where there are several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Not a target in any history.
    Invalid {
        /// As written.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No revision id or branch label begins like this.
    UnknownRevision {
        /// As written.
        id: String,
        /// The nearest known ones, at most three.
        nearest: Vec<String>,
    },
    /// What stands before the `@` is neither a branch label nor a revision id.
    UnknownBranch {
        /// As written.
        label: String,
        /// The nearest known labels, at most three.
        nearest: Vec<String>,
    },
    /// The database holds ids that no script has.
    UnknownCurrent { ids: Vec<String> },
    /// Several ids or labels begin like this.
    Ambiguous {
        /// As written.
        id: String,
        candidates: Vec<String>,
    },
    /// One head is asked for, and there are several.
    MultipleHeads {
        target: String,
        /// Which heads there are.
        heads: Vec<String>,
    },
    /// The revision is neither an ancestor nor a descendant of what stands before the `@`.
    NotOnBranch {
        /// The revision.
        id: String,
        /// The label as written.
        branch: String,
    },
    /// A downgrade to something that is not applied.
    NotAnAncestor {
        target: String,
        /// Where the database is.
        current: Vec<String>,
    },
    /// The lower end of a range does not lie below its upper one.
    NotBelow { lower: String, upper: String },
    /// `+N` for a downgrade, or `-N` for an upgrade.
    WrongDirection {
        target: String,
        /// The way that was asked for.
        direction: Direction,
    },
    /// The history ends before the target.
    TooFar {
        target: String,
        /// How many revisions there are that way.
        available: usize,
    },
    /// Going by number comes to a fork.
    AmbiguousWalk {
        target: String,
        /// Where the ways part; `None` before the first revision, or where the database has several heads.
        at: Option<String>,
        /// The ways.
        choices: Vec<String>,
    },
    /// A step back from nothing: no revision (of this branch) is applied.
    NothingCurrent { target: String },
    /// One of several revisions is an ancestor of another one, so they cannot stand side by side in the version table.
    Overlap {
        /// The ancestor.
        lower: String,
        revisions: Vec<String>,
    },
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::Invalid { text, why } => write!(f, "'{text}' is no target: {why}"),
            TargetError::UnknownRevision { id, nearest } => write!(f, "no revision '{id}'{}", meant(nearest)),
            TargetError::UnknownBranch { label, nearest } => write!(f, "no branch '{label}'{}", meant(nearest)),
            TargetError::UnknownCurrent { ids } => {
                write!(f, "the database is at {}, which no file holds", ids.join(", "))
            }
            TargetError::Ambiguous { id, candidates } => {
                write!(f, "'{id}' fits several revisions: {}", candidates.join(", "))
            }
            TargetError::MultipleHeads { target, heads } => {
                write!(f, "'{target}' asks for one head, and there are {}: {}", heads.len(), heads.join(", "))
            }
            TargetError::NotOnBranch { id, branch } => write!(f, "revision {id} is not on the branch '{branch}'"),
            TargetError::NotAnAncestor { target, current } if current.is_empty() => {
                write!(f, "'{target}' is not applied: the database is at no revision")
            }
            TargetError::NotAnAncestor { target, current } => {
                write!(f, "'{target}' is not an ancestor of where the database is ({})", current.join(", "))
            }
            TargetError::NotBelow { lower, upper } if upper.is_empty() => write!(f, "nothing is above {lower} there"),
            TargetError::NotBelow { lower, upper } if lower.is_empty() => {
                write!(f, "no one revision is that far below {upper}")
            }
            TargetError::NotBelow { lower, upper } => {
                let lie = if lower.contains(", ") { "do not lie" } else { "does not lie" };
                write!(f, "{lower} {lie} below {upper}")
            }
            TargetError::WrongDirection { target, direction } => write!(f, "'{target}' is no target for {direction}"),
            TargetError::TooFar { target, available } => {
                write!(f, "'{target}' goes beyond the history: {available} revisions lie that way")
            }
            TargetError::AmbiguousWalk { target, at, choices } => {
                let at = at.as_ref().map(|id| format!(" at {id}")).unwrap_or_default();
                write!(f, "'{target}' is ambiguous{at}: the way goes on to {}", choices.join(" or "))
            }
            TargetError::NothingCurrent { target } => {
                write!(f, "'{target}' starts where the database is, and it is at no revision there")
            }
            TargetError::Overlap { lower, revisions } => {
                write!(f, "{lower} is an ancestor of another one of {}", revisions.join(", "))
            }
        }
    }
}

impl std::error::Error for TargetError {}

fn meant(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!(" (did you mean {}?)", nearest.join(" or ")) }
}
