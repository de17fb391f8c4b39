//! Makes a graph of scripts, or lists everything that is wrong with them.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Graph, Links, Node, Place, Problem};
use crate::model::nearest;
use crate::model::revision::Script;

/// The characters that mean something in a target.
const ILLEGAL: [char; 3] = ['@', '-', '+'];

/// For how many missing revisions it is guessed what was meant: each guess looks at every id.
const GUESSED: usize = 100;

pub(super) fn build(scripts: Vec<Script>) -> Result<Graph, Vec<Problem>> {
    let mut problems = Vec::new();
    let by_id = ids(&scripts, &mut problems);
    let by_label = labels(&scripts, &by_id, &mut problems);
    let resolver = Resolver {
        scripts: &scripts,
        by_id: &by_id,
        by_label: &by_label,
        has_unread_labels: scripts.iter().any(Script::has_unread_labels),
        guesses: Cell::new(GUESSED),
    };
    let links = resolver.resolve(&mut problems);
    if problems.is_empty() {
        problems = cycles(&scripts, &links);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let nodes = scripts.into_iter().zip(links).map(|(script, links)| links.into_node(script)).collect();
    let mut graph = Graph { nodes, by_id, by_label, history: Vec::new(), rank: Vec::new(), depth: Vec::new() };
    graph.link_upward();
    graph.normalize_dependencies();
    graph.spread_labels();
    graph.set_history();
    Ok(graph)
}

fn ids(scripts: &[Script], problems: &mut Vec<Problem>) -> HashMap<String, usize> {
    let mut by_id = HashMap::with_capacity(scripts.len());
    let mut again: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
    for (at, script) in scripts.iter().enumerate() {
        let first = *by_id.entry(script.id.clone()).or_insert(at);
        if first != at {
            again.entry(first).or_default().push(Place::of_id(script));
        }
        let characters: Vec<char> = ILLEGAL.into_iter().filter(|&c| script.id.contains(c)).collect();
        if !characters.is_empty() {
            problems.push(Problem::IllegalId { place: Place::of_id(script), characters });
        }
    }
    for (first, others) in again {
        let mut places = vec![Place::of_id(&scripts[first])];
        places.extend(others);
        problems.push(Problem::DuplicateId { id: scripts[first].id.clone(), places });
    }
    by_id
}

fn labels(scripts: &[Script], by_id: &HashMap<String, usize>, problems: &mut Vec<Problem>) -> BTreeMap<String, usize> {
    let mut by_label = BTreeMap::new();
    for (at, script) in scripts.iter().enumerate() {
        for label in &script.branch_labels {
            let taken = by_id.get(label).or_else(|| by_label.get(label)).copied();
            match taken {
                Some(first) => problems.push(Problem::DuplicateLabel {
                    label: label.clone(),
                    first: Place::of_id(&scripts[first]),
                    second: Place::of_id(script),
                }),
                None => {
                    by_label.insert(label.clone(), at);
                }
            }
        }
    }
    by_label
}

/// What a revision follows.
struct Down {
    parents: Vec<usize>,
    dependencies: Vec<usize>,
}

impl Down {
    fn into_node(self, script: Script) -> Node {
        let Down { parents, dependencies } = self;
        let (down, children, followers, labels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Node { script, parents, dependencies, down, children, followers, labels }
    }
}

struct Resolver<'a> {
    scripts: &'a [Script],
    by_id: &'a HashMap<String, usize>,
    by_label: &'a BTreeMap<String, usize>,
    has_unread_labels: bool,
    /// For how many more missing revisions it is guessed what was meant.
    guesses: Cell<usize>,
}

impl Resolver<'_> {
    fn resolve(&self, problems: &mut Vec<Problem>) -> Vec<Down> {
        let down = |(at, script)| Down {
            parents: self.parents(at, script, problems),
            dependencies: self.dependencies(at, script, problems),
        };
        self.scripts.iter().enumerate().map(down).collect()
    }

    fn parents(&self, at: usize, script: &Script, problems: &mut Vec<Problem>) -> Vec<usize> {
        let mut parents = Vec::with_capacity(script.down.len());
        for parent in &script.down {
            let place = Place::of_parents(script);
            match self.by_id.get(parent) {
                Some(_) if *parent == script.id => problems.push(Problem::SelfLoop { place }),
                Some(&found) if found != at => parents.push(found),
                // A second file of the same id; that is reported already.
                Some(_) => {}
                None => {
                    let candidates = self.candidates(parent, at);
                    problems.push(Problem::MissingParent { place, parent: parent.clone(), candidates });
                }
            }
        }
        parents
    }

    fn dependencies(&self, at: usize, script: &Script, problems: &mut Vec<Problem>) -> Vec<usize> {
        let mut dependencies = Vec::new();
        // Alembic takes an empty string for none, here and only here.
        for dependency in script.depends_on.iter().filter(|_| script.depends_on != [""]) {
            let place = Place::of_id(script);
            match self.by_id.get(dependency).or_else(|| self.by_label.get(dependency)) {
                Some(&found) if found == at || *dependency == script.id => problems.push(Problem::SelfLoop { place }),
                Some(&found) => dependencies.push(found),
                // It may be a label that could not be read.
                None if self.has_unread_labels => {}
                None => {
                    let candidates = self.candidates(dependency, at);
                    let dependency = dependency.clone();
                    problems.push(Problem::MissingDependency { place, dependency, candidates });
                }
            }
        }
        dependencies
    }

    /// Which ids may be meant by one that a script names; none that would make it follow itself.
    fn candidates(&self, wanted: &str, at: usize) -> Vec<String> {
        let left = self.guesses.get();
        if left == 0 {
            return Vec::new();
        }
        self.guesses.set(left - 1);
        let mut near = nearest::nearest(wanted, self.scripts.iter().map(|script| script.id.as_str()));
        near.retain(|id| self.by_id.get(id).is_none_or(|&candidate| !self.stands_on(candidate, at)));
        near
    }

    fn stands_on(&self, upper: usize, lower: usize) -> bool {
        let (mut seen, mut todo) = (HashSet::from([upper]), vec![upper]);
        while let Some(at) = todo.pop() {
            let script = &self.scripts[at];
            let below = script.down.iter().chain(&script.depends_on).filter_map(|id| self.by_id.get(id).copied());
            todo.extend(below.filter(|&below| seen.insert(below)));
        }
        seen.contains(&lower)
    }
}

/// The circles by parents; only where there is none, those that need dependencies to close.
fn cycles(scripts: &[Script], links: &[Down]) -> Vec<Problem> {
    let parents: Vec<&[usize]> = links.iter().map(|down| down.parents.as_slice()).collect();
    let found = circles(&parents);
    let through_dependencies = found.is_empty();
    let found = if through_dependencies {
        let all: Vec<Vec<usize>> =
            links.iter().map(|down| [&down.parents[..], &down.dependencies[..]].concat()).collect();
        circles(&all.iter().map(Vec::as_slice).collect::<Vec<_>>())
    } else {
        found
    };
    let problem = |circle: Vec<usize>| Problem::Cycle {
        places: circle.into_iter().map(|at| Place::of_parents(&scripts[at])).collect(),
        through_dependencies,
    };
    found.into_iter().map(problem).collect()
}

/// At least one circle out of each knot of revisions.
fn circles(down: &[&[usize]]) -> Vec<Vec<usize>> {
    let left = left_when_peeled(down);
    let mut circles = Vec::new();
    // 0: not seen; else the number of the walk that saw it.
    let mut seen_by = vec![0; down.len()];
    for start in (0..down.len()).filter(|&at| left[at]) {
        let mut path = Vec::new();
        let mut at = start;
        while seen_by[at] == 0 {
            seen_by[at] = start + 1;
            path.push(at);
            // What is left follows something that is left, or it would have been peeled off.
            match down[at].iter().copied().find(|&down| left[down]) {
                Some(next) => at = next,
                None => break,
            }
        }
        if let Some(begin) = path.iter().position(|&seen| seen == at && seen_by[at] == start + 1 && path.len() > 1) {
            circles.push(path.split_off(begin));
        }
    }
    circles
}

/// Takes away, from the bases up, what follows nothing that is left.
fn left_when_peeled(down: &[&[usize]]) -> Vec<bool> {
    let mut up = vec![Vec::new(); down.len()];
    for (at, down) in down.iter().enumerate() {
        for &below in *down {
            up[below].push(at);
        }
    }
    let mut missing: Vec<usize> = down.iter().map(|down| down.len()).collect();
    let mut free: Vec<usize> = (0..down.len()).filter(|&at| missing[at] == 0).collect();
    while let Some(at) = free.pop() {
        for &above in &up[at] {
            missing[above] -= 1;
            if missing[above] == 0 {
                free.push(above);
            }
        }
    }
    missing.into_iter().map(|missing| missing > 0).collect()
}

impl Graph {
    fn link_upward(&mut self) {
        for at in 0..self.nodes.len() {
            for below in self.nodes[at].parents.clone() {
                push_once(&mut self.nodes[below].children, at);
                push_once(&mut self.nodes[below].followers, at);
            }
            for below in self.nodes[at].dependencies.clone() {
                push_once(&mut self.nodes[below].followers, at);
            }
        }
    }

    /// A dependency that an ancestor on the same branch has as well goes without saying.
    fn normalize_dependencies(&mut self) {
        let mut dependents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for &dependency in &node.dependencies {
                dependents.entry(dependency).or_default().push(at);
            }
        }
        let mut implied: HashMap<usize, Vec<bool>> = HashMap::new();
        for (dependency, dependents) in dependents.into_iter().filter(|(_, dependents)| dependents.len() > 1) {
            let children = dependents.iter().flat_map(|&at| self.nodes[at].children.iter().copied()).collect();
            let behind = self.upward(children, Links::Parents);
            implied.insert(dependency, dependents.iter().map(|&at| behind[at]).collect());
            for at in dependents.into_iter().filter(|&at| !behind[at]) {
                push_new(&mut self.nodes[at].down, dependency);
            }
        }
        for node in &mut self.nodes {
            let own = std::mem::take(&mut node.down);
            for &parent in &node.parents {
                push_new(&mut node.down, parent);
            }
            for &dependency in &node.dependencies {
                if own.contains(&dependency) || !implied.contains_key(&dependency) {
                    push_new(&mut node.down, dependency);
                }
            }
        }
    }

    fn set_history(&mut self) {
        let heads = (0..self.nodes.len()).filter(|&at| self.nodes[at].followers.is_empty()).collect();
        self.history = self.sorted(vec![true; self.nodes.len()], heads);
        self.rank = vec![0; self.nodes.len()];
        for (rank, &at) in self.history.iter().enumerate() {
            self.rank[at] = rank;
        }
        self.depth = vec![0; self.nodes.len()];
        for &at in self.history.iter().rev() {
            let below = self.nodes[at].parents.iter().map(|&parent| self.depth[parent] + 1);
            self.depth[at] = below.max().unwrap_or(0);
        }
    }
}

/// The revisions that are linked upward come in the order of loading, so an equal one can only be the last.
fn push_once(list: &mut Vec<usize>, item: usize) {
    if list.last() != Some(&item) {
        list.push(item);
    }
}

fn push_new(list: &mut Vec<usize>, item: usize) {
    if !list.contains(&item) {
        list.push(item);
    }
}
