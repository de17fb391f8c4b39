//! The walk: bring the throwaway database to the head, then from the top take each revision down, up and down again,
//! and look at the database in between. What fails is written down and the walk goes on below it where it can.

use std::time::Duration;

use anyhow::{Context, Result};

use super::baseline::{self, Baseline};
use super::{Facts, Findings, Outcome, cannot_prepare};
use crate::cmd::driving::{self, Labels};
use crate::ctx::{Ctx, version_table};
use crate::fail::{Fail, Kind};
use crate::flags::DbRoundtrip;
use crate::model::catalog::Change;
use crate::model::roundtrip::{Leg, Point, Trip, Verdict, judge};
use crate::model::route::applied_set;
use crate::model::target::{Direction, Step};
use crate::sys::alembic::{Driver, Launch, Plan, Stop, Trouble, TroubleKind};
use crate::sys::interrupt;
use crate::sys::pg::{Db, Scratch, application_name, catalog, rows};
use crate::ui::Steps;

/// How long a step that hangs may take to notice that its session was ended.
const SETTLING: Duration = Duration::from_secs(5);

/// Makes the database, walks it, and puts everything away.
pub fn run(ctx: &Ctx, facts: &Facts, flags: &DbRoundtrip) -> Result<Findings> {
    let baseline = baseline::make(ctx, facts).map_err(|error| cannot_prepare(&error, "clone or empty database"))?;
    let words = baseline.words.clone();
    let mut walk = Walk::start(ctx, facts, flags, baseline)?;
    let outcomes = match walk.climb() {
        Ok(outcomes) => walk.descend(outcomes)?,
        Err(error) => return Err(cannot_prepare(&error, &words)),
    };
    let server = walk.db.server_version().text.clone();
    let Walk { scratch, driver, db, .. } = walk;
    driver.stop();
    drop(db);
    let kept = if flags.keep { Some(scratch.keep()?) } else { scratch.remove().map(|()| None)? };
    Ok(Findings { baseline: words, server, outcomes, kept })
}

/// A walk under way. `order[..position]` is what the database holds.
struct Walk<'a> {
    ctx: &'a Ctx,
    facts: &'a Facts<'a>,
    labels: Labels,
    limit: Option<Duration>,
    order: &'a [String],
    low: usize,
    from_empty: bool,
    launch: Launch,
    driver: Driver,
    db: Db,
    scratch: Scratch,
    /// What the database held on the way up with `order[..n]` applied; `None` where it was not seen.
    seen: Vec<Option<Point>>,
    /// What revisions above have left behind, so that the ones below are not blamed for it.
    carried: Vec<Change>,
    progress: Steps,
}

impl<'a> Walk<'a> {
    fn start(ctx: &'a Ctx, facts: &'a Facts<'a>, flags: &DbRoundtrip, baseline: Baseline) -> Result<Walk<'a>> {
        let mut db = Db::connect(baseline.scratch.url(), &application_name("db-roundtrip"))?;
        let launch = driving::launch(ctx, &facts.config, &mut db, "db-roundtrip")?;
        let order = facts.route.order.as_slice();
        Ok(Walk {
            ctx,
            facts,
            labels: Labels::new(ctx, facts.component)?,
            limit: flags.step_timeout,
            order,
            low: facts.route.low,
            from_empty: baseline.from_empty,
            driver: Driver::start(&ctx.ui, &launch)?,
            launch,
            db,
            scratch: baseline.scratch,
            seen: vec![None; order.len() + 1],
            carried: Vec::new(),
            progress: ctx.ui.steps("Round trip", order.len() - facts.route.low),
        })
    }

    /// Upgrades to the head. What is below the tested revisions runs in the project's own transaction mode; the tested
    /// ones run one by one, and the database is looked at before and after each.
    ///
    /// Gives the outcomes of what cannot be tested because it, or something below it, does not go up; newest first.
    fn climb(&mut self) -> Result<Vec<Outcome>> {
        let applied = self.db.applied(&version_table(self.facts.component))?.revisions;
        let applied = applied_set(&self.facts.graph, &applied);
        let order = self.order;
        let missing: Vec<&String> = order.iter().filter(|id| !applied.contains(*id)).collect();
        // Only when what is missing is the end of the order do the points on the way up compare with those on the way down.
        let start = order.len() - missing.len();
        let comparable = order[start..].iter().eq(missing.iter().copied());
        let (below, tested): (Vec<&String>, Vec<&String>) =
            missing.into_iter().partition(|id| position(order, id) < self.low);
        self.upgrade(&below)?;
        if comparable && start <= self.low {
            self.seen[self.low] = Some(self.point()?);
        }
        for id in tested {
            let at = position(order, id);
            match self.step(Direction::Up, at) {
                Ok(_) => {}
                Err(stop) => return self.cannot_climb(at, stop),
            }
            if comparable {
                self.seen[at + 1] = Some(self.point()?);
            }
        }
        Ok(Vec::new())
    }

    fn cannot_climb(&mut self, at: usize, stop: Stop) -> Result<Vec<Outcome>> {
        let (fail, _) = self.explain(stop)?;
        let id = &self.order[at];
        let reason = format!("{id}, below it, does not go up");
        let above = self.order[at + 1..].iter().rev();
        let mut outcomes: Vec<Outcome> =
            above.map(|id| Outcome::skipped(&self.facts.graph, id, reason.clone())).collect();
        outcomes.push(Outcome::failed(&self.facts.graph, id, Leg::Upgrade, fail));
        Ok(outcomes)
    }

    /// From the highest revision that the database holds down to the lowest that is tested.
    fn descend(&mut self, mut outcomes: Vec<Outcome>) -> Result<Vec<Outcome>> {
        let top = self.order.len() - outcomes.len();
        if !outcomes.is_empty() && !self.restart(top)? {
            return Ok(self.skip_rest(top, outcomes, "the database could not be put back after that"));
        }
        let mut upper = None;
        for at in (self.low..top).rev() {
            interrupt::check()?;
            self.progress.next(&self.order[at]);
            let (outcome, next) = self.trip(at, upper.take())?;
            upper = next;
            let clean = outcome.verdict == Verdict::Reversible;
            outcomes.push(outcome);
            if at > self.low && !clean && !self.put_below(at)? {
                let reason = format!("{} could not be taken down", self.order[at]);
                return Ok(self.skip_rest(at, outcomes, &reason));
            }
        }
        Ok(outcomes)
    }

    fn skip_rest(&self, below: usize, mut outcomes: Vec<Outcome>, reason: &str) -> Vec<Outcome> {
        let rest = self.order[self.low..below].iter().rev();
        outcomes.extend(rest.map(|id| Outcome::skipped(&self.facts.graph, id, reason.to_owned())));
        outcomes
    }

    /// One revision down, up and down again. Gives what the database holds below it, where the next trip may begin with
    /// that.
    fn trip(&mut self, at: usize, upper: Option<Point>) -> Result<(Outcome, Option<Point>)> {
        let upper = match upper {
            Some(point) => point,
            None => self.point()?,
        };
        let down = match self.step(Direction::Down, at) {
            Ok(seconds) => seconds,
            Err(stop) => return Ok((self.cannot_go(at, Leg::Downgrade, stop)?, None)),
        };
        let lower = self.point()?;
        let up = match self.step(Direction::Up, at) {
            Ok(seconds) => seconds,
            Err(stop) => {
                let outcome = Outcome { down: Some(down), ..self.cannot_go(at, Leg::ReUpgrade, stop)? };
                return Ok((outcome, None));
            }
        };
        let again = self.point()?;
        let found = judge(&Trip {
            upper: &upper,
            lower_true: self.seen[at].as_ref(),
            lower: &lower,
            again: &again,
            carried: &self.carried,
        });
        let id = &self.order[at];
        let outcome = Outcome {
            step: found.step,
            schema_changes: found.schema_changes,
            data_changes: found.data_changes,
            notes: found.notes,
            down: Some(down),
            up: Some(up),
            ..Outcome::new(&self.facts.graph, id, found.verdict)
        };
        if at == self.low || outcome.verdict != Verdict::Reversible {
            return Ok((outcome, None));
        }
        match self.step(Direction::Down, at) {
            Ok(_) => Ok((outcome, Some(lower))),
            // It went down before and does not now: the way up was not the way back.
            Err(stop) => Ok((self.cannot_go(at, Leg::Downgrade, stop)?, None)),
        }
    }

    /// After a revision that is not clean: the database as it must be below it. Made anew where it began empty; a clone
    /// can only go on if the revision can be taken down after all, with what it leaves behind noted.
    fn put_below(&mut self, at: usize) -> Result<bool> {
        if self.restart(at)? {
            return Ok(true);
        }
        let held = self.held()?;
        if held == self.heads_with(at) {
            return Ok(true);
        }
        if held != self.heads_with(at + 1) || self.step(Direction::Down, at).is_err() {
            return Ok(false);
        }
        if let Some(truth) = &self.seen[at] {
            let truth = truth.schema.clone();
            self.carried = crate::model::catalog::diff(&truth, &self.point()?.schema);
        }
        Ok(true)
    }

    /// Starts again with an empty database, upgraded to `order[..position]`. False where the database did not begin
    /// empty, so that this would be another database.
    fn restart(&mut self, position: usize) -> Result<bool> {
        if !self.from_empty {
            return Ok(false);
        }
        let fresh = baseline::empty(self.ctx, self.facts)?;
        self.db = Db::connect(fresh.url(), &application_name("db-roundtrip"))?;
        self.launch.database = driving::database(&mut self.db)?;
        let moved = self.driver.use_database(&self.launch.database);
        if moved.is_err() {
            self.driver = Driver::start(&self.ctx.ui, &self.launch)?;
        }
        // The old one goes only now that nothing of ours is connected to it.
        std::mem::replace(&mut self.scratch, fresh).remove()?;
        self.carried.clear();
        let all: Vec<&String> = self.order[..position].iter().collect();
        self.upgrade(&all).map(|()| true)
    }

    /// Runs revisions in the project's own transaction mode.
    fn upgrade(&mut self, ids: &[&String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let _task = self.ctx.ui.task(format!("Upgrading the throwaway database ({} revisions)", ids.len()));
        let steps = ids.iter().map(|id| Step::up(id.as_str())).collect();
        let plan = Plan { steps, before: None, target: "heads".to_owned() };
        match self.driver.migrate(&plan, self.limit, &mut |_| {}) {
            Ok(_) => Ok(()),
            Err(stop) => Err(self.explain(stop)?.0.into()),
        }
    }

    /// One step, committed; how long it took, in seconds.
    fn step(&mut self, direction: Direction, at: usize) -> Result<f64, Stop> {
        let step = Step { direction, revision: self.order[at].clone() };
        self.driver.step(&step, self.limit).map(|done| done.seconds)
    }

    fn cannot_go(&mut self, at: usize, leg: Leg, stop: Stop) -> Result<Outcome> {
        let id = &self.order[at];
        let (fail, trouble) = self.explain(stop)?;
        if leg == Leg::Downgrade && trouble.is_some_and(|trouble| trouble.is_declared()) {
            let said = fail.details.lines().next().unwrap_or_default().to_owned();
            let outcome = Outcome::new(&self.facts.graph, id, Verdict::Irreversible);
            return Ok(Outcome { reason: Some(said), ..outcome });
        }
        Ok(Outcome::failed(&self.facts.graph, id, leg, fail))
    }

    /// A stop as a failure, with the driver ready to go on. What is no trouble of the project's (Ctrl-C, a defect of
    /// ours) ends the walk.
    fn explain(&mut self, stop: Stop) -> Result<(Fail, Option<Trouble>)> {
        let trouble = match stop {
            Stop::Trouble(trouble) => *trouble,
            Stop::Error(error) => {
                interrupt::shielded(|| driving::end_sessions(&mut self.db, &self.driver));
                return Err(error);
            }
        };
        let fail = driving::to_fail(&trouble, &self.labels, &mut self.db, &self.driver);
        let hangs = trouble.kind == TroubleKind::Timeout;
        if hangs {
            driving::end_sessions(&mut self.db, &self.driver);
        }
        if trouble.kind == TroubleKind::Ended || (hangs && !self.driver.settle(SETTLING)) {
            self.driver = Driver::start(&self.ctx.ui, &self.launch)?;
        }
        if fail.kind == Kind::WrongDatabase {
            // Every further step would meet the same refusal.
            return Err(fail.into());
        }
        Ok((fail, Some(trouble)))
    }

    fn point(&mut self) -> Result<Point> {
        let client = self.db.client();
        let options = catalog::Options::default();
        let schema = catalog::take(client, &options).context("reading the throwaway database's schema")?;
        let rows = rows::take(client, &options, None).context("reading the throwaway database's rows")?;
        Ok(Point { schema, rows })
    }

    /// What the version table holds, sorted.
    fn held(&mut self) -> Result<Vec<String>> {
        let mut held = self.db.applied(&version_table(self.facts.component))?.revisions;
        held.sort();
        Ok(held)
    }

    /// What the version table holds when `order[..position]` is applied, sorted.
    fn heads_with(&self, position: usize) -> Vec<String> {
        let mut heads = Vec::new();
        for id in &self.order[..position] {
            heads = self.facts.graph.heads_after(&heads, &Step::up(id)).unwrap_or(heads);
        }
        heads.sort();
        heads
    }
}

fn position(order: &[String], id: &str) -> usize {
    order.iter().position(|other| other == id).unwrap_or(order.len())
}
