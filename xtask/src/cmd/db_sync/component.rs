//! Does a component's part of each step.

use std::path::PathBuf;

use anyhow::Result;

use crate::cmd::db_migrate;
use crate::cmd::db_status::{self, Report};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow, refuse};
use crate::flags::DbMigrate;
use crate::model::action::{Action, Own, git, own};
use crate::model::graph::Graph;
use crate::model::ledger::Reparented;
use crate::model::rebase::ids;
use crate::model::status::{Revision, Standing, State};
use crate::report::steps::Outcome;
use crate::sys::project::Component;
use crate::work::advice;
use crate::work::at_stake::AtStake;
use crate::work::last_change::{self, What, Whole};
use crate::work::ledger;
use crate::work::own_database::{OwnDatabase, Refusal};
use crate::work::realign::{self, Found, LeftOpen, Way};
use crate::work::standing;

/// The command, as it is typed.
pub const COMMAND: &str = "db-sync";

/// What a step does for a component.
pub type Work = fn(&Ctx, &mut Part<'_>) -> Result<Done>;

/// The steps that every component goes through, by the names of the contract's JSON.
pub const STEPS: [(&str, Work); 4] =
    [("db-status", look), ("realign", realign), ("db-migrate", migrate), ("db-status", look_again)];

/// A component and what has become of it so far.
pub struct Part<'a> {
    pub component: &'a Component,
    /// Where its database stands, as it was seen last; `None` before the first look.
    pub status: Option<Report>,
    /// What stopped it.
    pub fail: Option<Fail>,
    /// How it was put in line with the files.
    pub realigned: Option<Realigned>,
    /// What was applied then.
    pub applied: Vec<Revision>,
    /// Why nothing is to be done for it, where that is so.
    rests: Option<&'static str>,
    /// The database is a fresh copy of another one: its rows are there still.
    is_copy: bool,
}

/// How a database was put in line with the files.
pub struct Realigned {
    pub way: Box<Way>,
    pub at_stake: Vec<AtStake>,
    pub backup: Option<PathBuf>,
    /// What db-undo has to know, where there is a backup.
    whole: Option<Whole>,
}

/// What came of a part of a step.
pub struct Done {
    pub outcome: Outcome,
    pub remark: String,
}

impl Done {
    fn ok(remark: impl Into<String>) -> Done {
        Done { outcome: Outcome::Ok, remark: remark.into() }
    }

    fn skipped(remark: impl Into<String>) -> Done {
        Done { outcome: Outcome::Skipped, remark: remark.into() }
    }
}

impl<'a> Part<'a> {
    pub fn new(component: &'a Component) -> Part<'a> {
        Part { component, status: None, fail: None, realigned: None, applied: Vec::new(), rests: None, is_copy: false }
    }

    /// A component whose database was just copied from another one: nothing that goes with it is lost.
    pub fn of_copy(component: &'a Component) -> Part<'a> {
        Part { is_copy: true, ..Part::new(component) }
    }

    /// Whether its database is another one than before.
    pub fn is_changed(&self) -> bool {
        self.realigned.is_some() || !self.applied.is_empty()
    }
}

/// Every component, or the one that was named.
pub fn parts(ctx: &Ctx) -> Result<Vec<Part<'_>>> {
    let components = match &ctx.common.component {
        Some(_) => vec![ctx.component()?],
        None => ctx.project()?.all()?.iter().collect(),
    };
    Ok(components.into_iter().map(Part::new).collect())
}

/// Where it stands, and whether there is anything that cannot be gone on from.
pub fn look(ctx: &Ctx, part: &mut Part<'_>) -> Result<Done> {
    let component = ctx.component()?;
    let mut report = db_status::look(ctx, component);
    part.status = Some(report.clone());
    if let Some(fail) = report.error.take().or_else(|| in_the_way(ctx, &report)) {
        return Err(fail.into());
    }
    let Some(standing) = &report.standing else { return Ok(Done::skipped("nothing is known of it")) };
    part.rests = match standing.state {
        State::NotSetUp => Some("it is not set up here"),
        _ => report.is_good().then_some("up-to-date"),
    };
    if let Some(why) = part.rests {
        let outcome = if standing.state == State::NotSetUp { Outcome::Skipped } else { Outcome::Ok };
        return Ok(Done { outcome, remark: why.to_owned() });
    }
    if let (State::NoRevision, Some(first)) = (standing.state, report.first.take()) {
        return Err(not_begun(&report, first).into());
    }
    Ok(Done::ok(words(standing, &report)))
}

/// A database without a revision, for which migrating is not the first thing to do.
fn not_begun(report: &Report, first: Action) -> Fail {
    let fail = Fail::new(Kind::WrongDatabase, "The database holds no revision, and migrating is not how it begins");
    let fail = fail.details(report.server.as_deref().unwrap_or_default());
    fail.action(first).run("Then look again", own("db-status")).related(own("db-status")).refused()
}

/// What nobody can migrate from, and what this command does not put right.
fn in_the_way(ctx: &Ctx, report: &Report) -> Option<Fail> {
    let overlapping = report.standing.as_ref().and_then(|it| advice::overlapping(ctx, it, &report.component));
    let is_astray = !report.undone.is_empty() || report.standing.as_ref().is_some_and(|it| !it.unknown.is_empty());
    let skipped = report.never_ran().filter(|_| !is_astray).map(|(lines, commands)| advice::never_ran(lines, commands));
    // In the middle of a merge it is the files that have to come to what the database has.
    let is_merging = report.standing.as_ref().is_some_and(|it| it.state == State::Diverged);
    let undone = (is_merging && is_astray).then(|| advice::undone(&report.undone, &report.component));
    overlapping.or(undone).or(skipped).map(Fail::refused)
}

/// Puts the database in line with the files where it ran something else than they say.
pub fn realign(ctx: &Ctx, part: &mut Part<'_>) -> Result<Done> {
    if let Some(why) = part.rests {
        return Ok(Done::skipped(why));
    }
    let component = ctx.component()?;
    ctx.ensure_database(&ctx.database(&ctx.config(component)?)?)?;
    let Some(way) = way(ctx, component)? else {
        return match LeftOpen::may_be(ctx, &component.name) {
            true => end_what_is_open(ctx, component),
            false => Ok(Done::skipped("files and database agree")),
        };
    };
    ctx.ui.status(format!("{}:\n{}", component.name, way_lines(&way).join("\n")));
    let mut database = claim(ctx, component)?;
    if database.applied()? != way.trip.before {
        return Err(Fail::new(Kind::AlreadyRunning, "Somebody else has migrated the database meanwhile")
            .details(database.place())
            .run("Look again", own_sync())
            .refused()
            .into());
    }
    let at_stake = way.at_stake(ctx, &mut database)?;
    let mut backup = None;
    if !part.is_copy {
        agree(ctx, component, &way, &at_stake)?;
        let instead = Action::run("Take one by hand (pg_dump), then see what the database needs", own("db-status"));
        backup = Some(database.backup(ctx, &instead).map_err(refuse)?);
    }
    let words = format!("brought the database in line with the files: {}", way_lines(&way).join("; "));
    // The backup of a run before this one that was cut off has the rows that it took away.
    let cut_off = last_change::find(ctx, &mut database)?.filter(|it| it.left.is_none()).map(|it| it.what);
    let what = match backup.clone() {
        Some(backup) => match cut_off {
            Some(What::Whole(first)) => What::Whole(first),
            _ => What::Whole(Whole { words, start: way.trip.before.clone(), backup }),
        },
        None => What::Nothing(format!("{COMMAND} {words}, on a fresh copy"), Vec::new()),
    };
    let whole = if let What::Whole(whole) = &what { Some(whole.clone()) } else { None };
    let before = last_change::begin(ctx, &mut database, COMMAND, what);
    let open = LeftOpen::find(ctx, &mut database)?;
    let gone = way.go(ctx, &mut database, backup.as_deref());
    let gone = gone.and_then(|()| open.map_or(Ok(()), |open| open.go_on(ctx, &mut database)));
    // It may come to the revisions that it began with, on other parents, or have left a part of a step.
    let stays = gone.as_ref().map_or_else(|error| from_anyhow(error).kind == Kind::HalfDone, |()| true);
    last_change::end(ctx, &mut database, before, stays);
    gone?;
    let remark = format!("{} taken back, {} put back", count(&way.taken_back()), count(&way.trip.up));
    part.realigned = Some(Realigned { way, at_stake, backup, whole });
    Ok(Done::ok(remark))
}

/// A run before this one was killed on its way: what is left of it.
fn end_what_is_open(ctx: &Ctx, component: &Component) -> Result<Done> {
    let mut database = OwnDatabase::connect(ctx, component, COMMAND)?;
    let Some(open) = LeftOpen::find(ctx, &mut database)? else { return Ok(Done::skipped("files and database agree")) };
    drop(database);
    let mut database = claim(ctx, component)?;
    let remark = format!("the way of a killed run is at its end ({} in all)", count(open.ids()));
    open.go_on(ctx, &mut database)?;
    last_change::end(ctx, &mut database, None, true);
    Ok(Done::ok(remark))
}

/// Refuses what must not happen before a way that was killed has ended.
///
/// # Errors
/// `already-running`.
pub fn check_nothing_open(ctx: &Ctx, component: &Component) -> Result<()> {
    if !LeftOpen::may_be(ctx, &component.name) {
        return Ok(());
    }
    // Where the database cannot be asked, the command itself will say so.
    let Ok(mut database) = OwnDatabase::connect(ctx, component, COMMAND) else { return Ok(()) };
    let Some(open) = LeftOpen::find(ctx, &mut database)? else { return Ok(()) };
    let ids = open.ids().join(", ");
    let fail = Fail::new(Kind::AlreadyRunning, "db-sync did not end on this database");
    let fail = fail
        .details(database.place())
        .details(format!("The version table lacks {ids} for the time being, and what they made is there"));
    Err(fail.run("Let it end", own_sync()).related(own("db-status")).about(&component.name).refused().into())
}

fn own_sync() -> Own {
    own(COMMAND)
}

/// The way back to the files, where one is needed.
///
/// # Errors
/// `unknown-revision` where there is none.
pub fn way(ctx: &Ctx, component: &Component) -> Result<Option<Box<Way>>> {
    match realign::plan(ctx, component, COMMAND).map_err(refuse)? {
        Found::InLine => Ok(None),
        Found::Way(way) => Ok(Some(way)),
        Found::Replaced(ids) => Err(advice::replaced(ctx, &ids, component).refused().into()),
        Found::Nowhere(ids) => {
            let graph = ctx.history(&ctx.config(component)?)?;
            let mut own = OwnDatabase::connect(ctx, component, COMMAND)?;
            let seen = seen_at(&mut own, &graph);
            Err(advice::nowhere(ctx, &ids, component, &graph, (own.db(), seen)).refused().into())
        }
    }
}

/// The revision of these files at which this tool saw the whole schema as it is now.
fn seen_at(own: &mut OwnDatabase<'_>, graph: &Graph) -> Option<String> {
    let now = ledger::digest(&own.catalog().ok()?);
    let (table, db) = own.table_and_db();
    db.seen_at(table, &now).ok()?.into_iter().find(|id| graph.get(id).is_some())
}

/// What was found, a line each.
pub fn way_lines(way: &Way) -> Vec<String> {
    let lost = way.lost.iter().map(|lost| {
        let message = Revision { id: lost.script.id.clone(), message: lost.script.message.clone(), path: None };
        let when = lost.applied.as_ref().map(|when| format!(", applied on {when}")).unwrap_or_default();
        format!("  - {}{when}: no file here has it; it is {}", message.with_message(), lost.whose())
    });
    let is_here = |it: &&Reparented| way.lost.iter().all(|lost| lost.script.id != it.revision);
    let moved = way
        .moved
        .iter()
        .filter(is_here)
        .map(|it| format!("  - {} ran on {}, and the files put it on {}", it.revision, ids(&it.was), ids(&it.is)));
    lost.chain(moved).collect()
}

/// The database, locked, with nobody connected.
fn claim<'a>(ctx: &'a Ctx, component: &'a Component) -> Result<OwnDatabase<'a>> {
    let mut own = OwnDatabase::connect(ctx, component, COMMAND)?;
    let look = Action::run("See what would have to be done", own_sync().word("--dry-run"));
    let elsewhere = Refusal { why: "It has to go down to be in line with the files", instead: vec![look] };
    let others = Refusal {
        why: "It has to go down, which takes tables and columns away under them",
        instead: vec![Action::run("Then repeat the command", own_sync())],
    };
    own.claim(ctx, elsewhere, None, others)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)?;
    Ok(own)
}

/// Asks before rows go. Where nobody can answer, nothing that loses rows is done unless `--yes` says so.
fn agree(ctx: &Ctx, component: &Component, way: &Way, at_stake: &[AtStake]) -> Result<()> {
    let lost: Vec<String> = at_stake.iter().filter(|it| it.is_loss()).map(AtStake::line).collect();
    if lost.is_empty() || ctx.common.yes {
        return Ok(());
    }
    let question = format!("{}\nThey will be in the backup, and nowhere else. Go on?", lost.join("\n"));
    if ctx.ui.confirm(&question) == Some(true) {
        return Ok(());
    }
    let fail =
        Fail::new(Kind::RowsAtStake, "The database has to go down to be in line with the files, and rows go with it");
    let fail = fail.details(way_lines(way).join("\n")).details(lost.join("\n"));
    let fail = fail.details(way.why.as_deref().unwrap_or_default());
    let branch = way.lost.iter().find_map(|lost| lost.branches().into_iter().next());
    let fail = match branch {
        Some(branch) => fail.run(
            "To keep them where they are, stay on the branch that has the scripts",
            git(["switch", branch.as_str()]),
        ),
        None => fail,
    };
    let fail = fail.run("If they may go (the backup will have them)", own(COMMAND).word("--yes"));
    Err(fail.related(own("db-status")).about(&component.name).refused().into())
}

/// Migrates what is behind.
pub fn migrate(ctx: &Ctx, part: &mut Part<'_>) -> Result<Done> {
    if let Some(why) = part.rests {
        return Ok(Done::skipped(why));
    }
    let standing = standing::standing(ctx, ctx.component()?)?;
    if standing.pending.is_empty() && standing.state != State::Diverged {
        return Ok(Done::skipped("nothing is pending"));
    }
    db_migrate::run(ctx, &DbMigrate::default())?;
    part.applied = standing.pending;
    if let Some(whole) = part.realigned.as_ref().and_then(|it| it.whole.clone()) {
        // What is taken back is all that this command did, and not its last step alone.
        let applied: Vec<&str> = part.applied.iter().map(|it| it.id.as_str()).collect();
        let words = format!("{}; and applied {}", whole.words, applied.join(", "));
        let mut database = OwnDatabase::connect(ctx, ctx.component()?, COMMAND)?;
        last_change::done(ctx, &mut database, COMMAND, What::Whole(Whole { words, ..whole }));
    }
    Ok(Done::ok(format!("{} applied", counted(part.applied.len()))))
}

/// That all is well now.
pub fn look_again(ctx: &Ctx, part: &mut Part<'_>) -> Result<Done> {
    if let Some(why) = part.rests {
        return Ok(Done::skipped(why));
    }
    let component = ctx.component()?;
    let mut report = db_status::look(ctx, component);
    part.status = Some(report.clone());
    if let Some(fail) = report.error.take() {
        return Err(fail.into());
    }
    let is_empty = report.standing.as_ref().is_some_and(|it| it.heads.is_empty() && it.current.is_empty());
    match &report.standing {
        Some(standing) if report.is_good() || is_empty => Ok(Done::ok(words(standing, &report))),
        standing => {
            let words = standing.as_ref().map_or("nothing is known of it".to_owned(), |it| words(it, &report));
            Err(Fail::new(Kind::WrongDatabase, format!("The database is not in line with the files: {words}"))
                .run("See where it stands", own("db-status"))
                .related(own("db-status"))
                .into())
        }
    }
}

fn words(standing: &Standing, report: &Report) -> String {
    match (standing.state, standing.pending.len()) {
        _ if !report.undone.is_empty() || !standing.unknown.is_empty() => {
            let ids = if report.undone.is_empty() { &standing.unknown } else { &report.undone.revisions };
            format!("it ran {}, and the files do not say so", ids.join(", "))
        }
        (State::Diverged, _) => format!("diverged ({} heads)", standing.heads.len()),
        (state, 0) => state.name().to_owned(),
        (state, pending) => format!("{} ({pending} pending)", state.name()),
    }
}

fn count(ids: &[String]) -> String {
    counted(ids.len())
}

fn counted(count: usize) -> String {
    if count == 1 { "1 revision".to_owned() } else { format!("{count} revisions") }
}
