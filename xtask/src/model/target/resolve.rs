//! From a target to the steps. The cases follow alembic's `_parse_upgrade_target`, `_collect_upgrade_revisions` and their
//! downgrade twins, one by one; the history tests hold them against the original.

use std::collections::BTreeSet;

use super::{Direction, Point, Route, Step, Target, TargetError};
use crate::model::graph::{Graph, Links, NotFound};

pub(super) fn resolve(
    graph: &Graph,
    direction: Direction,
    current: &[String],
    target: &Target,
) -> Result<Route, TargetError> {
    let unknown: Vec<String> = graph.unknown(current).into_iter().map(str::to_owned).collect();
    if !unknown.is_empty() {
        return Err(TargetError::UnknownCurrent { ids: unknown });
    }
    let mut current = graph.indices(current);
    let mut seen = BTreeSet::new();
    current.retain(|&at| seen.insert(at));
    let resolver = Resolver { graph, current, target };
    match (direction, target) {
        (_, Target::Current) => Ok(Route { steps: Vec::new(), destination: resolver.ids(&resolver.current) }),
        (Direction::Up, _) => resolver.up(),
        (Direction::Down, _) => resolver.down(),
    }
}

pub(super) struct Resolver<'a> {
    pub(super) graph: &'a Graph,
    pub(super) current: Vec<usize>,
    pub(super) target: &'a Target,
}

/// A revision, or the empty database below all of them.
type Place = Option<usize>;

impl Resolver<'_> {
    fn up(&self) -> Result<Route, TargetError> {
        let targets = self.up_targets()?;
        self.check_overlap(&targets)?;
        self.check_overlap(&self.current)?;
        let applied = self.graph.closure(self.current.clone(), Links::WithDependencies);
        let mut wanted = self.graph.closure(targets.clone(), Links::WithDependencies);
        for (wanted, applied) in wanted.iter_mut().zip(applied) {
            *wanted &= !applied;
        }
        let mut order = self.graph.sorted(wanted, targets.clone());
        order.reverse();
        Ok(self.route(Direction::Up, order, &targets))
    }

    fn up_targets(&self) -> Result<Vec<usize>, TargetError> {
        match self.target {
            Target::Current => Ok(self.current.clone()),
            Target::Absolute { branch, point } => self.all(point, branch.as_deref()),
            Target::Relative { branch, from: None, steps } => Ok(vec![self.up_by(*steps, branch.as_deref())?]),
            Target::Relative { branch, from: Some(from), steps } if *steps > 0 => {
                let start = self.one(from, None)?;
                Ok(vec![self.walk_up(start, *steps, branch.as_deref())?])
            }
            Target::Relative { branch, from: Some(from), steps } => {
                let start = self.one(from, branch.as_deref())?;
                match self.walk_down(start, *steps)? {
                    Some(at) => Ok(vec![at]),
                    // Nothing can be upgraded to the empty database.
                    None => Err(self.wrong_direction(Direction::Up)),
                }
            }
        }
    }

    /// `+N`.
    pub(super) fn up_by(&self, steps: i64, branch: Option<&str>) -> Result<usize, TargetError> {
        if steps <= 0 {
            return Err(self.wrong_direction(Direction::Up));
        }
        self.walk_up(self.start_up(branch)?, steps, branch)
    }

    /// Where `+N` starts: where the database is, on the given branch, or at the branch's last applied revision, or
    /// before all revisions.
    pub(super) fn start_up(&self, branch: Option<&str>) -> Result<Place, TargetError> {
        let mut start = self.current.clone();
        if let Some(label) = branch {
            let on_branch = self.lineage(label)?;
            start.retain(|&at| on_branch[at]);
            if start.is_empty() {
                let applied = self.graph.closure(self.current.clone(), Links::WithDependencies);
                let active = |at: usize| applied[at] && on_branch[at];
                let has_more = self.marked(|at| active(at).then(|| self.graph.nodes[at].down.as_slice()));
                start = (0..self.graph.len()).filter(|&at| active(at) && !has_more[at]).collect();
            }
        }
        match start[..] {
            [] => Ok(None),
            [at] => Ok(Some(at)),
            _ => Err(self.fork(None, &start)),
        }
    }

    fn down(&self) -> Result<Route, TargetError> {
        match self.target {
            Target::Current => self.down_to(None, None),
            Target::Absolute { branch, point } => self.down_to(branch.as_deref(), self.one(point, None)?),
            Target::Relative { from: None, steps, .. } if *steps >= 0 => Err(self.wrong_direction(Direction::Down)),
            Target::Relative { branch: None, from: None, steps } => self.down_by(*steps),
            Target::Relative { branch: Some(label), from: None, steps } => {
                let start = self.start_down(label)?;
                self.down_to(Some(label), self.walk_down(Some(start), *steps)?)
            }
            Target::Relative { branch, from: Some(from), steps } if *steps >= 0 => {
                let target = self.walk_up(self.one(from, None)?, *steps, branch.as_deref())?;
                self.down_to(branch.as_deref(), Some(target))
            }
            Target::Relative { branch, from: Some(from), steps } => {
                let start = self.one(from, branch.as_deref())?;
                self.down_to(branch.as_deref(), self.walk_down(start, *steps)?)
            }
        }
    }

    /// Undoes what stands above a revision: its children and all that follow them, as far as they are applied. With a
    /// branch, only the children on the line of that branch's revision.
    fn down_to(&self, branch: Option<&str>, to: Place) -> Result<Route, TargetError> {
        let mut roots: Vec<usize> = match to {
            Some(at) => self.graph.nodes[at].children.clone(),
            None => (0..self.graph.len()).filter(|&at| self.graph.nodes[at].parents.is_empty()).collect(),
        };
        if let Some(label) = branch {
            let at = self.graph.branch(label).map_err(|error| self.not_found(error, label, None))?;
            if roots.len() > 1 {
                let line = self.graph.closure(vec![at], Links::Parents);
                roots.retain(|&root| line[root]);
                if roots.is_empty() {
                    return Err(self.not_an_ancestor());
                }
            }
        }
        let applied = self.graph.closure(self.current.clone(), Links::WithDependencies);
        let mut undone = self.graph.upward(roots, Links::WithDependencies);
        for (undone, applied) in undone.iter_mut().zip(applied) {
            *undone &= applied;
        }
        if to.is_some_and(|at| !undone.contains(&true) && !self.current.contains(&at)) {
            return Err(self.not_an_ancestor());
        }
        let order = self.graph.sorted(undone, self.current.clone());
        Ok(self.route(Direction::Down, order, to.as_slice()))
    }

    /// `-N`.
    fn down_by(&self, steps: i64) -> Result<Route, TargetError> {
        match self.current[..] {
            [] => Err(TargetError::NothingCurrent { target: self.target.to_string() }),
            [head] => match self.walk_down(Some(head), steps) {
                Ok(to) => self.down_to(Some(self.graph.id(head)), to),
                Err(TargetError::AmbiguousWalk { .. }) => self.single_steps(steps.unsigned_abs()),
                Err(error) => Err(error),
            },
            _ => self.single_steps(steps.unsigned_abs()),
        }
    }

    /// The rule for `-N` through merges: each step undoes the current head that stands highest in the history.
    fn single_steps(&self, steps: u64) -> Result<Route, TargetError> {
        let mut heads: BTreeSet<usize> = self.current.iter().copied().collect();
        let mut order = Vec::new();
        for _ in 0..steps {
            let Some(&newest) = heads.iter().min_by_key(|&&at| self.graph.rank[at]) else {
                return Err(self.too_far(order.len()));
            };
            order.push(newest);
            if self.graph.record_down(&mut heads, newest).is_err() {
                return Err(self.too_far(order.len()));
            }
        }
        let left: Vec<usize> = heads.into_iter().collect();
        Ok(self.route(Direction::Down, order, &left))
    }

    /// Where `LABEL@-N` starts: the one current head on that branch, or what of the branch other heads imply.
    fn start_down(&self, label: &str) -> Result<usize, TargetError> {
        let on_branch = self.lineage(label)?;
        let mut start: Vec<usize> = self.current.iter().copied().filter(|&at| on_branch[at]).collect();
        if start.is_empty() {
            let applied = self.graph.closure(self.current.clone(), Links::WithDependencies);
            let has_more = self.marked(|at| applied[at].then(|| self.graph.nodes[at].parents.as_slice()));
            start = (0..self.graph.len()).filter(|&at| applied[at] && on_branch[at] && !has_more[at]).collect();
        }
        match start[..] {
            [] => Err(TargetError::NothingCurrent { target: self.target.to_string() }),
            [at] => Ok(at),
            _ => Err(self.fork(None, &start)),
        }
    }

    pub(super) fn walk_up(&self, start: Place, steps: i64, branch: Option<&str>) -> Result<usize, TargetError> {
        let on_branch = branch.map(|label| self.lineage(label)).transpose()?;
        let mut at = start;
        for done in 0..usize::try_from(steps).unwrap_or(0) {
            let mut above: Vec<usize> = match at {
                Some(at) => self.graph.nodes[at].children.clone(),
                None => (0..self.graph.len()).filter(|&at| self.graph.nodes[at].parents.is_empty()).collect(),
            };
            above.retain(|&child| on_branch.as_ref().is_none_or(|on_branch| on_branch[child]));
            match above[..] {
                [] => return Err(self.too_far(done)),
                [child] => at = Some(child),
                _ => return Err(self.fork(at, &above)),
            }
        }
        at.ok_or_else(|| self.too_far(0))
    }

    pub(super) fn walk_down(&self, start: Place, steps: i64) -> Result<Place, TargetError> {
        let mut at = start.ok_or_else(|| self.too_far(0))?;
        let steps = usize::try_from(steps.unsigned_abs()).unwrap_or(usize::MAX);
        for done in 0..steps {
            match self.graph.nodes[at].parents[..] {
                [] if done + 1 == steps => return Ok(None),
                [] => return Err(self.too_far(done + 1)),
                [parent] => at = parent,
                ref parents => return Err(self.fork(Some(at), parents)),
            }
        }
        Ok(Some(at))
    }

    /// A point as one revision.
    pub(super) fn one(&self, point: &Point, branch: Option<&str>) -> Result<Place, TargetError> {
        let mut all = self.all(point, branch)?;
        let one = all.pop();
        if !all.is_empty() {
            all.extend(one);
            return Err(self.multiple_heads(&all));
        }
        Ok(one)
    }

    /// A point as all the revisions it may mean; none for `base`.
    pub(super) fn all(&self, point: &Point, branch: Option<&str>) -> Result<Vec<usize>, TargetError> {
        let on_branch = branch.map(|label| self.lineage(label)).transpose()?;
        let on_branch = |at: usize| on_branch.as_ref().is_none_or(|on_branch| on_branch[at]);
        let heads =
            || self.graph.indices(&self.graph.heads()).into_iter().filter(|&at| on_branch(at)).collect::<Vec<_>>();
        match point {
            Point::Base => Ok(Vec::new()),
            Point::Heads if branch.is_none() => Ok(self.graph.indices(&self.graph.effective_heads())),
            Point::Heads => Ok(heads()),
            Point::Head => match heads() {
                heads if heads.len() > 1 => Err(self.multiple_heads(&heads)),
                heads => Ok(heads),
            },
            Point::Id(id) => {
                self.graph.find(id, branch).map(|at| vec![at]).map_err(|error| self.not_found(error, id, branch))
            }
        }
    }

    fn check_overlap(&self, revisions: &[usize]) -> Result<(), TargetError> {
        let below = revisions.iter().flat_map(|&at| self.graph.nodes[at].down.iter().copied()).collect();
        let below = self.graph.closure(below, Links::WithDependencies);
        match revisions.iter().find(|&&at| below[at]) {
            Some(&at) => {
                Err(TargetError::Overlap { lower: self.graph.id(at).to_owned(), revisions: self.ids(revisions) })
            }
            None => Ok(()),
        }
    }

    pub(super) fn lineage(&self, label: &str) -> Result<Vec<bool>, TargetError> {
        self.graph.lineage(label).map_err(|error| self.not_found(error, label, None))
    }

    /// Marks all that the given links of any revision lead to.
    fn marked<'b>(&'b self, links: impl Fn(usize) -> Option<&'b [usize]>) -> Vec<bool> {
        let mut marked = vec![false; self.graph.len()];
        for &at in (0..self.graph.len()).filter_map(links).flatten() {
            marked[at] = true;
        }
        marked
    }

    fn route(&self, direction: Direction, order: Vec<usize>, destination: &[usize]) -> Route {
        let step = |at: usize| Step { direction, revision: self.graph.id(at).to_owned() };
        Route { steps: order.into_iter().map(step).collect(), destination: self.ids(destination) }
    }

    fn ids(&self, indices: &[usize]) -> Vec<String> {
        let mut indices = indices.to_vec();
        indices.sort_by_key(|&at| self.graph.rank[at]);
        indices.into_iter().map(|at| self.graph.id(at).to_owned()).collect()
    }

    fn not_found(&self, error: NotFound, id: &str, branch: Option<&str>) -> TargetError {
        let (id, label) = (id.to_owned(), branch.unwrap_or(id).to_owned());
        match error {
            NotFound::Unknown(nearest) => TargetError::UnknownRevision { id, nearest },
            NotFound::Ambiguous(candidates) => TargetError::Ambiguous { id, candidates },
            NotFound::UnknownBranch(nearest) => TargetError::UnknownBranch { label, nearest },
            NotFound::NotOnBranch(id) => TargetError::NotOnBranch { id, branch: label },
        }
    }

    fn multiple_heads(&self, heads: &[usize]) -> TargetError {
        TargetError::MultipleHeads { target: self.target.to_string(), heads: self.ids(heads) }
    }

    fn not_an_ancestor(&self) -> TargetError {
        TargetError::NotAnAncestor { target: self.target.to_string(), current: self.ids(&self.current) }
    }

    fn wrong_direction(&self, direction: Direction) -> TargetError {
        TargetError::WrongDirection { target: self.target.to_string(), direction }
    }

    fn too_far(&self, available: usize) -> TargetError {
        TargetError::TooFar { target: self.target.to_string(), available }
    }

    fn fork(&self, at: Place, choices: &[usize]) -> TargetError {
        let at = at.map(|at| self.graph.id(at).to_owned());
        TargetError::AmbiguousWalk { target: self.target.to_string(), at, choices: self.ids(choices) }
    }
}
