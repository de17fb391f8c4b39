//! How a baseline is made: by the component's command, from a dump, or by upgrading an empty database.

use std::path::PathBuf;

use anyhow::Result;

use crate::cmd::db_roundtrip::facts::Facts;
use crate::ctx::Ctx;
use crate::sys::files;
use crate::sys::project::Baseline as Declared;

/// How a baseline is made.
#[derive(Clone, Debug)]
pub enum How {
    /// By the component's command.
    Command {
        /// The words.
        words: Vec<String>,
        /// It runs no migration script.
        from_models: bool,
    },
    /// From a dump.
    Dump(PathBuf),
    /// By upgrading an empty database to just below the first revision that is tested; these, in their order.
    Empty(Vec<String>),
}

/// What the command line says, else the settings; else from empty, up to what is tested.
pub fn how(ctx: &Ctx, facts: &Facts) -> Result<How> {
    let root = &ctx.project()?.root;
    Ok(match (&facts.dump, &facts.component.baseline) {
        (Some(file), _) => How::Dump(file.clone()),
        (None, Some(Declared::Dump(file))) => How::Dump(root.join(file)),
        (None, Some(Declared::Command { words, from_models })) => {
            How::Command { words: words.clone(), from_models: *from_models }
        }
        (None, None) => {
            let untested = facts.route.order.iter().take_while(|id| !facts.route.tests(id));
            How::Empty(untested.cloned().collect())
        }
    })
}

pub fn words(how: &How) -> String {
    match how {
        How::Command { words, .. } => format!("made by `{}`", words.join(" ")),
        How::Dump(file) => format!("restored from {}", file.display()),
        How::Empty(_) => "empty, upgraded".to_owned(),
    }
}

/// A dump is told by its place, its size and its time; one may be too large to be read for this.
pub fn origin(how: &How) -> String {
    let meta = match how {
        How::Dump(file) => files::size_and_time(file),
        _ => None,
    };
    format!("{} {meta:?}", words(how))
}
