//! The outside, each thing in one place: processes, git, Alembic, PostgreSQL, files. Nothing in here decides; it asks
//! and does what it is told.

pub mod git;
pub mod interrupt;
pub mod journal;
pub mod run;
