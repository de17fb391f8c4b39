//! What several commands do, each thing once: the component's own database and the one way to migrate it, how the
//! driver is started and how its trouble becomes a failure, the ledger, skipped revisions, models, advice. Commands use
//! these; nothing in here knows a command.

pub mod advice;
pub mod at_stake;
pub mod backup;
pub mod baseline_command;
pub mod bystander;
pub mod differs;
pub mod driver;
pub mod hangs;
pub mod last_change;
pub mod ledger;
pub mod lost_scripts;
pub mod migrate;
pub mod models;
pub mod own_database;
pub mod parked;
pub mod past;
pub mod proof;
pub mod put_back;
pub mod realign;
pub mod services;
pub mod shared_tree;
pub mod skipped;
pub mod standing;
pub mod take_back;
pub mod twins;
