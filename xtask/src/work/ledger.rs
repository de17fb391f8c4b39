//! The ledger on the way of every walk: read before, written after, with every run of a script: its text, and what it
//! changed in the schema. Whatever keeps it from being written is said under `--verbose` and stops nobody.
//!
//! What others ask of it: [`recorded_below`], the schema that stood below a revision before anybody took it down, and
//! [`edited`], the scripts that a database ran as another text.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::ctx::Ctx;
use crate::model::catalog::Snapshot;
use crate::model::graph::{Graph, Links};
use crate::model::ledger::{Entry, How, Ledger, Run, links, recorded};
use crate::model::script_body::difference;
use crate::model::target::{Direction, Step};
use crate::sys::files;
use crate::sys::pg::{Db, LastText, SCHEMA, Script, VersionTable, Writing};

/// What a script may differ in without doing anything else on the way up.
const NOT_UPWARD: [&str; 6] = ["revision", "down_revision", "depends_on", "branch_labels", "downgrade()", "imports"];
/// How far the clocks of this machine and the server may differ, in seconds.
const CLOCKS: i64 = 600;

/// The ledger as it was before a walk.
pub struct Book {
    table: VersionTable,
    command: &'static str,
    old: Option<Ledger>,
    begun: BTreeMap<String, Entry>,
}

/// What a walk has done.
pub struct Change<'a> {
    /// Which way.
    pub direction: Direction,
    /// What was applied or reverted for good.
    pub done: &'a [String],
    /// What the version table holds now.
    pub heads: &'a [String],
    /// Whether Alembic's autogenerate would see the ledger; not known after a failure.
    pub sees_ledger: Option<bool>,
    /// The runs of those that really ran.
    pub runs: &'a [Run],
    /// Their scripts, by digest.
    pub scripts: &'a BTreeMap<String, Script>,
}

impl Book {
    /// Opens it for a database at `heads`.
    pub fn open(db: &mut Db, table: &VersionTable, command: &'static str, graph: &Graph, heads: &[String]) -> Book {
        let old = db.ledger(table);
        let begun = old.as_ref().unwrap_or(&Ledger::default()).begun(graph, heads);
        Book { table: table.clone(), command, old, begun }
    }

    /// Writes down what a walk has done.
    pub fn close(self, ctx: &Ctx, db: &mut Db, graph: &Graph, change: &Change<'_>) {
        if self.old.is_none() && change.sees_ledger == Some(true) {
            ctx.ui.verbose(format!(
                "no ledger is made: env.py lets autogenerate look into the schema {SCHEMA} (include_schemas), so that it \
                 would propose to drop it"
            ));
            return;
        }
        match self.write(ctx, db, graph, change) {
            Ok(true) => {}
            Ok(false) => ctx.ui.verbose("there is no ledger to write into"),
            Err(error) => ctx.ui.verbose(format!("the ledger could not be written: {error:#}")),
        }
    }

    fn write(mut self, ctx: &Ctx, db: &mut Db, graph: &Graph, change: &Change<'_>) -> Result<bool> {
        for id in change.done {
            match change.direction {
                Direction::Up => {
                    let entry = Entry { parents: links(graph, id), how: How::Ran };
                    self.begun.insert(id.clone(), entry);
                }
                Direction::Down => _ = self.begun.remove(id),
            }
        }
        let old = self.old.as_ref().map(|ledger| &ledger.entries);
        let is_new = |id: &String, entry: &Entry| {
            change.done.contains(id) || old.and_then(|old| old.get(id)).is_none_or(|old| old != entry)
        };
        let mut entries = Vec::new();
        for (id, entry) in self.begun.iter().filter(|(id, entry)| is_new(id, entry)) {
            // A revision of an older ledger may have no file here.
            let ran = change.runs.iter().find(|run| run.revision == *id).map(|run| run.digest.clone());
            let digest = ran.or_else(|| script(ctx, graph, id).map(|script| script.digest)).unwrap_or_default();
            entries.push((id.as_str(), entry, digest));
        }
        let gone = old.into_iter().flat_map(BTreeMap::keys).filter(|id| !self.begun.contains_key(*id));
        let forget: Vec<String> = gone.cloned().collect();
        let by = format!("xtask {}, {}", env!("CARGO_PKG_VERSION"), self.command);
        let may_make = change.sees_ledger == Some(false);
        let (heads, by) = (change.heads, by.as_str());
        let (runs, scripts) = (change.runs, change.scripts);
        let writing = Writing { forget: &forget, entries: &entries, runs, scripts, heads, by, may_make };
        db.write_ledger(&self.table, &writing)
    }
}

/// The scripts of some steps as they are now, by revision; those that cannot be read are left out.
pub fn scripts(ctx: &Ctx, graph: &Graph, steps: &[Step]) -> BTreeMap<String, Script> {
    let ids = steps.iter().map(|step| step.revision.clone());
    ids.filter_map(|id| script(ctx, graph, &id).map(|script| (id, script))).collect()
}

fn script(ctx: &Ctx, graph: &Graph, id: &str) -> Option<Script> {
    let path = &graph.get(id)?.path;
    let body = files::read_script(&ctx.project().ok()?.root.join(path)).ok()?;
    Some(Script { digest: hex(body.as_bytes()), path: path.display().to_string(), body })
}

pub fn digest(schema: &Snapshot) -> String {
    let mut hasher = Sha256::new();
    for (key, object) in schema.objects() {
        hasher.update(format!("{key}\n{:?}\n", object.parent));
        for (name, value) in &object.attributes {
            hasher.update(format!("{name}\0{value}\0"));
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The schema below a revision before anybody downgraded it, as this tool saw it when it applied the revision; `now` is
/// the schema at it. `None` where it was not seen, or where the schema has not kept what the revision made.
pub fn recorded_below(db: &mut Db, table: &VersionTable, revision: &str, now: &Snapshot) -> Option<Snapshot> {
    recorded::below(&db.runs(table, revision).ok()?, now)
}

/// A script that a database ran as another text.
#[derive(Clone, Debug)]
pub struct Edited {
    pub revision: String,
    /// What differs on the way up: `upgrade()`, `TABLE`.
    pub differs: Vec<String>,
    /// When it ran, UTC.
    pub when: String,
}

impl Edited {
    /// Why what a database holds is no proof of the script of today.
    pub fn why(&self) -> String {
        let differs = self.differs.join(", ");
        format!(
            "{} was edited ({differs}) since this database ran it on {}, so it holds what another text made",
            self.revision, self.when
        )
    }

    /// An item of `"edited"` in db-status's JSON.
    pub fn json(&self) -> Value {
        json!({"revision": self.revision, "differs": self.differs, "ran_at": self.when})
    }
}

/// Says it, with what to do.
pub fn edited_lines(edited: &[Edited]) -> Vec<String> {
    if edited.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "⚠️  Edited since this database ran them; it has run another text:".to_owned()];
    let line = |it: &Edited| format!("  - {} ({}), which ran on {}", it.revision, it.differs.join(", "), it.when);
    lines.extend(edited.iter().map(line));
    lines.push(
        "What the edit adds was never done here, and no upgrade will: put it into a new revision, or take the".into(),
    );
    lines.push("database down to below the edited one and up again".into());
    lines
}

/// The revisions of a database at `heads` whose scripts do something else now than what was run; newest last. What
/// cannot be asked counts as nothing.
pub fn edited(ctx: &Ctx, graph: &Graph, db: &mut Db, texts: Vec<LastText>, heads: &[String]) -> Vec<Edited> {
    let held = graph.ancestors(heads, Links::WithDependencies);
    let mut found: Vec<(usize, Edited)> = Vec::new();
    for text in texts {
        let Some(at) = held.iter().position(|id| *id == text.revision) else { continue };
        let differs = differs(ctx, graph, db, &text);
        if !differs.is_empty() {
            found.push((at, Edited { revision: text.revision, differs, when: text.when }));
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    found.into_iter().map(|(_, edited)| edited).collect()
}

fn differs(ctx: &Ctx, graph: &Graph, db: &mut Db, ran: &LastText) -> Vec<String> {
    let path = graph.get(&ran.revision).map(|script| script.path.clone());
    let Some((path, Ok(project))) = path.map(|path| (path, ctx.project())) else { return Vec::new() };
    // A file that is older than the run is what ran: it need not be read.
    let changed = files::modified(&project.root.join(&path)).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let changed = changed.and_then(|changed| i64::try_from(changed.as_secs()).ok());
    if changed.is_some_and(|changed| changed < ran.at - CLOCKS) {
        return Vec::new();
    }
    let Some(now) = script(ctx, graph, &ran.revision).filter(|now| now.digest != ran.digest) else { return Vec::new() };
    let Ok(Some(then)) = db.script(&ran.digest) else { return Vec::new() };
    let mut names = difference(&path, &then.body, &now.body);
    names.retain(|name| !NOT_UPWARD.contains(&name.as_str()));
    names
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
