//! How a baseline is made: by the component's command, from a dump, or by upgrading an empty database.

use std::path::PathBuf;

use anyhow::Result;

use crate::cmd::db_roundtrip::facts::Facts;
use crate::ctx::Ctx;
use crate::model::route::applied_set;
use crate::sys::backup::shelf::{self, Entry};
use crate::sys::files;
use crate::sys::project::Baseline as Declared;
use crate::work::past::Base;

/// A larger backup than this is not restored only to know the schema below a revision.
const MOST_BYTES: u64 = 64 << 20;

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
    /// By the same command in the project as it was at a commit.
    Past { words: Vec<String>, base: Base },
    /// From a dump.
    Dump(PathBuf),
    /// By upgrading an empty database with these revisions, in this order, to just below the first one that is tested.
    Empty(Vec<String>),
}

/// As the command line says, else as the settings say, else from an empty database.
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

/// How references can be made: databases to compare with that no downgrade under test has touched. The one that is most
/// like the component's own comes first. `lowest` and `highest` are the first and the last revision to be tested on it,
/// `prefix` holds the revisions below them.
pub fn of_references(
    ctx: &Ctx,
    facts: &Facts,
    is_clone: bool,
    (lowest, highest): (&str, &str),
    prefix: Vec<String>,
) -> Result<Vec<How>> {
    let mut ways = Vec::new();
    match &facts.component.baseline {
        Some(Declared::Dump(file)) if is_clone || facts.dump.is_some() => {
            ways.push(How::Dump(ctx.project()?.root.join(file)));
        }
        Some(Declared::Command { words, .. }) => {
            let base = past(ctx, facts, lowest).or_else(|| past(ctx, facts, highest));
            ways.extend(base.map(|base| How::Past { words: words.clone(), base }));
        }
        _ => {}
    }
    ways.push(How::Empty(prefix));
    ways.extend(backup(ctx, facts, lowest)?.map(How::Dump));
    Ok(ways)
}

/// The state of the project before a revision came.
fn past(ctx: &Ctx, facts: &Facts, id: &str) -> Option<Base> {
    let why = match Base::before(ctx, facts.graph.get(id)?) {
        Ok(Ok(base)) => return Some(base),
        Ok(Err(why)) => why,
        Err(error) => format!("{error:#}"),
    };
    ctx.ui.verbose(format!("The baseline command is not run as it was before {id}: {why}"));
    None
}

/// The newest backup that this tool took of a database below a revision.
fn backup(ctx: &Ctx, facts: &Facts, lowest: &str) -> Result<Option<PathBuf>> {
    let is_below = |entry: &Entry| {
        let heads = entry.record.as_ref().map(|record| record.revision.as_slice()).unwrap_or_default();
        let is_known = !heads.is_empty() && facts.graph.unknown(heads).is_empty();
        is_known && !applied_set(&facts.graph, heads).contains(lowest)
    };
    let own = |entry: &Entry| {
        let is_file = entry.copy().is_none();
        is_file && entry.component() == Some(&facts.component.name) && entry.bytes <= MOST_BYTES
    };
    let found = shelf::list(&ctx.project()?.root)?.into_iter().find(|entry| own(entry) && is_below(entry));
    Ok(found.map(|entry| entry.path))
}

pub fn words(how: &How) -> String {
    match how {
        How::Past { words, base } => format!("made by `{}` at {}", words.join(" "), base.words),
        How::Command { words, .. } => format!("made by `{}`", words.join(" ")),
        How::Dump(file) => format!("restored from {}", file.display()),
        How::Empty(_) => "empty, upgraded".to_owned(),
    }
}

/// What a baseline was made from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// What distinguishes it from others on this machine.
    pub here: String,
    /// What distinguishes it from others on every machine; all parts of one run have the same.
    pub everywhere: String,
}

impl Origin {
    pub fn of(words: &str) -> Origin {
        Origin { here: words.to_owned(), everywhere: words.to_owned() }
    }
}

/// A dump is recognised by its path, size and time, on other machines by its name and size: it may be too large to be
/// read for this.
pub fn origin(how: &How) -> Origin {
    let How::Dump(file) = how else { return Origin::of(&words(how)) };
    let meta = files::size_and_time(file);
    let size = meta.map(|(size, _)| size).unwrap_or_default();
    let name = file.file_name().unwrap_or_default().display().to_string();
    Origin { here: format!("{} {meta:?}", words(how)), everywhere: format!("the dump {name} of {size} bytes") }
}
