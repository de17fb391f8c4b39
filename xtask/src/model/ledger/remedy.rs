//! The way to put right a database with skipped revisions: downgrade to below them, where skipped ones are only taken
//! out of the version table, and upgrade again.

use std::collections::BTreeSet;

use super::Skipped;
use crate::model::graph::{Graph, Links};
use crate::model::target::{self, Direction, Target};

/// The target of the downgrade: the newest held revision from which everything that was skipped, and everything above
/// it, is reverted, or `base`. `None` where no target does that.
pub fn remedy(graph: &Graph, heads: &[String], skipped: &[Skipped]) -> Option<String> {
    let never: BTreeSet<&str> = skipped.iter().map(|skipped| skipped.revision.as_str()).collect();
    let never_ids: Vec<&str> = never.iter().copied().collect();
    let above: BTreeSet<&str> = graph.descendants(&never_ids, Links::WithDependencies).into_iter().collect();
    let held = graph.ancestors(heads, Links::WithDependencies);
    let wanted: BTreeSet<&str> = held.iter().copied().filter(|id| above.contains(id)).collect();
    let does = |target: &str| {
        let route = Target::parse(target).and_then(|it| target::resolve(graph, Direction::Down, heads, &it));
        route.is_ok_and(|route| {
            let reverted: BTreeSet<&str> = route.steps.iter().map(|step| step.revision.as_str()).collect();
            wanted.is_subset(&reverted)
        })
    };
    let places = held.iter().copied().filter(|id| !above.contains(id)).chain(["base"]);
    let mut places = places.filter(|target| does(target));
    places.next().map(str::to_owned)
}

/// What Alembic's `upgrade A:B --sql` has to be told so that it writes just what was skipped, where that is one stretch of
/// the history.
pub fn by_hand(graph: &Graph, target: &str, skipped: &[Skipped]) -> Option<String> {
    let top = &skipped.first()?.revision;
    let never: BTreeSet<&str> = skipped.iter().map(|skipped| skipped.revision.as_str()).collect();
    let below: BTreeSet<&str> = graph.ancestors(&[target], Links::WithDependencies).into_iter().collect();
    let mut stretch: BTreeSet<&str> = graph.ancestors(&[top], Links::WithDependencies).into_iter().collect();
    stretch.retain(|id| !below.contains(id));
    (stretch == never).then(|| format!("{target}:{top}"))
}
