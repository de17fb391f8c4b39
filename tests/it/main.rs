//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod catalog;
mod config;
mod db_rebase;
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
