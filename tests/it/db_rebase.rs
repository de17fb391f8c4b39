//! `db-rebase` on real git repositories: whose revisions move, in a merge and in its rebase twin, from both sides; what
//! is refused; that every byte but the parents stays. With the database: `db_rebase/database.rs`; killed at every write:
//! `db_rebase/crash.rs`; random histories against Alembic: `db_rebase/random.rs`.

mod crash;
pub mod database;
mod merging;
mod random;
mod rules;
