//! The outside, each thing in one place: processes, git, Alembic, PostgreSQL, files. Nothing in here decides; it asks
//! and does what it is told.

pub mod interrupt;
pub mod pg;
pub mod run;
