//! What the rules about bodies share.

use super::Source;
use crate::model::script_body::Function;

/// The functions that a script has, by name; none of one that cannot be parsed.
pub(super) fn functions(source: &Source) -> Vec<(&'static str, &Function)> {
    let Ok(body) = source.body() else { return Vec::new() };
    let named = [("upgrade", &body.upgrade), ("downgrade", &body.downgrade)];
    named.into_iter().filter_map(|(name, function)| Some((name, function.as_ref()?))).collect()
}
