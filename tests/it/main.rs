//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.

mod edit;
mod git;
mod journal;
mod support;
