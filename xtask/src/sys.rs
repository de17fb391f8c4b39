//! The outside, each thing in one place: processes, git, Alembic, PostgreSQL, files. Nothing in here decides; it asks
//! and does what it is told.

pub mod adoption;
pub mod alembic;
pub mod alembic_ini;
mod alembic_toml;
pub mod backend_ai;
pub mod backup;
pub mod changes;
pub mod clock;
pub mod config_keys;
pub mod dead_ends;
pub mod dump;
pub mod env_url;
pub mod files;
pub mod fingerprint;
pub mod git;
pub mod history;
pub mod hooks;
pub mod interrupt;
pub mod journal;
pub mod listener;
pub mod locations;
pub mod managed;
pub mod offers;
pub mod overlay;
pub mod packages;
pub mod pg;
pub mod project;
pub mod python;
pub mod regular;
pub mod run;
pub mod server;
pub mod settings;
pub mod side_by_side;
pub mod verdicts;
