//! Database workflows round Alembic, PostgreSQL and git. `docs/architecture.md` is the map; start there.
//!
//! A library with a thin `main.rs`, so that the one test binary and the benchmarks reach the parts as well as the whole.

pub mod cmd;
pub mod fail;
pub mod model;
pub mod sys;
pub mod ui;
