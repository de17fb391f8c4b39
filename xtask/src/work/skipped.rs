//! Finds skipped revisions: a database counts them as run and never ran them. The ledger knows them where it is
//! certain; else git knows earlier parents, and then a revision is only reported where the database lacks what it
//! makes.

mod healed;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::model::action::{Action, Own, own};
use crate::model::graph::{Graph, Links};
use crate::model::ledger::{self, Ledger, Made, Skipped, by_hand, made, remedy, takes_away};
use crate::model::rebase;
use crate::model::revision::{self, Script};
use crate::model::script_body::{self, Body, Kind};
use crate::model::status::Revision;
use crate::sys::files::read_script;
use crate::sys::git::Repo;
use crate::sys::pg::{Db, for_libpq};
use crate::sys::project::Component;
use crate::sys::run::Cmd;

pub use healed::Healed;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct AllSkipped {
    /// Those that something has to be done about, newest first.
    pub skipped: Vec<Skipped>,
    /// Those that need nothing, since a twin does the same.
    pub healed: Vec<Healed>,
    /// Whether the scripts have several heads.
    is_diverged: bool,
    /// The stretch of the history that never ran, as Alembic's `--sql` takes it.
    by_hand: Option<String>,
    /// Where a downgrade has to lead to, so that an upgrade runs them; `None` where there is no such place.
    pub target: Option<String>,
}

/// Looks at a database at `heads`. Nothing is found where nothing is certain; what cannot be asked counts as that.
pub fn find(ctx: &Ctx, graph: &Graph, db: &mut Db, ledger: Option<&Ledger>, heads: &[String]) -> AllSkipped {
    let nothing = Ledger::default();
    if heads.is_empty() || !graph.unknown(heads).is_empty() {
        return AllSkipped::default();
    }
    let is_unbroken = ledger.is_some_and(|ledger| ledger.is_unbroken(heads));
    let ledger = ledger.unwrap_or(&nothing);
    let mut skipped = if is_unbroken { ledger.skipped(graph, heads) } else { Vec::new() };
    skipped.retain(|skipped| !is_empty(ctx, graph, &skipped.revision));
    let past = if is_unbroken { Ok(Vec::new()) } else { past(ctx, graph) };
    let past = past.unwrap_or_else(|error| {
        ctx.ui.verbose(format!("git was not asked for earlier parents: {error:#}"));
        Vec::new()
    });
    for suspect in ledger.suspects(graph, heads, &past) {
        match lacking(ctx, graph, db, heads, &suspect.revision) {
            Ok(lacks) if lacks.is_empty() => {}
            Ok(lacks) => skipped.push(Skipped { lacks, ..suspect }),
            Err(error) => ctx.ui.verbose(format!("{} could not be looked for: {error:#}", suspect.revision)),
        }
    }
    let order = graph.ancestors(heads, Links::WithDependencies);
    skipped.sort_by_key(|skipped| order.iter().position(|id| *id == skipped.revision));
    let healed = heal(ctx, graph, db, heads, &mut skipped);
    let target = if skipped.is_empty() { None } else { remedy(graph, heads, &skipped) };
    let by_hand = target.as_ref().and_then(|target| by_hand(graph, target, &skipped));
    AllSkipped { is_diverged: graph.is_diverged(), by_hand, skipped, healed, target }
}

/// Takes those out whose twin does the same.
fn heal(ctx: &Ctx, graph: &Graph, db: &mut Db, heads: &[String], skipped: &mut Vec<Skipped>) -> Vec<Healed> {
    let all = skipped.clone();
    let mut healed = Vec::new();
    skipped.retain(|one| match healed::healed(ctx, graph, db, heads, (one, &all)) {
        Ok(found) => {
            let is_healed = found.is_some();
            healed.extend(found);
            !is_healed
        }
        Err(error) => {
            ctx.ui.verbose(format!("no twin of {} was looked for: {error:#}", one.revision));
            true
        }
    });
    healed
}

/// The parents that scripts had in commits that are not on the main branch, and in what was checked out lately.
fn past(ctx: &Ctx, graph: &Graph) -> Result<Vec<(String, Vec<String>)>> {
    let project = ctx.project()?;
    // A process less where there is nothing to ask.
    if !project.root.ancestors().any(|folder| folder.join(".git").exists()) {
        return Ok(Vec::new());
    }
    let Some(repo) = Repo::find(&ctx.ui, &project.root)? else { return Ok(Vec::new()) };
    let folders: BTreeSet<PathBuf> =
        graph.scripts().filter_map(|script| repo.relative(project.root.join(&script.path).parent()?).ok()).collect();
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let folders: Vec<PathBuf> = folders.into_iter().collect();
    let files = repo.versions_off(&ctx.main_branch(&repo)?.commit, &folders)?;
    let blobs: Vec<_> = files.iter().map(|file| file.blob.clone()).collect();
    let texts = repo.blobs(&blobs)?;
    let mut past = Vec::new();
    for file in &files {
        let text = texts.get(&file.blob).cloned().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(script) = text.and_then(|text| revision::read(&file.path, &text).ok()) else { continue };
        // What it depends on is taken as it is now: labels of then are not known any more.
        let dependencies = graph.dependencies(&script.id).into_iter().map(str::to_owned);
        past.push((script.id, script.down.into_iter().chain(dependencies).collect()));
    }
    Ok(past)
}

/// What a revision makes and the database has not, though no other revision that it holds could have taken it away.
fn lacking(ctx: &Ctx, graph: &Graph, db: &mut Db, heads: &[String], id: &str) -> Result<Vec<String>> {
    let Some(script) = graph.get(id) else { return Ok(Vec::new()) };
    let made: Vec<Made> = made(&body(ctx, script)?);
    let there = db.has(&made)?;
    let mut missing: Vec<&Made> = made.iter().zip(there).filter(|(_, there)| !there).map(|(made, _)| made).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    for other in graph.ancestors(heads, Links::WithDependencies) {
        let Some(script) = graph.get(other) else { continue };
        let body = body(ctx, script)?;
        missing.retain(|made| !takes_away(&body, made));
    }
    Ok(missing.into_iter().map(ToString::to_string).collect())
}

/// The newest revision up to which the database has all that the scripts make, as far as their text tells; `None` where
/// it has not even what the first ones make.
pub fn matching(ctx: &Ctx, graph: &Graph, db: &mut Db) -> Option<String> {
    let heads: Vec<String> = graph.heads().into_iter().map(str::to_owned).collect();
    let mut matching = None;
    for id in graph.ancestors(&heads, Links::WithDependencies).into_iter().rev() {
        let made: Vec<Made> = made(&body(ctx, graph.get(id)?).ok()?);
        let there = db.has(&made).ok()?;
        if there.contains(&false) {
            break;
        }
        if !made.is_empty() {
            matching = Some(id.to_owned());
        }
    }
    matching
}

/// The revision whose tables and columns are most like those of a database.
pub struct Nearest {
    /// It.
    pub revision: String,
    /// What it makes and the database has not.
    pub lacks: Vec<String>,
    /// What later revisions make and the database has.
    pub has_more: Vec<String>,
}

/// The revision that differs least from a database in tables and columns, as far as the scripts' text tells; the newest of
/// several. `None` where the scripts tell nothing.
pub fn nearest(ctx: &Ctx, graph: &Graph, db: &mut Db) -> Option<Nearest> {
    let heads: Vec<String> = graph.heads().into_iter().map(str::to_owned).collect();
    let order: Vec<&str> = graph.ancestors(&heads, Links::WithDependencies).into_iter().rev().collect();
    let bodies: Vec<Body> =
        order.iter().map(|id| graph.get(id).and_then(|it| body(ctx, it).ok()).unwrap_or_default()).collect();
    let all: Vec<Vec<Made>> = bodies.iter().map(made).collect();
    let there = db.has(&all.concat()).ok()?;
    let mut there = there.into_iter();
    let all: Vec<Vec<(Made, bool)>> = all
        .into_iter()
        .map(|made| made.into_iter().map(|it| (it, there.next().unwrap_or_default())).collect())
        .collect();
    let (mut expected, mut best) = (Vec::<(Made, bool)>::new(), None::<Nearest>);
    for (at, id) in order.iter().enumerate() {
        expected.retain(|(it, _)| !takes_away(&bodies[at], it));
        expected.extend(all[at].iter().cloned());
        let named = |list: &[(Made, bool)], is: bool| -> Vec<String> {
            list.iter().filter(|(_, there)| *there == is).map(|(it, _)| it.to_string()).collect()
        };
        let lacks = named(&expected, false);
        let mut has_more: Vec<String> = all[at + 1..].iter().flat_map(|made| named(made, true)).collect();
        has_more.retain(|name| !expected.iter().any(|(it, _)| it.to_string() == *name));
        let differs = lacks.len() + has_more.len();
        if best.as_ref().is_none_or(|best| differs <= best.lacks.len() + best.has_more.len()) {
            best = Some(Nearest { revision: (*id).to_owned(), lacks, has_more });
        }
    }
    best.filter(|_| all.iter().any(|made| !made.is_empty()))
}

/// What a script does; nothing where that cannot be read.
pub fn body(ctx: &Ctx, script: &Script) -> Result<Body> {
    let text = read_script(&ctx.project()?.root.join(&script.path))?;
    Ok(script_body::read(&script.path, &text).unwrap_or_default())
}

/// Whether `upgrade()` does nothing, as that of a merge revision: then nothing was missed.
fn is_empty(ctx: &Ctx, graph: &Graph, id: &str) -> bool {
    let body = graph.get(id).map(|script| body(ctx, script));
    matches!(body, Some(Ok(Body { upgrade: Some(upgrade), .. })) if upgrade.kind == Kind::Empty)
}

impl AllSkipped {
    /// Whether everything is as it should be.
    pub fn is_empty(&self) -> bool {
        self.skipped.is_empty()
    }

    /// The ids of all whose changes the database has not got; on the way down there is nothing of them to undo.
    pub fn ids(&self) -> Vec<String> {
        let waiting = self.healed.iter().filter(|healed| healed.is_pending).map(|healed| healed.revision.clone());
        self.skipped.iter().map(|skipped| skipped.revision.clone()).chain(waiting).collect()
    }

    /// The commands that put it right, in their order; none where nobody can tell them.
    pub fn commands(&self, component: &str) -> Vec<Own> {
        let Some(target) = &self.target else { return Vec::new() };
        let down = own("db-migrate").flag("--direction", "downgrade").flag("--target", target);
        let up = own("db-migrate");
        let up = if self.is_diverged { up.flag("--target", "heads") } else { up };
        vec![down.of(component), up.of(component)]
    }

    /// What to do about it, as lines.
    pub fn advice(&self, ctx: &Ctx, component: &Component) -> Vec<String> {
        let commands = self.commands(&component.name);
        let mut lines = vec!["Put it right:".to_owned()];
        let numbered = commands.iter().cloned().enumerate();
        lines.extend(numbered.map(|(at, command)| format!("  {}. {}", at + 1, ctx.ui.shown(command))));
        if commands.is_empty() {
            lines.push(
                "  - No downgrade leads below them: put a backup from before back, or make the database anew".into(),
            );
            return lines;
        }
        lines.push(
            "What never ran is only taken out of the version table on the way down; on the way up it runs.".into(),
        );
        if let Some(stretch) = &self.by_hand {
            let sql = ctx.alembic_by_hand(component).words(["upgrade", stretch, "--sql"]);
            let print = Action::run("Run what this prints, without its lines about the version table", sql);
            lines.extend([
                "Or, where nothing may be taken back, run it by hand and forget what was known:".to_owned(),
                format!("  1. {}", ctx.ui.shown(print)),
            ]);
            lines.extend(forget(ctx, component).map(|command| format!("  2. {command}")));
        }
        lines
    }

    /// A line for each, with what it is told by.
    pub fn lines(&self, graph: &Graph) -> Vec<String> {
        let line = |skipped: &Skipped| {
            let because = skipped.because.as_ref().map(|it| {
                format!(": {} was put from {} on {}", it.revision, rebase::ids(&it.was), rebase::ids(&it.is))
            });
            let lacks = &skipped.lacks;
            let lacks = (!lacks.is_empty()).then(|| format!("; the database has no {}", lacks.join(", no ")));
            let named = Revision::of(graph, &skipped.revision).with_message();
            format!("{named}{}{}", because.unwrap_or_default(), lacks.unwrap_or_default())
        };
        self.skipped.iter().map(line).collect()
    }

    /// `"implied"` of JSON; `revisions` are the skipped ones, in their order.
    pub fn json(&self, revisions: &[Revision]) -> Vec<Value> {
        let one = |(skipped, revision): (&Skipped, &Revision)| {
            let mut object = crate::report::json::revision(revision);
            let told_by = if skipped.lacks.is_empty() { "ledger" } else { "database" };
            object["told_by"] = json!(told_by);
            object["lacks"] = json!(skipped.lacks);
            object["because"] = skipped.because.as_ref().map_or(Value::Null, because);
            object
        };
        self.skipped.iter().zip(revisions).map(one).collect()
    }
}

/// The command that drops the ledger; `None` where the database is not known.
fn forget(ctx: &Ctx, component: &Component) -> Option<String> {
    let database = ctx.config(component).and_then(|config| ctx.database(&config)).ok()?;
    let drop = Cmd::new("psql", "/").args(["-c", "drop schema if exists xtask cascade"]);
    Some(for_libpq(drop, database.url.target()).line())
}

fn because(it: &ledger::Reparented) -> Value {
    json!({"revision": it.revision, "from": it.was, "to": it.is})
}
