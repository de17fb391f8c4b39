//! `db-rebase` on real git repositories: whose revisions move, in a merge and in its rebase twin, from both sides; what
//! is refused; that every byte but the parents stays. With the database: `rebase/database.rs`; killed at every write:
//! `rebase/crash.rs`; random histories against Alembic: `rebase/random.rs`.

#[path = "rebase/bench.rs"]
pub mod bench;
#[path = "rebase/crash.rs"]
mod crash;
#[path = "rebase/database.rs"]
pub mod database;
#[path = "rebase/merging.rs"]
mod merging;
#[path = "rebase/random.rs"]
mod random;
#[path = "rebase/rules.rs"]
mod rules;
