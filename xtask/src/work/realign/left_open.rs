//! Writes down the revisions that leave the version table and come back while what they made stays in the database. If
//! the run is killed between the two, nothing in the database shows that what they made is there, and their next
//! upgrade would fail on it. A file per database, as `last_change.rs` has them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::model::step::Direction;
use crate::sys::files;
use crate::sys::saved::texts;
use crate::work::last_change;
use crate::work::migrate::Way;
use crate::work::own_database::OwnDatabase;

/// How the file is called, after the component and the database's number.
const EXTENSION: &str = "db-sync";

/// One that did not end.
pub struct LeftOpen {
    path: PathBuf,
    /// What the version table holds where the way turns.
    start: Vec<String>,
    /// The revisions of the way up, in order.
    ids: Vec<String>,
    /// Those of them whose tables are there already.
    kept: Vec<String>,
}

impl LeftOpen {
    /// Written down before the first step. One that is there already is of a run before this one, and knows more.
    ///
    /// # Errors
    /// When it cannot be written: then the way is not to be gone.
    pub fn begin(ctx: &Ctx, own: &mut OwnDatabase<'_>, way: &Way<'_>) -> Result<Option<LeftOpen>> {
        let path = path(ctx, own)?;
        if path.exists() {
            return Ok(None);
        }
        let (start, ids, kept) = (way.start.to_vec(), way.ids.to_vec(), way.kept.to_vec());
        files::own_folder(&ctx.project()?.root, last_change::FOLDER)?;
        let text = json!({"start": start, "revisions": ids, "kept": kept}).to_string();
        files::write_atomic(&path, text.as_bytes()).context("writing down what is about to be done")?;
        Ok(Some(LeftOpen { path, start, ids, kept }))
    }

    /// The one of the database that is connected to.
    ///
    /// # Errors
    /// When the file is not understood.
    pub fn find(ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<Option<LeftOpen>> {
        let path = path(ctx, own)?;
        if !path.exists() {
            return Ok(None);
        }
        let reading = || format!("reading {}", path.display());
        let value: Value = serde_json::from_str(&files::read_text(&path)?).with_context(reading)?;
        let list = |key: &str| texts(&value[key]).with_context(reading);
        Ok(Some(LeftOpen { start: list("start")?, ids: list("revisions")?, kept: list("kept")?, path }))
    }

    /// Whether one may be there for a component, without asking its database.
    pub fn may_be(ctx: &Ctx, component: &str) -> bool {
        let Ok(project) = ctx.project() else { return false };
        let start = format!("{}-", files::plain(component));
        let names = files::entries(&project.root.join(last_change::FOLDER)).into_iter();
        let mut names = names.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        names.any(|name| name.starts_with(&start) && name.ends_with(&format!(".{EXTENSION}")))
    }

    /// The revisions that come back.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Goes what is left of the way up.
    ///
    /// # Errors
    /// `wrong-database` where the database is at no place of it any more; what a migration may meet.
    pub fn go_on(self, ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<()> {
        let LeftOpen { start, ids, kept, .. } = &self;
        let way = Way { start, direction: Direction::Up, ids, kept };
        way.go_on(ctx, own)?;
        self.end();
        Ok(())
    }

    /// It has ended, there or back.
    pub fn end(self) {
        files::remove(&self.path);
    }
}

fn path(ctx: &Ctx, own: &mut OwnDatabase<'_>) -> Result<PathBuf> {
    let component = own.component.name.clone();
    last_change::journal_folder(ctx, own.db(), &component, EXTENSION)
}
