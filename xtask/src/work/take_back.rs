//! Takes back a walk: makes a backup of what is there, walks back by the scripts, then puts back the rows that the walk
//! had taken away, out of the backup that was made before it. It runs under a journal: after a crash the same call
//! continues, and the database shows how far it had come.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::advice;
use super::at_stake::{self, AtStake};
use super::last_change::{self, LastChange, Walked, What};
use super::migrate::{Walk, Way};
use super::own_database::{OwnDatabase, Refusal};
use super::put_back::{self, Report};
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow, refuse};
use crate::model::action::{Own, own};
use crate::model::graph::Graph;
use crate::model::step::Direction;
use crate::sys::journal::{self, Journal, Operation, Progress};
use crate::sys::saved::{text, texts};

/// The command whose journal this is.
const COMMAND: &str = "db-undo";
/// The notes' names in the journal.
const PLAN: &str = "plan";
const NOW: &str = "backup";
const CHANGE: &str = "change";
const OF: &str = "component";

/// What is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeBack {
    /// Whose database.
    pub component: String,
    /// What was done.
    pub change: LastChange,
    /// What the version table holds before the way back.
    pub heads: Vec<String>,
    /// Which way it goes back.
    pub direction: Direction,
    /// The revisions of the way back, in order.
    pub ids: Vec<String>,
    /// What the version table will hold.
    pub after: Vec<String>,
    /// The backup that was taken before the thing was done, whose rows come back.
    pub backup: Option<PathBuf>,
}

/// What taking it back does to rows.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// What the way back drops or deletes.
    pub at_stake: Vec<AtStake>,
    /// Rows written since, by table; `None` where nothing tells.
    pub since: Option<Vec<(String, u64)>>,
    /// Rows of tables that are not there, or were made again, and come back out of the backup.
    pub come_back: Vec<(String, u64)>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct TakenBack {
    /// What was taken back.
    pub plan: TakeBack,
    /// The backup of what was there.
    pub now: Option<PathBuf>,
    /// What was put back; `None` where there is no backup of then.
    pub report: Option<Report>,
}

const STEPS: [&str; 3] = ["Back up the database", "Walk it back", "Put back the rows of then"];

/// Plans it by where the database is now. `None` where nothing of it was done, or nothing is left to take back.
///
/// # Errors
/// `unknown-revision` where a script is not there; `wrong-database` where the database is at no place of the way.
pub fn plan(ctx: &Ctx, own: &mut OwnDatabase<'_>, graph: &Graph, change: &LastChange) -> Result<Option<TakeBack>> {
    let What::Walk(Walked { direction, start, ids: way, backup }) = &change.what else { return Ok(None) };
    let heads = own.applied()?;
    let unknown: Vec<String> = graph.unknown(way).into_iter().map(str::to_owned).collect();
    if !unknown.is_empty() {
        return Err(advice::unknown_revisions(ctx, &unknown, own.component).into());
    }
    let walk = Walk::new(*direction, way, start.clone());
    let done = walk.done(graph, &heads, way.len()).ok_or_else(|| moved_since(change, own, &heads))?;
    let back: Vec<String> = way[..done].iter().rev().cloned().collect();
    // With a backup there may be rows to put back, though no revision is.
    if back.is_empty() && backup.is_none() {
        return Ok(None);
    }
    Ok(Some(TakeBack {
        component: own.component.name.clone(),
        change: change.clone(),
        heads,
        direction: direction.opposite(),
        ids: back,
        after: start.clone(),
        backup: backup.clone(),
    }))
}

/// Somebody else has moved the database since.
pub fn moved_since(change: &LastChange, own: &OwnDatabase<'_>, heads: &[String]) -> Fail {
    let holds = if heads.is_empty() { "no revision".to_owned() } else { heads.join(", ") };
    let fail = Fail::new(Kind::WrongDatabase, "Something else has migrated the database since")
        .details(format!("The last thing that this tool did is {} of {}", change.command, change.time))
        .details(format!(
            "{} holds {holds}, written by something else since (Alembic itself, another checkout)",
            own.place()
        ));
    let fail = fail.run("See where it stands", self::own("db-status"));
    let by_hand = self::own("db-migrate").word("--direction=downgrade").word("--target=REV").word("--dry-run");
    fail.run("Or take it to a revision yourself; look first", by_hand)
        .run("Or put a backup in its place", self::own("db-backup").word("--list"))
        .related(self::own("db-status"))
        .refused()
}

/// What it does to rows.
///
/// # Errors
/// `backup-missing` where the backup of then cannot be used; when the connection is lost.
pub fn rows(ctx: &Ctx, own: &mut OwnDatabase<'_>, graph: &Graph, plan: &TakeBack) -> Result<Rows> {
    let mut at_stake = at_stake::find(ctx, graph, own.db(), plan.direction, &plan.ids)?;
    // On the way up, what only shows when it runs is what every upgrade may do.
    at_stake.retain(|it| plan.direction == Direction::Down || it.rows.is_some());
    let (table, db) = own.table_and_db();
    let since = db.count_rows_since(table, plan.change.end)?;
    let mut come_back = Vec::new();
    if let Some(path) = &plan.backup {
        let was = put_back::check(path).map_err(|error| without_its_rows(&error, plan))?.contents;
        let now = db.tables_by_number()?;
        let is_gone = |name: &String, number: u32| now.get(name).is_none_or(|here| *here != number);
        let gone = was.tables.iter().filter(|(name, table)| is_gone(name, table.oid) && !put_back::is_kept_aside(name));
        let counted = gone.map(|(name, _)| (name.clone(), was.rows.tables.get(name).map_or(0, |table| table.rows)));
        come_back = counted.filter(|(_, rows)| *rows > 0).collect();
    }
    Ok(Rows { at_stake, since, come_back })
}

/// A lost backup is no dead end: by the scripts alone the database gets there too, without those rows.
fn without_its_rows(error: &anyhow::Error, plan: &TakeBack) -> anyhow::Error {
    let fail = from_anyhow(error);
    let target = plan.after.first().map_or("base", String::as_str);
    let to = own("db-migrate").of(&plan.component);
    let to = match plan.direction {
        Direction::Up => to.flag("--target", target),
        Direction::Down => to.word("--direction=downgrade").flag("--target", target),
    };
    fail.run("Or walk back by the scripts alone, without the rows that are in that backup", to).refused().into()
}

/// One that did not end.
///
/// # Errors
/// `already-running` where it is at it just now.
pub fn pending(ctx: &Ctx) -> Result<Option<Journal>> {
    Journal::pending(&journal::folder(&ctx.project()?.root, COMMAND))
}

/// Refuses what must not happen before a way back, or a way that was cut off, has ended.
///
/// # Errors
/// `already-running`.
pub fn check_nothing_pending(ctx: &Ctx) -> Result<()> {
    // What is wrong with the project itself is for the command to say.
    if ctx.project().is_err() {
        return Ok(());
    }
    match (pending(ctx).map_err(refuse)?, cut_off(ctx).map_err(refuse)?) {
        (Some(journal), _) | (None, Some(journal)) => Err(journal.unfinished().into()),
        (None, None) => Ok(()),
    }
}

/// The same of a way back alone: what was cut off is for its own command to go on with.
///
/// # Errors
/// As there.
pub fn check_no_way_back(ctx: &Ctx) -> Result<()> {
    match ctx.project().is_ok().then(|| pending(ctx)).transpose().map_err(refuse)?.flatten() {
        Some(journal) => Err(journal.unfinished().into()),
        None => Ok(()),
    }
}

/// What was killed on a way that leads back to where it began (`db-roundtrip --in-place`), by its journal.
///
/// # Errors
/// `already-running` where it is at it just now.
pub fn cut_off(ctx: &Ctx) -> Result<Option<Journal>> {
    Journal::pending(&journal::folder(&ctx.project()?.root, "db-roundtrip"))
}

/// Opens the journal of such a way; `again` begins it anew.
///
/// # Errors
/// `already-running`.
pub fn open_cut_off(ctx: &Ctx, own: &OwnDatabase<'_>, again: Own, walked: Walked) -> Result<Journal> {
    let command = "db-roundtrip --in-place";
    let change = LastChange::new(own, command, What::Walk(walked));
    let operation = Operation {
        name: command.to_owned(),
        arguments: vec![format!("--component={}", own.component.name)],
        resume: again,
        abort: self::own(COMMAND).of_no_component(),
    };
    let notes = Map::from_iter([(CHANGE.to_owned(), change.to_json()), (OF.to_owned(), json!(own.component.name))]);
    let folder = journal::folder(&ctx.project()?.root, "db-roundtrip");
    Journal::begin_with(&folder, operation, &["Down and up again".to_owned()], Vec::new(), notes)
}

/// Its component, and what it did.
///
/// # Errors
/// When the journal is not understood.
pub fn cut_off_change(journal: &Journal) -> Result<(String, LastChange)> {
    let note = |key: &str| journal.noted(key).with_context(|| format!("the journal has no {key}"));
    let component = note(OF)?.as_str().context("the journal names no component")?.to_owned();
    Ok((component, LastChange::from_json(note(CHANGE)?)?))
}

/// What a journal says is being taken back, and for which component.
///
/// # Errors
/// When the journal is not understood.
pub fn planned(journal: &Journal) -> Result<TakeBack> {
    let note = journal.noted(PLAN).context("the journal is not one of db-undo")?;
    TakeBack::from_json(note)
}

/// The component's database, ours alone.
///
/// # Errors
/// `remote-database`, `already-running`, `active-connections`, `python-missing`.
pub fn claim(ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<()> {
    let elsewhere = Refusal {
        why: "What others use is not taken back by a command that does several things at once",
        instead: vec!["Take the revisions back yourself, with db-migrate and its --allow-remote".into()],
    };
    let others = Refusal {
        why: "The way back takes tables and columns away under them",
        instead: vec!["Then repeat the command".into()],
    };
    own.claim(ctx, elsewhere, None, others)?;
    ctx.python()?.require_alembic(&ctx.ui, ctx.project()?)
}

/// Begins, with a database that was claimed. `instead_of` is the journal of the thing that stopped, if it did: it is done
/// with as soon as this one's is there.
///
/// # Errors
/// A refusal with nothing changed where no backup can be had; after that a failure, and the same command goes on.
pub fn begin(ctx: &Ctx, own: &mut OwnDatabase<'_>, plan: &TakeBack, instead_of: Option<Journal>) -> Result<TakenBack> {
    let folder = journal::folder(&ctx.project()?.root, COMMAND);
    let operation = Operation {
        name: COMMAND.to_owned(),
        arguments: vec![format!("--component={}", plan.component)],
        resume: self::own(COMMAND).of_no_component(),
        abort: self::own("db-restore").flag("--component", &plan.component),
    };
    let steps: Vec<String> = STEPS.iter().map(|text| (*text).to_owned()).collect();
    let notes = Map::from_iter([(PLAN.to_owned(), plan.to_json())]);
    let journal = Journal::begin_with(&folder, operation, &steps, Vec::new(), notes)?;
    instead_of.map_or(Ok(()), Journal::finish)?;
    go_on(ctx, own, journal)
}

/// Goes on with what did not end.
///
/// # Errors
/// As [`begin`].
pub fn go_on(ctx: &Ctx, own: &mut OwnDatabase<'_>, mut journal: Journal) -> Result<TakenBack> {
    let plan = planned(&journal)?;
    let is_done = |at: usize| journal.steps().get(at).is_some_and(|step| step.progress == Progress::Done);
    let is_resumed = is_done(0) && !is_done(STEPS.len() - 1);
    if let (true, Some(then)) = (is_resumed, &plan.backup) {
        own.keep_what_was_written(then, plan.change.end)?;
    }
    let mut report = None;
    for number in 0..STEPS.len() {
        if journal.steps().get(number).is_some_and(|step| step.progress == Progress::Done) {
            continue;
        }
        journal.step_started(number)?;
        match step(ctx, own, &plan, &mut journal, number) {
            Ok(done) => report = done.or(report),
            Err(error) if number == 0 => {
                // Nothing has walked yet: every row that was kept aside is in its table.
                plan.backup.iter().for_each(|then| own.forget_what_was_kept(then));
                journal.finish()?;
                return Err(refuse(error));
            }
            Err(error) => return Err(stopped(&error, &journal)),
        }
        journal.step_done(number)?;
    }
    let now = noted(&journal, NOW);
    let back =
        Walked { direction: plan.direction, start: plan.heads.clone(), ids: plan.ids.clone(), backup: now.clone() };
    last_change::done(ctx, own, COMMAND, What::Walk(back));
    // All steps are done by now, so whoever goes on puts nothing back again.
    own.forget_that_it_was_put_back();
    journal.finish()?;
    Ok(TakenBack { plan, now, report })
}

fn step(
    ctx: &Ctx,
    own: &mut OwnDatabase<'_>,
    plan: &TakeBack,
    journal: &mut Journal,
    number: usize,
) -> Result<Option<Report>> {
    match (number, &plan.backup) {
        (0, then) => {
            let now = match then {
                Some(then) => own.before_putting_back(ctx, then, plan.change.end)?,
                None => own.backup(ctx, &"Or walk back by hand, with db-migrate and its --no-backup".into())?,
            };
            journal.note(NOW, json!(now))?;
        }
        (1, _) => {
            let way = Way { start: &plan.heads, direction: plan.direction, ids: &plan.ids, kept: &[] };
            way.go_on(ctx, own)?;
        }
        (_, Some(then)) => {
            let now = noted(journal, NOW);
            // Down, what goes was agreed to; up, nothing does.
            let may_go = plan.direction == Direction::Down;
            let scripts = put_back::scripts(ctx, &own.config, plan.way());
            return own.put_back_what_ran(ctx, then, now.as_deref(), &scripts, may_go).map(Some);
        }
        (_, None) => {}
    }
    Ok(None)
}

fn noted(journal: &Journal, key: &str) -> Option<PathBuf> {
    journal.noted(key).and_then(Value::as_str).map(PathBuf::from)
}

/// What a step that failed leaves, and the ways on and back.
fn stopped(error: &anyhow::Error, journal: &Journal) -> anyhow::Error {
    let fail = from_anyhow(error).run("Put right what is in the way, then go on", own(COMMAND));
    match noted(journal, NOW) {
        Some(now) => fail
            .details(format!("The backup taken before: {}", now.display()))
            .run("Or put it in the database's place as a whole", own("db-restore").word(now.display().to_string()))
            .into(),
        None => fail.into(),
    }
}

/// Ends what stopped half-way on a component's database, where another one has taken its place.
///
/// # Errors
/// When a journal cannot be removed.
pub fn forget(ctx: &Ctx, component: &str) -> Result<()> {
    if let Some(journal) = pending(ctx)?
        && planned(&journal)?.component == component
    {
        journal.finish()?;
    }
    match cut_off(ctx)? {
        Some(journal) if cut_off_change(&journal)?.0 == component => journal.finish(),
        _ => Ok(()),
    }
}

impl TakeBack {
    /// Every revision of the way that is taken back, also one that failed half-way.
    fn way(&self) -> &[String] {
        match &self.change.what {
            What::Walk(walked) => &walked.ids,
            _ => &self.ids,
        }
    }

    /// The backup of then.
    pub fn backup(&self) -> Option<&Path> {
        self.backup.as_deref()
    }

    fn to_json(&self) -> Value {
        json!({
            "component": self.component, "change": self.change.to_json(), "heads": self.heads,
            "direction": self.direction.name(), "revisions": self.ids, "after": self.after, "backup": self.backup,
        })
    }

    fn from_json(value: &Value) -> Result<TakeBack> {
        Ok(TakeBack {
            component: text(&value["component"])?,
            change: LastChange::from_json(&value["change"])?,
            heads: texts(&value["heads"])?,
            direction: if value["direction"] == Direction::Up.name() { Direction::Up } else { Direction::Down },
            ids: texts(&value["revisions"])?,
            after: texts(&value["after"])?,
            backup: value["backup"].as_str().map(PathBuf::from),
        })
    }
}
