//! `db-merge` on real git repositories, real PostgreSQL, real Alembic: the flow as a merge and in its rebase twin, from
//! both sides (`merge/flow.rs`), what stops it and how it goes on or back (`merge/stops.rs`), killed at every point
//! (`merge/crash.rs`), the dry run (`merge/dry_run.rs`), a finished one taken back (`merge/undo.rs`).

mod crash;
mod dry_run;
mod flow;
mod stops;
mod undo;
