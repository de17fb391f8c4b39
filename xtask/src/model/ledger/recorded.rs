//! The schema below a revision, as it was seen when the revision was applied: a reference that its own downgrade did
//! not make.

use super::{Delta, Run};
use crate::model::catalog::Snapshot;
use crate::model::target::Direction;

/// The schema below a revision, where `now` is the schema at it; `runs` are all of its runs, oldest first. It is known
/// from the first upgrade, before any downgrade by this tool, and from a later one that began with the same schema, and
/// only where the schema still has what the upgrade made.
pub fn below(runs: &[Run], now: &Snapshot) -> Option<Snapshot> {
    let first = runs.first().filter(|run| run.direction == Direction::Up)?.delta.as_ref()?;
    let upgrades = runs.iter().rev().filter(|run| run.direction == Direction::Up);
    let seen = upgrades.filter_map(|run| run.delta.as_ref());
    let known = |delta: &&Delta| std::ptr::eq(*delta, first) || delta.begins_as(first);
    seen.filter(known).find_map(|delta| delta.undone(now))
}
