//! Shares the revisions out: one walk for all of them or, with `--jobs`, several walks for neighbouring stretches, each
//! with a database and a Python process of its own. Their verdicts are joined here, each revision once.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use anyhow::Result;

use super::baseline::cache;
use super::baseline::{self, Baseline};
use super::facts::{Facts, cannot_prepare};
use super::findings::Findings;
use super::resume::{Log, Start};
use super::walk::{self, Shared, Together, Walked};
use crate::ctx::{Ctx, version_table};
use crate::fail::from_anyhow;
use crate::flags::DbRoundtrip;
use crate::model::route::{applied_set, shares};
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::pg::{Kept, application_name};

/// Makes the databases, runs the walks, and removes the databases.
pub fn run(ctx: &Ctx, facts: &Facts<'_>, flags: &DbRoundtrip) -> Result<Findings> {
    let mut baseline = baseline::make(ctx, facts).map_err(|error| cannot_prepare(&error, "clone or empty database"))?;
    let (words, origin) = (baseline.words.clone(), baseline.origin.everywhere.clone());
    let lacks = baseline.scratch.lacks().map(str::to_owned);
    let (server, held) = look(facts, &mut baseline)?;
    let start = Start { server: &server, baseline: &baseline.origin.here, held: &held };
    let (log, taken) = Log::open(ctx, facts, flags, &start)?;
    let taken = by_id(taken);
    let rest = |id: &&String| facts.route.tests(id) && !taken.contains_key(*id);
    let mut wanted: Vec<String> = facts.route.order.iter().filter(rest).cloned().collect();
    if wanted.iter().any(|id| held.contains(id)) {
        // Revisions that the database holds are reached from above.
        wanted.reverse();
    }
    let walked = all(ctx, facts, flags, &log, baseline, &wanted);
    let Joined { mut results, kept, cache, mut notes } = match walked.and_then(|walked| joined(walked, taken, &words)) {
        Ok(joined) => joined,
        Err(error) => return Err(log.broke_off(from_anyhow(&error)).into()),
    };
    notes.extend(lacks);
    // The newest first, each revision once.
    let results = facts.route.order.iter().rev().filter_map(|id| results.remove(id)).collect();
    cache::trim(ctx, facts)?;
    Ok(Findings { baseline: words, origin, cache, server, notes, results, kept, log: Some(log) })
}

/// The server's version, and the revisions that the database holds.
fn look(facts: &Facts<'_>, baseline: &mut Baseline) -> Result<(String, HashSet<String>)> {
    let mut db = baseline.scratch.session(&application_name("db-roundtrip"))?;
    let held = db.applied(&version_table(facts.component))?.revisions;
    let found = (db.server_version().text.clone(), applied_set(&facts.graph, &held));
    baseline.scratch.leave(db);
    Ok(found)
}

/// Runs a walk for each share. One that fails does not stop the others.
fn all(
    ctx: &Ctx,
    facts: &Facts<'_>,
    flags: &DbRoundtrip,
    log: &Log,
    mut baseline: Baseline,
    wanted: &[String],
) -> Result<Vec<Walked>> {
    if wanted.is_empty() {
        baseline.scratch.remove()?;
        return Ok(Vec::new());
    }
    let mut shares = shares(wanted, flags.jobs.max(1)).into_iter();
    let own = shares.next().unwrap_or_default();
    let others: Vec<(Baseline, HashSet<String>)> =
        shares.map(|share| Ok((baseline::again(ctx, facts, &mut baseline)?, share))).collect::<Result<_>>()?;
    let progress = Mutex::new(ctx.ui.steps("Round trip", wanted.len()));
    let shared = Shared { ctx, facts, flags, log, progress: &progress };
    std::thread::scope(|scope| {
        let others: Vec<_> =
            others.into_iter().map(|(baseline, share)| scope.spawn(|| walk::run(shared, baseline, share))).collect();
        let mut walked = vec![walk::run(shared, baseline, own)];
        for other in others {
            walked.push(other.join().map_err(|_| anyhow::anyhow!("a walker panicked")).and_then(|walked| walked));
        }
        walked.into_iter().collect()
    })
}

/// What all walks together have found.
struct Joined {
    results: HashMap<String, RevisionResult>,
    kept: Option<Kept>,
    cache: Option<CacheUse>,
    notes: Vec<String>,
}

impl Joined {
    /// Adds the trial of all pending revisions together: a revision that passes alone and fails together does not pass.
    /// For a revision that was not tested it is only a note.
    fn add_together(&mut self, together: Option<Together>) {
        let Some(Together { result }) = together else { return };
        match self.results.get_mut(&result.revision.id) {
            Some(alone) if !alone.verdict.is_finding() => *alone = result,
            Some(alone) => alone.notes.extend(result.notes),
            None => {
                let summary = result.error.map(|fail| format!(" ({})", fail.summary)).unwrap_or_default();
                self.notes.push(format!("{} {}{summary}", result.revision.id, result.notes.join("; ")));
            }
        }
    }
}

fn by_id(results: Vec<RevisionResult>) -> HashMap<String, RevisionResult> {
    results.into_iter().map(|result| (result.revision.id.clone(), result)).collect()
}

/// Joins the walks. Where nothing could be tested, since the database could not be brought to where a test begins, that
/// is an error and no finding about a revision.
fn joined(walked: Vec<Walked>, taken: HashMap<String, RevisionResult>, words: &str) -> Result<Joined> {
    let mut joined = Joined { results: taken, kept: None, cache: None, notes: Vec::new() };
    let (mut obstacle, mut together) = (None, None);
    for (at, one) in walked.into_iter().enumerate() {
        joined.results.extend(by_id(one.results));
        together = together.or(one.together);
        joined.notes.extend(one.notes);
        joined.kept = joined.kept.or(one.kept);
        obstacle = obstacle.or(one.obstacle);
        if at == 0 {
            // The others work on copies.
            joined.cache = one.cache;
        }
    }
    joined.notes.sort();
    joined.notes.dedup();
    joined.add_together(together);
    match obstacle {
        Some(fail) if !joined.results.values().any(|result| result.verdict.is_tested()) => {
            Err(cannot_prepare(&fail.into(), words))
        }
        _ => Ok(joined),
    }
}
