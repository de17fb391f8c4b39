//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.

// Helpers of tests are not `#[test]` functions, which is all that `allow-unwrap-in-tests` covers.
#![allow(clippy::unwrap_used)]

mod history;
mod support;
