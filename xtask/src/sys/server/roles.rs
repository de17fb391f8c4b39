//! What a URL of a project's config asks of a server that was empty a moment ago: its role and its database.

use anyhow::{Context, Result};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};

use super::Lease;

pub(super) fn ensure_role(lease: &Lease, name: &str) -> Result<()> {
    create_role(&mut client(lease)?, name)
}

pub(super) fn ensure_database(lease: &Lease, name: &str, owner: &str) -> Result<bool> {
    let mut client = client(lease)?;
    if client.query_opt("select from pg_catalog.pg_database where datname = $1", &[&name])?.is_some() {
        return Ok(false);
    }
    create_role(&mut client, owner)?;
    let made = client.batch_execute(&format!("create database {} owner {}", identifier(name), identifier(owner)));
    made_or_there(made).with_context(|| format!("making the database {name}"))
}

fn create_role(client: &mut Client, name: &str) -> Result<()> {
    if client.query_opt("select from pg_catalog.pg_roles where rolname = $1", &[&name])?.is_none() {
        let made = client.batch_execute(&format!("create role {} login superuser", identifier(name)));
        made_or_there(made).with_context(|| format!("making the role {name}"))?;
    }
    Ok(())
}

/// Another command may have made the same between our look and our statement.
fn made_or_there(made: Result<(), postgres::Error>) -> Result<bool> {
    match made {
        Ok(()) => Ok(true),
        Err(error) => match error.code() {
            Some(code) if ALREADY_THERE.contains(code) => Ok(false),
            _ => Err(error.into()),
        },
    }
}

/// `unique_violation` is what the slower of two that create at the same moment gets.
const ALREADY_THERE: &[SqlState] =
    &[SqlState::DUPLICATE_DATABASE, SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION];

fn client(lease: &Lease) -> Result<Client> {
    let mut config = Config::new();
    config.host_path(&lease.socket_dir).port(lease.port).user(lease.superuser).dbname("postgres");
    config.connect(NoTls).context("connecting to the embedded PostgreSQL")
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
