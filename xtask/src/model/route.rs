//! Which revisions a round trip tests and in which order the history is walked for it. The history can be applied in
//! every order that it makes; revisions that a database holds already come first, since they can only be downgraded.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::graph::{Graph, Links};

/// Which revisions are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Those that nothing follows.
    Heads,
    /// The newest so many.
    Newest(usize),
    /// This one and everything above it. A full id of the history.
    From(&'a str),
    /// These. Full ids; what the history does not have is left out.
    These(&'a HashSet<String>),
    All,
}

/// One of several parts that together are the whole: the K-th of N, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl Part {
    /// More parts than this nobody has machines for, and no arithmetic overflows.
    const MOST: usize = 1_000_000;

    /// Reads `2/4`.
    pub fn parse(text: &str) -> Option<Part> {
        let (number, of) = text.split_once('/')?;
        let part = Part { number: number.parse().ok()?, of: of.parse().ok()? };
        (part.of <= Part::MOST && (1..=part.of).contains(&part.number)).then_some(part)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// An order of the whole history, and what of it is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Every revision, in an order in which they can be applied.
    pub order: Vec<String>,
    /// The wanted ones in that order, whatever the part.
    pub chosen: Vec<String>,
    /// The ones that are put to the test.
    pub tested: HashSet<String>,
}

/// How long the test of a revision took, in seconds, by id.
pub type Seconds = HashMap<String, f64>;

/// The wanted revisions, or the given part of them: neighbours stay together, so that each part is one stretch of the
/// history. The parts take equally long where it is known how long each revision takes, else they have equally many
/// revisions.
pub fn route(graph: &Graph, wanted: Wanted<'_>, part: Option<Part>, seconds: &Seconds) -> Route {
    let order: Vec<&str> = graph.pending(&[]);
    let chosen: HashSet<&str> = match wanted {
        // What only a `depends_on` follows cannot be taken down first either.
        Wanted::Heads => graph.effective_heads().into_iter().collect(),
        Wanted::Newest(count) => order.iter().rev().take(count).copied().collect(),
        Wanted::From(id) => graph.descendants(&[id], Links::WithDependencies).into_iter().chain([id]).collect(),
        Wanted::These(ids) => order.iter().copied().filter(|id| ids.contains(*id)).collect(),
        Wanted::All => order.iter().copied().collect(),
    };
    let chosen: Vec<&str> = order.iter().copied().filter(|id| chosen.contains(id)).collect();
    let tested = match part {
        Some(part) => {
            &chosen
                [begin_of(part.number - 1, part.of, &chosen, seconds)..begin_of(part.number, part.of, &chosen, seconds)]
        }
        None => &chosen[..],
    };
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Route { order: owned(&order), chosen: owned(&chosen), tested: tested.iter().map(|id| (*id).to_owned()).collect() }
}

/// Where a part begins that so many go before. One of which nobody knows how long it takes counts as the mean.
#[expect(clippy::cast_precision_loss)]
fn begin_of(before: usize, of: usize, chosen: &[&str], seconds: &Seconds) -> usize {
    let known: Vec<f64> = chosen.iter().filter_map(|id| seconds.get(*id)).copied().collect();
    if known.iter().sum::<f64>() <= 0.0 {
        return chosen.len() * before / of;
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let each: Vec<f64> = chosen.iter().map(|id| seconds.get(*id).copied().unwrap_or(mean)).collect();
    let wanted = each.iter().sum::<f64>() * before as f64 / of as f64;
    // A revision is in the part that has its middle.
    let mut passed = 0.0;
    let is_before = |seconds: &f64| {
        passed += seconds;
        passed - seconds / 2.0 < wanted
    };
    if before == of { chosen.len() } else { each.iter().copied().take_while(is_before).count() }
}

/// What passing a revision by costs a walker, as a part of what testing it costs: one bare step against three steps
/// and the looks at the database between them.
const PASSING: f64 = 0.2;

/// Divides `ids` among so many walks that they end at about the same time. All of them start at the first revision: a
/// walk that tests later ones has to pass those before, so it gets fewer to test. Each share is a stretch of
/// neighbours, and none is empty.
pub fn shares(ids: &[String], walkers: usize) -> Vec<HashSet<String>> {
    let walkers = walkers.min(ids.len());
    let weights: Vec<f64> =
        (0..walkers).map(|at| (1.0 - PASSING).powi(i32::try_from(at).unwrap_or(i32::MAX))).collect();
    let whole: f64 = weights.iter().sum();
    let (mut begin, mut sum, mut shares) = (0, 0.0, Vec::new());
    for (at, weight) in weights.iter().enumerate() {
        sum += weight;
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let fair = (ids.len() as f64 * sum / whole).round() as usize;
        // One at least for each who is still to come.
        let end = fair.clamp(begin + 1, ids.len() - (walkers - 1 - at));
        shares.push(ids[begin..end].iter().cloned().collect());
        begin = end;
    }
    shares
}

impl Route {
    /// Whether a revision is put to the test.
    pub fn tests(&self, id: &str) -> bool {
        self.tested.contains(id)
    }

    /// The order split at what a database holds: that first, then what it lacks.
    pub fn split(&self, held: &HashSet<String>) -> (Vec<String>, Vec<String>) {
        self.order.iter().cloned().partition(|id| held.contains(id))
    }
}

/// The revisions that a version table with these rows stands for.
pub fn applied_set(graph: &Graph, heads: &[String]) -> HashSet<String> {
    let below = graph.ancestors(heads, Links::WithDependencies).into_iter().map(str::to_owned);
    below.chain(heads.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::revision;

    fn chain(count: usize) -> Graph {
        let script = |at: usize| {
            let down = if at == 0 { "None".to_owned() } else { format!("'r{:02}'", at - 1) };
            let text = format!("revision = 'r{at:02}'\ndown_revision = {down}\n");
            revision::read(std::path::Path::new("x.py"), &text).unwrap()
        };
        Graph::build((0..count).map(script).collect()).unwrap()
    }

    #[test]
    fn parts_are_disjoint_and_together_everything() {
        let graph = chain(23);
        // Some times are known, one is that of a revision which is not there any more.
        let seconds = Seconds::from([("r03".to_owned(), 40.0), ("r09".to_owned(), 0.2), ("gone".to_owned(), 9.0)]);
        for (of, seconds) in (1..30).flat_map(|of| [(of, Seconds::new()), (of, seconds.clone())]) {
            let parts = (1..=of).map(|number| route(&graph, Wanted::All, Some(Part { number, of }), &seconds).tested);
            let all: Vec<String> = parts.flatten().collect();
            let once: HashSet<&String> = all.iter().collect();
            assert_eq!((all.len(), once.len()), (23, 23), "{of} parts");
        }
    }

    #[test]
    fn a_part_is_a_stretch_of_neighbours() {
        let mut middle: Vec<String> =
            route(&chain(9), Wanted::All, Part::parse("2/3"), &Seconds::new()).tested.into_iter().collect();
        middle.sort();
        assert_eq!(middle, ["r03", "r04", "r05"]);
    }

    #[test]
    fn parts_take_equally_long_as_far_as_is_known() {
        let sizes = |slow: &str| {
            let ids = (0..9).map(|at| format!("r{at:02}"));
            let seconds: Seconds = ids.map(|id| (id.clone(), if id == slow { 8.0 } else { 1.0 })).collect();
            let of = |number| route(&chain(9), Wanted::All, Some(Part { number, of: 2 }), &seconds).tested.len();
            [of(1), of(2)]
        };
        assert_eq!([sizes("r00"), sizes("r08"), sizes("none")], [[1, 8], [8, 1], [4, 5]]);
    }

    #[test]
    fn shares_are_disjoint_complete_and_smaller_further_on() {
        let ids: Vec<String> = (0..40).map(|at| format!("r{at:02}")).collect();
        for count in 1..ids.len() {
            for walkers in 1..12 {
                let shares = shares(&ids[..count], walkers);
                let sizes: Vec<usize> = shares.iter().map(HashSet::len).collect();
                let once: HashSet<&String> = shares.iter().flatten().collect();
                assert_eq!(shares.len(), walkers.min(count));
                assert_eq!((sizes.iter().sum::<usize>(), once.len()), (count, count), "{sizes:?}");
                assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
            }
        }
        let sizes: Vec<usize> = shares(&ids, 3).iter().map(HashSet::len).collect();
        assert_eq!(sizes, [16, 14, 10]);
    }

    #[test]
    fn a_part_is_one_of_its_whole() {
        assert_eq!(Part::parse("1/1"), Some(Part { number: 1, of: 1 }));
        for wrong in ["0/2", "3/2", "1", "/", "a/2", "1/0", "-1/2", "9223372036854775807/18446744073709551615"] {
            assert_eq!(Part::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_held_comes_first() {
        let route = route(&chain(3), Wanted::Heads, None, &Seconds::new());
        let (held, missing) = route.split(&HashSet::from(["r00".to_owned()]));
        assert_eq!((held.join(" "), missing.join(" ")), ("r00".to_owned(), "r01 r02".to_owned()));
        assert!(route.tests("r02") && !route.tests("r01"));
    }
}
