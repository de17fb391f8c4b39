//! The runs of scripts in a database, kept beside the ledger: which text ran, when, and what it changed in the schema.
//! Like the ledger they may be missing, and nothing fails by it; a ledger of an older version of this tool gets the two
//! tables when it is next written.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use postgres::{SimpleQueryRow, Transaction};
use serde_json::{Value, json};

use super::ask::Ask;
use super::batch::{Answer, batch};
use super::{Db, VersionTable, literal};
use crate::model::catalog::{Key, Object};
use crate::model::ledger::{Delta, Run};
use crate::model::target::Direction;

/// How many runs of one version table are kept.
const KEPT: i64 = 2000;

const MAKE: &str = "create table xtask.script (
    digest text primary key,
    path text not null,
    body text not null
);
comment on table xtask.script is 'The text of every migration script that ran here.';
create table xtask.run (
    version_table text not null,
    run_at timestamptz not null default now(),
    revision text not null,
    direction text not null,
    digest text not null,
    below text,
    above text,
    changes jsonb,
    run_by text not null,
    primary key (version_table, run_at, revision)
);
comment on table xtask.run is 'Every run of a migration by this tool: the text that ran (script), digests of the schema below and \
above it, and the objects that it changed. Runs of one moment are one walk.';";

/// A script that ran.
#[derive(Clone, Debug)]
pub struct Script {
    /// SHA-256 of its text.
    pub digest: String,
    /// Relative to the project.
    pub path: String,
    pub body: String,
}

/// The text that a revision's last upgrade ran.
#[derive(Clone, Debug)]
pub struct LastText {
    pub revision: String,
    /// SHA-256 of the text.
    pub digest: String,
    /// When, in seconds since 1970.
    pub at: i64,
    /// The same for people, UTC.
    pub when: String,
}

impl Db {
    /// The runs of a revision that are known, oldest first.
    ///
    /// # Errors
    /// What PostgreSQL says; none known is no error.
    pub fn runs(&mut self, table: &VersionTable, revision: &str) -> Result<Vec<Run>> {
        if !self.has_runs()? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select direction, digest, below, above, changes::text from xtask.run where version_table = {} \
             and revision = $1 order by run_at",
            key(&table.quoted())
        );
        let rows = self.client().ask(&sql, &[&revision]).context("reading the runs of a revision")?;
        let run = |row: &postgres::Row| Run {
            revision: revision.to_owned(),
            direction: if row.get::<_, &str>(0) == "up" { Direction::Up } else { Direction::Down },
            digest: row.get(1),
            below: row.get(2),
            above: row.get(3),
            delta: row.get::<_, Option<&str>>(4).and_then(delta),
        };
        Ok(rows.iter().map(run).collect())
    }

    /// What each revision's last upgrade ran.
    ///
    /// # Errors
    /// As [`Db::runs`].
    pub fn last_texts(&mut self, table: &VersionTable) -> Result<Vec<LastText>> {
        if !self.has_runs()? {
            return Ok(Vec::new());
        }
        let answers = batch(self.client(), &last_texts_sql(table)).context("reading what ran")?;
        Ok(answers.first().map(last_texts_of).unwrap_or_default())
    }

    /// The revisions at which the schema was seen as this digest says, the last time first.
    ///
    /// # Errors
    /// As [`Db::runs`].
    pub fn seen_at(&mut self, table: &VersionTable, schema: &str) -> Result<Vec<String>> {
        if !self.has_runs()? {
            return Ok(Vec::new());
        }
        let key = key(&table.quoted());
        let sql =
            format!("select revision from xtask.run where version_table = {key} and above = $1 order by run_at desc");
        let rows = self.client().ask(&sql, &[&schema]).context("reading where the schema was like this")?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The text of a script that ran.
    ///
    /// # Errors
    /// As [`Db::runs`].
    pub fn script(&mut self, digest: &str) -> Result<Option<Script>> {
        let sql = "select digest, path, body from xtask.script where digest = $1";
        let row = self.client().ask_opt(sql, &[&digest]).context("reading a script that ran")?;
        Ok(row.map(|row| Script { digest: row.get(0), path: row.get(1), body: row.get(2) }))
    }

    fn has_runs(&mut self) -> Result<bool> {
        if self.keeps("run") {
            return Ok(true);
        }
        // Asked for first: a table that is not there would be an error in the server's log, each time.
        let there = "select to_regclass('xtask.run')::text";
        Ok(!self.text(there, "looking for what ran")?.is_empty())
    }
}

pub(super) fn last_texts_sql(table: &VersionTable) -> String {
    format!(
        "select distinct on (revision) revision, digest, extract(epoch from run_at)::bigint, \
         to_char(run_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI UTC') from xtask.run \
         where version_table = {} and direction = 'up' order by revision, run_at desc;",
        key(&table.quoted())
    )
}

pub(super) fn last_texts_of(answer: &Answer) -> Vec<LastText> {
    let last = |row: &SimpleQueryRow| {
        let text = |at: usize| row.get(at).map(str::to_owned);
        Some(LastText { revision: text(0)?, digest: text(1)?, at: text(2)?.parse().ok()?, when: text(3)? })
    };
    answer.rows.iter().filter_map(last).collect()
}

/// Writes runs, in the ledger's transaction. Where the tables are not there and may not be made, nothing is written.
pub(super) fn write(
    transaction: &mut Transaction<'_>,
    version_table: &str,
    (runs, scripts): (&[Run], &BTreeMap<String, Script>),
    by: &str,
    may_make: bool,
) -> Result<()> {
    let there = transaction.ask_one("select to_regclass('xtask.run') is not null", &[]);
    if !there.context("looking for what ran")?.get::<_, bool>(0) {
        if !may_make {
            return Ok(());
        }
        transaction.batch_execute(MAKE).context("making the tables of what ran")?;
    }
    for script in scripts.values() {
        let sql = "insert into xtask.script values ($1, $2, $3) on conflict do nothing";
        transaction.tell(sql, &[&script.digest, &script.path, &script.body]).context("keeping a script that ran")?;
    }
    let sql = format!(
        "insert into xtask.run (version_table, revision, direction, digest, below, above, changes, run_by) \
         values ({version_table}, $1, $2, $3, $4, $5, $6::text::jsonb, $7) on conflict do nothing"
    );
    for run in runs {
        let changes = run.delta.as_ref().map(|delta| json_of(delta).to_string());
        let direction = run.direction.name();
        transaction
            .tell(&sql, &[&run.revision, &direction, &run.digest, &run.below, &run.above, &changes, &by])
            .context("keeping what ran")?;
    }
    let sweep = format!(
        "delete from xtask.run where version_table = {version_table} and run_at < (select run_at from xtask.run \
         where version_table = {version_table} order by run_at desc offset {KEPT} limit 1)"
    );
    transaction.tell(&sweep, &[]).context("sweeping what ran long ago")?;
    Ok(())
}

/// The version table's name with its schema, wherever the search path finds it; an expression.
pub(super) fn key(version: &str) -> String {
    format!(
        "(select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_class c \
         join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass({}))",
        literal(version)
    )
}

fn json_of(delta: &Delta) -> Value {
    let side = |object: &Option<Object>| {
        object.as_ref().map(|object| {
            let parent = object.parent.as_ref().map(|parent| [&parent.kind, &parent.name]);
            let attributes: Vec<[&str; 2]> = object.attributes.iter().map(|(name, value)| [&**name, value]).collect();
            json!({"parent": parent, "is": attributes})
        })
    };
    let one = |(key, (before, after)): (&Key, &(Option<Object>, Option<Object>))| json!({"kind": key.kind, "name": key.name, "before": side(before), "after": side(after)});
    delta.objects.iter().map(one).collect()
}

fn delta(text: &str) -> Option<Delta> {
    let value: Value = serde_json::from_str(text).ok()?;
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let side = |value: &Value| -> Option<Option<Object>> {
        if value.is_null() {
            return Some(None);
        }
        let parent = match &value["parent"] {
            Value::Null => None,
            parent => Some(Key::new(word(&parent[0])?, word(&parent[1])?)),
        };
        let pair = |pair: &Value| Some((Arc::from(pair[0].as_str()?), word(&pair[1])?));
        let attributes = value["is"].as_array()?.iter().map(pair).collect::<Option<_>>()?;
        Some(Some(Object { parent, attributes }))
    };
    let one = |value: &Value| {
        let key = Key::new(word(&value["kind"])?, word(&value["name"])?);
        Some((key, (side(&value["before"])?, side(&value["after"])?)))
    };
    Some(Delta { objects: value.as_array()?.iter().map(one).collect::<Option<_>>()? })
}
