//! The reference for revisions that the database holds already: another database, on which the same revisions are
//! tested on the way up. The state below each of them is one that its own downgrade has not made. A reference is made
//! from the project's dump, by the project's baseline command as it was before the revision came, or from empty; where
//! one of them cannot show a revision, the next one may. That no reference can be made, or that an upgrade fails on it,
//! accuses no revision: the database under test has run it.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::verdict::{Above, Shown, decide, why_unproven};
use super::{Ground, Shared, Walk};
use crate::cmd::db_roundtrip::baseline::how::{self, How, of_references};
use crate::cmd::db_roundtrip::baseline::{self, Baseline, seed};
use crate::cmd::db_roundtrip::sandbox::Sandbox;
use crate::cmd::db_roundtrip::{explain, result};
use crate::fail::{Fail, from_anyhow};
use crate::model::action::{Action, own};
use crate::model::roundtrip::{Leg, Proof, Verdict};
use crate::model::route::applied_set;
use crate::report::roundtrip::RevisionResult;
use crate::sys::files;
use crate::sys::interrupt;

/// What the references have shown.
#[derive(Default)]
pub struct Reference {
    results: HashMap<String, Shown>,
    asked: HashSet<String>,
    /// Why there is no reference, or why it ends below the revision.
    pub why_not: Option<String>,
    /// Notes for the report.
    pub notes: Vec<String>,
    /// How the reference was made, while the walk is on it.
    walked: Option<Place>,
}

#[derive(Clone)]
pub(super) struct Place {
    proof: Proof,
    words: String,
}

impl Reference {
    /// Whether the walk is on a reference now.
    pub(super) fn is_walked(&self) -> bool {
        self.walked.is_some()
    }

    /// Which proof a verdict has, if the walk is on a reference.
    pub(super) fn proof(&self) -> Option<Proof> {
        self.walked.as_ref().map(|place| place.proof)
    }

    pub fn of(&self, id: &str) -> Option<&Shown> {
        self.results.get(id)
    }

    /// Whether references were asked about it.
    pub fn was_asked(&self, id: &str) -> bool {
        self.asked.contains(id)
    }

    /// What was found on the way up on the reference.
    pub(super) fn add(&mut self, mut result: RevisionResult) {
        let Some(Place { proof, words }) = self.walked.clone() else { return };
        if result.proof.is_some() {
            result.proof = Some(proof);
        }
        self.results.insert(result.revision.id.clone(), Shown { result, place: words });
    }

    /// The verdict on what was found on a database that held the revision already.
    pub fn weigh(&self, component: &str, found: RevisionResult, above: &Above) -> RevisionResult {
        let id = found.revision.id.clone();
        let mut result = decide(found, self.of(&id), above);
        if let (Verdict::Skipped, None, Some(why_not)) = (result.verdict, self.of(&id), &self.why_not) {
            result.reason = Some(format!("{}; {why_not}", result.reason.unwrap_or_default()));
        }
        if result.verdict == Verdict::Unproven {
            result.reason = Some(why_unproven(self.of(&id), self.why_not.as_deref()));
            result.to_prove = Some(to_prove(component, &id));
        }
        result
    }

    /// Whether it is known what the downgrade leaves behind.
    pub fn knows(&self, id: &str) -> bool {
        self.of(id)
            .is_some_and(|shown| shown.result.verdict != Verdict::Skipped && shown.result.step != Some(Leg::Upgrade))
    }
}

/// What references show of some revisions, for a walk on another database (`--in-place`, `--watch`). The sandbox is the
/// same afterwards.
pub fn consult<'a>(
    shared: Shared<'a>,
    sandbox: &mut Sandbox<'a>,
    is_clone: bool,
    ids: HashSet<String>,
) -> Result<Reference> {
    let ground = Ground { is_clone, ..Ground::default() };
    let mut walk = Walk::new(shared, sandbox, ground, HashSet::new())?;
    walk.consult(ids)?;
    Ok(walk.reference)
}

impl Walk<'_, '_> {
    /// Tests on references the wanted revisions that the database holds and that db-migrate has not recorded.
    pub(super) fn refer(&mut self, held: &[String]) -> Result<()> {
        let declares = |id: &String| explain::said(self.ctx, self.facts, id).irreversible.is_some();
        let ids = held.iter().filter(|id| self.wanted.contains(*id) && !declares(id));
        let ids: HashSet<String> = ids.cloned().collect();
        let mut recorded = if ids.is_empty() { HashSet::new() } else { self.recorded(held, &ids)? };
        recorded.retain(|id| !self.edited.contains_key(id));
        self.consult(ids.difference(&recorded).cloned().collect())?;
        self.notes.append(&mut self.reference.notes);
        Ok(())
    }

    /// Tests revisions on one reference after the other, until all are known.
    pub(super) fn consult(&mut self, mut ids: HashSet<String>) -> Result<()> {
        let order = |ids: &HashSet<String>| -> Vec<String> {
            let needed = applied_set(&self.facts.graph, &ids.iter().cloned().collect::<Vec<_>>());
            self.facts.route.order.iter().filter(|id| needed.contains(*id)).cloned().collect()
        };
        self.reference.asked.extend(ids.iter().cloned());
        let all = order(&ids);
        let mut tested = all.iter().filter(|id| ids.contains(*id));
        let Some(lowest) = tested.next() else { return Ok(()) };
        let ends = (lowest.as_str(), tested.next_back().unwrap_or(lowest).as_str());
        let prefix = all.iter().take_while(|id| !ids.contains(*id)).cloned().collect();
        let _task = self.ctx.ui.task("Comparing with a database that upgrades have made");
        for how in of_references(self.ctx, self.facts, self.is_clone, ends, prefix)? {
            ids.retain(|id| !self.reference.knows(id));
            if ids.is_empty() {
                break;
            }
            self.ask(&how, &ids, &all)?;
        }
        Ok(())
    }

    /// Makes a reference and walks up on it.
    fn ask(&mut self, how: &How, ids: &HashSet<String>, order: &[String]) -> Result<()> {
        let other = match baseline::reference(self.ctx, self.facts, how) {
            Ok(Ok(other)) => other,
            Ok(Err(dead_end)) => {
                self.reference.why_not = Some(format!("{} ({})", dead_end.words, dead_end.when));
                self.reference.notes.push(format!(
                    "a database to compare with could not be made on {}, and nothing has changed since: {}; to try it \
                     again: --no-cache",
                    dead_end.when, dead_end.words
                ));
                return Ok(());
            }
            Err(error) => return self.goes_without(&error),
        };
        let walked = self.on_reference(other, place(how), |walk| {
            walk.wanted.clone_from(ids);
            match walk.go_up(order)? {
                Some(failure) if !ids.iter().any(|id| walk.reference.knows(id)) => walk.remember(how, &failure),
                _ => Ok(()),
            }
        })?;
        walked.or_else(|error| self.goes_without(&error))
    }

    /// Does something on another database, with an empty list of wanted revisions, and comes back.
    pub(super) fn on_reference<T>(
        &mut self,
        other: Baseline,
        place: Place,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Result<T>> {
        let is_seeded = other.is_seeded;
        let parked = self.sandbox.turn_to(other)?;
        let seeds = std::mem::replace(&mut self.seeds, seed::read(self.ctx, self.facts)?);
        let wanted = std::mem::take(&mut self.wanted);
        let was_seeded = std::mem::replace(&mut self.is_seeded, is_seeded);
        self.reference.walked = Some(place);
        let done = work(self);
        self.reference.walked = None;
        (self.seeds, self.wanted, self.is_seeded) = (seeds, wanted, was_seeded);
        self.sandbox.come_back(parked).map(|()| done)
    }

    /// A way to a reference that fails would fail the next time, too, unless something is changed.
    fn remember(&mut self, how: &How, failure: &Fail) -> Result<()> {
        if result::is_passing(failure) {
            return Ok(());
        }
        let revision = failure.revision.as_deref().unwrap_or("a revision");
        let why = format!("on {} {revision}, below it, does not go up ({})", place(how).words, failure.summary);
        self.sandbox.cache().leads_nowhere(self.ctx, &why).or_else(|error| {
            self.ctx.ui.verbose(format!("It is not remembered: {error:#}"));
            Ok(())
        })
    }

    /// The revisions of which the ledger knows the schema below them: from the newest down to the first that it does
    /// not know, or to the last wanted one.
    fn recorded(&mut self, held: &[String], ids: &HashSet<String>) -> Result<HashSet<String>> {
        let mut known = HashSet::new();
        let mut schema = self.sandbox.point()?.schema;
        for id in held.iter().rev() {
            if ids.is_subset(&known) {
                break;
            }
            let Some(below) = self.sandbox.recorded(id, &schema)? else { break };
            known.insert(id.clone());
            schema = below;
        }
        Ok(known)
    }

    /// Returns why the revisions below the tested ones could not be applied.
    fn go_up(&mut self, order: &[String]) -> Result<Option<Fail>> {
        let has = applied_set(&self.facts.graph, &self.sandbox.held()?);
        let lacking: Vec<String> = order.iter().filter(|id| !has.contains(*id)).cloned().collect();
        if lacking.len() < order.len() {
            self.seed_first()?;
        }
        self.upward(&lacking)
    }

    /// Without a reference the other revisions are tested all the same.
    fn goes_without(&mut self, error: &anyhow::Error) -> Result<()> {
        interrupt::check()?;
        let Fail { summary, details, .. } = from_anyhow(error);
        self.ctx.ui.verbose(format!("There is no database to compare with: {summary} ({details})"));
        self.reference.why_not = Some(format!("no database to compare with could be made ({summary})"));
        Ok(())
    }
}

/// Two commands; the first one needs a database that only a person can name.
fn to_prove(component: &str, id: &str) -> Action {
    let dump = format!("below-{}.dump", files::plain(id));
    let why =
        format!("take a dump of a database that stands below it (pg_dump -Fc -f {dump} DATABASE) and begin with that");
    Action::run(why, own("db-roundtrip").of(component).flag("--from", id).flag("--baseline", dump))
}

pub(super) fn place(how: &How) -> Place {
    let (proof, words) = match how {
        How::Empty(_) => (Proof::FromEmpty, "a database made from empty".to_owned()),
        How::Dump(_) => (Proof::Dump, format!("a database {}", how::words(how))),
        How::Past { .. } | How::Command { .. } => (Proof::Climbed, format!("a database {}", how::words(how))),
    };
    Place { proof, words }
}
