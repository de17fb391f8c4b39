//! Brings a database back in line with the files where it has run something else than they say: another branch's
//! revisions, which no file here has, or its own ones on other parents (a merge whose files were taken back). The
//! scripts that ran are collected from the ledger and from git, in a folder of their own. With these the database is
//! downgraded to the newest revisions that both sides know, and with the scripts on the disk it is upgraded again to
//! the revisions that it had.
//!
//! After a killed run, the database itself shows how far it has come. That is not enough for revisions that only leave
//! the version table and come back (`kept`): `left_open.rs` writes those down.

mod left_open;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::advice;
use super::at_stake::{self, AtStake};
use super::lost_scripts::{LostScript, Search};
use super::migrate::{self, BrokenOff, Limits, Walk, Walker};
use super::own_database::OwnDatabase;
use super::proof::{self, Proof, Trial};
use super::put_back::Report;
use crate::ctx::Ctx;
use crate::fail::{Exit, Fail, Kind, from_anyhow};
use crate::model::action::{git, own as own_command};
use crate::model::edit::{Places, repoint};
use crate::model::graph::{Graph, Links};
use crate::model::ledger::{Ledger, Reparented, links};
use crate::model::rebase::{Moved, Trip, trip};
use crate::model::revision::{self, Script};
use crate::model::target::Direction;
use crate::sys::files::read_script;
use crate::sys::interrupt;
use crate::sys::overlay::Overlay;
use crate::sys::project::Component;

pub use left_open::LeftOpen;

/// What was found out.
pub enum Found {
    /// Files and database agree, as far as this is concerned.
    InLine,
    /// There is a way back.
    Way(Box<Way>),
    /// These scripts are nowhere.
    Nowhere(Vec<String>),
    /// Nothing that ran is in these files any more: the history was squashed, or it is another one.
    Replaced(Vec<String>),
}

/// The way back, worked out.
pub struct Way {
    /// The scripts that no file here has.
    pub lost: Vec<LostScript>,
    /// Held revisions that ran on other parents than the files give them.
    pub moved: Vec<Reparented>,
    /// Down with what ran, up with what is on the disk.
    pub trip: Trip,
    /// Revisions that only leave the version table and come back: what they made stays, with its rows.
    pub kept: Vec<String>,
    /// Why the revisions that the files know have to go down as well, where they do.
    pub why: Option<String>,
    /// Revisions on the way down that never ran.
    skipped: Vec<String>,
    /// The history as it ran, and its scripts.
    graph: Graph,
    overlay: Overlay,
    /// What stands for a script in the overlay, and the name that it has for people.
    names: Vec<(String, String)>,
}

/// The scripts that a database has run.
struct Ran {
    scripts: Vec<Script>,
    /// Their texts, where they are not those on the disk.
    texts: Vec<(String, String)>,
    lost: Vec<LostScript>,
    moved: Vec<Reparented>,
    nowhere: Vec<String>,
}

/// Looks whether there is anything to put right, and works out how. Nothing is changed; what can be tried is tried on
/// copies of the database.
///
/// # Errors
/// What connecting, reading and git may meet.
pub fn plan(ctx: &Ctx, component: &Component, command: &'static str) -> Result<Found> {
    let config = ctx.config(component)?;
    let files = ctx.history(&config)?;
    let mut own = OwnDatabase::connect(ctx, component, command)?;
    let applied = own.applied()?;
    let (table, db) = own.table_and_db();
    let ledger = db.ledger(table).unwrap_or_default();
    if files.unknown(&applied).is_empty() && ledger.undone(&files, &applied).is_empty() {
        return Ok(Found::InLine);
    }
    let search = Search::new(ctx, &config, db, table)?;
    let mut ran = collect(ctx, &mut own, &files, &search, (&applied, None))?;
    if ran.nowhere.is_empty() && says_more(&ledger, &files, &applied, &ran) {
        ran = collect(ctx, &mut own, &files, &search, (&applied, Some(&ledger)))?;
    }
    if !ran.nowhere.is_empty() {
        return Ok(Found::Nowhere(ran.nowhere));
    }
    let gone: Vec<String> = ran.lost.iter().map(|lost| lost.script.id.clone()).collect();
    let has_common = ran.scripts.iter().any(|script| files.get(&script.id).is_some());
    if !files.is_empty() && !has_common {
        return Ok(Found::Replaced(gone));
    }
    let mut way = lay_out(ctx, &files, ran, &applied)?;
    way.skipped = own.skipped(ctx, &way.graph, &applied).ids();
    drop(own);
    way.try_what_can_stay(ctx, component, command)?;
    Ok(Found::Way(Box::new(way)))
}

/// Whether the ledger is certain, and the files have nothing in the place of what it knows.
fn says_more(ledger: &Ledger, files: &Graph, applied: &[String], ran: &Ran) -> bool {
    let known: Vec<&str> = ran.scripts.iter().map(|it| it.id.as_str()).filter(|id| files.get(id).is_some()).collect();
    let held = files.ancestors(&known, Links::WithDependencies);
    let is_replaced = held
        .iter()
        .any(|id| ledger.entries.get(*id).is_none_or(|entry| files.is_base(id) && !entry.parents.is_empty()));
    ledger.is_unbroken(applied) && !is_replaced
}

/// Goes down from what the version table holds, script by script.
fn collect(
    ctx: &Ctx,
    own: &mut OwnDatabase<'_>,
    files: &Graph,
    search: &Search<'_>,
    (applied, ledger): (&[String], Option<&Ledger>),
) -> Result<Ran> {
    let root = &ctx.project()?.root;
    let mut ran =
        Ran { scripts: Vec::new(), texts: Vec::new(), lost: Vec::new(), moved: Vec::new(), nowhere: Vec::new() };
    let mut todo = applied.to_vec();
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let was = ledger.and_then(|ledger| ledger.entries.get(&id)).map(|entry| entry.parents.as_slice());
        let mut script = match files.get(&id) {
            Some(script) => script.clone(),
            None => match search.find(own.db(), &id)? {
                Some(lost) => {
                    let script = lost.script.clone();
                    ran.texts.push((id.clone(), lost.text.clone()));
                    ran.lost.push(lost);
                    script
                }
                None => {
                    ran.nowhere.push(id);
                    continue;
                }
            },
        };
        if let Some(was) = was.filter(|was| has_other_parents(files, &script, was)) {
            let at = ran.texts.iter().position(|(of, _)| *of == id);
            let text = match at {
                Some(at) => ran.texts.remove(at).1,
                None => read_script(&root.join(&script.path))?,
            };
            ran.moved.push(Reparented { revision: id.clone(), was: was.to_vec(), is: links(files, &id) });
            let (moved, text) = moved(&script, &text, &parents_of_then(files, &script, was))?;
            script = moved;
            ran.texts.push((id.clone(), text));
        }
        todo.extend(below(files, &script));
        ran.scripts.push(script);
    }
    Ok(ran)
}

/// What a script stands on: the files resolve the labels of theirs.
fn below(files: &Graph, script: &Script) -> Vec<String> {
    let dependencies = match files.get(&script.id) {
        Some(_) => files.dependencies(&script.id).into_iter().map(str::to_owned).collect(),
        None => script.depends_on.clone(),
    };
    script.down.iter().cloned().chain(dependencies).collect()
}

fn has_other_parents(files: &Graph, script: &Script, was: &[String]) -> bool {
    let is: BTreeSet<String> = below(files, script).into_iter().collect();
    is != was.iter().cloned().collect()
}

fn parents_of_then(files: &Graph, script: &Script, was: &[String]) -> Vec<String> {
    let all = below(files, script);
    let dependencies = &all[script.down.len()..];
    was.iter().filter(|id| !dependencies.contains(id)).cloned().collect()
}

/// A script with other parents.
fn moved(script: &Script, text: &str, parents: &[String]) -> Result<(Script, String)> {
    let reread = revision::read(&script.path, text).map_err(|error| anyhow::anyhow!("{error}"))?;
    let text = repoint(text, &Places::of(&reread), parents)
        .with_context(|| format!("giving {} the parents that it ran on", script.id))?;
    let script = revision::read(&script.path, &text).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok((script, text))
}

/// Puts the scripts as they ran into a folder of their own, and works out the way.
fn lay_out(ctx: &Ctx, files: &Graph, mut ran: Ran, applied: &[String]) -> Result<Way> {
    let project = ctx.project()?;
    let text_of = |id: &str| ran.texts.iter().find(|(of, _)| of == id).map(|(_, text)| text.as_str());
    // Each lost script has a folder of its own: a file here may have its name.
    let place = |script: &Script| match files.get(&script.id) {
        Some(_) => project.root.join(&script.path),
        None => PathBuf::from("/").join(&script.id).join(script.path.file_name().unwrap_or_default()),
    };
    let scripts = ran.scripts.iter().map(|script| (place(script), text_of(&script.id)));
    let overlay = Overlay::new(&project.state_dir, scripts)?;
    let mut names = Vec::new();
    let copies: Vec<Option<PathBuf>> =
        ran.scripts.iter().map(|script| text_of(&script.id).and_then(|_| overlay.copy_of(&place(script)))).collect();
    for (script, copy) in ran.scripts.iter_mut().zip(copies) {
        let Some(copy) = copy else { continue };
        let shown = script.path.display().to_string();
        let inside = copy.strip_prefix(&project.root).map(|inside| inside.display().to_string());
        names.push((copy.display().to_string(), shown.clone()));
        names.extend(inside.map(|inside| (inside, shown)));
        script.path = copy;
    }
    let touched = ran.scripts.iter().filter(|script| files.get(&script.id).is_none());
    let touched = touched.map(|script| script.id.clone()).chain(ran.moved.iter().map(|it| it.revision.clone()));
    let touched: Vec<Moved> = touched.map(|revision| Moved { revision, from: Vec::new(), to: Vec::new() }).collect();
    let graph = Graph::build(ran.scripts).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Fail::new(Kind::UnknownRevision, "What the database ran does not fit together")
            .details(problems.join("\n"))
            .action("Put a backup from before back, or make the database anew")
    })?;
    let trip = trip(&graph, files, &touched, applied)?;
    let (lost, moved) = (ran.lost, ran.moved);
    Ok(Way { lost, moved, trip, kept: Vec::new(), why: None, skipped: Vec::new(), graph, overlay, names })
}

impl Way {
    /// Revisions that the files know need not go down where two copies show that the same comes of it.
    fn try_what_can_stay(&mut self, ctx: &Ctx, component: &Component, command: &'static str) -> Result<()> {
        let stay: Vec<String> = self.trip.down.iter().filter(|id| self.trip.up.contains(id)).cloned().collect();
        if stay.is_empty() {
            return Ok(());
        }
        let config = ctx.config(component)?;
        let trial = Trial {
            component,
            config: &config,
            trip: &self.trip,
            graphs: [&self.graph, &ctx.history(&config)?],
            kept: stay.clone(),
            scripts: [self.overlay.versions().to_vec(), Vec::new()],
            command,
        };
        match proof::prove(ctx, &trial)? {
            Proof::Stays => self.kept = stay,
            Proof::GoesDown(why) => self.why = Some(why),
            Proof::Fails(fail) => return Err(self.in_their_names(*fail).into()),
        }
        Ok(())
    }

    /// Revisions whose `downgrade()` really runs, in order.
    pub fn taken_back(&self) -> Vec<String> {
        let runs = |id: &&String| !self.kept.contains(id) && !self.skipped.contains(id);
        self.trip.down.iter().filter(runs).cloned().collect()
    }

    /// What goes with the way down, as the scripts tell.
    ///
    /// # Errors
    /// When a script cannot be read or the connection is lost.
    pub fn at_stake(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<Vec<AtStake>> {
        let mut found = at_stake::find(ctx, &self.graph, own.db(), Direction::Down, &self.taken_back())?;
        for it in &mut found {
            it.path = self.named(&it.path);
        }
        Ok(found)
    }

    /// A line for each step down.
    pub fn lines(&self) -> Vec<String> {
        let walk = self.down();
        self.trip.down.iter().map(|id| walk.line(&self.graph, id)).collect()
    }

    fn down(&self) -> Walk {
        let trip = &self.trip;
        let skipped = self.skipped.iter().filter(|id| trip.down.contains(id)).cloned().collect();
        Walk { kept: self.kept.clone(), skipped, ..Walk::new(Direction::Down, &trip.down, trip.before.clone()) }
    }

    fn up(&self) -> Walk {
        let trip = &self.trip;
        Walk { kept: self.kept.clone(), ..Walk::new(Direction::Up, &trip.up, trip.between.clone()) }
    }

    /// A text with the scripts' own names in it.
    fn named(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (copy, name)| text.replace(copy, name))
    }

    /// Goes the way, in a database that is locked and saved. Whatever fails puts everything back.
    ///
    /// # Errors
    /// What a migration may meet; where the database stands then is said.
    pub fn go(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>, backup: Option<&Path>) -> Result<()> {
        let open = self.write_down(ctx, own, backup)?;
        let done = self.there(ctx, own, backup);
        let is_back = done.is_err() && own.applied().is_ok_and(|now| now == self.trip.before);
        if let Some(open) = open.filter(|_| done.is_ok() || is_back) {
            open.end();
        }
        done
    }

    /// A copy goes where anything fails, so nothing is written down for one.
    fn write_down(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>, backup: Option<&Path>) -> Result<Option<LeftOpen>> {
        if backup.is_none() || self.kept.is_empty() {
            return Ok(None);
        }
        let Trip { between, up, .. } = &self.trip;
        LeftOpen::begin(ctx, own, &migrate::Way { start: between, direction: Direction::Up, ids: up, kept: &self.kept })
    }

    fn there(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>, backup: Option<&Path>) -> Result<()> {
        let mut walker = Walker::start_with(ctx, own, Limits::default(), self.overlay.versions())?;
        walker.ready()?;
        let down = walker.go(own, &self.graph, &self.down());
        walker.end();
        if let Err(broken) = down {
            let done = broken.walked.done.clone();
            return Err(self.back(ctx, own, backup, *broken, (&done, &[])));
        }
        if self.trip.up.is_empty() {
            return Ok(());
        }
        let files = ctx.history(&own.config)?;
        let mut walker = Walker::start(ctx, own, Limits::default())?;
        let up = walker.go(own, &files, &self.up());
        walker.end();
        match up {
            Ok(_) => Ok(()),
            Err(broken) => {
                let done = broken.walked.done.clone();
                Err(self.back(ctx, own, backup, *broken, (&self.trip.down, &done)))
            }
        }
    }

    /// A failure with the scripts' own names in it, and where the one is that it happened in.
    fn in_their_names(&self, fail: Fail) -> Fail {
        let fail = advice::in_their_names(fail, &self.names);
        let lost = self.lost.iter().find(|lost| Some(&lost.script.id) == fail.revision.as_ref());
        let Some(lost) = lost else { return fail };
        let branch = lost.branches().into_iter().next();
        let fail = fail.details(format!("{} is {}", lost.script.id, lost.whose()));
        match branch {
            Some(branch) => {
                fail.run("Or take the database down where the script is, corrected", git(["switch", branch.as_str()]))
            }
            None => fail,
        }
    }

    /// Takes back what was done of the way down and of the way up, and says what came of it.
    fn back(
        &self,
        ctx: &Ctx,
        own: &mut OwnDatabase<'_>,
        backup: Option<&Path>,
        broken: BrokenOff,
        (down, up): (&[String], &[String]),
    ) -> anyhow::Error {
        let fail = self.in_their_names(broken.fail);
        // Without a backup it is a copy, which goes.
        let Some(backup) = backup else { return fail.into() };
        let backup_line = format!("The backup taken before: {}", backup.display());
        if broken.walked.half_done.is_some() || !broken.walked.rows_stay.is_empty() {
            let whole = own_command("db-restore").of(&own.component.name).word(backup.display().to_string());
            return fail.details(backup_line).run("Or put the backup in the database's place as a whole", whole).into();
        }
        if down.is_empty() && up.is_empty() {
            return fail.into();
        }
        match interrupt::shielded(|| self.walk_back(ctx, own, backup, (down, up))) {
            Ok(report) if report.is_as_it_was => {
                fail.details("Everything was put back: the database is as it was before, which was compared").into()
            }
            Ok(report) => {
                fail.details("The database was walked back to where it was").details(report.lines().join("\n")).into()
            }
            Err(error) => Fail { exit: Exit::Failed, ..fail }
                .details(format!("It could not be walked back: {:#}", from_anyhow(&error).summary))
                .details(backup_line)
                .into(),
        }
    }

    /// Takes a way back that came to its end: whatever was applied since as well, and the rows from the backup. The files
    /// have to be those still that it went to.
    ///
    /// # Errors
    /// What a migration may meet, and as [`OwnDatabase::put_back`].
    pub fn undo(&self, ctx: &Ctx, own: &mut OwnDatabase<'_>, backup: &Path) -> Result<Report> {
        let files = ctx.history(&own.config)?;
        let now = own.applied()?;
        let held = files.ancestors(&self.trip.after, Links::WithDependencies);
        let since = files.ancestors(&now, Links::WithDependencies).into_iter().rev().filter(|id| !held.contains(id));
        let up: Vec<String> = self.trip.up.iter().cloned().chain(since.map(str::to_owned)).collect();
        self.walk_back(ctx, own, backup, (&self.trip.down, &up))
    }

    fn walk_back(
        &self,
        ctx: &Ctx,
        own: &mut OwnDatabase<'_>,
        backup: &Path,
        (down, up): (&[String], &[String]),
    ) -> Result<Report> {
        let reversed = |ids: &[String]| ids.iter().rev().cloned().collect::<Vec<_>>();
        let walk = |direction, ids: &[String], before| Walk {
            kept: self.kept.clone(),
            skipped: self.skipped.clone(),
            ..Walk::new(direction, &reversed(ids), before)
        };
        if !up.is_empty() {
            let files = ctx.history(&own.config)?;
            let mut walker = Walker::start(ctx, own, Limits::default())?;
            let before = own.applied()?;
            walker.go(own, &files, &walk(Direction::Down, up, before))?;
            walker.end();
        }
        let mut walker = Walker::start_with(ctx, own, Limits::default(), self.overlay.versions())?;
        let before = own.applied()?;
        walker.go(own, &self.graph, &walk(Direction::Up, down, before))?;
        walker.end();
        let root = &ctx.project()?.root;
        let paths = down.iter().filter_map(|id| Some(root.join(&self.graph.get(id)?.path)));
        let scripts: Vec<String> = paths.filter_map(|path| read_script(&path).ok()).collect();
        let report = own.put_back_what_ran(ctx, backup, None, &scripts, false)?;
        own.forget_that_it_was_put_back();
        Ok(report)
    }

    /// For JSON: the scripts that no file here has, with who has them.
    pub fn lost_json(&self) -> Vec<Value> {
        let one = |lost: &LostScript| {
            json!({
                "revision": lost.script.id, "message": lost.script.message, "path": null,
                "found": lost.whose(), "branches": lost.branches(), "applied_at": lost.applied,
            })
        };
        self.lost.iter().map(one).collect()
    }
}
