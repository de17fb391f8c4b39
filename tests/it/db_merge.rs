//! `db-merge` on real git repositories, real PostgreSQL, real Alembic: the flow as a merge and in its rebase twin, from
//! both sides (`merge/flow.rs`), what stops it and how it goes on or back (`merge/stops.rs`), killed at every point
//! (`merge/crash.rs`), the dry run (`merge/dry_run.rs`).

#[path = "merge/crash.rs"]
mod crash;
#[path = "merge/dry_run.rs"]
mod dry_run;
#[path = "merge/flow.rs"]
mod flow;
#[path = "merge/scene.rs"]
mod scene;
#[path = "merge/stops.rs"]
mod stops;
