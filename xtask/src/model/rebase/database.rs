//! The way of a database whose revisions get other parents. Alembic records only heads: a database that kept a moved
//! revision would count as having run what is now below it, without ever having done so. So it is downgraded to below
//! every moved revision with the old scripts, and upgraded again with the new ones.

use std::collections::HashSet;

use super::Moved;
use crate::model::graph::{Graph, HeadError, Links};
use crate::model::target::{Direction, Step};

/// The way down and up again. Everything is empty where the database holds no moved revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trip {
    /// What the version table holds.
    pub before: Vec<String>,
    /// To undo, in this order, with the scripts as they were.
    pub down: Vec<String>,
    /// What the version table holds then.
    pub between: Vec<String>,
    /// To apply, in this order, with the scripts as they will be: all that was held, and what is below it now.
    pub up: Vec<String>,
    /// What the version table holds in the end.
    pub after: Vec<String>,
}

impl Trip {
    /// Whether the database can stay as it is.
    pub fn is_empty(&self) -> bool {
        self.down.is_empty()
    }
}

/// Plans the way for a database that holds `applied`, which must be known revisions.
///
/// # Errors
/// Where Alembic could not record a step.
pub fn trip(old: &Graph, new: &Graph, moved: &[Moved], applied: &[String]) -> Result<Trip, HeadError> {
    let held = old.ancestors(applied, Links::WithDependencies);
    let is_held: HashSet<&str> = held.iter().copied().collect();
    let touched: Vec<&str> =
        moved.iter().map(|moved| moved.revision.as_str()).filter(|id| is_held.contains(id)).collect();
    let above = old.descendants(&touched, Links::WithDependencies);
    let down: Vec<String> = above.into_iter().filter(|id| is_held.contains(id)).map(str::to_owned).collect();
    let between = after(old, applied, Direction::Down, &down)?;
    let left: HashSet<&str> = new.ancestors(&between, Links::WithDependencies).into_iter().collect();
    let wanted = if down.is_empty() { Vec::new() } else { new.ancestors(&held, Links::WithDependencies) };
    let mut up: Vec<String> = wanted.into_iter().filter(|id| !left.contains(id)).map(str::to_owned).collect();
    up.reverse();
    let after = after(new, &between, Direction::Up, &up)?;
    Ok(Trip { before: applied.to_vec(), down, between, up, after })
}

/// The rows of the version table after some steps.
///
/// # Errors
/// Where Alembic could not record a step.
pub fn after(graph: &Graph, before: &[String], direction: Direction, ids: &[String]) -> Result<Vec<String>, HeadError> {
    let mut heads = before.to_vec();
    for id in ids {
        heads = graph.heads_after(&heads, &Step { direction, revision: id.clone() })?;
    }
    Ok(heads)
}
