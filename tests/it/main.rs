//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy's allow-unwrap-in-tests does not see")]

mod config;
mod support;
