//! Adds the cause to an outcome, where the pattern behind it is known (`model/cause.rs`), and the answer to "is that
//! meant so?": what the script says of itself.

use super::{Facts, Outcome};
use crate::ctx::Ctx;
use crate::model::cause::{Seen, Symptom, of_changes, of_failure};
use crate::model::revision::{Downgrade, downgrade};
use crate::model::script_body::{self, Function};
use crate::sys::alembic::{Trouble, TroubleKind};

/// What the script of a revision says about going back; nothing where it cannot be read.
pub fn said(ctx: &Ctx, facts: &Facts<'_>, id: &str) -> Downgrade {
    let Some(script) = facts.graph.get(id) else { return Downgrade::default() };
    let root = ctx.project().map(|project| project.root.clone()).unwrap_or_default();
    std::fs::read_to_string(root.join(&script.path)).map(|text| downgrade(&text)).unwrap_or_default()
}

/// What its upgrade does; nothing where it cannot be read.
pub fn upgrade(ctx: &Ctx, facts: &Facts<'_>, id: &str) -> Option<Function> {
    let script = facts.graph.get(id)?;
    let text = std::fs::read_to_string(ctx.project().ok()?.root.join(&script.path)).ok()?;
    script_body::read(&script.path, &text).ok()?.upgrade
}

/// Explains an outcome. `failure` is the trouble of a failed step, with what was seen before it.
pub fn explain(outcome: &mut Outcome, said: &Downgrade, failure: Option<(&Trouble, Seen<'_>)>) {
    of_changes(&mut outcome.schema_changes, outcome.step, said.empty);
    let (Some((trouble, seen)), Some(leg)) = (failure, outcome.step) else { return };
    let details = outcome.error.as_ref().map(|fail| fail.details.as_str()).unwrap_or_default();
    let symptom = Symptom {
        sqlstate: trouble.sqlstate.as_deref().unwrap_or_default(),
        message: &trouble.message,
        detail: trouble.detail.as_deref().unwrap_or_default(),
        swallowed: trouble.swallowed.as_ref().map(|first| (first.message.as_str(), first.line)),
        empty_downgrade: said.empty,
        // Our own sessions are the only ones in a throwaway database.
        blocks_itself: trouble.kind == TroubleKind::Timeout && details.contains("Blocked by"),
    };
    outcome.cause = of_failure(leg, &symptom, seen);
}
