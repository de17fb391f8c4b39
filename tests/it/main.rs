//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod catalog;
mod config;
mod db_check;
mod driver;
mod dry_run;
mod history;
mod pg;
mod rows;
mod scratch;
mod server;
mod support;
mod tidy;
mod tls;
mod url;
