//! The pure part: what revisions, histories, targets, plans and schemas are. No process, no file, no socket in here, so
//! everything can be tested by text in, value out.

#[cfg(test)]
pub mod fixture;
pub mod graph;
mod near;
pub mod revision;
pub mod target;
