//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod pg;
mod scratch;
mod support;
mod tls;
mod url;
