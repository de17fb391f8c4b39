//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backendai;
mod backup;
mod catalog;
mod cli;
mod completions;
mod config;
mod db_backup;
mod db_check;
mod db_create;
mod db_merge;
mod db_migrate;
mod db_rebase;
mod db_roundtrip;
mod db_status;
mod db_sync;
mod driver;
mod dry_run;
mod edit;
mod errors;
mod git;
mod headers;
mod history;
mod hooks;
mod interrupts;
mod journal;
mod ledger;
mod pg;
mod roundtrip;
mod rows;
mod scratch;
mod server;
mod support;
mod tidy;
mod tls;
mod url;
