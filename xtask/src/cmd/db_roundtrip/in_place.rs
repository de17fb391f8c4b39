//! `--in-place`: makes the round trip on the component's own database, as one would by hand (backup, upgrade,
//! downgrade, upgrade), and compares as every round trip does. The backup is the only way back, so the first failure
//! ends it. `work/migrate.rs` runs the revisions, as for db-migrate.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use anyhow::Result;

use super::facts::Facts;
use super::findings::Findings;
use super::resume::Log;
use super::sandbox::{Failure, Mode, Sandbox};
use super::trial::{Passed, Stuck};
use super::walk::verdict::{Above, decide, for_those_below};
use super::walk::{Shared, consult};
use super::{baseline, explain, result};
use crate::ctx::{Ctx, version_table};
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::DbRoundtrip;
use crate::model::action::own;
use crate::model::roundtrip::{Leg, Point, Trip, Verdict, judge};
use crate::model::route::applied_set;
use crate::model::target::Direction;
use crate::report::roundtrip::RevisionResult;
use crate::sys::interrupt;
use crate::sys::pg::{Db, Look, Seen, catalog};
use crate::work::at_stake::{self, AtStake};
use crate::work::bystander::Bystanders;
use crate::work::last_change::{self, Walked, What};
use crate::work::migrate::{BrokenOff, Limits, Walk, Walker};
use crate::work::own_database::{OwnDatabase, Refusal};
use crate::work::{advice, ledger, put_back, take_back};

const COMMAND: &str = "db-roundtrip";
const ON_A_COPY: &str = "Leave --in-place out: the round trip then runs on a copy";

/// A round trip on the component's own database, under way.
struct InPlace<'r> {
    ctx: &'r Ctx,
    facts: &'r Facts<'r>,
    own: OwnDatabase<'r>,
    walker: Walker<'r>,
    /// What earlier readings of the rows have found.
    look: Look,
    /// What became of rows that the way down took away.
    notes: Vec<String>,
    /// Those that the database ran as another text: what is said of each.
    edited: HashMap<String, String>,
}

/// Checks, asks, backs up, walks, and leaves the database at the head.
///
/// # Errors
/// Refusals (exit 3) before anything was changed; a failure (exit 1) when the database could not be brought back to the
/// head, with the backup named.
pub fn run(ctx: &Ctx, facts: &Facts, flags: &DbRoundtrip) -> Result<Findings> {
    let mut own = claim(ctx, facts).map_err(refuse)?;
    bring_back(ctx, facts, &mut own)?;
    let limits = Limits { lock: None, step: flags.step_timeout };
    let mut walker = Walker::start(ctx, &mut own, limits).map_err(refuse)?;
    let backup = own.backup(ctx, &ON_A_COPY.into()).map_err(refuse)?;
    walker.ready().map_err(refuse)?;
    let others = Bystanders::look(ctx, &facts.config, facts.database.embedded, COMMAND).beside(&facts.database.url);
    let began = own.db().now()?;
    let options = catalog::Options { version_tables: vec![version_table(facts.component).name] };
    let edited = ran_another_text(ctx, facts, &mut own)?;
    let mut run = InPlace { ctx, facts, own, walker, look: Look::new(options), notes: Vec::new(), edited };
    let results = run.journalled(&backup).map_err(|error| where_it_stands(facts, &error, &backup))?;
    let server = run.own.db().server_version().text.clone();
    run.notes.extend(meanwhile(run.own.db(), began)?);
    run.walker.end();
    let words = format!("{} itself (backup: {})", facts.database.place(), backup.display());
    let (results, more) = compared(ctx, facts, flags, results, &run.edited)?;
    let notes = run.notes.into_iter().chain(more).collect();
    let origin = format!("{} itself", facts.database.place());
    let found = Findings { baseline: words, origin, cache: None, server, notes, results, kept: None, log: None };
    Ok(found.beside(&others.touched()))
}

/// The sessions of others that have come since the database was claimed: what they write is compared as if a script had
/// written it.
fn meanwhile(db: &mut Db, began: SystemTime) -> Result<Option<String>> {
    let (_, others) = db.busy(Some(began))?;
    let others: Vec<String> = others.into_iter().map(|busy| busy.words).collect();
    Ok((!others.is_empty()).then(|| {
        format!("somebody else was at work in it meanwhile ({}): what differs may be theirs", others.join("; "))
    }))
}

/// Compares the unproven revisions with references. Returns the results, and notes on the references.
fn compared(
    ctx: &Ctx,
    facts: &Facts,
    flags: &DbRoundtrip,
    results: Vec<RevisionResult>,
    edited: &HashMap<String, String>,
) -> Result<(Vec<RevisionResult>, Vec<String>)> {
    let is_edited = |result: &RevisionResult| edited.contains_key(&result.revision.id);
    let is_open = |result: &&RevisionResult| {
        result.verdict == Verdict::Unproven || is_edited(result) && result.verdict != Verdict::Irreversible
    };
    let ids: HashSet<String> = results.iter().filter(is_open).map(|result| result.revision.id.clone()).collect();
    if ids.is_empty() {
        return Ok((results, Vec::new()));
    }
    let mut sandbox = Sandbox::new(ctx, facts, flags.step_timeout, baseline::nothing(ctx, facts)?)?;
    let (log, progress) = (Log::none(), Mutex::new(ctx.ui.steps("", 0)));
    let shared = Shared { ctx, facts, flags, log: &log, progress: &progress };
    let reference = consult(shared, &mut sandbox, true, ids)?;
    sandbox.end(false)?;
    let weigh = |mut result: RevisionResult| {
        if !is_open(&&result) {
            return result;
        }
        if let Some(why) = edited.get(&result.revision.id).filter(|_| reference.knows(&result.revision.id)) {
            result = RevisionResult::skipped(&facts.graph, &result.revision.id, why.clone());
        }
        reference.weigh(&facts.component.name, result, &Above::Proven)
    };
    Ok((results.into_iter().map(weigh).collect(), reference.notes.clone()))
}

/// The revisions that the database ran as another text, as it is before anything runs: what it holds says nothing of the
/// text of today.
fn ran_another_text(ctx: &Ctx, facts: &Facts, own: &mut OwnDatabase<'_>) -> Result<HashMap<String, String>> {
    let held = own.applied()?;
    let texts = own.db().last_texts(&version_table(facts.component))?;
    let edited = ledger::edited(ctx, &facts.graph, own.db(), texts, &held);
    Ok(edited.into_iter().map(|it| (it.revision.clone(), it.why())).collect())
}

/// Finishes an earlier round trip that was killed: its revisions and rows are put back first.
fn bring_back(ctx: &Ctx, facts: &Facts, own: &mut OwnDatabase<'_>) -> Result<()> {
    let Some(journal) = take_back::cut_off(ctx).map_err(refuse)? else { return Ok(()) };
    let (component, change) = take_back::cut_off_change(&journal).map_err(refuse)?;
    let is_it = component == facts.component.name && change.place == own.place();
    let plan = if is_it { take_back::plan(ctx, own, &facts.graph, &change).map_err(refuse)? } else { None };
    let Some(plan) = plan else { return Err(journal.unfinished().into()) };
    ctx.ui.status("An earlier round trip in place did not end: what it took away comes back first");
    let done = take_back::begin(ctx, own, &plan, Some(journal))?;
    for line in done.report.iter().flat_map(put_back::Report::lines) {
        ctx.ui.status(line);
    }
    Ok(())
}

fn where_it_stands(facts: &Facts, error: &anyhow::Error, backup: &Path) -> anyhow::Error {
    from_anyhow(error)
        .details(format!("The database stands where this happened; the backup taken before: {}", backup.display()))
        .run("See where it stands", own("db-status").of(&facts.component.name))
        .run("Take it back to where it was, with its rows", own("db-undo").of(&facts.component.name))
        .into()
}

/// Claims the database: it has to be on this machine, nobody else may be connected, every revision has to be known and
/// must have run, and the user has to agree.
fn claim<'a>(ctx: &Ctx, facts: &Facts<'a>) -> Result<OwnDatabase<'a>> {
    let mut own = OwnDatabase::connect_to(facts.component, facts.config.clone(), facts.database.clone(), COMMAND)?;
    let elsewhere = Refusal {
        why: "A round trip takes revisions down and up again, and there is no way back but the backup",
        instead: vec![ON_A_COPY.into()],
    };
    let others =
        Refusal { why: "A downgrade takes tables and columns away under them", instead: vec![ON_A_COPY.into()] };
    own.claim(ctx, elsewhere, None, others)?;
    let held = own.applied()?;
    let unknown: Vec<String> = facts.graph.unknown(&held).into_iter().map(str::to_owned).collect();
    if !unknown.is_empty() {
        return Err(advice::unknown_in_database(&unknown, facts.component).into());
    }
    check_nothing_skipped(ctx, facts, &mut own, &held)?;
    agreed(ctx, facts, &mut own)?;
    Ok(own)
}

/// Refuses to test a skipped revision: it has nothing to downgrade, and the upgrade would run it for the first time.
fn check_nothing_skipped(ctx: &Ctx, facts: &Facts, own: &mut OwnDatabase<'_>, held: &[String]) -> Result<()> {
    let skipped = own.skipped(ctx, &facts.graph, held);
    let never = skipped.ids();
    if !way_down(facts).any(|id| never.contains(id)) {
        return Ok(());
    }
    let fail =
        Fail::new(Kind::WrongDatabase, "The database has skipped migrations, and the way down leads through them")
            .details(format!("{} counts as having run these, and never did:", own.place()))
            .details(skipped.lines(&facts.graph).join("\n"));
    let commands = skipped.commands(&facts.component.name);
    Err(commands
        .into_iter()
        .fold(fail, Fail::action)
        .action(format!("Or: {ON_A_COPY}"))
        .related(self::own("db-status"))
        .into())
}

/// The revisions that are downgraded, the highest first.
fn way_down<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = &'f String> {
    let lowest = facts.route.order.iter().position(|id| facts.route.tests(id)).unwrap_or(0);
    facts.route.order[lowest..].iter().rev()
}

/// Asks, and lists the rows that the way down takes away. They are put back at the end, unless a revision fails to go
/// up again.
fn agreed(ctx: &Ctx, facts: &Facts, own: &mut OwnDatabase<'_>) -> Result<()> {
    if ctx.common.yes {
        return Ok(());
    }
    let ids: Vec<String> = way_down(facts).cloned().collect();
    let all = at_stake::find(ctx, &facts.graph, own.db(), Direction::Down, &ids)?;
    let goes: Vec<String> = all.iter().filter(|it| it.is_loss()).map(AtStake::line).collect();
    let place = own.place();
    let mut question = format!("Take revisions down and up again on {place} itself?");
    if !goes.is_empty() {
        let goes = goes.join("\n");
        question = format!("{goes}\nThey are put back from the backup when it is up again.\n{question}");
    }
    if ctx.ui.confirm(&question) == Some(true) {
        return Ok(());
    }
    // The command line is right; the user does not agree.
    let kind = if goes.is_empty() { Kind::Usage } else { Kind::RowsAtStake };
    let fail = Fail::new(kind, "A round trip on your own database has to be confirmed").details(question);
    let fail = fail.action("If it is meant: repeat the command with --yes").action(ON_A_COPY);
    Err(Fail { exit: Exit::Refused, ..fail.related(self::own("db-status")) }.into())
}

impl InPlace<'_> {
    /// Runs under a journal: if it is killed between down and up, the next command says so. Rows that the way down took
    /// away are put back.
    fn journalled(&mut self, backup: &Path) -> Result<Vec<RevisionResult>> {
        self.apply_pending()?;
        let start = self.own.applied()?;
        let ids: Vec<String> = way_down(self.facts).cloned().collect();
        let walked = Walked { direction: Direction::Down, start, ids, backup: Some(backup.to_owned()) };
        let command = format!("{COMMAND} --in-place");
        let again = own(COMMAND).word("--in-place").flag("--component", &self.facts.component.name);
        let journal = take_back::open_cut_off(self.ctx, &self.own, again, walked)?;
        let results = self.walk()?;
        // Only the tables and columns that came back empty are filled: no script is named as one that was walked, so
        // that what scripts did to other rows stays.
        let report = self.own.put_back(self.ctx, backup, None, &[])?;
        self.notes.extend(report.done.iter().map(|line| format!("out of the backup: {line}")));
        self.notes.extend(report.left);
        let what = What::Nothing(
            format!("{command} left the database at the revision where it was; its backup: {}", backup.display()),
            Vec::new(),
        );
        last_change::done(self.ctx, &mut self.own, &command, what);
        journal.finish()?;
        self.own.forget_that_it_was_put_back();
        Ok(results)
    }

    /// Tests each wanted revision from the top, then upgrades to the heads again.
    fn walk(&mut self) -> Result<Vec<RevisionResult>> {
        let facts = self.facts;
        let mut progress = self.ctx.ui.steps("Round trip", facts.route.tested.len());
        let mut outcomes: Vec<RevisionResult> = Vec::new();
        let mut over: Option<String> = None;
        let mut above = Above::Proven;
        for id in way_down(facts) {
            interrupt::check()?;
            let wanted = facts.route.tests(id);
            if let Some(reason) = &over {
                outcomes.extend(wanted.then(|| RevisionResult::skipped(&facts.graph, id, reason.clone())));
                continue;
            }
            if wanted {
                progress.next(id);
                let edited = self.edited.get(id).map_or(Above::Proven, |why| Above::Broken(vec![why.clone()]));
                let outcome = decide(self.one(id)?, None, &above.clone().and(&edited));
                let bears = for_those_below(&outcome).unwrap_or(Above::Proven);
                above = above.and(&bears).and(&edited);
                if outcome.verdict.is_finding() || outcome.verdict == Verdict::Irreversible {
                    over = Some(format!("{id}, above it, is not reversible, and this database is no copy"));
                }
                outcomes.push(outcome);
            }
            let more = outcomes.len() < facts.route.tested.len();
            if over.is_none()
                && more
                && let Err(broken) = self.go(Direction::Down, id)?
            {
                over = Some(format!("{id}, above it, cannot be taken down ({})", broken.summary));
            }
        }
        self.apply_pending()?;
        Ok(outcomes)
    }

    /// Downgrades and upgrades, and reads the database before, between and after.
    fn one(&mut self, id: &str) -> Result<RevisionResult> {
        let graph = &self.facts.graph;
        let said = explain::said(self.ctx, self.facts, id);
        if let Some(reason) = said.irreversible {
            return Ok(RevisionResult {
                reason: Some(reason),
                ..RevisionResult::new(graph, id, Verdict::Irreversible)
            });
        }
        let upper = self.point()?;
        let table = version_table(self.facts.component);
        let recorded = ledger::recorded_below(self.own.db(), &table, id, &upper.schema);
        let down = match self.attempt(Direction::Down, id)? {
            Ok(seconds) => seconds,
            Err(failure) => {
                let stuck = Stuck { upper: Some(upper), ..Stuck::new(Leg::Downgrade, failure, Mode::Own) };
                return Ok(result::of(self.ctx, self.facts, id, Ok(stuck)));
            }
        };
        let lower = self.point()?;
        let up = match self.attempt(Direction::Up, id)? {
            Ok(seconds) => seconds,
            Err(failure) => {
                let stuck = Stuck::new(Leg::ReUpgrade, failure, Mode::Own);
                let stuck = Stuck { upper: Some(upper), lower: Some(lower), down: Some(down), ..stuck };
                return Ok(result::of(self.ctx, self.facts, id, Ok(stuck)));
            }
        };
        let again = self.point()?;
        let recorded = recorded.as_ref();
        let trip = Trip { upper: &upper, lower_true: None, recorded, lower: &lower, again: &again, once_more: None };
        let judgement = judge(&trip);
        let restored = again.schema == upper.schema && again.rows == upper.rows;
        let passed = Passed { judgement, lower, again, down, up, mode: Mode::Own, notes: Vec::new(), restored };
        Ok(result::of(self.ctx, self.facts, id, Err(passed)))
    }

    /// Runs one revision. The outer error is no defect of the revision.
    fn attempt(&mut self, direction: Direction, id: &str) -> Result<Result<f64, Box<Failure>>> {
        let walk = Walk::new(direction, &[id.to_owned()], self.own.applied()?);
        match self.walker.go(&mut self.own, &self.facts.graph, &walk) {
            Ok(walked) => Ok(Ok(walked.seconds)),
            Err(broken) => match *broken {
                BrokenOff { fail, trouble: Some(trouble), .. } if fail.kind != Kind::WrongDatabase => {
                    Ok(Err(Box::new(Failure { fail, trouble: *trouble, blockers: Vec::new(), opened_by: None })))
                }
                BrokenOff { fail, .. } => Err(fail.into()),
            },
        }
    }

    fn go(&mut self, direction: Direction, id: &str) -> Result<Result<(), Fail>> {
        Ok(self.attempt(direction, id)?.map(|_| ()).map_err(|failure| failure.fail))
    }

    /// Applies what the database lacks, as db-migrate would.
    fn apply_pending(&mut self) -> Result<()> {
        let before = self.own.applied()?;
        let held = applied_set(&self.facts.graph, &before);
        let (_, lacking) = self.facts.route.split(&held);
        if !lacking.is_empty() {
            let walk = Walk::new(Direction::Up, &lacking, before);
            self.walker.go(&mut self.own, &self.facts.graph, &walk)?;
        }
        Ok(())
    }

    /// Reads the schema and the rows.
    fn point(&mut self) -> Result<Point> {
        let Seen { schema, rows, sequences, shared } = self.look.all(self.own.db(), false)?;
        Ok(Point { schema, rows, sequences, shared, dumped: None })
    }
}
