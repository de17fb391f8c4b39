//! The project's own rows for round trips: SQL files that `workspace.metadata.db.components.X.seed` names, for every
//! database that is not a clone. The rows of a revision are put in when the database stands at that revision: on the
//! way up after the revision's own test, on the way down before it.

use anyhow::Result;

use crate::cmd::db_roundtrip::facts::Facts;
use crate::ctx::Ctx;
use crate::fail::{Fail, Kind};
use crate::sys::files;

/// The texts of the files, in the order in which they are declared.
#[derive(Default)]
pub struct Seeds {
    texts: Vec<(Option<String>, String)>,
}

impl Seeds {
    /// The rows for a database that was just made (`None`), or that stands at a revision.
    pub fn at(&self, revision: Option<&str>) -> Vec<String> {
        let wanted = self.texts.iter().filter(|(at, _)| at.as_deref() == revision);
        wanted.map(|(_, sql)| sql.clone()).collect()
    }
}

/// # Errors
/// `config-invalid` when one is for a revision that the history does not have, or cannot be read.
pub fn read(ctx: &Ctx, facts: &Facts<'_>) -> Result<Seeds> {
    let root = &ctx.project()?.root;
    let mut texts = Vec::new();
    for seed in &facts.component.seed {
        let path = root.join(&seed.file);
        let sql = files::read_text(&path).map_err(|error| {
            Fail::new(Kind::ConfigInvalid, "The seed file cannot be read")
                .details(format!("{}: {error:#}", seed.file.display()))
                .action(format!("Correct `seed` of {} in Cargo.toml", facts.component.name))
        })?;
        if let Some(revision) = seed.revision.as_deref().filter(|id| facts.graph.get(id).is_none()) {
            return Err(Fail::new(Kind::ConfigInvalid, "A seed is for a revision that does not exist")
                .details(format!("{} is for {revision}", seed.file.display()))
                .action(format!("Correct `seed` of {} in Cargo.toml", facts.component.name))
                .into());
        }
        texts.push((seed.revision.clone(), sql));
    }
    Ok(Seeds { texts })
}
