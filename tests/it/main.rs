//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod edit;
mod git;
mod journal;
mod support;
