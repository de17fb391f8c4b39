//! All integration tests, one binary: one PostgreSQL cluster and one Python environment serve them all.

mod backup;
mod config;
mod driver;
mod pg;
mod scratch;
mod support;
mod tidy;
mod tls;
mod url;
