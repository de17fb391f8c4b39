//! `--resume`: verdicts are written down as they are found, and a later run takes over those whose inputs have not
//! changed.
//!
//! A verdict's key is a digest of everything known that it depends on: the server's version, how the database was made,
//! the project's code and the packages (without the migration scripts), the config, the script of the revision and the
//! scripts below it. On a clone, revisions are tested on the way down, which also depends on the scripts above, so
//! there every script counts.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::baseline::key;
use super::facts::Facts;
use super::result;
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind};
use crate::flags::{DbRoundtrip, Range};
use crate::model::action::{Own, own};
use crate::model::graph::Graph;
use crate::report::roundtrip::RevisionResult;
use crate::sys::alembic;
use crate::sys::files;
use crate::sys::verdicts::{self, Verdicts};

/// Where verdicts are written down.
pub struct Log {
    verdicts: Mutex<Option<Verdicts>>,
    keys: HashMap<String, String>,
    command: Own,
}

/// A database before its first step, as far as verdicts depend on it.
pub struct Start<'s> {
    /// The server's version.
    pub server: &'s str,
    /// How the database was made.
    pub baseline: &'s str,
    /// The revisions that it holds, including those below the heads.
    pub held: &'s HashSet<String>,
}

impl Log {
    /// A log that writes nothing down.
    pub fn none() -> Log {
        Log { verdicts: Mutex::new(None), keys: HashMap::new(), command: own("db-roundtrip") }
    }

    /// Opens the log and, with `--resume`, returns the verdicts that are taken over. A run of one revision, or one that
    /// cannot be repeated, writes nothing down.
    ///
    /// # Errors
    /// A refusal when there is nothing to resume.
    pub fn open(
        ctx: &Ctx,
        facts: &Facts<'_>,
        flags: &DbRoundtrip,
        start: &Start<'_>,
    ) -> Result<(Log, Vec<RevisionResult>)> {
        let command = again(ctx, facts, flags).word("--resume");
        let mut log = Log { command, ..Log::none() };
        // A run whose revisions a flow has chosen is resumed by the flow.
        let is_part = matches!(flags.range, Range::These { .. });
        if (facts.route.tested.len() < 2 || is_part) && !flags.resume {
            return Ok((log, Vec::new()));
        }
        log.keys = keys(ctx, facts, start)?;
        let Some(mut verdicts) = Verdicts::open(&ctx.project()?.root, &facts.component.name, &name(flags))? else {
            if flags.resume {
                return Err(under_way().into());
            }
            return Ok((log, Vec::new()));
        };
        let left = if flags.resume { verdicts.left()?.lines } else { Vec::new() };
        let mut taken: HashMap<String, RevisionResult> = HashMap::new();
        for line in &left {
            let found = RevisionResult::saved(&line["result"]).filter(|it| facts.route.tests(&it.revision.id));
            let key = |it: &RevisionResult| log.keys.get(&it.revision.id).map(String::as_str);
            if let Some(found) = found.filter(|found| line["key"].as_str() == key(found)) {
                taken.insert(found.revision.id.clone(), RevisionResult { taken_over: true, ..found });
            }
        }
        if taken.is_empty() {
            verdicts.begin(&ctx.ui.shown(log.command.clone()))?;
        } else {
            verdicts.go_on(taken.len())?;
        }
        if flags.resume {
            let rest = facts.route.tested.len() - taken.len();
            ctx.ui.status(format!("{} verdicts are taken over, {rest} revisions are left to test", taken.len()));
        }
        *log.verdicts.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(verdicts);
        Ok((log, taken.into_values().collect()))
    }

    /// Writes a verdict down, if another run would find the same.
    pub fn add(&self, ctx: &Ctx, found: &RevisionResult) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = verdicts.as_mut().filter(|_| result::is_lasting(found)) else { return };
        let line =
            serde_json::json!({"key": self.keys.get(&found.revision.id), "result": found.to_json(ctx.ui.around())});
        if let Err(error) = open.add(&line) {
            ctx.ui.warn(format!("An interrupted run could not be gone on with from here: {error:#}"));
            *verdicts = None;
        }
    }

    /// Ends the log: the report has been written.
    pub fn end(self) {
        if let Some(verdicts) = self.verdicts.into_inner().unwrap_or_else(PoisonError::into_inner) {
            verdicts.remove();
        }
    }

    /// Adds to the failure of a run how to resume it.
    pub fn broke_off(self, fail: Fail) -> Fail {
        match self.verdicts.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(verdicts) if verdicts.lines() > 0 => fail
                .details(format!("{} verdicts were found and are kept", verdicts.lines()))
                .run("Go on with the rest", self.command),
            Some(verdicts) => {
                verdicts.remove();
                fail
            }
            None => fail,
        }
    }
}

/// Refuses, before anything is made, a `--resume` of nothing.
///
/// # Errors
/// The refusal.
pub fn check(ctx: &Ctx, facts: &Facts<'_>, flags: &DbRoundtrip) -> Result<()> {
    if !flags.resume {
        return Ok(());
    }
    let root = &ctx.project()?.root;
    let others = verdicts::interrupted(root, &facts.component.name);
    match Verdicts::open(root, &facts.component.name, &name(flags))? {
        None => return Err(under_way().into()),
        Some(verdicts) if verdicts.left()?.lines.is_empty() => verdicts.remove(),
        Some(_) => return Ok(()),
    }
    let fail = Fail {
        exit: Exit::Refused,
        ..Fail::new(Kind::Usage, "There is no interrupted round trip to go on with")
            .details(format!("None of {}, {}, has left a verdict", facts.component.name, facts.chosen))
            .related(own("db-status"))
    };
    let fail = others.iter().fold(fail, |fail, other| fail.action(format!("Go on with another one: {other}")));
    Err(fail.run("Begin it", again(ctx, facts, flags)).into())
}

fn under_way() -> Fail {
    Fail::new(Kind::AlreadyRunning, "The same round trip is under way in another process")
        .refused()
        .details("It holds the file that its verdicts are written to")
        .action("Wait for it, or stop it with Ctrl-C and repeat this command")
        .related(own("db-status"))
}

/// A name for this run among those of the same component.
fn name(flags: &DbRoundtrip) -> String {
    format!("{:?} {:?}", flags.range, flags.partition)
}

/// The command of this run.
fn again(ctx: &Ctx, facts: &Facts<'_>, flags: &DbRoundtrip) -> Own {
    let command = flags.again().of(&facts.component.name);
    if ctx.common.strict { command.word("--strict") } else { command }
}

/// The key of every revision.
fn keys(ctx: &Ctx, facts: &Facts<'_>, start: &Start<'_>) -> Result<HashMap<String, String>> {
    let root = &ctx.project()?.root;
    let digests: HashMap<&str, Vec<u8>> = facts
        .graph
        .scripts()
        .map(|script| (script.id.as_str(), bytes(&root.join(&script.path))))
        .map(|(id, text)| (id, Sha256::digest(text).to_vec()))
        .collect();
    let mut common = Sha256::new();
    let (driver, code) = (alembic::driver_digest(), code(ctx, facts)?);
    let flavour = [env!("CARGO_PKG_VERSION"), driver, start.server, start.baseline, code.as_str()];
    flavour.iter().for_each(|word| common.update(format!("{word}\0")));
    let mut files = vec![facts.config.path.clone()];
    files.extend(facts.component.seed.iter().map(|seed| root.join(&seed.file)));
    files.iter().for_each(|file| common.update(Sha256::digest(bytes(file))));
    let common = common.finalize().to_vec();
    let mut above = Sha256::new();
    let held: BTreeSet<&String> = start.held.iter().collect();
    held.iter().filter_map(|id| digests.get(id.as_str())).for_each(|digest| above.update(digest));
    let above = above.finalize().to_vec();
    let chain = chain(&facts.graph, &facts.route.order, &digests);
    let key = |(id, chain): (String, Vec<u8>)| {
        let mut digest = Sha256::new();
        digest.update(&common);
        if start.held.contains(&id) {
            digest.update(&above);
        }
        digest.update(&chain);
        (id, digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    };
    Ok(chain.into_iter().map(key).collect())
}

/// A digest of the code that scripts may use, without the project's other files. Where it cannot be made, no verdict is
/// ever taken over.
fn code(ctx: &Ctx, facts: &Facts<'_>) -> Result<String> {
    let mut tree = key::without_scripts(ctx, facts)?;
    tree.only_code.insert(ctx.project()?.root.clone());
    Ok(tree.look().map_or_else(|_| format!("{:?}", SystemTime::now()), |files| files.digest()))
}

/// A digest of each revision's script and all below it. `order` has the lower ones first.
fn chain(graph: &Graph, order: &[String], digests: &HashMap<&str, Vec<u8>>) -> HashMap<String, Vec<u8>> {
    let mut chain: HashMap<String, Vec<u8>> = HashMap::new();
    for id in order {
        let mut digest = Sha256::new();
        digest.update(digests.get(id.as_str()).map(Vec::as_slice).unwrap_or_default());
        let below: BTreeSet<&str> = graph.parents(id).into_iter().chain(graph.dependencies(id)).collect();
        below.iter().filter_map(|below| chain.get(*below)).for_each(|below| digest.update(below));
        chain.insert(id.clone(), digest.finalize().to_vec());
    }
    chain
}

/// A script that cannot be read counts as empty: the run itself says what is wrong with it.
fn bytes(path: &Path) -> Vec<u8> {
    files::read(path).unwrap_or_default()
}
