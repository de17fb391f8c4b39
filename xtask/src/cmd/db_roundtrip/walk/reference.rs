//! The reference for what the database holds already: another database, on which the same revisions are tested on the way
//! up, so that the state below each is one that its downgrade has not made. It is made from the project's dump or from
//! empty. Where it cannot be made, or does not get there, nobody is accused for that: what the database holds, it can
//! run.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::Walk;
use crate::cmd::db_roundtrip::baseline::{self, seed};
use crate::cmd::db_roundtrip::explain;
use crate::fail::{Fail, from_anyhow};
use crate::model::roundtrip::Proof;
use crate::model::route::applied_set;
use crate::report::roundtrip::RevisionResult;
use crate::sys::interrupt;

/// What the reference has shown.
#[derive(Default)]
pub(super) struct Reference {
    results: HashMap<String, RevisionResult>,
    /// Why there is none, or why it ends below the revision.
    pub why_not: Option<String>,
    /// How it was made, while the walk is on it.
    walked: Option<Proof>,
}

impl Reference {
    /// Whether the walk is on the reference now.
    pub fn is_walked(&self) -> bool {
        self.walked.is_some()
    }

    pub fn of(&self, id: &str) -> Option<&RevisionResult> {
        self.results.get(id)
    }

    /// What was found on the way up there.
    pub fn add(&mut self, mut result: RevisionResult) {
        if result.proof.is_some() {
            result.proof = self.walked;
        }
        self.results.insert(result.revision.id.clone(), result);
    }
}

impl Walk<'_> {
    /// Tests on the reference what is wanted of the revisions that the database holds.
    pub(super) fn refer(&mut self, held: &[String]) -> Result<()> {
        let declares = |id: &String| explain::said(self.ctx, self.facts, id).irreversible.is_some();
        let ids = held.iter().filter(|id| self.wanted.contains(*id) && !declares(id));
        let ids: HashSet<String> = ids.cloned().collect();
        let recorded = if ids.is_empty() { HashSet::new() } else { self.recorded(held)? };
        let ids: HashSet<String> = ids.difference(&recorded).cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let needed = applied_set(&self.facts.graph, &ids.iter().cloned().collect::<Vec<_>>());
        let order: Vec<String> = self.facts.route.order.iter().filter(|id| needed.contains(*id)).cloned().collect();
        let prefix = order.iter().take_while(|id| !ids.contains(*id)).cloned().collect();
        let other = match baseline::reference(self.ctx, self.facts, self.is_clone, prefix) {
            Ok(Some(other)) => other,
            Ok(None) => {
                self.reference.why_not = Some("a command makes this project's databases at once".to_owned());
                return Ok(());
            }
            Err(error) => return self.goes_without(&error),
        };
        let task = self.ctx.ui.task("Comparing with a database that upgrades have made");
        let (proof, is_seeded) = (if other.from_empty { Proof::FromEmpty } else { Proof::Dump }, other.is_seeded);
        let parked = self.sandbox.turn_to(other)?;
        let seeds = std::mem::replace(&mut self.seeds, seed::read(self.ctx, self.facts)?);
        let wanted = std::mem::replace(&mut self.wanted, ids);
        let was_seeded = std::mem::replace(&mut self.is_seeded, is_seeded);
        self.reference.walked = Some(proof);
        let walked = self.go_up(&order);
        self.reference.walked = None;
        (self.seeds, self.wanted, self.is_seeded) = (seeds, wanted, was_seeded);
        drop(task);
        if let Err(error) = walked {
            self.goes_without(&error)?;
        }
        self.sandbox.come_back(parked)
    }

    /// The revisions below which the ledger knows what stood, from the newest down to the first that it does not know.
    fn recorded(&mut self, held: &[String]) -> Result<HashSet<String>> {
        let mut known = HashSet::new();
        let mut schema = self.sandbox.point()?.schema;
        for id in held.iter().rev() {
            let Some(below) = self.sandbox.recorded(id, &schema)? else { break };
            known.insert(id.clone());
            schema = below;
        }
        Ok(known)
    }

    fn go_up(&mut self, order: &[String]) -> Result<()> {
        let has = applied_set(&self.facts.graph, &self.sandbox.held()?);
        let lacking: Vec<String> = order.iter().filter(|id| !has.contains(*id)).cloned().collect();
        if lacking.len() < order.len() {
            self.seed_first()?;
        }
        self.upward(&lacking)
    }

    /// Without a reference the rest is tested all the same.
    fn goes_without(&mut self, error: &anyhow::Error) -> Result<()> {
        interrupt::check()?;
        let Fail { summary, details, .. } = from_anyhow(error);
        self.ctx.ui.verbose(format!("There is no database to compare with: {summary} ({details})"));
        self.reference.why_not = Some(format!("no database to compare with could be made ({summary})"));
        Ok(())
    }
}
