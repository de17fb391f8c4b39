//! Runs one revision's round trip on the database as it stands: from below (up, down, up) or from above (down, up). A
//! step that fails is tried again in the project's own transaction mode before the revision is accused.

use anyhow::Result;

use super::sandbox::{Deed, Failure, Mode, Sandbox, may_pass_in_fresh_process};
use crate::model::catalog::{self, Change, Snapshot};
use crate::model::roundtrip::{Judgement, Leg, Point, Trip, judge, may_be_made_anew};
use crate::model::target::{Direction, Step};
use crate::sys::alembic::TroubleKind;

/// What a trial has shown.
pub enum Trial {
    /// Every step went through.
    Passed(Box<Passed>),
    /// The upgrade passed, and the downgrade was not tried; the database afterwards.
    Up(Box<Point>),
    /// A step failed.
    Failed(Box<Stuck>),
}

/// Every step went through.
pub struct Passed {
    /// What the comparison has found.
    pub judgement: Judgement,
    /// The database below the revision, after the downgrade.
    pub lower: Point,
    /// The database at the revision, after the last upgrade.
    pub again: Point,
    /// Seconds of the downgrade.
    pub down: f64,
    /// Seconds of the upgrade after the downgrade.
    pub up: f64,
    /// The mode in which the steps passed.
    pub mode: Mode,
    /// What was noted where a step failed in the other mode, or left something behind.
    pub notes: Vec<String>,
    /// Whether the database at the revision is again just as it was.
    pub restored: bool,
}

/// A step that failed.
pub struct Stuck {
    /// Which step.
    pub leg: Leg,
    /// Why it failed.
    pub failure: Box<Failure>,
    /// Whether the database is as it was before the step.
    pub undamaged: bool,
    /// The database at the revision, if it was read.
    pub upper: Option<Point>,
    /// The database below the revision after the downgrade, if it was read.
    pub lower: Option<Point>,
    /// The mode in which the upgrade before it passed.
    pub mode: Mode,
    /// Seconds of the downgrade, if it passed.
    pub down: Option<f64>,
    /// Notes for the report.
    pub notes: Vec<String>,
    /// What the steps before it changed for every database of the server.
    pub shared: Vec<Change>,
}

impl Stuck {
    /// Of which no more is known.
    pub fn new(leg: Leg, failure: Box<Failure>, mode: Mode) -> Stuck {
        let (upper, lower, down) = (None, None, None);
        Stuck { leg, failure, undamaged: false, upper, lower, mode, down, notes: Vec::new(), shared: Vec::new() }
    }
}

/// A round trip under way.
struct Round<'g, 'a> {
    sandbox: &'g mut Sandbox<'a>,
    ids: &'g [String],
    mode: Mode,
    notes: Vec<String>,
}

/// Upgrades from `before`, downgrades, and upgrades again. The database then stands at the revision.
pub fn from_below(sandbox: &mut Sandbox<'_>, ids: &[String], mode: Mode, before: &Point) -> Result<Trial> {
    let mut round = Round { sandbox, ids, mode, notes: Vec::new() };
    if let Err(stuck) = round.leg(Leg::Upgrade, before)? {
        return Ok(Trial::Failed(Box::new(stuck)));
    }
    let upper = round.sandbox.point()?;
    round.down_and_up(upper, Some(before), None)
}

/// Upgrades from `before` and no more, for a revision whose script says that it cannot be downgraded.
pub fn only_up(sandbox: &mut Sandbox<'_>, ids: &[String], before: &Point) -> Result<Trial> {
    let mut round = Round { sandbox, ids, mode: Mode::Walk, notes: Vec::new() };
    match round.leg(Leg::Upgrade, before)? {
        Ok(_) => Ok(Trial::Up(Box::new(round.sandbox.point()?))),
        Err(stuck) => Ok(Trial::Failed(Box::new(stuck))),
    }
}

/// Downgrades from `upper` and upgrades again. The database then stands at the revision.
pub fn from_above(sandbox: &mut Sandbox<'_>, ids: &[String], upper: Point) -> Result<Trial> {
    let recorded = match ids {
        [id] => sandbox.recorded(id, &upper.schema)?,
        _ => None,
    };
    let round = Round { sandbox, ids, mode: Mode::Walk, notes: Vec::new() };
    round.down_and_up(upper, None, recorded.as_ref())
}

impl Round<'_, '_> {
    fn down_and_up(mut self, upper: Point, lower_true: Option<&Point>, recorded: Option<&Snapshot>) -> Result<Trial> {
        let down = match self.leg(Leg::Downgrade, &upper)? {
            Ok(seconds) => seconds,
            Err(stuck) => {
                let shared = lower_true.map_or_else(Vec::new, |before| catalog::diff(&before.shared, &upper.shared));
                return Ok(Trial::Failed(Box::new(Stuck { upper: Some(upper), shared, ..stuck })));
            }
        };
        let lower = self.sandbox.point()?;
        let up = match self.leg(Leg::ReUpgrade, &lower)? {
            Ok(seconds) => seconds,
            Err(stuck) => {
                let shared = catalog::diff(&lower_true.unwrap_or(&upper).shared, &lower.shared);
                let (upper, lower) = (Some(upper), Some(lower));
                let stuck = Stuck { upper, lower, down: Some(down), undamaged: false, shared, ..stuck };
                return Ok(Trial::Failed(Box::new(stuck)));
            }
        };
        let again = self.sandbox.point()?;
        let trip = Trip { upper: &upper, lower_true, recorded, lower: &lower, again: &again, once_more: None };
        let once_more = if may_be_made_anew(&trip) { self.once_more(&lower)? } else { None };
        let judgement = judge(&Trip { once_more: once_more.as_ref(), ..trip });
        let restored = again.schema == upper.schema && again.rows == upper.rows;
        let Round { mode, notes, .. } = self;
        Ok(Trial::Passed(Box::new(Passed { judgement, lower, again, down, up, mode, notes, restored })))
    }

    /// The database after one more way down, to the same state as before, and up.
    fn once_more(&mut self, lower: &Point) -> Result<Option<Point>> {
        for direction in [Direction::Down, Direction::Up] {
            if self.sandbox.attempt(&Deed::steps(direction, self.ids, self.mode))?.is_err()
                || direction == Direction::Down && !self.sandbox.is_at(lower)?
            {
                return Ok(None);
            }
        }
        self.sandbox.point().map(Some)
    }

    /// Runs one step from the state `before` in the walk's mode and, where that fails and changes nothing, in the
    /// project's own.
    fn leg(&mut self, leg: Leg, before: &Point) -> Result<Result<f64, Stuck>> {
        let direction = if leg == Leg::Downgrade { Direction::Down } else { Direction::Up };
        let deed = Deed::steps(direction, self.ids, self.mode);
        let mut failure = match self.sandbox.attempt(&deed)? {
            Ok(seconds) => return Ok(Ok(self.passed(seconds))),
            Err(failure) => failure,
        };
        let mut undamaged = self.sandbox.is_at(before)?;
        if undamaged && may_pass_in_fresh_process(&failure) {
            self.sandbox.renew()?;
            failure = match self.sandbox.attempt(&deed)? {
                Ok(seconds) => {
                    self.notes.push(only_in_fresh_process(leg, &failure));
                    return Ok(Ok(self.passed(seconds)));
                }
                Err(again) => again,
            };
            undamaged = self.sandbox.is_at(before)?;
        }
        if self.mode == Mode::Walk && undamaged && depends_on_mode(&failure) {
            match self.sandbox.attempt(&Deed::steps(direction, self.ids, Mode::Own))? {
                Ok(seconds) => {
                    self.mode = Mode::Own;
                    self.notes.push(only_in_own_mode(leg, &failure));
                    return Ok(Ok(self.passed(seconds)));
                }
                Err(_) => undamaged = self.sandbox.is_at(before)?,
            }
        }
        let notes = std::mem::take(&mut self.notes);
        Ok(Err(Stuck { undamaged, notes, ..Stuck::new(leg, failure, self.mode) }))
    }

    /// Notes what a step that passed has left behind.
    fn passed(&mut self, seconds: f64) -> f64 {
        for step in self.sandbox.sessions_left() {
            if !self.ids.contains(&step.revision) {
                continue;
            }
            let note = format!("{}; what came after it was run in another process", leaves_open(&step));
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        seconds
    }
}

/// The note on a step that leaves a session open.
pub fn leaves_open(step: &Step) -> String {
    format!("{}() opens a database session and does not close it", step.direction.function())
}

/// The note on a step that only passes in the project's own mode.
pub fn only_in_own_mode(leg: Leg, failure: &Failure) -> String {
    format!(
        "the {} passes in the project's own transaction mode and fails one revision at a time: {}",
        leg.name(),
        failure.trouble.message
    )
}

fn only_in_fresh_process(leg: Leg, failure: &Failure) -> String {
    let trouble = &failure.trouble;
    let why = match trouble.kind {
        TroubleKind::Timeout => "waits, where other scripts ran before, for a session that one of them has left open",
        _ => "fails where other scripts ran before",
    };
    let message = if trouble.message.is_empty() { String::new() } else { format!(": {}", trouble.message) };
    format!("the {} passes in a process of its own and {why}{message}", leg.name())
}

/// Whether another transaction mode could make a difference.
pub fn depends_on_mode(failure: &Failure) -> bool {
    let trouble = &failure.trouble;
    matches!(trouble.kind, TroubleKind::Sql | TroubleKind::Raised | TroubleKind::Lost) && !trouble.is_declared()
}

/// The text of the progress while untested revisions are applied.
pub fn upgrading(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("Upgrading the throwaway database ({count} revision{plural})")
}
