//! The walk. What the database lacks is tested on the way up (up, down, up: the database below a revision is then known
//! as it was before that was ever applied); what it holds already is tested on the way down (down, up, down). There the
//! state below is what the downgrade under test has made, so it is compared with a reference first: another database,
//! which upgrades have made (`reference.rs`). After a finding the last good state is put back, so nobody is blamed for
//! what another revision has left behind; what is found below a revision that is not proven counts only where the
//! reference shows it too (`verdict.rs`).

mod downward;
mod outside;
mod reference;
mod together;
mod twins;
mod upward;
pub mod verdict;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::baseline::Baseline;
use super::facts::{Facts, cannot_prepare};
use super::resume::Log;
use super::sandbox::{Deed, Sandbox};
use super::trial::{Passed, Stuck};
use super::{baseline::seed, result};
use crate::ctx::Ctx;
use crate::fail::Fail;
use crate::flags::DbRoundtrip;
use crate::model::catalog::Change;
use crate::model::roundtrip::Verdict;
use crate::model::route::applied_set;
use crate::model::target::Direction;
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::pg::Kept;
use crate::ui::Steps;
pub use reference::{Reference, consult};
pub use together::Together;
use verdict::Above;

/// What all walkers of a run have in common.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    pub ctx: &'a Ctx,
    pub facts: &'a Facts<'a>,
    pub flags: &'a DbRoundtrip,
    pub log: &'a Log,
    pub progress: &'a Mutex<Steps>,
}

/// What one walker has come back with.
pub struct Walked {
    pub results: Vec<RevisionResult>,
    pub kept: Option<Kept>,
    /// What of the baseline is cached; `None` for a clone.
    pub cache: Option<CacheUse>,
    /// Why the database could not be brought to where a test begins.
    pub obstacle: Option<Fail>,
    /// Where all that is pending fails, or comes to another schema, when it is applied together.
    pub together: Option<Together>,
    /// What is to be said of the whole run.
    pub notes: Vec<String>,
}

/// One walker.
pub struct Walk<'w, 'a> {
    shared: Shared<'a>,
    ctx: &'a Ctx,
    facts: &'a Facts<'a>,
    sandbox: &'w mut Sandbox<'a>,
    is_clone: bool,
    /// A copy is to be made before the first step, since the database can be made again only with pains.
    to_save: bool,
    /// The seed's rows for a database that first stands are in it.
    is_seeded: bool,
    seeds: seed::Seeds,
    /// What is still to be tested.
    wanted: HashSet<String>,
    found: HashMap<String, RevisionResult>,
    reference: Reference,
    /// What bears on the revisions below these.
    above: Vec<(String, Above)>,
    /// What was found where no reference was asked, and what bore on it.
    open: Vec<(RevisionResult, Above)>,
    /// Those that the component's database ran as another text: what is said of each.
    edited: HashMap<String, String>,
    obstacle: Option<Fail>,
    together: Option<Together>,
    notes: Vec<String>,
}

/// What a walk is told of the database that it is on.
#[derive(Clone, Copy, Default)]
pub struct Ground {
    /// Its rows are the component's own.
    pub is_clone: bool,
    /// A copy is to be made before the first step.
    pub to_save: bool,
    /// The seed's rows for a database that first stands are in it.
    pub is_seeded: bool,
}

/// Tests `wanted` on this database and puts it away.
pub fn run(shared: Shared<'_>, baseline: Baseline, wanted: HashSet<String>) -> Result<Walked> {
    let Shared { ctx, facts, flags, .. } = shared;
    let (words, is_clone) = (baseline.words.clone(), baseline.is_clone);
    let to_save = !baseline.from_empty && !baseline.cache.has() && wanted.len() > 1;
    let ground = Ground { is_clone, to_save, is_seeded: baseline.is_seeded };
    let mut sandbox = Sandbox::new(ctx, facts, flags.step_timeout, baseline)?;
    let mut walk = Walk::new(shared, &mut sandbox, ground, wanted)?;
    walk.everything().map_err(|error| cannot_prepare(&error, &words))?;
    let Walk { found, obstacle, together, notes, .. } = walk;
    sandbox.end_env()?;
    sandbox.prove_looks()?;
    let cache = (!is_clone).then(|| sandbox.cache().to_use());
    let kept = sandbox.end(flags.keep)?;
    Ok(Walked { results: found.into_values().collect(), kept, cache, obstacle, together, notes })
}

impl<'w, 'a> Walk<'w, 'a> {
    fn new(
        shared: Shared<'a>,
        sandbox: &'w mut Sandbox<'a>,
        ground: Ground,
        wanted: HashSet<String>,
    ) -> Result<Walk<'w, 'a>> {
        let Shared { ctx, facts, .. } = shared;
        Ok(Walk {
            shared,
            ctx,
            facts,
            is_clone: ground.is_clone,
            to_save: ground.to_save,
            is_seeded: ground.is_seeded,
            sandbox,
            seeds: if ground.is_clone { seed::Seeds::default() } else { seed::read(ctx, facts)? },
            wanted,
            found: HashMap::new(),
            reference: Reference::default(),
            above: Vec::new(),
            open: Vec::new(),
            edited: HashMap::new(),
            obstacle: None,
            together: None,
            notes: Vec::new(),
        })
    }

    fn everything(&mut self) -> Result<()> {
        let held = applied_set(&self.facts.graph, &self.sandbox.held()?);
        let (held, lacking) = self.facts.route.split(&held);
        self.look_for_edits(&held)?;
        self.refer(&held)?;
        let came_seeded = self.is_seeded;
        if !held.is_empty() {
            self.seed_first()?;
        }
        if self.to_save {
            self.sandbox.save()?;
        }
        let (above, below) = (self.tests_any(&lacking), self.tests_any(&held));
        self.obstacle = self.upward(&lacking)?;
        if above && self.is_worth_trying_together(&lacking) {
            self.try_together(&lacking, came_seeded)?;
        }
        if above && below {
            self.begin_again(came_seeded)?;
        }
        self.downward(&held)?;
        self.try_twins(&held, came_seeded)
    }

    /// A script that was edited since the component's database ran it has made what is there by another text: what the one of
    /// today does is told by another database.
    fn look_for_edits(&mut self, held: &[String]) -> Result<()> {
        if !self.is_clone || !self.tests_any(held) {
            return Ok(());
        }
        for edited in self.sandbox.ran_another_text(held)?.into_iter().filter(|it| self.wanted.contains(&it.revision)) {
            let differs = edited.differs.join(", ");
            let why = format!(
                "{} was edited ({differs}) since this database ran it on {}, so it holds what another text made",
                edited.revision, edited.when
            );
            self.edited.insert(edited.revision, why);
        }
        Ok(())
    }

    fn tests_any(&self, ids: &[String]) -> bool {
        ids.iter().any(|id| self.wanted.contains(id))
    }

    /// Back to the database as it was at the beginning, with the seed's rows where it came without them.
    fn begin_again(&mut self, came_seeded: bool) -> Result<()> {
        let has_seed = self.sandbox.begin_again()?;
        self.is_seeded = came_seeded || has_seed;
        if self.sandbox.held()?.is_empty() { Ok(()) } else { self.seed_first() }
    }

    // Both ways

    fn rebuild_if_more(&mut self) -> Result<()> {
        if self.wanted.is_empty() { Ok(()) } else { self.sandbox.rebuild() }
    }

    /// Puts in the rows that the project has for a database that stands at this revision; whether there were any.
    fn seed(&mut self, at: Option<&str>) -> Result<bool> {
        let mut any = false;
        for sql in self.seeds.at(at) {
            let deed = Deed::Seed(sql);
            if let Err(failure) = self.sandbox.attempt(&deed)? {
                return Err(failure.fail.into());
            }
            self.sandbox.keep(deed);
            any = true;
        }
        Ok(any)
    }

    /// The rows for a database that first stands, once.
    fn seed_first(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.is_seeded, true) {
            self.seed(None)?;
        }
        Ok(())
    }

    fn seed_all(&mut self, ids: &[String]) -> Result<()> {
        self.seed_first()?;
        ids.iter().try_for_each(|id| self.seed(Some(id)).map(|_| ()))
    }

    fn skip(&mut self, id: &str, reason: &str) {
        self.next(id);
        self.settle(RevisionResult::skipped(&self.facts.graph, id, reason.to_owned()));
    }

    /// The script says so itself, and is believed.
    fn declared(&mut self, id: &str, reason: String, made: Option<Vec<Change>>) {
        let result = RevisionResult::new(&self.facts.graph, id, Verdict::Irreversible);
        self.settle(RevisionResult { reason: Some(reason), made, ..result });
    }

    fn record(&mut self, id: &str, trial: Result<Stuck, Passed>) {
        let result = result::of(self.ctx, self.facts, id, trial);
        self.settle(result);
    }

    /// The verdict on a revision is final; on the reference it is what the test of the database itself is held against.
    fn settle(&mut self, mut result: RevisionResult) {
        if self.reference.is_walked() {
            self.reference.add(result);
            return;
        }
        let id = result.revision.id.as_str();
        (result.ran_up, result.ran_down) = (self.sandbox.ran(Direction::Up, id), self.sandbox.ran(Direction::Down, id));
        self.shared.log.add(self.ctx, &result);
        self.found.insert(result.revision.id.clone(), result);
    }

    /// The test of a revision begins.
    fn next(&mut self, id: &str) {
        self.wanted.remove(id);
        if !self.reference.is_walked() {
            self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).next(id);
        }
    }
}
