//! Works out the text of each file that a rebase edits or makes, before anything is written, and refuses where one may
//! not be written.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::ctx::Ctx;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::{git, own};
use crate::model::edit::{EditError, Places, repoint_bytes};
use crate::model::graph::Graph;
use crate::model::graph::Links;
use crate::model::rebase::{self, Both, Change, Moved, Source};
use crate::model::revision;
use crate::model::script_body;
use crate::report::diff::diff;
use crate::sys::alembic::{self, Asking, NewRevision, Rendered};
use crate::sys::alembic_ini::AlembicConfig;
use crate::sys::clock::utc_stamp;
use crate::sys::files::read_script;
use crate::sys::git::{Repo, State};
use crate::sys::journal::Planned;

/// A file as it is and as it will be.
pub struct Edit {
    /// As it is shown: relative to the project where it is inside.
    pub shown: PathBuf,
    /// Absolute.
    pub path: PathBuf,
    before: String,
    after: String,
}

impl Edit {
    /// The changed lines.
    pub fn diff(&self) -> Vec<String> {
        diff(&self.before, &self.after)
    }

    /// The text as it will be.
    pub fn after(&self) -> &str {
        &self.after
    }

    /// For the journal.
    pub fn planned(&self) -> Planned {
        Planned { path: self.path.clone(), after: Some(self.after.clone().into_bytes()) }
    }
}

/// The edits of some moves, in their order.
///
/// # Errors
/// `migration-file-invalid` for a file whose value cannot be changed without harm.
pub fn edits(root: &Path, graph: &Graph, moved: &[Moved]) -> Result<Vec<Edit>> {
    moved.iter().map(|moved| edit(root, graph, moved)).collect()
}

fn edit(root: &Path, graph: &Graph, moved: &Moved) -> Result<Edit> {
    let shown = graph.get(&moved.revision).context("a moved revision is in the history")?.path.clone();
    let path = root.join(&shown);
    let before = read_script(&path)?;
    // Read anew: the places have to be those of the bytes that are edited.
    let cannot = |line, error: &dyn std::fmt::Display| cannot_edit(&shown, line, &error.to_string());
    let script = revision::read(&shown, &before).map_err(|error| cannot(None, &error))?;
    let refused = |error: EditError| cannot(Some(script.down_line), &error);
    let after = repoint_bytes(before.as_bytes(), &Places::of(&script), &moved.to).map_err(refused)?;
    let after = String::from_utf8(after).with_context(|| format!("editing {}", shown.display()))?;
    let reread = revision::read(&shown, &after);
    let is_right = reread.is_ok_and(|reread| reread.id == script.id && reread.down == moved.to);
    ensure!(is_right, "{} would not read back as it should", shown.display());
    Ok(Edit { shown, path, before, after })
}

fn cannot_edit(shown: &Path, line: Option<usize>, why: &str) -> Fail {
    Fail::new(Kind::MigrationFileInvalid, "Cannot change the parents of a migration script")
        .details(format!("{}: {why}", shown.display()))
        .at(shown, line)
        .action(format!("Write `down_revision` in {} as a plain string, tuple or None", shown.display()))
        .run("Or join the heads without moving any", own("db-rebase").word("--merge"))
        .refused()
}

/// What a moved revision, or one above it, touches together with one that will be below it and was not.
pub fn touched_on_both_sides(root: &Path, graph: &Graph, change: &Change) -> Result<Vec<Both>> {
    let Change::Move(moved) = change else { return Ok(Vec::new()) };
    let new = rebase::applied(graph, change)?;
    let sources = |ids: &[&str]| -> Result<Vec<Source>> { ids.iter().map(|id| source(root, graph, id)).collect() };
    let mut all: Vec<Both> = Vec::new();
    for moved in moved {
        let id = [moved.revision.as_str()];
        let old = graph.ancestors(&id, Links::Parents);
        let mut below = new.ancestors(&id, Links::Parents);
        below.retain(|id| !old.contains(id));
        let pairs = rebase::both(&sources(&graph.descendants(&id, Links::Parents))?, &sources(&below)?);
        let is_new: Vec<Both> = pairs.into_iter().filter(|pair| !all.contains(pair)).collect();
        all.extend(is_new);
    }
    Ok(all)
}

/// What a script does; nothing where that cannot be read.
fn source(root: &Path, graph: &Graph, id: &str) -> Result<Source> {
    let shown = graph.get(id).context("a revision of the history has a script")?.path.clone();
    let text = read_script(&root.join(&shown))?;
    let body = script_body::read(&shown, &text).unwrap_or_default();
    Ok(Source { revision: id.to_owned(), path: shown, body })
}

/// Refuses to edit what git could not give back.
///
/// # Errors
/// `git-conflict`, `dirty-work-tree`.
pub fn check_clean(repo: &Repo, edits: &[Edit], allow_dirty: bool) -> Result<()> {
    let paths: Vec<PathBuf> = edits.iter().map(|edit| repo.relative(&edit.path)).collect::<Result<_>>()?;
    let status = if paths.is_empty() { Default::default() } else { repo.status(&paths)? };
    let (mut conflicted, mut dirty) = (Vec::new(), Vec::new());
    for (edit, path) in edits.iter().zip(&paths) {
        match status.of(path) {
            State::Conflicted => conflicted.push(edit.shown.display().to_string()),
            State::Changed { unstaged: true, .. } => dirty.push(edit.shown.display().to_string()),
            _ => {}
        }
    }
    if !conflicted.is_empty() {
        let fail = Fail::new(Kind::GitConflict, "A migration script is in conflict").details(conflicted.join("\n"));
        let fail = fail.run("Resolve it, then", git(["add"]).words(&conflicted).at_root());
        return Err(fail.run("Then repeat the command", own("db-rebase")).refused().into());
    }
    if dirty.is_empty() || allow_dirty {
        return Ok(());
    }
    Err(Fail::new(Kind::DirtyWorkTree, "A migration script that has to be edited has changes that git does not know")
        .details(dirty.join("\n"))
        .run("Put them into the index", git(["add"]).words(&dirty).at_root())
        .run("Or edit the files as they are", own("db-rebase").word("--allow-dirty"))
        .related(git(["status"]))
        .refused()
        .into())
}

/// An empty merge revision, beside the first of its parents.
pub struct Merge {
    /// Its id.
    pub id: String,
    /// Its file.
    pub edit: Edit,
}

/// The merge revision of some heads. The same heads give the same id, so that two people who do the same do not
/// diverge again.
pub fn merge(ctx: &Ctx, config: &AlembicConfig, graph: &Graph, parents: &[String]) -> Result<Merge> {
    let root = &ctx.project()?.root;
    let id = merge_id(graph, parents);
    let title = format!("Merge heads {}", parents.join(" and "));
    let Rendered { name, text } = match rendered(ctx, config, &NewRevision { id: &id, parents, message: &title })? {
        Some(rendered) => rendered,
        None => built_in(config, &id, &title, parents),
    };
    is_right(&name, &text, &id, parents)?;
    let first = parents.first().and_then(|id| graph.get(id)).context("a merge has parents")?;
    let folder = first.path.parent().unwrap_or(Path::new(""));
    let shown = folder.join(name);
    let path = root.join(&shown);
    ensure!(!path.exists(), "{} is there already", path.display());
    Ok(Merge { edit: Edit { path, shown, before: String::new(), after: text }, id })
}

/// By the project's own template, as `alembic merge` does it; `None` where there is no template or no Python to render it.
fn rendered(ctx: &Ctx, config: &AlembicConfig, revision: &NewRevision<'_>) -> Result<Option<Rendered>> {
    let template = config.script_location.join("script.py.mako");
    if !template.is_file() {
        return Ok(None);
    }
    let project = ctx.project()?;
    let python = ctx.python().and_then(|python| python.require_alembic(&ctx.ui, project).map(|()| python));
    let python = match python {
        Ok(python) => python,
        Err(error) => {
            let reason = from_anyhow(&error).summary;
            ctx.ui.warn(format!("The merge revision is not made by the project's script.py.mako: {reason}"));
            return Ok(None);
        }
    };
    let (root, state_dir) = (&project.root, &project.state_dir);
    let options = ctx.alembic_options(config);
    let script_location = config.implied_location.then_some(&*config.script_location);
    let by_hand = || ctx.alembic_by_hand(&config.component).words(["merge", "heads"]);
    let (python, config) = (&*python.path, &*config.path);
    let asking = Asking { python, project: root, config, options: &options, script_location, state_dir };
    let _task = ctx.ui.task("Rendering the merge revision");
    alembic::render(&ctx.ui, &asking, revision).map(Some).map_err(|error| {
        let cause = from_anyhow(&error);
        if cause.kind == Kind::Interrupted {
            return error;
        }
        Fail::new(Kind::MigrationFileInvalid, "The project's script.py.mako cannot be rendered")
            .details(template.display().to_string())
            .details(format!("{error:#}"))
            .at(&template, None)
            .run("Try it with Alembic itself", by_hand())
            .related(own("doctor"))
            .refused()
            .into()
    })
}

/// A template may make anything of what it is given.
fn is_right(name: &Path, text: &str, id: &str, parents: &[String]) -> Result<()> {
    if revision::read(name, text).is_ok_and(|script| script.id == id && script.down == parents) {
        return Ok(());
    }
    Err(Fail::new(Kind::MigrationFileInvalid, "The project's script.py.mako makes no merge revision")
        .details(format!("`revision` and `down_revision` have to be {id} and ({})", parents.join(", ")))
        .action("Look at its lines `revision = ${repr(up_revision)}` and `down_revision = ${repr(down_revision)}`")
        .refused()
        .into())
}

fn built_in(config: &AlembicConfig, id: &str, title: &str, parents: &[String]) -> Rendered {
    let stamp = utc_stamp(SystemTime::now());
    let name = format!("{}.py", file_name(config, id, title, &stamp)).into();
    Rendered { name, text: merge_text(id, title, parents, &stamp) }
}

fn merge_id(graph: &Graph, parents: &[String]) -> String {
    let mut seed = parents.join("\n");
    loop {
        let id: String = Sha256::digest(&seed).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        if graph.get(&id).is_none() {
            return id;
        }
        seed.push('\n');
    }
}

/// As Alembic's own template has it, without the imports that an empty revision does not need.
fn merge_text(id: &str, title: &str, parents: &[String], stamp: &str) -> String {
    let quoted: Vec<String> = parents.iter().map(|id| format!("\"{id}\"")).collect();
    format!(
        "\"\"\"{title}\n\nRevision ID: {id}\nRevises: {}\nCreate Date: {}\n\n\"\"\"\n\n\
         # revision identifiers, used by Alembic.\nrevision = \"{id}\"\ndown_revision = ({})\n\
         branch_labels = None\ndepends_on = None\n\n\n\
         def upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    pass\n",
        parents.join(", "),
        date(stamp),
        quoted.join(", "),
    )
}

/// `20261122T184500Z` as `2026-11-22 18:45:00`.
fn date(stamp: &str) -> String {
    let digits: String = stamp.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("00").to_owned();
    format!("{}-{}-{} {}:{}:{}", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14))
}

/// The config's `file_template`, as far as it is known here; else Alembic's usual one.
fn file_name(config: &AlembicConfig, id: &str, title: &str, stamp: &str) -> String {
    let words: String = title.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let slug: String = words.chars().take(config.truncate_slug_length.max(1)).collect();
    let slug = slug.trim_end_matches('_');
    let digits: String = stamp.chars().filter(char::is_ascii_digit).collect();
    let mut name = config.file_template.replace("%(rev)s", id).replace("%(slug)s", slug);
    let dates = [("year", "", 0..4), ("month", ".2", 4..6), ("day", ".2", 6..8)];
    let times = [("hour", ".2", 8..10), ("minute", ".2", 10..12), ("second", ".2", 12..14)];
    for (key, width, range) in dates.into_iter().chain(times) {
        name = name.replace(&format!("%({key}){width}d"), digits.get(range).unwrap_or("00"));
    }
    if name.contains('%') || name.contains('/') { format!("{id}_{slug}") } else { name }
}
