//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.

mod catalog;
mod rows;
mod support;
