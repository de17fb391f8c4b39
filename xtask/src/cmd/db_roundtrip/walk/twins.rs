//! Tries twins: two revisions with the same fix, one put in below others and one guarded on top (`work/twins.rs` finds
//! them by their texts). The upper one runs where the lower one has run, and again where the lower one never ran; both
//! ways must come to the same schema and rows.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::Walk;
use super::reference::place;
use crate::cmd::db_roundtrip::baseline::{self, how};
use crate::cmd::db_roundtrip::sandbox::{Deed, Mode};
use crate::cmd::db_roundtrip::trial::{self, Passed, Stuck, Trial};
use crate::cmd::db_roundtrip::{explain, result};
use crate::fail::from_anyhow;
use crate::model::catalog::{self, Change};
use crate::model::roundtrip::{Leg, Point, Verdict};
use crate::model::route::applied_set;
use crate::model::rows::{self, DataChange};
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::interrupt;
use crate::work::twins::{self, Pair};

/// More differences than this are not named.
const NAMED: usize = 3;

/// What was found about a pair.
enum Tried {
    Same(Box<Same>),
    /// Where the lower one never ran, the upper one comes to something else: these objects.
    Differs(Vec<String>),
    /// Where the lower one has run, the upper one fails.
    FailsAfter(Box<Stuck>),
    /// Where the lower one never ran, the upper one fails.
    FailsWithout(String),
    /// Why it could not be tried.
    Not(String),
}

/// The upper one makes up for the lower one.
struct Same {
    /// What it is that both make.
    made: Vec<Change>,
    /// The upper one's round trip where the lower one has run.
    round: Option<RevisionResult>,
}

/// What a pair is tried on.
struct Ways<'p> {
    pair: &'p Pair,
    /// The revisions below both.
    prefix: Vec<String>,
    /// The revisions from the lower to the upper one.
    stretch: Vec<String>,
}

impl Walk<'_, '_> {
    /// Tries the pairs of which this walker has tested one. `held`: what the database held when it came.
    pub(super) fn try_twins(&mut self, held: &[String], came_seeded: bool) -> Result<()> {
        let tested: HashSet<String> = self.found.keys().cloned().collect();
        let is_mine = |pair: &Pair| tested.contains(&pair.upper) || !self.facts.route.tests(&pair.upper);
        let pairs: Vec<Pair> =
            twins::pairs(self.ctx, &self.facts.graph, &tested)?.into_iter().filter(is_mine).collect();
        for pair in pairs {
            interrupt::check()?;
            let _task = self.ctx.ui.task(format!("Trying {} where {} never ran", pair.upper, pair.lower));
            let tried = self.try_pair(&pair, held, came_seeded)?;
            self.tell(&pair, tried)?;
        }
        Ok(())
    }

    /// Tries it on this database where it lacked the lower one at the beginning, else on a reference.
    fn try_pair(&mut self, pair: &Pair, held: &[String], came_seeded: bool) -> Result<Tried> {
        let needed = applied_set(&self.facts.graph, std::slice::from_ref(&pair.upper));
        let order: Vec<String> = self.facts.route.order.iter().filter(|id| needed.contains(*id)).cloned().collect();
        let Some(at) = order.iter().position(|id| *id == pair.lower) else {
            return Ok(Tried::Not("it is gone".into()));
        };
        let ways = Ways { pair, prefix: order[..at].to_vec(), stretch: order[at..].to_vec() };
        let mut why = "there is no database without it".to_owned();
        if !held.contains(&pair.lower) {
            match self.begin_again(came_seeded).and_then(|()| self.try_here(&ways)) {
                Ok(Tried::Not(reason)) => why = reason,
                Ok(tried) => return Ok(tried),
                Err(error) => {
                    interrupt::check()?;
                    why = from_anyhow(&error).summary;
                }
            }
        }
        let ends = (pair.lower.as_str(), pair.upper.as_str());
        for how in how::of_references(self.ctx, self.facts, self.is_clone, ends, ways.prefix.clone())? {
            let tried = match baseline::reference(self.ctx, self.facts, &how) {
                Ok(Ok(other)) => self.on_reference(other, place(&how), |walk| walk.try_here(&ways))?,
                Ok(Err(dead_end)) => Ok(Tried::Not(dead_end.words)),
                Err(error) => Err(error),
            };
            match tried {
                Ok(Tried::Not(reason)) => why = reason,
                Ok(tried) => return Ok(tried),
                Err(error) => {
                    interrupt::check()?;
                    why = from_anyhow(&error).summary;
                }
            }
        }
        Ok(Tried::Not(why))
    }

    fn try_here(&mut self, ways: &Ways<'_>) -> Result<Tried> {
        let Pair { lower, upper } = ways.pair;
        let has = applied_set(&self.facts.graph, &self.sandbox.held()?);
        if has.contains(lower) {
            return Ok(Tried::Not(format!("every database here has run {lower}")));
        }
        let lacking: Vec<String> = ways.prefix.iter().filter(|id| !has.contains(*id)).cloned().collect();
        if !lacking.is_empty()
            && let Some(fail) = self.apply(&lacking, &mut HashMap::new())?
        {
            return Ok(Tried::Not(format!("what lies below does not go up ({})", fail.summary)));
        }
        self.sandbox.save()?;
        let between = &ways.stretch[..ways.stretch.len() - 1];
        if let Err(failure) = self.sandbox.attempt(&Deed::steps(Direction::Up, between, Mode::Own))? {
            return Ok(Tried::Not(failure.fail.summary));
        }
        let before = self.sandbox.point()?;
        let only = std::slice::from_ref(upper);
        let (both, round) = match trial::from_below(self.sandbox, only, Mode::Walk, &before)? {
            Trial::Passed(passed) if passed.restored => (passed.again.clone(), Some(self.round_trip(upper, *passed))),
            Trial::Passed(_) => {
                return Ok(Tried::Not(format!("down and up again, {upper} does not come back to what it was")));
            }
            Trial::Up(point) => (*point, None),
            Trial::Failed(stuck) if stuck.leg == Leg::Upgrade => {
                return Ok(match self.outside_cause(upper, &stuck.failure, &before) {
                    Some(why) => Tried::Not(why),
                    None if result::is_passing(&stuck.failure.fail) => Tried::Not(stuck.failure.fail.summary),
                    None => Tried::FailsAfter(stuck),
                });
            }
            Trial::Failed(stuck) => match stuck.upper {
                Some(point) => (point, None),
                None => return Ok(Tried::Not(stuck.failure.fail.summary)),
            },
        };
        self.sandbox.rebuild()?;
        self.without_the_lower(ways, &both, round)
    }

    /// The upper one where the lower one never ran, held against `both`.
    fn without_the_lower(&mut self, ways: &Ways<'_>, both: &Point, round: Option<RevisionResult>) -> Result<Tried> {
        let Pair { lower, upper } = ways.pair;
        let between = &ways.stretch[..ways.stretch.len() - 1];
        if let Err(failure) = self.sandbox.attempt(&Deed::without(between, lower))? {
            return Ok(Tried::Not(format!("what lies between them needs {lower} ({})", failure.fail.summary)));
        }
        let without = self.sandbox.point()?;
        if let Err(failure) =
            self.sandbox.attempt(&Deed::steps(Direction::Up, std::slice::from_ref(upper), Mode::Own))?
        {
            let is_passing = result::is_passing(&failure.fail);
            let why = failure.fail.summary;
            return Ok(if is_passing { Tried::Not(why) } else { Tried::FailsWithout(why) });
        }
        let alone = self.sandbox.point()?;
        let schema = catalog::diff(&both.schema, &alone.schema);
        let is_new = |change: &DataChange| {
            change.before_rows == change.after_rows
                && change.columns_lost.iter().all(|column| column.same_count_but_different)
        };
        let (new, mut rows): (Vec<_>, Vec<_>) = rows::diff(&both.rows, &alone.rows).into_iter().partition(is_new);
        rows.extend(rows::filled(&both.rows, &alone.rows));
        let differ: Vec<String> =
            schema.into_iter().map(|it| it.object).chain(rows.into_iter().map(|it| it.table)).collect();
        if !differ.is_empty() {
            return Ok(Tried::Differs(differ));
        }
        if !new.is_empty() {
            let tables: Vec<String> = new.into_iter().map(|it| it.table).collect();
            return Ok(Tried::Not(format!("values of {} are others, and may be new in each upgrade", named(&tables))));
        }
        let made = catalog::diff(&without.schema, &both.schema);
        if made.is_empty() && without.rows == both.rows {
            return Ok(Tried::Not(format!("nothing that {lower} does shows on this database")));
        }
        Ok(Tried::Same(Box::new(Same { made, round })))
    }

    /// What the round trip of the upper one has shown where the lower one has run.
    fn round_trip(&self, id: &str, passed: Passed) -> RevisionResult {
        let mut result = result::of(self.ctx, self.facts, id, Err(passed));
        result.proof = result.proof.and(self.reference.proof().or(result.proof));
        result
    }

    /// Adds it to the revision's result, and records it for later commands.
    fn tell(&mut self, pair: &Pair, tried: Tried) -> Result<()> {
        let Pair { lower, upper } = pair;
        if let Some(is_same) = tried.is_same()
            && let Err(error) = twins::remember(self.ctx, &self.facts.graph, pair, is_same)
        {
            self.ctx.ui.verbose(format!("It is not remembered: {error:#}"));
        }
        let note = match &tried {
            Tried::Same(_) => format!(
                "{upper} is a twin of {lower}, tried: it runs where {lower} has run, and where {lower} never ran it comes to \
                 the same"
            ),
            Tried::Differs(objects) => format!(
                "{upper} is like a twin of {lower} and does not make up for it: where {lower} never ran, other than where both \
                 ran: {}",
                named(objects)
            ),
            Tried::FailsWithout(why) => {
                format!("{upper} is like a twin of {lower} and fails where {lower} never ran ({why})")
            }
            Tried::FailsAfter(stuck) => {
                format!(
                    "{upper} is like a twin of {lower} and fails where {lower} has run ({})",
                    stuck.failure.fail.summary
                )
            }
            Tried::Not(why) => format!("{upper} is a twin of {lower} by their texts; it could not be tried: {why}"),
        };
        let id = if self.found.contains_key(upper) { upper } else { lower };
        let Some(mut result) = self.found.remove(id) else { return Ok(()) };
        if id == upper {
            result = self.judged(result, tried);
        }
        result.notes.push(note);
        // Not by `settle`: the recorded statements are those of its own test.
        self.shared.log.add(self.ctx, &result);
        self.found.insert(result.revision.id.clone(), result);
        Ok(())
    }

    /// The verdict on the upper one, by what was tried. Where the lower one never ran, the upper one's downgrade may
    /// leave what both make: the lower one's downgrade takes it away.
    fn judged(&self, found: RevisionResult, tried: Tried) -> RevisionResult {
        match tried {
            Tried::FailsAfter(stuck) if !found.verdict.is_finding() => {
                let id = found.revision.id.as_str();
                result::of_failure(&self.facts.graph, id, *stuck, &explain::said(self.ctx, self.facts, id))
            }
            Tried::Same(same) if same.is_all_that_stays(&found) => match same.round {
                Some(round) => {
                    RevisionResult { made: found.made, ran_up: found.ran_up, ran_down: found.ran_down, ..round }
                }
                None => found,
            },
            _ => found,
        }
    }
}

impl Same {
    /// Whether nothing was found but that what both make stays after the downgrade, where the lower one never ran, and the
    /// round trip where it has run finds nothing.
    fn is_all_that_stays(&self, found: &RevisionResult) -> bool {
        let is_made = |change: &Change| self.made.iter().any(|made| made.key() == change.key());
        found.verdict == Verdict::SchemaDiffers
            && found.step == Some(Leg::Downgrade)
            && found.data_changes.is_empty()
            && found.schema_changes.iter().all(is_made)
            && self.round.as_ref().is_some_and(|round| round.verdict == Verdict::Reversible)
    }
}

impl Tried {
    /// Whether the upper one makes up for the lower one; `None` where that is not known.
    fn is_same(&self) -> Option<bool> {
        match self {
            Tried::Same(_) => Some(true),
            Tried::Differs(_) | Tried::FailsAfter(_) | Tried::FailsWithout(_) => Some(false),
            Tried::Not(_) => None,
        }
    }
}

fn named(objects: &[String]) -> String {
    let more = objects.len().saturating_sub(NAMED);
    let first = objects.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}
