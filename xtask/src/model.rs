//! The pure part: what revisions, histories, targets, plans and schemas are. Nothing in here touches a process, a file
//! or a socket, so that all of it can be tested with text and values.

pub mod action;
pub mod adopt;
pub mod autogenerate;
pub mod catalog;
pub mod cause;
pub mod check;
pub mod compose;
pub mod contents;
pub mod edit;
pub mod env_script;
#[cfg(test)]
pub mod fixture;
pub mod forward;
pub mod grants;
pub mod graph;
pub mod harmless;
pub mod hindsight;
pub mod imprint;
pub mod ini;
pub mod ledger;
pub mod nearest;
pub mod rebase;
pub mod release_marker;
pub mod revision;
pub mod roundtrip;
pub mod route;
pub mod rows;
pub mod rules;
pub mod script_body;
pub mod second_opinion;
pub mod sql;
pub mod statement;
pub mod status;
pub mod step;
pub mod target;
pub mod twins;
pub mod url;
pub mod values;
pub mod written;
