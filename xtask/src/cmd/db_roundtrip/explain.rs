//! Adds two things to a result: the cause, where the pattern behind it is known (`model/cause.rs`), and what the
//! script itself says of its downgrade.

use super::facts::Facts;
use super::sandbox::Failure;
use crate::ctx::Ctx;
use crate::model::cause::{Seen, Symptom, of_changes, of_failure};
use crate::model::revision::{Downgrade, downgrade};
use crate::model::script_body::{self, Function};
use crate::report::roundtrip::RevisionResult;
use crate::sys::alembic::TroubleKind;
use crate::sys::files;

/// What a revision's script says about its own downgrade; nothing where the script cannot be read.
pub fn said(ctx: &Ctx, facts: &Facts<'_>, id: &str) -> Downgrade {
    script(ctx, facts, id).map(|text| downgrade(&text)).unwrap_or_default()
}

/// What a revision's upgrade does; nothing where the script cannot be read.
pub fn upgrade(ctx: &Ctx, facts: &Facts<'_>, id: &str) -> Option<Function> {
    let path = &facts.graph.get(id)?.path;
    script_body::read(path, &script(ctx, facts, id)?).ok()?.upgrade
}

/// The text of a revision's script; nothing where it cannot be read.
pub fn script(ctx: &Ctx, facts: &Facts<'_>, id: &str) -> Option<String> {
    files::read_script(&ctx.project().ok()?.root.join(&facts.graph.get(id)?.path)).ok()
}

/// Explains a result. `failure` is that of a failed step, with what was seen before it.
pub fn explain(result: &mut RevisionResult, said: &Downgrade, failure: Option<(&Failure, Seen<'_>)>) {
    of_changes(&mut result.schema_changes, result.step, said.empty);
    let (Some((failure, seen)), Some(leg)) = (failure, result.step) else { return };
    let trouble = &failure.trouble;
    let symptom = Symptom {
        sqlstate: trouble.sqlstate.as_deref().unwrap_or_default(),
        message: &trouble.message,
        detail: trouble.detail.as_deref().unwrap_or_default(),
        swallowed: trouble.swallowed.as_ref().map(|first| (first.message.as_str(), first.line)),
        empty_downgrade: said.empty,
        // A throwaway database has no other sessions than the tool's own.
        blocks_itself: trouble.kind == TroubleKind::Timeout && !failure.blockers.is_empty(),
    };
    result.cause = of_failure(leg, &symptom, seen);
}
