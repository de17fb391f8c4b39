//! What several commands do stands here once: how the driver is started and what its trouble becomes, the ledger, skipped
//! revisions, models, advice. Commands use these; nothing in here knows a command.

pub mod advice;
pub mod backup;
pub mod driver;
pub mod ledger;
pub mod models;
pub mod skipped;
