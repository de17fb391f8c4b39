//! What each step does for each component: status, rebase, round trip, migration.

use std::time::Instant;

use anyhow::{Context, Result};

use super::flow::{Done, Flow};
use super::preflight::components;
use super::record::{Migrated, to_abort, to_continue};
use crate::cmd::db_status::Report;
use crate::cmd::{db_migrate, db_rebase, db_roundtrip, db_status};
use crate::ctx::{Ctx, Database, version_table};
use crate::fail::{Exit, Fail, Kind, from_anyhow};
use crate::flags::{DbMigrate, DbRoundtrip, Range, Rebase};
use crate::model::action::{Action, own};
use crate::model::graph::Graph;
use crate::model::roundtrip::Verdict;
use crate::model::status::{Standing, State};
use crate::model::target::{self, Direction, Target};
use crate::report::roundtrip::{Report as RoundTrip, RevisionResult};
use crate::report::steps::{ComponentReport, Outcome};
use crate::sys::pg::{Db, application_name};
use crate::sys::project::Component;
use crate::work::standing::is_not_set_up;
use crate::work::{advice, driver};

const NO_DB: &str = "--no-db";
const NOT_SET_UP: &str = "it is not set up here";
const INSTEAD_OF_BACKUP: &str = "Or take it all back, then merge with the databases left alone (--no-db)";

impl Flow<'_> {
    /// Does a step for each component, in their order, and sums up.
    fn each(&mut self, work: impl Fn(&mut Self, &Ctx, &Component) -> Result<Done>) -> Result<Done> {
        let ctx = self.ctx.for_step(self.ctx.ui.clone(), None);
        let named = self.record.component.clone();
        for component in components(&ctx, named.as_deref())? {
            let began = Instant::now();
            // The answers of the commands are not printed: the report at the end says what they did.
            let step = ctx.for_step(ctx.ui.overheard(), Some(component));
            let done = work(self, &step, component);
            let seconds = began.elapsed().as_secs_f64();
            let report = |outcome, remark, results| ComponentReport {
                component: component.name.clone(),
                outcome,
                seconds,
                remark,
                results,
            };
            let fail = match done {
                Ok(done) => {
                    self.done.push(report(done.outcome, done.remark, done.results));
                    done.fail
                }
                Err(error) => {
                    let fail = from_anyhow(&error);
                    self.done.push(report(Outcome::Failed, fail.summary.clone(), None));
                    Some(fail)
                }
            };
            if let Some(fail) = fail {
                return Err(fail.details(format!("Component: {}", component.name)).into());
            }
        }
        Ok(self.sum_up())
    }

    /// Why a component's database is not worked with, where that is so.
    fn left_alone(&self, ctx: &Ctx, component: &Component) -> Option<&'static str> {
        if self.record.flags.no_db {
            return Some(NO_DB);
        }
        let database = ctx.config(component).and_then(|config| ctx.database(&config));
        database.is_err_and(|error| is_not_set_up(component, &error)).then_some(NOT_SET_UP)
    }

    /// A step counts as skipped when it was skipped for every component. A remark that all components share is made
    /// once.
    fn sum_up(&self) -> Done {
        let is_skipped = self.done.iter().all(|it| it.outcome == Outcome::Skipped);
        let remark = match self.done.split_first() {
            Some((first, rest)) if rest.iter().all(|it| it.remark == first.remark) => first.remark.clone(),
            _ => self.done.iter().map(|it| format!("{}: {}", it.component, it.remark)).collect::<Vec<_>>().join("; "),
        };
        if is_skipped { Done::skipped(remark) } else { Done::ok(remark) }
    }

    /// `db-status`: the first time to see that the databases can be worked with, the second time that they are
    /// up-to-date.
    pub fn look(&mut self, is_last: bool) -> Result<Done> {
        self.components.clear();
        self.each(|flow, ctx, component| {
            if flow.record.flags.no_db {
                let graph = ctx.history(&ctx.config(component)?)?;
                return Ok(Done::skipped(format!("{NO_DB}; {}", heads(&graph))));
            }
            let mut report = db_status::look(ctx, component);
            flow.components.push(report.clone());
            if let (false, Some(fail)) = (is_last, in_the_way(ctx, &report)) {
                return Err(fail.into());
            }
            match (report.error.take(), &report.standing) {
                (Some(fail), Some(_)) if fail.kind == Kind::DatabaseMissing => {
                    Ok(Done::skipped("the database is not there".to_owned()))
                }
                (Some(fail), _) => Err(fail.into()),
                (None, Some(standing)) if standing.state == State::NotSetUp => Ok(Done::skipped(NOT_SET_UP.to_owned())),
                (None, Some(standing)) if is_last && standing.state != State::UpToDate && !is_empty(standing) => {
                    Err(not_there(component, standing).into())
                }
                (None, Some(standing)) => Ok(Done::ok(words(standing))),
                (None, None) => Ok(Done::skipped("nothing is known of it".to_owned())),
            }
        })
    }

    /// `db-rebase` where there are several heads; one that an earlier run has begun is continued.
    pub fn rebase(&mut self) -> Result<Done> {
        if db_rebase::is_pending(self.ctx)? {
            let step = self.ctx.for_step(self.ctx.ui.overheard(), None);
            db_rebase::resume(&step)?;
        }
        self.each(|flow, ctx, component| {
            if flow.kept(&component.name)?.is_none() {
                let graph = ctx.history(&ctx.config(component)?)?;
                if !graph.is_diverged() {
                    return Ok(Done::skipped(heads(&graph)));
                }
                let ends = db_rebase::Ends {
                    resume: to_continue(),
                    abort: to_abort(),
                    keep: Some(flow.kept_folder(&component.name)?),
                };
                let flags = Rebase { no_db: flow.record.flags.no_db, ..Rebase::default() };
                db_rebase::run_as_part(ctx, &flags, &ends)?;
            }
            let kept = flow.kept(&component.name)?.context("a rebase that has ended was put away")?;
            flow.stage(&kept)?;
            Ok(Done::ok(match &kept.merge {
                Some(id) => format!("merge revision {id}"),
                None => format!("moved {}", kept.ids().join(", ")),
            }))
        })
    }

    /// `db-roundtrip` of the revisions that now run after other ones than before.
    pub fn roundtrip(&mut self) -> Result<Done> {
        self.each(|flow, ctx, component| {
            let unwanted = flow.record.flags.no_roundtrip.then_some("--no-roundtrip");
            if let Some(why) = flow.left_alone(ctx, component).or(unwanted) {
                return Ok(Done::skipped(why.to_owned()));
            }
            let kept = match flow.kept(&component.name)? {
                None => return Ok(Done::skipped("no revision moved".to_owned())),
                Some(kept) if kept.merge.is_some() => {
                    return Ok(Done::skipped("a merge revision changes nothing".to_owned()));
                }
                Some(kept) => kept,
            };
            let graph = ctx.history(&ctx.config(component)?)?;
            let ids = kept.affected(&graph);
            let count = ids.len();
            let words = "moved by the rebase, and what stands on them".to_owned();
            let range = Range::These { ids: ids.into_iter().collect(), words };
            let flags = DbRoundtrip { range, ..DbRoundtrip::default() };
            let report = db_roundtrip::prove(ctx, &flags)?;
            let bad = what_counts(&report);
            if report.tested() == 0 || !bad.is_empty() {
                flow.ctx.ui.answer(db_roundtrip::text(ctx, &report));
                return Ok(Done::found(found(component, &bad), report.results));
            }
            let unproven = match report.count(Verdict::Unproven) {
                0 => String::new(),
                count => format!(", {count} unproven"),
            };
            let words = format!("{count} revision{} tested{unproven}", if count == 1 { "" } else { "s" });
            Ok(Done { results: Some(report.results), ..Done::ok(words) })
        })
    }

    /// `db-migrate` to the head, after a backup where there is none yet: `--abort` needs the rows.
    pub fn migrate(&mut self) -> Result<Done> {
        self.each(|flow, ctx, component| {
            if let Some(why) = flow.left_alone(ctx, component) {
                return Ok(Done::skipped(why.to_owned()));
            }
            let config = ctx.config(component)?;
            let graph = ctx.history(&config)?;
            let database = ctx.database(&config)?;
            ctx.ensure_database(&database)?;
            let mut db = match Db::connect(&database.url, &application_name("db-merge")) {
                Err(error) if advice::is_database_missing(&error) => {
                    return Ok(Done::skipped("the database is not there".to_owned()));
                }
                db => db?,
            };
            let applied = db.applied(&version_table(component))?.revisions;
            if applied.is_empty() && component.is_often_not_set_up() {
                return Ok(Done::skipped(NOT_SET_UP.to_owned()));
            }
            let unknown: Vec<String> = graph.unknown(&applied).into_iter().map(str::to_owned).collect();
            if !unknown.is_empty() {
                // Before a backup is taken of what will not be migrated.
                return Err(advice::unknown_in_database(&unknown, component).into());
            }
            if graph.pending(&applied).is_empty() {
                return Ok(Done::skipped("nothing is pending".to_owned()));
            }
            flow.write_down(ctx, component, &graph, &database, &mut db, applied)?;
            drop(db);
            // Where rows go it takes a backup of its own, which it compares just before the first change.
            db_migrate::run(ctx, &DbMigrate::default())?;
            let count =
                flow.record.migrated.iter().find(|it| it.component == component.name).map_or(0, |it| it.steps.len());
            Ok(Done::ok(format!("{count} revision{} applied", if count == 1 { "" } else { "s" })))
        })
    }

    /// Writes down what taking back will need: where the database stood, the revisions to apply, and a backup of its
    /// rows. After an earlier attempt, the start and the backup of that attempt stay.
    fn write_down(
        &mut self,
        ctx: &Ctx,
        component: &Component,
        graph: &Graph,
        database: &Database,
        db: &mut Db,
        applied: Vec<String>,
    ) -> Result<()> {
        let before = self.record.migrated.iter().position(|it| it.component == component.name);
        let earlier = before.map(|at| self.record.migrated.remove(at));
        let has_backup = self.kept(&component.name)?.is_some_and(|kept| kept.backup.is_some());
        let (start, backup) = match earlier {
            Some(earlier) => (earlier.start, earlier.backup),
            None if has_backup => (applied, None),
            None => {
                let instead = Action::run(INSTEAD_OF_BACKUP, to_abort());
                let path = driver::backup(ctx, component, database, db, &applied, &instead)?;
                (applied, Some(path))
            }
        };
        let steps =
            Target::parse(graph.usual_target()).and_then(|head| target::resolve(graph, Direction::Up, &start, &head));
        let steps = match steps {
            Ok(route) => route.steps.into_iter().map(|step| step.revision).collect(),
            // db-migrate refuses it, in its own words.
            Err(_) => Vec::new(),
        };
        let migrated =
            Migrated { component: component.name.clone(), place: database.place(), start, steps, backup, end: None };
        self.record.migrated.push(migrated);
        self.save()
    }
}

/// A history without any revision is as up to date as it can be.
fn is_empty(standing: &Standing) -> bool {
    standing.heads.is_empty() && standing.current.is_empty()
}

fn words(standing: &Standing) -> String {
    match (standing.state, standing.pending.len()) {
        (State::Diverged, _) => format!("diverged ({} heads)", standing.heads.len()),
        (state, 0) => state.name().to_owned(),
        (state, pending) => format!("{} ({pending} pending)", state.name()),
    }
}

fn heads(graph: &Graph) -> String {
    match graph.heads().len() {
        1 => "one head".to_owned(),
        count => format!("{count} heads"),
    }
}

fn not_there(component: &Component, standing: &Standing) -> Fail {
    Fail::new(Kind::WrongDatabase, format!("The database is not up-to-date after the migration: {}", words(standing)))
        .run("See where it stands", own("db-status"))
        .related(own("db-status"))
        .about(&component.name)
}

/// What prevents the merge: revisions that the database counts as run and never ran, or that it ran and no file gives
/// it any more.
fn in_the_way(ctx: &Ctx, report: &Report) -> Option<Fail> {
    let overlapping = |standing| advice::overlapping(ctx, standing, &report.component);
    let skipped = report.never_ran().map(|(lines, commands)| advice::never_ran(lines, commands));
    let overlapping = report.standing.as_ref().and_then(overlapping);
    let undone = || (!report.undone.is_empty()).then(|| advice::undone(&report.undone, &report.component));
    overlapping.or_else(undone).or(skipped)
}

/// The results of a round trip that stop the flow. Rows in a table or column that a moved revision makes itself are
/// lost in its downgrade: that is no defect of the revision, and the flow does not downgrade the database.
fn what_counts(report: &RoundTrip) -> Vec<&RevisionResult> {
    let is_bare = |it: &RevisionResult| {
        it.verdict == Verdict::DataLost
            && it.schema_changes.is_empty()
            && it.data_changes.iter().all(|change| change.is_its_own)
    };
    let counts =
        |it: &&RevisionResult| (it.verdict.is_finding() && !is_bare(it)) || (report.strict && it.verdict.is_gap());
    report.results.iter().filter(counts).collect()
}

/// The failure that stops the flow, with what the round trip has found.
fn found(component: &Component, bad: &[&RevisionResult]) -> Fail {
    let fail = Fail::new(Kind::RoundtripFound, "A moved revision does not stand the round trip");
    let fail = bad.iter().fold(fail, |fail, it| fail.details(format!("{}: {}", it.revision.id, it.verdict_words())));
    let fail = fail
        .action("Correct the script named above, as db-roundtrip says")
        .run("Try it again by itself", own("db-roundtrip"))
        .run("Or leave it as it is", to_continue().word("--no-roundtrip"))
        .related(own("db-roundtrip"))
        .about(&component.name);
    Fail { exit: Exit::Findings, ..fail }
}
