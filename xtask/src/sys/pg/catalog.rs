//! Reads a database's schema into a [`Snapshot`], in two round trips: one asks which server this is, the other carries
//! all catalog queries at once, inside a read-only transaction with an empty search path so that every name comes
//! qualified.
//!
//! The queries are in `catalog/*.sql`. Each gives rows of text: `kind`, `name` and `at` (the catalog address) say what
//! the object is, `parent kind` and `parent` what it belongs to, `position` where a column stands, and every other
//! column is an attribute under its own name; NULL leaves it out. `more` is a JSON object of further attributes, and a
//! row with `more of` adds to the object at that address. A line that ends in `-- since 14`, `-- before 14` or
//! `-- superuser` is only sent where that holds.

use std::collections::HashMap;

use anyhow::{Context, Result};
use postgres::{Client, IsolationLevel, SimpleQueryMessage, SimpleQueryRow, Transaction};

use crate::model::catalog::{Key, Object, Snapshot};

/// The queries, in the order in which they are sent; rows with `more of` come after what they add to.
const QUERIES: &[&str] =
    &[include_str!("catalog/relations.sql"), include_str!("catalog/types.sql"), include_str!("catalog/others.sql")];

/// Tables whose names begin so belong to this tool.
const OWN_PREFIX: &str = "xtask_";

/// What to leave out of a snapshot.
#[derive(Clone, Debug)]
pub struct Options {
    /// Alembic's version tables, with or without their schema: no migration makes them.
    pub version_tables: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { version_tables: vec!["alembic_version".to_owned()] }
    }
}

/// The schema of the database as it is now.
///
/// # Errors
/// When the connection is lost, or a catalog is not readable for this user.
pub fn take(client: &mut Client, options: &Options) -> Result<Snapshot> {
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .context("beginning to read the schema")?;
    take_within(&mut transaction, options)
}

/// The same inside a transaction that is already open, its own uncommitted work included. Leaves the transaction's
/// settings as they were.
///
/// # Errors
/// As [`take`].
pub fn take_within(transaction: &mut Transaction<'_>, options: &Options) -> Result<Snapshot> {
    let server = transaction
        .query_one("select current_setting('server_version_num')::int, current_setting('is_superuser') = 'on'", &[])
        .context("asking the server's version")?;
    let script = script(server.get::<_, i32>(0) / 10_000, server.get(1));
    // Never committed: rolling back puts the search path back as well.
    let mut inner = transaction.transaction().context("beginning to read the schema")?;
    let messages = inner.simple_query(&script).context("reading the schema")?;
    inner.rollback().context("ending to read the schema")?;
    let mut reading = Reading::default();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            reading.row(&row)?;
        }
    }
    Ok(reading.finish(options))
}

/// The text that is sent to a server of this major version.
fn script(major: i32, superuser: bool) -> String {
    let mut script = String::from("set local search_path = ''; set local jit = off;\n");
    for line in QUERIES.iter().flat_map(|text| text.lines()) {
        let (text, condition) = line.split_once("--").unwrap_or((line, ""));
        let wanted = match condition.trim().split_once(' ') {
            Some(("since", version)) => version.parse().is_ok_and(|version: i32| major >= version),
            Some(("before", version)) => version.parse().is_ok_and(|version: i32| major < version),
            _ => condition.trim() != "superuser" || superuser,
        };
        if wanted && !text.trim().is_empty() {
            script.push_str(text);
            script.push('\n');
        }
    }
    expand(&script)
}

/// Puts the texts that many queries share in place of their names in braces.
fn expand(script: &str) -> String {
    const SCHEMAS: &str = "(select oid, quote_ident(nspname) as nsp from pg_namespace \
                           where nspname not like 'pg\\_%' and nspname <> 'information_schema')";
    const RELATIONS: &str = "(select c.oid, n.nsp || '.' || quote_ident(c.relname) as full_name, \
                             case c.relkind when 'f' then 'foreign table' when 'v' then 'view' \
                             when 'm' then 'materialized view' else 'table' end as kind \
                             from pg_class c join {schemas} n on n.oid = c.relnamespace)";
    let script = script.replace("{relations}", RELATIONS).replace("{schemas}", SCHEMAS);
    let mut parts = script.split("{members of ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (class, rest) = part.split_once('}').unwrap_or((part, ""));
        text.push_str(&format!(
            "(select objid from pg_depend where refclassid = 'pg_extension'::regclass \
             and classid = '{class}'::regclass and deptype = 'e')"
        ));
        text.push_str(rest);
    }
    text
}

/// A snapshot while its rows come in.
#[derive(Default)]
struct Reading {
    objects: HashMap<Key, Object>,
    at: HashMap<String, Key>,
    snapshot: Snapshot,
}

impl Reading {
    fn row(&mut self, row: &SimpleQueryRow) -> Result<()> {
        let mut object = Object::default();
        let (mut kind, mut name, mut at, mut more_of) = ("", "", "", None);
        let (mut parent_kind, mut parent, mut position) = (None, None, None);
        for (index, column) in row.columns().iter().enumerate() {
            let Some(value) = row.try_get(index).context("reading the schema")? else { continue };
            match column.name() {
                "kind" => kind = value,
                "name" => name = value,
                "at" => at = value,
                "more of" => more_of = Some(value),
                "parent kind" => parent_kind = Some(value),
                "parent" => parent = Some(value),
                "position" => position = value.parse().ok(),
                "more" => flatten(value, &mut object.attributes)?,
                attribute => object.attributes.push((attribute.to_owned(), value.to_owned())),
            }
        }
        if let Some(address) = more_of {
            self.add(address, object.attributes);
            return Ok(());
        }
        let key = Key::new(kind, name);
        object.parent = parent_kind.zip(parent).map(|(kind, name)| Key::new(kind, name));
        if let (Some(position), "column", Some(table)) = (position, kind, &object.parent) {
            let column = name.get(table.name.len() + 1..).unwrap_or(name);
            self.snapshot.place(table.clone(), position, column);
        }
        self.at.insert(at.to_owned(), key.clone());
        self.objects.insert(key, object);
        Ok(())
    }

    /// Adds attributes to the object at an address; one that is not in the snapshot has none to be told.
    fn add(&mut self, address: &str, attributes: Vec<(String, String)>) {
        if let Some(object) = self.at.get(address).and_then(|key| self.objects.get_mut(key)) {
            object.attributes.extend(attributes);
        }
    }

    fn finish(mut self, options: &Options) -> Snapshot {
        let keys: Vec<Key> = self.objects.keys().filter(|key| left_out(key, options)).cloned().collect();
        for (key, object) in self.objects {
            self.snapshot.insert(key, object);
        }
        for key in keys {
            self.snapshot.remove(&key);
        }
        self.snapshot
    }
}

fn left_out(key: &Key, options: &Options) -> bool {
    let bare = key.name.split_once('.').map_or(key.name.as_str(), |(_, bare)| bare);
    key.kind == "table"
        && (bare.starts_with(OWN_PREFIX)
            || options.version_tables.iter().any(|table| *table == key.name || *table == bare))
}

/// The members of a JSON object as attributes.
fn flatten(json: &str, attributes: &mut Vec<(String, String)>) -> Result<()> {
    let value: serde_json::Value = serde_json::from_str(json).context("reading the schema: a JSON column")?;
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => attributes.push((name.clone(), text.clone())),
            other => attributes.push((name.clone(), other.to_string())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::script;

    #[test]
    fn lines_follow_the_servers_version_and_user() {
        assert!(!script(12, true).contains("attcompression"));
        assert!(script(14, true).contains("attcompression"));
        assert!(script(12, true).contains("co.collname"));
        assert!(script(17, true).contains("subconninfo"));
        assert!(!script(17, false).contains("subconninfo"));
        assert!(script(18, true).contains("nn.conname") && !script(17, true).contains("nn.conname"));
    }

    #[test]
    fn no_placeholder_is_left() {
        for major in 12..=18 {
            let text = script(major, true);
            let left: Vec<_> = text.match_indices('{').map(|(at, _)| &text[at..(at + 12).min(text.len())]).collect();
            // Array literals such as '{oid,…}' are SQL; names in braces are not.
            assert!(left.iter().all(|part| part.starts_with("{oid")), "{left:?}");
        }
    }
}
