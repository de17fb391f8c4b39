//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

// Helpers of tests are not `#[test]` functions, which is all that `allow-unwrap-in-tests` covers.
#![allow(clippy::unwrap_used)]

mod backup;
mod catalog;
mod config;
mod driver;
mod edit;
mod git;
mod history;
mod journal;
mod pg;
mod rows;
mod scratch;
mod server;
mod support;
mod tidy;
mod tls;
mod url;
