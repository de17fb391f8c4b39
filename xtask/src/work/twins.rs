//! Finds the pairs of twins in a history (`model/twins.rs` says what they are) by the texts of the scripts, and
//! remembers what a round trip found when it tried them. Texts are only a hint; db-roundtrip proves a pair and writes
//! the result down for commands that run no script.

use std::collections::HashSet;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::model::graph::{Graph, Links};
use crate::model::revision::Script;
use crate::model::script_body::{self, Body, Kind};
use crate::model::twins::{self, Index, Revision};
use crate::sys::files::read_script;
use crate::sys::fingerprint;
use crate::sys::remembered::TWINS;

const SAME: &str = "same";
const OTHER: &str = "other";

/// What a script says with which it looks before it changes something.
const LOOKS: [&str; 6] = ["exists", "conflict", "checkfirst", "inspect", "pg_", "information_schema"];

/// A script that was read.
pub struct Text<'a> {
    pub script: &'a Script,
    text: String,
    pub body: Body,
}

/// Two revisions that are twins by their texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one that was put in below.
    pub lower: String,
    /// The one on top, which looks first.
    pub upper: String,
}

/// A revision's script; `None` where no file holds it.
pub fn read<'a>(ctx: &Ctx, graph: &'a Graph, id: &str) -> Result<Option<Text<'a>>> {
    let Some(script) = graph.get(id) else { return Ok(None) };
    let text = read_script(&ctx.project()?.root.join(&script.path))?;
    let body = script_body::read(&script.path, &text).unwrap_or_default();
    Ok(Some(Text { script, text, body }))
}

impl Text<'_> {
    pub fn revision(&self) -> Revision<'_> {
        Revision { script: self.script, text: &self.text, body: &self.body }
    }

    /// Whether it looks before each change, and says so: what only happens to give the same a second time is no twin's.
    fn looks_first(&self) -> bool {
        let works = self.body.upgrade.as_ref().is_some_and(|upgrade| upgrade.kind == Kind::Works);
        let text = self.text.to_lowercase();
        works && LOOKS.iter().any(|word| text.contains(word)) && twins::unguarded(&self.body).is_none()
    }
}

/// The pairs of which at least one is among `tested`.
pub fn pairs(ctx: &Ctx, graph: &Graph, tested: &HashSet<String>) -> Result<Vec<Pair>> {
    let ids: Vec<&str> = tested.iter().map(String::as_str).collect();
    let mut uppers = texts(ctx, graph, ids.iter().copied())?;
    let above = graph.descendants(&ids, Links::WithDependencies);
    uppers.extend(texts(ctx, graph, above.into_iter().filter(|id| !tested.contains(*id)))?);
    uppers.retain(Text::looks_first);
    if uppers.is_empty() {
        return Ok(Vec::new());
    }
    let heads: Vec<String> = uppers.iter().map(|upper| upper.script.id.clone()).collect();
    let all = texts(ctx, graph, graph.ancestors(&heads, Links::WithDependencies).into_iter())?;
    let mut index = Index::new(all.iter().enumerate().map(|(at, text)| (text.script.id.clone(), at)));
    all.iter().enumerate().for_each(|(at, text)| index.add(at, &text.revision()));
    let mut pairs = Vec::new();
    for upper in &uppers {
        let id = &upper.script.id;
        let alike: Vec<&Text<'_>> = index
            .like(&upper.revision())
            .into_iter()
            .map(|at| &all[at])
            .filter(|other| other.script.id != *id)
            .collect();
        if alike.is_empty() {
            continue;
        }
        let below: HashSet<&str> =
            graph.ancestors(std::slice::from_ref(id), Links::WithDependencies).into_iter().collect();
        let others = alike.into_iter().filter(|other| below.contains(other.script.id.as_str()));
        let Some(twin) = twins::twin(&upper.revision(), others.map(Text::revision)) else { continue };
        let pair = Pair { lower: twin.revision.script.id.clone(), upper: id.clone() };
        if tested.contains(id) || tested.contains(&pair.lower) {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

fn texts<'a, 'i>(ctx: &Ctx, graph: &'a Graph, ids: impl Iterator<Item = &'i str>) -> Result<Vec<Text<'a>>> {
    ids.filter_map(|id| read(ctx, graph, id).transpose()).collect()
}

/// What came of a pair on a throwaway database, on the scripts as they are: whether the upper one makes up for the lower
/// one. `None` where it was not tried.
pub fn tried(ctx: &Ctx, graph: &Graph, pair: &Pair) -> Option<bool> {
    let known = TWINS.find(&ctx.project().ok()?.state_dir, &digest(ctx, graph, pair).ok()?)?;
    Some(known.words == SAME)
}

/// Writes it down.
pub fn remember(ctx: &Ctx, graph: &Graph, pair: &Pair, is_same: bool) -> Result<()> {
    let words = if is_same { SAME } else { OTHER };
    TWINS.add(&ctx.project()?.state_dir, &digest(ctx, graph, pair)?, words)
}

/// Of all that ran between the two, and of both.
fn digest(ctx: &Ctx, graph: &Graph, pair: &Pair) -> Result<String> {
    let below = graph.ancestors(std::slice::from_ref(&pair.lower), Links::WithDependencies);
    let below: HashSet<&str> = below.into_iter().filter(|id| *id != pair.lower).collect();
    let mut stretch = graph.ancestors(std::slice::from_ref(&pair.upper), Links::WithDependencies);
    stretch.retain(|id| !below.contains(id));
    stretch.sort_unstable();
    let mut all = format!("{} {}\n", pair.lower, pair.upper);
    for text in texts(ctx, graph, stretch.into_iter())? {
        all += &fingerprint::digest(text.text.as_bytes());
    }
    Ok(fingerprint::digest(all.as_bytes()))
}
