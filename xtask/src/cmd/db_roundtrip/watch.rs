//! `--watch`: repeats the round trip of the newest revision whenever its file, or a file that it uses, changes. The
//! Python process and the database below the revision are kept between the runs (`warm.rs`, `below.rs`); this file has
//! the loop: test, answer, get ready for the next change, wait for it.
//!
//! What happens after a change depends on the file. A script of the history is read again. After env.py or a module of
//! the project, a new Python process is started, since a module cannot be safely imported twice. After the config,
//! everything begins anew.

mod below;
mod places;
mod scripts;
mod warm;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;

use super::facts::{Facts, gather};
use super::findings::beside;
use super::resume::Log;
use super::show::painter;
use super::walk::Shared;
use crate::ctx::{Ctx, shown};
use crate::fail::{Exit, Fail, Kind, from_anyhow, refuse};
use crate::flags::DbRoundtrip;
use crate::model::action::{Action, Around, own};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::changes::{Places, Watcher};
use crate::sys::clock::utc_time;
use crate::sys::{files, interrupt};
use crate::ui::Paint;
use crate::work::bystander::Bystanders;

use warm::{Answer, Warm};

/// How many lines one answer may have: the next one should not push it off the screen.
const MOST_LINES: usize = 16;
/// How coarse the clock of a file system may be.
const TICK: Duration = Duration::from_millis(20);

/// What has to happen after a change; each one includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    /// That the scripts are read again.
    Scripts,
    /// A new Python process.
    Process,
    /// That everything begins anew.
    Config,
}

/// Watches until it is interrupted. That is its ordinary end: exit 130, as for every Ctrl-C.
///
/// # Errors
/// Before the first answer, what no edit of a script can put right: no server, no Python, no config.
pub fn run(ctx: &Ctx, flags: &DbRoundtrip) -> Result<Exit> {
    let config = ctx.config(ctx.component()?).map_err(refuse)?;
    let modules = BTreeSet::new();
    let watcher = Watcher::new(places(&config, &modules));
    let mut watch = Watch { ctx, flags, watcher, modules, began: Instant::now(), answered: false };
    match watch.forever() {
        Ok(never) => match never {},
        Err(error) if from_anyhow(&error).kind == Kind::Interrupted => {
            ctx.ui.status("Stopped watching; the scratch database is gone");
            Ok(Exit::Interrupted)
        }
        Err(error) => Err(error),
    }
}

struct Watch<'a> {
    ctx: &'a Ctx,
    flags: &'a DbRoundtrip,
    watcher: Watcher,
    /// Every file of the project that a process was made from so far. One that can no longer be imported stays.
    modules: BTreeSet<PathBuf>,
    /// When the change was noticed that is being answered.
    began: Instant,
    answered: bool,
}

impl Watch<'_> {
    fn forever(&mut self) -> Result<Infallible> {
        loop {
            let Err(error) = self.session() else { continue };
            // Whatever else has failed since: the end was asked for.
            interrupt::check()?;
            let fail = from_anyhow(&error);
            let of_scripts = matches!(fail.kind, Kind::MigrationFileInvalid | Kind::MigrationFileMissing);
            if !self.answered && !of_scripts {
                return Err(error);
            }
            self.say(&Err(fail));
            self.watcher.wait()?;
            self.began = Instant::now();
        }
    }

    /// Runs with one config and one scratch database, as long as both can be used.
    fn session(&mut self) -> Result<()> {
        let facts = gather(self.ctx, self.flags).map_err(refuse)?;
        let (log, progress) = (Log::none(), Mutex::new(self.ctx.ui.steps("", 0)));
        let shared = Shared { ctx: self.ctx, facts: &facts, flags: self.flags, log: &log, progress: &progress };
        let mut warm = Warm::new(shared)?;
        self.ctx.ui.status(format!("Baseline: {}", warm.words));
        loop {
            let own = Bystanders::look(self.ctx, &facts.config, facts.database.embedded, "db-roundtrip");
            let Some(answer) = warm.answer()? else { break };
            self.say(&answer.map(|result| beside(result, &own.touched())));
            let modules = warm.get_ready()?;
            let asks = match self.turn_to(&facts, modules, warm.since) {
                Some(asks) => asks,
                None => self.wait(&facts)?,
            };
            match asks {
                Asks::Scripts => {}
                Asks::Process => warm.is_stale = true,
                Asks::Config => break,
            }
        }
        Ok(())
    }

    /// Watches the files that the process has turned out to be made from, too. Returns what has to happen at once, if
    /// anything.
    fn turn_to(&mut self, facts: &Facts<'_>, modules: Vec<PathBuf>, since: SystemTime) -> Option<Asks> {
        let scripts: BTreeSet<PathBuf> = files::scripts(&facts.config).unwrap_or_default().into_iter().collect();
        let resolved = modules.into_iter().map(|path| path.canonicalize().unwrap_or(path));
        // Old versions of Alembic import scripts as modules.
        self.modules.extend(resolved.filter(|path| !scripts.contains(path)));
        if !self.answered {
            let number = self.modules.len();
            self.ctx.ui.status(format!("Watching the scripts, env.py and {number} modules; Ctrl-C ends it"));
        }
        self.answered = true;
        let younger = self.watcher.turn_to(places(&facts.config, &self.modules), since - TICK);
        let path = younger.first()?;
        self.forget(&younger);
        self.began = Instant::now();
        self.tell(Asks::Process, path, younger.len());
        Some(Asks::Process)
    }

    fn wait(&mut self, facts: &Facts<'_>) -> Result<Asks> {
        let changed = self.watcher.wait()?;
        self.forget(&changed);
        self.began = Instant::now();
        let folders = folders(&facts.config);
        let scripts: BTreeSet<PathBuf> = files::scripts(&facts.config).unwrap_or_default().into_iter().collect();
        let asks = |path: &Path| {
            if path == facts.config.path {
                Asks::Config
            } else if scripts.contains(path) || self.is_beside_scripts(path, &folders) {
                Asks::Scripts
            } else {
                Asks::Process
            }
        };
        let Some(path) = changed.iter().max_by_key(|path| asks(path)) else { return Ok(Asks::Scripts) };
        self.tell(asks(path), path, changed.len());
        Ok(asks(path))
    }

    /// Removes the bytecode of changed files, so that a new process does not take it for fresh.
    fn forget<'p>(&self, changed: impl IntoIterator<Item = &'p PathBuf>) {
        if let Err(error) = files::remove_bytecode(changed.into_iter().cloned()) {
            self.ctx.ui.warn(format!("{error:#}; Python may take it for what was saved"));
        }
    }

    /// Why the next answer takes longer.
    fn tell(&self, asks: Asks, path: &Path, number: usize) {
        let path = self.ctx.project().map_or_else(|_| path.to_owned(), |project| shown(project, path));
        let what = match asks {
            Asks::Scripts => return,
            Asks::Process => "Python is started",
            Asks::Config => "everything begins",
        };
        let (path, others) = (path.display(), number - 1);
        let changed = match others {
            0 => format!("{path} has changed"),
            1 => format!("{path} and another file have changed"),
            _ => format!("{path} and {others} other files have changed"),
        };
        self.ctx.ui.status(format!("{changed}: {what} anew"));
    }

    /// Whether it is a file among the scripts from which no module was made: a script that is gone, SQL that a script
    /// reads.
    fn is_beside_scripts(&self, path: &Path, folders: &[PathBuf]) -> bool {
        folders.iter().any(|folder| path.starts_with(folder)) && !self.watcher.places().files.contains(path)
    }

    fn say(&self, answer: &Answer) {
        let ui = &self.ctx.ui;
        let mut lines = match answer {
            Ok(result) => result.text(ui.around(), &painter(self.ctx)),
            Err(fail) => error(ui.around(), ui.paint(Paint::Bad, &fail.summary), fail),
        };
        let more = lines.len().saturating_sub(MOST_LINES);
        if more > 0 {
            lines.truncate(MOST_LINES);
            let all = Action::run(format!("     … and {more} more lines"), own("db-roundtrip"));
            lines.push(ui.shown(all));
        }
        if let Some(first) = lines.first_mut() {
            let (time, seconds) = (utc_time(SystemTime::now()), self.began.elapsed().as_secs_f64());
            *first = format!("{time} {first}  {seconds:.2} s");
        }
        ui.answer(lines.join("\n"));
    }
}

/// What prevents the round trip, with the first thing to do about it.
fn error(around: &Around, summary: String, fail: &Fail) -> Vec<String> {
    let mut lines = vec![format!("❌ {summary} ({})", fail.kind.name())];
    lines.extend(fail.details.lines().map(|line| format!("     {line}")));
    lines.extend(fail.shown_actions(around).first().map(|action| format!("     → {action}")));
    lines
}

fn folders(config: &AlembicConfig) -> Vec<PathBuf> {
    // As the scripts are listed: without symlinks. A folder that is not there yet has none.
    config.version_locations.iter().map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone())).collect()
}

fn places(config: &AlembicConfig, modules: &BTreeSet<PathBuf>) -> Places {
    let trees = folders(config);
    let names = modules.iter().filter_map(|path| path.parent()).map(Path::to_owned);
    let names = names.filter(|folder| !trees.iter().any(|tree| folder.starts_with(tree))).collect();
    let mut files = modules.clone();
    files.extend([config.path.clone(), config.script_location.join("env.py")]);
    Places { files, trees, names }
}
