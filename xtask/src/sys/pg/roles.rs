//! Makes the role and the database that a URL of a project's config asks for, on a server that was empty a moment ago.

use std::path::Path;

use anyhow::{Context, Result};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};

use super::ask::Ask;
use super::ident;

/// Makes the superuser role `name` on the server of a socket unless it is there.
///
/// # Errors
/// When `superuser` cannot connect, or may not make roles.
pub fn ensure_role(socket_dir: &Path, port: u16, superuser: &str, name: &str) -> Result<()> {
    create_role(&mut client(socket_dir, port, superuser)?, name)
}

/// Makes the database `name` unless it is there, and its owner with it. Says whether it was made.
///
/// # Errors
/// As [`ensure_role`].
pub fn ensure_database(socket_dir: &Path, port: u16, superuser: &str, name: &str, owner: &str) -> Result<bool> {
    let mut client = client(socket_dir, port, superuser)?;
    if client.ask_opt("select from pg_catalog.pg_database where datname = $1", &[&name])?.is_some() {
        return Ok(false);
    }
    create_role(&mut client, owner)?;
    let made = client.batch_execute(&format!("create database {} owner {}", ident(name), ident(owner)));
    made_or_there(made).with_context(|| format!("making the database {name}"))
}

fn create_role(client: &mut Client, name: &str) -> Result<()> {
    if client.ask_opt("select from pg_catalog.pg_roles where rolname = $1", &[&name])?.is_none() {
        let made = client.batch_execute(&format!("create role {} login superuser", ident(name)));
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

fn client(socket_dir: &Path, port: u16, superuser: &str) -> Result<Client> {
    let mut config = Config::new();
    config.host_path(socket_dir).port(port).user(superuser).dbname("postgres");
    config.connect(NoTls).context("connecting to the embedded PostgreSQL")
}
