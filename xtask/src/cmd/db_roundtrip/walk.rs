//! The walk through the history. Revisions that the database lacks are tested on the way up (up, down, up), where the
//! state below is the one before the revision was ever applied. Revisions that it holds already are tested on the way
//! down (down, up, down), where the downgrade under test has made the state below. So these are tested on a reference
//! first, another database that upgrades have made (`reference.rs`). After a finding the last good state is put back,
//! so that no revision is accused of what another one has left behind. What is found below a revision that is not
//! proven counts only where the reference shows it, too (`verdict.rs`).

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

/// What all walks of a run share.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    pub ctx: &'a Ctx,
    pub facts: &'a Facts<'a>,
    pub flags: &'a DbRoundtrip,
    pub log: &'a Log,
    pub progress: &'a Mutex<Steps>,
}

/// What one walk has found.
pub struct Walked {
    pub results: Vec<RevisionResult>,
    pub kept: Option<Kept>,
    /// The cached baseline, or why there is none; `None` for a clone.
    pub cache: Option<CacheUse>,
    /// Why the database could not be brought to where a test begins.
    pub obstacle: Option<Fail>,
    /// The revision at which all pending ones fail, or make another schema, when they are applied together.
    pub together: Option<Together>,
    /// Notes on the whole run.
    pub notes: Vec<String>,
}

/// A walk under way.
pub struct Walk<'w, 'a> {
    shared: Shared<'a>,
    ctx: &'a Ctx,
    facts: &'a Facts<'a>,
    sandbox: &'w mut Sandbox<'a>,
    is_clone: bool,
    /// Whether a copy is made before the first step, since making the database again would take long.
    to_save: bool,
    /// Whether the database has the seed's rows for one that was just made.
    is_seeded: bool,
    seeds: seed::Seeds,
    /// The revisions that are still to be tested.
    wanted: HashSet<String>,
    found: HashMap<String, RevisionResult>,
    reference: Reference,
    /// What these revisions make uncertain about those below them.
    above: Vec<(String, Above)>,
    /// Results for which no reference was asked, each with what the revisions above make uncertain about it.
    open: Vec<(RevisionResult, Above)>,
    /// Those that the component's database ran as another text: what is said of each.
    edited: HashMap<String, String>,
    /// One that goes up only on a reference is not in this database.
    lacks_one: bool,
    obstacle: Option<Fail>,
    together: Option<Together>,
    notes: Vec<String>,
}

/// What a walk has to know of its database.
#[derive(Clone, Copy, Default)]
pub struct Ground {
    /// Its rows are the component's own.
    pub is_clone: bool,
    /// Whether a copy is made before the first step.
    pub to_save: bool,
    /// Whether the database has the seed's rows for one that was just made.
    pub is_seeded: bool,
}

/// Tests the wanted revisions on this database, and removes it.
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
    sandbox.read_all_once_more()?;
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
            lacks_one: false,
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
            let why = edited.why();
            self.edited.insert(edited.revision, why);
        }
        Ok(())
    }

    fn tests_any(&self, ids: &[String]) -> bool {
        ids.iter().any(|id| self.wanted.contains(id))
    }

    /// Goes back to the database as it was at the beginning, and puts in the seed's rows where it had none.
    fn begin_again(&mut self, came_seeded: bool) -> Result<()> {
        let has_seed = self.sandbox.begin_again()?;
        self.is_seeded = came_seeded || has_seed;
        if self.sandbox.held()?.is_empty() { Ok(()) } else { self.seed_first() }
    }

    // Both ways

    fn rebuild_if_more(&mut self) -> Result<()> {
        if self.wanted.is_empty() { Ok(()) } else { self.sandbox.rebuild() }
    }

    /// Puts in the seed's rows for a database that stands at this revision. Returns whether there are any.
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

    /// Puts in the seed's rows for a database that was just made, once.
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

    /// One that cannot be tried in this database; a reference may have shown it.
    fn skip(&mut self, id: &str, reason: &str) {
        self.next(id);
        let mut result = RevisionResult::skipped(&self.facts.graph, id, reason.to_owned());
        if !self.reference.is_walked() && self.reference.was_asked(id) {
            result = self.reference.weigh(&self.facts.component.name, result, &Above::Proven);
        }
        self.settle(result);
    }

    /// The result of a revision whose script says that it cannot be downgraded.
    fn declared(&mut self, id: &str, reason: String, made: Option<Vec<Change>>) {
        let result = RevisionResult::new(&self.facts.graph, id, Verdict::Irreversible);
        self.settle(RevisionResult { reason: Some(reason), made, ..result });
    }

    fn record(&mut self, id: &str, trial: Result<Stuck, Passed>) {
        let result = result::of(self.ctx, self.facts, id, trial);
        self.settle(result);
    }

    /// Stores a revision's result: it is final, or on a reference the one that the test of the database under test is
    /// compared with.
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

    /// Shows that the test of a revision begins.
    fn next(&mut self, id: &str) {
        self.wanted.remove(id);
        if !self.reference.is_walked() {
            self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).next(id);
        }
    }
}
