//! Where a migration is to go, as alembic's command line has it: `head`, `heads`, `base`, a full or shortened revision
//! id, `+2`, `-1`, `REV+2`, `REV-1`, and all of these behind `LABEL@`; `current` too. And the steps that lead there, the
//! same and in the same order as alembic 1.13 takes.
//!
//! One thing alembic refuses ('Ambiguous walk'): `-N` through a merge revision, or with several current heads. Here it is
//! N single steps down. Each step undoes, of the current heads, the one that stands highest in the history (the order of
//! `alembic history`, which is the reverse of the order in which `upgrade heads` applies). From one head and through
//! plain revisions that is what alembic does as well.

mod error;
mod parse;
mod range;
mod resolve;

use std::fmt;

pub use super::step::{Direction, Step};
pub use error::TargetError;
pub use range::Range;

use crate::model::graph::Graph;

/// A target as written, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A place in the history.
    Absolute {
        /// The label (or id) before the `@`.
        branch: Option<String>,
        /// The place.
        point: Point,
    },
    /// A number of revisions away from a place.
    Relative {
        /// The label (or id) before the `@`.
        branch: Option<String>,
        /// The place; `None` is where the database is.
        from: Option<Point>,
        /// How far: up when positive.
        steps: i64,
    },
    /// Where the database is.
    Current,
}

/// A named place in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    Head,
    Heads,
    /// Before the first revision.
    Base,
    /// A revision id, full or shortened, or a branch label.
    Id(String),
}

/// A target looked up: the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What to run, in this order. Empty where there is nothing to do; alembic takes an upgrade to something that is
    /// applied already for that.
    pub steps: Vec<Step>,
    /// The revisions that the target names; none for `base`. For `-N` through a merge, the heads that are left.
    pub destination: Vec<String>,
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// [`TargetError::Invalid`], when no history could have such a target.
    pub fn parse(text: &str) -> Result<Target, TargetError> {
        parse::parse(text)
    }
}

/// The steps from `current` (the rows of the version table) to `target`.
///
/// # Errors
/// All of [`TargetError`] but `Invalid`; each says what is there instead.
pub fn resolve(graph: &Graph, direction: Direction, current: &[String], target: &Target) -> Result<Route, TargetError> {
    resolve::resolve(graph, direction, current, target)
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Point::Head => "head",
            Point::Heads => "heads",
            Point::Base => "base",
            Point::Id(id) => id,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let branch = match self {
            Target::Absolute { branch, .. } | Target::Relative { branch, .. } => branch.as_deref(),
            Target::Current => None,
        };
        if let Some(branch) = branch {
            write!(f, "{branch}@")?;
        }
        match self {
            Target::Absolute { point, .. } => write!(f, "{point}"),
            Target::Relative { from: Some(from), steps, .. } => write!(f, "{from}{steps:+}"),
            Target::Relative { from: None, steps, .. } => write!(f, "{steps:+}"),
            Target::Current => f.write_str("current"),
        }
    }
}

#[cfg(test)]
mod tests;
