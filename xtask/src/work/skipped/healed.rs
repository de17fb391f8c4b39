//! Skipped revisions that need nothing: a twin above them does the same, for databases that were past the place already. It
//! has run here, or it will with the next upgrade. What the texts say of each other is a hint; what counts is that the
//! code does the same and that the database has what it makes.

use anyhow::Result;

use super::{body, lacking};
use crate::ctx::Ctx;
use crate::model::graph::{Graph, Links};
use crate::model::ledger::{Skipped, made};
use crate::model::revision::Script;
use crate::model::script_body::Body;
use crate::model::twins::{self, Likeness};
use crate::sys::files::read_script;
use crate::sys::pg::Db;

/// A skipped revision and its twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healed {
    pub revision: String,
    pub twin: String,
    /// The twin has not run yet.
    pub is_pending: bool,
}

/// A script that was read.
struct Text<'a> {
    script: &'a Script,
    text: String,
    body: Body,
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
        Some((twin.revision.script.id.clone(), twin.likeness))
    };
    let found = |twin, is_pending| Some(Healed { revision: one.revision.clone(), twin, is_pending });
    if let Some((twin, likeness)) = twin(ran) {
        let is_there = lacking(ctx, graph, db, heads, &one.revision)?.is_empty();
        if is_there && (likeness == Likeness::Same || !made(&own.body).is_empty()) {
            return Ok(found(twin, false));
        }
    }
    Ok(match twin(pending) {
        Some((twin, Likeness::Same)) => found(twin, true),
        _ => None,
    })
}

fn read<'a>(ctx: &Ctx, graph: &'a Graph, id: &str) -> Result<Option<Text<'a>>> {
    let Some(script) = graph.get(id) else { return Ok(None) };
    let text = read_script(&ctx.project()?.root.join(&script.path))?;
    Ok(Some(Text { script, text, body: body(ctx, script)? }))
}

impl Text<'_> {
    fn revision(&self) -> twins::Revision<'_> {
        twins::Revision { script: self.script, text: &self.text, body: &self.body }
    }
}

impl Healed {
    /// For a person.
    pub fn line(&self) -> String {
        let Healed { revision, twin, is_pending } = self;
        let does = if *is_pending { "is pending and will do" } else { "ran and did" };
        format!(
            "{revision} was put in below and never ran here; its twin {twin} {does} the same (by their texts; not tried)"
        )
    }
}
