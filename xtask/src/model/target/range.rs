//! A part of the history, as `alembic history -r` has it: `a:b`, `-3:current`, `current:`, `:head`. Both ends are included;
//! what lies on other branches than the lower end is left out.
//!
//! The cases follow alembic's `iterate_revisions` one by one; the history tests hold them against the original. Where
//! alembic gives up on `-N` (the place N below a head does not lie below the upper end, or there is none), the upper end is
//! what is counted from.

use super::resolve::Resolver;
use super::{Target, TargetError};
use crate::model::graph::{Graph, Links};

/// Two ends, each of which may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    lower: Option<Target>,
    upper: Option<Target>,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// [`TargetError::Invalid`] when it is none.
    pub fn parse(text: &str) -> Result<Range, TargetError> {
        let invalid = |why| TargetError::Invalid { text: text.to_owned(), why };
        let (lower, upper) = text
            .trim()
            .split_once(':')
            .filter(|(_, upper)| !upper.contains(':'))
            .ok_or_else(|| invalid("a range is FROM:TO, FROM: or :TO, with a colon"))?;
        let end = |text: &str| (!text.is_empty()).then(|| Target::parse(text)).transpose();
        let lower = end(lower)?;
        if let Some(Target::Relative { from: None, steps: 0.., .. }) = &lower {
            return Err(invalid("the lower end of a range may be -N, not +N"));
        }
        Ok(Range { lower, upper: end(upper)? })
    }

    /// Whether it depends on where the database is.
    pub fn needs_current(&self) -> bool {
        [&self.lower, &self.upper].into_iter().any(|end| *end == Some(Target::Current))
    }

    /// The revisions of the range, newest first. `current` are the rows of the version table; an empty table counts as
    /// an end that was left out.
    ///
    /// # Errors
    /// An end that there is not, or a lower end that does not lie below the upper one.
    pub fn select<'a>(&self, graph: &'a Graph, current: &[String]) -> Result<Vec<&'a str>, TargetError> {
        let missing: Vec<String> = graph.unknown(current).into_iter().map(str::to_owned).collect();
        if self.needs_current() && !missing.is_empty() {
            return Err(TargetError::UnknownCurrent { ids: missing });
        }
        let current = graph.indices(current);
        let ends = Ends { graph, range: self, current };
        let lower = ends.lower()?;
        let upper = ends.upper(lower.as_deref().unwrap_or_default())?;
        let required = graph.closure(upper.clone(), Links::WithDependencies);
        let lower = match lower {
            Some(lower) if lower.iter().all(|&at| required[at]) => lower,
            lower => ends.counted_from(&upper).unwrap_or_else(|| Err(ends.not_below(lower, &upper)))?,
        };
        Ok(ends.between(&lower, upper, required))
    }
}

struct Ends<'g, 'r> {
    graph: &'g Graph,
    range: &'r Range,
    current: Vec<usize>,
}

impl<'g> Ends<'g, '_> {
    fn resolver<'b>(&'b self, target: &'b Target) -> Resolver<'b> {
        Resolver { graph: self.graph, current: self.current.clone(), target }
    }

    /// No revision stands for the empty database below all of them; `None` for a `-N` that no head has.
    fn lower(&self) -> Result<Option<Vec<usize>>, TargetError> {
        let Some(target) = &self.range.lower else { return Ok(Some(Vec::new())) };
        let resolver = self.resolver(target);
        match target {
            Target::Current => Ok(Some(self.current.clone())),
            Target::Absolute { branch, point } => resolver.all(point, branch.as_deref()).map(Some),
            Target::Relative { branch, from: Some(from), steps } => {
                Ok(Some(self.relative(&resolver, from, *steps, branch.as_deref())?.into_iter().collect()))
            }
            Target::Relative { branch, from: None, steps } => {
                let mut heads = self.graph.indices(&self.graph.effective_heads());
                if let Some(label) = branch {
                    let on_branch = resolver.lineage(label)?;
                    heads.retain(|&at| on_branch[at]);
                }
                Ok(heads.iter().map(|&at| resolver.walk_down(Some(at), *steps).ok().flatten()).collect())
            }
        }
    }

    fn upper(&self, lower: &[usize]) -> Result<Vec<usize>, TargetError> {
        let heads = || self.graph.indices(&self.graph.effective_heads());
        let mut targets = match &self.range.upper {
            None => heads(),
            Some(Target::Current) if self.current.is_empty() => heads(),
            Some(Target::Current) => self.current.clone(),
            Some(target @ Target::Absolute { branch, point }) => self.resolver(target).all(point, branch.as_deref())?,
            Some(target @ Target::Relative { branch, from: Some(from), steps }) => {
                self.relative(&self.resolver(target), from, *steps, branch.as_deref())?.into_iter().collect()
            }
            Some(target @ Target::Relative { branch, from: None, steps }) => {
                let resolver = Resolver { current: lower.to_vec(), ..self.resolver(target) };
                self.above_lower(&resolver, *steps, branch.as_deref())?.into_iter().collect()
            }
        };
        // `LABEL@base:` is about that branch alone.
        if let Some(Target::Absolute { branch: Some(label), .. }) = &self.range.lower {
            let at = self.graph.branch(label).ok().map(|at| self.graph.id(at).to_owned());
            let label = match at {
                Some(id) if id == *label => self.graph.labels(&id).first().cloned().unwrap_or_default(),
                _ => label.clone(),
            };
            targets.retain(|&at| self.graph.labels(self.graph.id(at)).contains(&label));
        }
        Ok(targets)
    }

    /// `+N` above the lower end, or as far up as the history goes.
    fn above_lower(
        &self,
        resolver: &Resolver<'_>,
        steps: i64,
        branch: Option<&str>,
    ) -> Result<Option<usize>, TargetError> {
        match resolver.up_by(steps, branch) {
            Err(TargetError::TooFar { available: 0, .. }) => resolver.start_up(branch),
            Err(TargetError::TooFar { available, .. }) => {
                resolver.up_by(i64::try_from(available).unwrap_or(0), branch).map(Some)
            }
            walked => walked.map(Some),
        }
    }

    /// `REV+2`, `REV-1`; a way that is too long ends where the history does.
    fn relative(
        &self,
        resolver: &Resolver<'_>,
        from: &super::Point,
        steps: i64,
        branch: Option<&str>,
    ) -> Result<Option<usize>, TargetError> {
        let start = resolver.one(from, branch.filter(|_| steps <= 0))?;
        let walk = |steps: i64| {
            if steps > 0 { resolver.walk_up(start, steps, branch).map(Some) } else { resolver.walk_down(start, steps) }
        };
        match walk(steps) {
            Err(TargetError::TooFar { available: 0, .. }) => Ok(start),
            Err(TargetError::TooFar { available, .. }) => walk(i64::try_from(available).unwrap_or(0) * steps.signum()),
            walked => walked,
        }
    }

    /// `-N` below the upper end, where N below a head is no answer; `None` for another lower end.
    fn counted_from(&self, upper: &[usize]) -> Option<Result<Vec<usize>, TargetError>> {
        let Some(target @ Target::Relative { branch: None, from: None, steps }) = &self.range.lower else {
            return None;
        };
        let [upper] = upper[..] else { return None };
        let resolver = self.resolver(target);
        Some(match resolver.walk_down(Some(upper), *steps) {
            Err(TargetError::TooFar { .. }) => Ok(Vec::new()),
            walked => walked.map(|at| at.into_iter().collect()),
        })
    }

    fn not_below(&self, lower: Option<Vec<usize>>, upper: &[usize]) -> TargetError {
        let ids = |indices: &[usize]| self.graph.ids(indices.iter().copied()).join(", ");
        TargetError::NotBelow { lower: ids(&lower.unwrap_or_default()), upper: ids(upper) }
    }

    /// What the upper end needs and the lower one does not, and the lower end itself.
    fn between(&self, lower: &[usize], upper: Vec<usize>, mut wanted: Vec<bool>) -> Vec<&'g str> {
        let below = self.graph.closure(lower.to_vec(), Links::WithDependencies);
        wanted.iter_mut().zip(below).for_each(|(wanted, below)| *wanted &= !below);
        lower.iter().for_each(|&at| wanted[at] = true);
        if !lower.is_empty() {
            let above = self.graph.upward(lower.to_vec(), Links::Parents);
            wanted.iter_mut().zip(above).for_each(|(wanted, above)| *wanted &= above);
        }
        let mut left = wanted.clone();
        let mut order = self.graph.sorted_with_gaps(wanted, upper);
        order.iter().for_each(|&at| left[at] = false);
        // A range with a gap in it: what the walk does not come to.
        order.extend((0..left.len()).filter(|&at| left[at]));
        self.graph.ids(order)
    }
}
