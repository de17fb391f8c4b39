//! Baselines that stay on the server for the next run: databases named `xtask_baseline_<component>_<key>`, marked as
//! templates that nobody can connect to, whose comment says what went into them. One is built as a scratch database and
//! gets its name in the same transaction as its marks, so what a killed run leaves is a scratch database like any other.
//!
//! A run that uses one holds a shared advisory lock on it; only what nobody holds is dropped, and only what is ours.

use std::time::Duration;

use anyhow::{Context, Result};
use postgres::error::SqlState;
use serde_json::{Value, json};

use super::ask::Ask;
use super::session::LOCK_CLASS;
use super::sweep::{key as lock_key, maintenance};
use super::{Db, Scratch, ident, literal, sql_fail};
use crate::model::url::DbUrl;

/// Apart from the migration lock's class and the scratch databases'.
const TEMPLATE_CLASS: i32 = LOCK_CLASS + 2;
/// How the comment begins. The number is of the format: what another version has made is never used.
const MARK: &str = "xtask cached baseline v1; safe to drop";
/// Every template of this tool, of any format.
const OURS: &str = "datname ~ '^xtask_baseline_[a-z0-9_]*_[0-9a-f]{16}$' and pg_has_role(datdba, 'member') \
    and starts_with(shobj_description(oid, 'pg_database'), 'xtask cached baseline ')";

/// What a baseline depends on: a name for each part and the digest of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    parts: Vec<(String, String)>,
}

impl Key {
    /// Adds a part.
    pub fn add(&mut self, name: &str, digest: String) {
        self.parts.push((name.to_owned(), digest));
    }

    /// One digest for all of them, in hexadecimal digits.
    pub fn digest(&self) -> String {
        crate::sys::fingerprint::digest(format!("{MARK} {}", self.to_json()).as_bytes())
    }

    /// Whether both have this part, and it is the same.
    pub fn shares(&self, name: &str, other: &Key) -> bool {
        self.parts.iter().any(|part| part.0 == name && other.parts.contains(part))
    }

    /// The parts that are not as in `other`.
    pub fn differences(&self, other: &Key) -> Vec<&str> {
        let changed = self.parts.iter().filter(|part| !other.parts.contains(part));
        changed.map(|(name, _)| name.as_str()).collect()
    }

    fn database(&self, component: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let component: String = component.chars().take(24).map(plain).collect();
        format!("xtask_baseline_{component}_{}", &self.digest()[..16])
    }
}

/// A baseline that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub database: String,
    /// Whose baseline it is.
    pub component: String,
    /// How it was made, in words.
    pub words: String,
    /// Since when it is there, by the server's clock.
    pub age: Duration,
    /// What it takes on disk, in bytes; none where we may not ask.
    pub bytes: u64,
    /// What it depends on.
    pub key: Key,
}

/// How much of it stays.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For how long.
    pub age: Duration,
    /// How much altogether, in bytes; 0 is nothing at all.
    pub bytes: u64,
}

/// The baselines on a server, through a session that holds what is in use.
pub struct Templates {
    db: Db,
}

impl Templates {
    /// Connects.
    ///
    /// # Errors
    /// What connecting may meet.
    pub fn open(admin: &DbUrl) -> Result<Templates> {
        let db = maintenance(admin)?;
        Ok(Templates { db })
    }

    /// What the server itself brings into a baseline: its version, the role, settings, extensions and roles that there
    /// are. Digested; an order that the server may choose has no part in it.
    pub fn server_digest(&mut self) -> Result<String> {
        let row =
            self.db.client().ask_one(SERVER, &[]).map_err(|error| sql_fail(&error, "asking the server what it is"))?;
        Ok(crate::sys::fingerprint::digest(row.get::<_, String>(0).as_bytes()))
    }

    /// Every baseline of this tool, the newest first.
    pub fn list(&mut self) -> Result<Vec<Template>> {
        let sql = format!(
            "select datname::text, shobj_description(oid, 'pg_database'), extract(epoch from now())::int8, \
             case when has_database_privilege(oid, 'connect') then pg_database_size(oid) else 0 end \
             from pg_database where {OURS} order by oid desc"
        );
        let rows = self.db.client().ask(&sql, &[]).map_err(|error| sql_fail(&error, "listing the cached baselines"))?;
        let read = |row: &postgres::Row| template(row.get(0), row.get(1), row.get(2), row.get(3));
        let mut all: Vec<Template> = rows.iter().map(read).collect();
        // Of one second: the one that was made last is first.
        all.sort_by_key(|template| template.age);
        Ok(all)
    }

    /// The baseline of this key, not older than `age`; it stays as long as this value does.
    pub fn find(&mut self, key: &Key, age: Duration) -> Result<Option<Template>> {
        let fits = |template: &Template| template.key == *key && template.age <= age;
        let Some(found) = self.list()?.into_iter().find(fits) else { return Ok(None) };
        let lock = self.db.client().ask_one(
            "select pg_try_advisory_lock_shared($1, $2), exists (select from pg_database where datname = $3)",
            &[&TEMPLATE_CLASS, &lock_key(&found.database), &found.database],
        );
        let row = lock.map_err(|error| sql_fail(&error, "holding a cached baseline"))?;
        // Somebody drops it just now, or has done so between the two questions.
        Ok((row.get(0) && row.get(1)).then_some(found))
    }

    /// Keeps a copy of the scratch database under this key; `None` when another run was first. Our own sessions in the
    /// scratch database must be closed.
    ///
    /// # Errors
    /// When the role may not, or there is no room. The scratch database is as it was.
    pub fn store(
        &mut self,
        scratch: &mut Scratch,
        key: &Key,
        component: &str,
        words: &str,
    ) -> Result<Option<Template>> {
        let name = key.database(component);
        let made = self.db.text("select extract(epoch from now())::int8::text", "asking the server's clock")?;
        let meta = json!({"component": component, "words": words, "made": made.parse::<i64>()?, "key": key.to_json()});
        let comment = format!("{MARK}: {meta}");
        let point = scratch.save()?;
        scratch.put_on_disk(point.name())?;
        scratch.copy_settings(&point)?;
        // One transaction: the name and all marks, or nothing.
        let sql = format!(
            "alter database {0} is_template true allow_connections false; comment on database {0} is {1}; \
             alter database {0} rename to {2}",
            ident(point.name()),
            literal(&comment),
            ident(&name)
        );
        match self.db.client().batch_execute(&sql) {
            Ok(()) => scratch.gave_away(&point),
            Err(error) => {
                let taken = error.code() == Some(&SqlState::DUPLICATE_DATABASE);
                scratch.forget(point)?;
                if !taken {
                    return Err(sql_fail(&error, "keeping the baseline for the next run").into());
                }
            }
        }
        self.find(key, Duration::MAX)
    }

    /// Drops what is too old or too much, the oldest first; gives the names. What is in use stays.
    pub fn trim(&mut self, limits: Limits) -> Result<Vec<String>> {
        let mut total = 0;
        let mut dropped = Vec::new();
        for template in self.list()? {
            total += template.bytes;
            let over = template.age > limits.age || total > limits.bytes || limits.bytes == 0;
            if over && self.remove(&template.database)? {
                total -= template.bytes;
                dropped.push(template.database);
            }
        }
        Ok(dropped)
    }

    /// Drops one unless it is in use; whether it is gone.
    fn remove(&mut self, name: &str) -> Result<bool> {
        let key = lock_key(name);
        // Locks are a database's own, and another run's maintenance database may be another one.
        let sql = "select exists (select from pg_locks where locktype = 'advisory' and granted and objsubid = 2 \
            and classid::bigint = $1 and objid::bigint = $2 and pid <> pg_backend_pid()) or not pg_try_advisory_lock($3, $4)";
        let (class, id) = (i64::from(TEMPLATE_CLASS), i64::from(key.cast_unsigned()));
        let row = self.db.client().ask_one(sql, &[&class, &id, &TEMPLATE_CLASS, &key]);
        if row.map_err(|error| sql_fail(&error, "asking who uses a cached baseline"))?.get(0) {
            return Ok(false);
        }
        let alter = format!("alter database {} is_template false", ident(name));
        let gone = self.db.client().batch_execute(&alter).is_ok()
            && self.db.client().batch_execute(&format!("drop database {}", ident(name))).is_ok();
        self.db
            .client()
            .tell("select pg_advisory_unlock($1, $2)", &[&TEMPLATE_CLASS, &key])
            .context("letting go of a cached baseline")?;
        Ok(gone)
    }
}

/// Settings that are read at the server's start say where it is and how much memory it has, not what a table looks like.
/// What a session begins with counts, not what ours has set since.
const SERVER: &str = "select concat_ws(E'\\n', version(), current_user, \
    (select string_agg(concat_ws('=', name, reset_val), ',' order by name) from pg_settings \
      where name not in ('application_name', 'client_encoding') \
        and (context not in ('postmaster', 'sighup', 'internal') or name = 'shared_preload_libraries')), \
    (select string_agg(concat_ws('=', name, default_version), ',' order by name) from pg_available_extensions), \
    (select string_agg(concat_ws('=', rolname, rolsuper, rolinherit, rolcreaterole, rolbypassrls, rolconfig), ',' \
      order by rolname) from pg_roles), \
    (select string_agg(concat_ws('=', roleid, member, admin_option), ',' order by roleid, member) from pg_auth_members), \
    (select string_agg(spcname, ',' order by spcname) from pg_tablespace where spcname !~ '^xtask_'), \
    (select concat_ws('=', pg_encoding_to_char(encoding), datcollate, datctype) from pg_database \
      where datname = 'template0'))";

impl Key {
    fn to_json(&self) -> Value {
        self.parts.iter().map(|(name, digest)| json!([name, digest])).collect()
    }

    fn from_json(value: &Value) -> Key {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Key { parts: list.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect() }
    }
}

/// What the comment of a database says. One that we cannot read has no key that anybody asks for, and the greatest age.
fn template(database: String, comment: String, now: i64, bytes: i64) -> Template {
    let meta = comment.strip_prefix(MARK).and_then(|rest| rest.strip_prefix(": "));
    let meta: Value = meta.and_then(|meta| serde_json::from_str(meta).ok()).unwrap_or_default();
    let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
    let age =
        meta["made"].as_i64().map_or(u64::MAX, |made| u64::try_from(now.saturating_sub(made)).unwrap_or_default());
    Template {
        database,
        component: text("component"),
        words: text("words"),
        age: Duration::from_secs(age),
        bytes: u64::try_from(bytes).unwrap_or_default(),
        key: Key::from_json(&meta["key"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[(&str, &str)]) -> Key {
        Key { parts: parts.iter().map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned())).collect() }
    }

    #[test]
    fn every_part_counts() {
        let one = key(&[("code", "a"), ("server", "b")]);
        for other in [key(&[("code", "a"), ("server", "c")]), key(&[("code", "a")]), key(&[("code", "a\nserver=b")])] {
            assert_ne!(one.database("manager"), other.database("manager"), "{other:?}");
        }
        assert_eq!(one.differences(&key(&[("code", "x"), ("server", "b")])), ["code"]);
        assert_eq!(Key::from_json(&one.to_json()), one);
    }

    #[test]
    fn names_fit() {
        let name = key(&[]).database("Ünusual component with-a-very-long-name");
        assert!(name.len() <= 63 && name.starts_with("xtask_baseline__nusual_component_with_"), "{name}");
    }

    #[test]
    fn a_comment_that_cannot_be_read() {
        for comment in ["xtask cached baseline v0; whatever", "xtask cached baseline v1; safe to drop: {"] {
            let read = template("d".to_owned(), comment.to_owned(), 100, 7);
            assert_eq!((read.age, read.bytes, read.key), (Duration::from_secs(u64::MAX), 7, Key::default()));
        }
    }
}
