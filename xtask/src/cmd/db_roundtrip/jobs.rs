//! Who walks: one walker over all that is wanted or, with `--jobs`, several over neighbouring parts of it, each on a
//! database and with a Python process of its own. The verdicts come together here, each revision once.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use anyhow::Result;

use super::baseline::cache;
use super::baseline::{self, Baseline};
use super::facts::{Facts, cannot_prepare};
use super::findings::Findings;
use super::resume::{Log, Start};
use super::walk::{Shared, Walk, Walked};
use crate::ctx::{Ctx, version_table};
use crate::fail::from_anyhow;
use crate::flags::DbRoundtrip;
use crate::model::route::{applied_set, shares};
use crate::report::roundtrip::{CacheUse, RevisionResult};
use crate::sys::pg::{Db, Kept, application_name};

/// Makes the databases, walks them, and puts everything away.
pub fn run(ctx: &Ctx, facts: &Facts<'_>, flags: &DbRoundtrip) -> Result<Findings> {
    let baseline = baseline::make(ctx, facts).map_err(|error| cannot_prepare(&error, "clone or empty database"))?;
    let words = baseline.words.clone();
    let (server, held) = look(facts, &baseline)?;
    let start = Start { server: &server, baseline: &baseline.origin, held: &held };
    let (log, taken) = Log::open(ctx, facts, flags, &start)?;
    let taken: HashMap<String, RevisionResult> =
        taken.into_iter().map(|told| (told.revision.id.clone(), told)).collect();
    let rest = |id: &&String| facts.route.tests(id) && !taken.contains_key(*id);
    let mut wanted: Vec<String> = facts.route.order.iter().filter(rest).cloned().collect();
    if wanted.iter().any(|id| held.contains(id)) {
        // What is held is reached from above.
        wanted.reverse();
    }
    let walked = all(ctx, facts, flags, &log, baseline, &wanted);
    let Joined { mut told, kept, cache } = match walked.and_then(|walked| joined(walked, taken, &words)) {
        Ok(joined) => joined,
        Err(error) => return Err(log.broke_off(from_anyhow(&error)).into()),
    };
    // Newest first, each of them once.
    let results = facts.route.order.iter().rev().filter_map(|id| told.remove(id)).collect();
    cache::trim(ctx, facts)?;
    Ok(Findings { baseline: words, cache, server, notes: Vec::new(), results, kept, log: Some(log) })
}

/// The server's version, and the revisions that the database holds.
fn look(facts: &Facts<'_>, baseline: &Baseline) -> Result<(String, HashSet<String>)> {
    let mut db = Db::connect(baseline.scratch.url(), &application_name("db-roundtrip"))?;
    let held = db.applied(&version_table(facts.component))?.revisions;
    Ok((db.server_version().text.clone(), applied_set(&facts.graph, &held)))
}

/// Lets everybody walk their share. A walker that fails does not stop the others.
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
            others.into_iter().map(|(baseline, share)| scope.spawn(|| Walk::run(shared, baseline, share))).collect();
        let mut walked = vec![Walk::run(shared, baseline, own)];
        for other in others {
            walked.push(other.join().map_err(|_| anyhow::anyhow!("a walker panicked")).and_then(|walked| walked));
        }
        walked.into_iter().collect()
    })
}

/// What all walkers together have come back with.
struct Joined {
    told: HashMap<String, RevisionResult>,
    kept: Option<Kept>,
    cache: Option<CacheUse>,
}

/// One report of all. Where nothing could be tested at all, since the database could not be brought to where a test
/// begins, that is no finding about a revision.
fn joined(walked: Vec<Walked>, taken: HashMap<String, RevisionResult>, words: &str) -> Result<Joined> {
    let mut joined = Joined { told: taken, kept: None, cache: None };
    let mut obstacle = None;
    for (at, one) in walked.into_iter().enumerate() {
        joined.told.extend(one.told.into_iter().map(|told| (told.revision.id.clone(), told)));
        joined.kept = joined.kept.or(one.kept);
        obstacle = obstacle.or(one.obstacle);
        if at == 0 {
            // The others work on copies.
            joined.cache = one.cache;
        }
    }
    match obstacle {
        Some(fail) if !joined.told.values().any(|told| told.verdict.is_tested()) => {
            Err(cannot_prepare(&fail.into(), words))
        }
        _ => Ok(joined),
    }
}
