//! Finds skipped revisions that need nothing, since a twin above them does the same for databases that were past their
//! place already. The twin has run here, or will with the next upgrade. It counts only if its code does the same, if
//! the database has what it makes, and if a round trip that tried both has found no difference.

use anyhow::Result;

use super::lacking;
use crate::ctx::Ctx;
use crate::model::graph::{Graph, Links};
use crate::model::ledger::{Skipped, made};
use crate::model::twins::{self, Likeness};
use crate::sys::pg::Db;
use crate::work::twins::{Pair, Text, read, tried};

/// A skipped revision and its twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healed {
    pub revision: String,
    pub twin: String,
    /// The twin has not run yet.
    pub is_pending: bool,
    /// A round trip has tried on a throwaway database that it does the same.
    pub is_tried: bool,
}

/// The twin that makes up for a skipped revision in a database at `heads`; `None` where there is none for sure.
pub fn healed(
    ctx: &Ctx,
    graph: &Graph,
    db: &mut Db,
    heads: &[String],
    (one, all): (&Skipped, &[Skipped]),
) -> Result<Option<Healed>> {
    let Some(own) = read(ctx, graph, &one.revision)? else { return Ok(None) };
    let never = |id: &&str| *id == one.revision || all.iter().any(|other| other.revision == *id);
    let above = graph.descendants(&[&one.revision], Links::WithDependencies);
    let mut others = Vec::new();
    for id in above.into_iter().filter(|id| !never(id)) {
        others.extend(read(ctx, graph, id)?);
    }
    let held = graph.ancestors(heads, Links::WithDependencies);
    let (ran, pending): (Vec<&Text>, Vec<&Text>) = others.iter().partition(|it| held.contains(&it.script.id.as_str()));
    let twin = |among: Vec<&'_ Text<'_>>| {
        let twin = twins::twin(&own.revision(), among.iter().map(|it| it.revision()))?;
        let pair = Pair { lower: one.revision.clone(), upper: twin.revision.script.id.clone() };
        let tried = tried(ctx, graph, &pair);
        (tried != Some(false)).then_some((pair.upper, twin.likeness, tried.is_some()))
    };
    let found =
        |twin, is_pending, is_tried| Some(Healed { revision: one.revision.clone(), twin, is_pending, is_tried });
    if let Some((twin, likeness, is_tried)) = twin(ran) {
        let is_there = lacking(ctx, graph, db, heads, &one.revision)?.is_empty();
        if is_there && (is_tried || likeness == Likeness::Same || !made(&own.body).is_empty()) {
            return Ok(found(twin, false, is_tried));
        }
    }
    Ok(match twin(pending) {
        Some((twin, likeness, is_tried)) if is_tried || likeness == Likeness::Same => found(twin, true, is_tried),
        _ => None,
    })
}

impl Healed {
    /// For a person.
    pub fn line(&self) -> String {
        let Healed { revision, twin, is_pending, is_tried } = self;
        let does = if *is_pending { "is pending and will do" } else { "ran and did" };
        let told_by = match is_tried {
            true => "tried on a throwaway database".to_owned(),
            false => format!("by their texts; a round trip of {twin} tries it"),
        };
        format!("{revision} was put in below and never ran here; its twin {twin} {does} the same ({told_by})")
    }
}
