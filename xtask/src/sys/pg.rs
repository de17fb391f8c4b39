//! PostgreSQL: the only user of the `postgres` crate.

pub mod catalog;
pub mod rows;
