//! `db-merge` on real git repositories, real PostgreSQL, real Alembic: the flow as a merge and in its rebase twin, from
//! both sides (`db_merge/flow.rs`), what stops it and how it goes on or back (`db_merge/stops.rs`), killed at every point
//! (`db_merge/crash.rs`), the dry run (`db_merge/dry_run.rs`), a finished one taken back (`db_merge/undo.rs`).

mod crash;
mod dry_run;
mod flow;
mod stops;
mod undo;
