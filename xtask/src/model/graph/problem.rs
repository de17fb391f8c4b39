//! What can be wrong with a history as a whole, as a value: which revision, in which file, and what was probably meant.

use std::fmt;
use std::path::PathBuf;

use crate::model::revision::Script;

/// A revision and the line of its file that has the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The revision id.
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

/// Something that makes a history unusable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Several files hold the same id.
    DuplicateId {
        id: String,
        /// The files, in the order of loading.
        places: Vec<Place>,
    },
    /// An id with a character that alembic uses in targets.
    IllegalId {
        place: Place,
        /// Which of `@`, `-`, `+`.
        characters: Vec<char>,
    },
    /// A parent that no file holds.
    MissingParent {
        /// The revision that names it.
        place: Place,
        /// What it names. Alembic resolves neither shortened ids nor branch labels here.
        parent: String,
        /// Ids that it may be meant for: those it shortens, or the nearest.
        candidates: Vec<String>,
    },
    /// A dependency that is neither an id nor a branch label.
    MissingDependency {
        /// The revision that names it.
        place: Place,
        /// What it names.
        dependency: String,
        /// Ids that it may be meant for: those it shortens, or the nearest.
        candidates: Vec<String>,
    },
    /// A revision that is its own parent, or depends on itself.
    SelfLoop { place: Place },
    /// Revisions that follow one another in a circle.
    Cycle {
        /// The circle: each follows the next, and the last the first.
        places: Vec<Place>,
        /// Whether `depends_on` is part of it.
        through_dependencies: bool,
    },
    /// A branch label that two revisions declare, or that is also a revision id.
    DuplicateLabel {
        label: String,
        /// Who has it first.
        first: Place,
        /// Who has it again.
        second: Place,
    },
}

impl Place {
    pub(super) fn of_id(script: &Script) -> Place {
        Place { id: script.id.clone(), path: script.path.clone(), line: script.line }
    }

    pub(super) fn of_parents(script: &Script) -> Place {
        Place { line: script.down_line, ..Place::of_id(script) }
    }
}

impl Problem {
    /// Where it is to be mended: of several files with one id the last, of a circle the first.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Problem::DuplicateId { places, .. } => places.last(),
            Problem::Cycle { places, .. } => places.first(),
            Problem::IllegalId { place, .. }
            | Problem::MissingParent { place, .. }
            | Problem::MissingDependency { place, .. }
            | Problem::SelfLoop { place }
            | Problem::DuplicateLabel { second: place, .. } => Some(place),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::DuplicateId { id, places } => {
                let files: Vec<String> = places.iter().map(|place| place.path.display().to_string()).collect();
                write!(f, "revision {id} is in several files: {}", files.join(", "))
            }
            Problem::IllegalId { place, characters } => {
                let list: Vec<String> = characters.iter().map(|c| format!("`{c}`")).collect();
                write!(f, "revision id {} holds {}, which alembic does not allow", place.id, list.join(" and "))
            }
            Problem::MissingParent { place, parent, candidates } => {
                write!(f, "revision {} has the parent '{parent}', which no file holds{}", place.id, meant(candidates))
            }
            Problem::MissingDependency { place, dependency, candidates } => {
                write!(f, "revision {} depends on '{dependency}', which no file holds{}", place.id, meant(candidates))
            }
            Problem::SelfLoop { place } => write!(f, "revision {} follows itself", place.id),
            Problem::Cycle { places, through_dependencies } => {
                let ids: Vec<&str> = places.iter().chain(places.first()).map(|place| place.id.as_str()).collect();
                let how = if *through_dependencies { "through `depends_on` " } else { "" };
                write!(f, "revisions follow one another in a circle {how}({})", ids.join(" -> "))
            }
            Problem::DuplicateLabel { label, first, second } if *label == first.id => {
                write!(f, "branch label '{label}' of revision {} is also a revision id", second.id)
            }
            Problem::DuplicateLabel { label, first, second } => {
                write!(f, "branch label '{label}' of revision {} is already that of revision {}", second.id, first.id)
            }
        }
    }
}

impl std::error::Error for Problem {}

fn meant(candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!(" (did you mean {}?)", candidates.join(" or ")) }
}
