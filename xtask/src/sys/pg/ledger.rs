//! The ledger: a table of this tool in the component's database, made and written by every command that migrates it. It
//! is in a schema of its own, since Alembic's autogenerate would propose to drop a table that no model has and does not
//! look into other schemas unless it is told to.
//!
//! No migration may fail because of it: a role that may not make it migrates without, and where something is missing in
//! it, nothing is known.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::ask::Ask;
use super::batch::{Answer, batch};
use super::runs::key;
use super::{Applied, Db, LastText, Script, VersionTable, literal, runs, session};
use crate::model::ledger::{Entry, How, Ledger, Made, Mark, Run};

/// The schema of everything that this tool keeps in somebody's database.
pub const SCHEMA: &str = "xtask";
/// The table, in that schema.
pub const TABLE: &str = "ledger";

const IS_THERE: &str = "select to_regclass('xtask.ledger')::text";
const MAKE: &str = "create schema if not exists xtask;
comment on schema xtask is 'What xtask knows of this database. It may be dropped: nothing but knowledge is lost.';
create table xtask.ledger (
    version_table text not null,
    revision text not null,
    parents text[] not null,
    how text not null,
    digest text not null,
    written_at timestamptz not null default now(),
    written_by text not null,
    mark text,
    primary key (version_table, revision)
);
comment on table xtask.ledger is 'The migrations that this database has really been through, with their parents of then.';";

/// What is to be written.
pub struct Writing<'a> {
    /// Revisions that the database no longer holds.
    pub forget: &'a [String],
    /// Revisions with what is known of them, and the digest of their scripts.
    pub entries: &'a [(&'a str, &'a Entry, String)],
    /// The runs that are new, and the scripts that they ran.
    pub runs: &'a [Run],
    /// By digest.
    pub scripts: &'a BTreeMap<String, Script>,
    /// What the version table must hold for the ledger to vouch for it.
    pub heads: &'a [String],
    /// Tool, version and command.
    pub by: &'a str,
    /// Whether the table may be made where it is not there.
    pub may_make: bool,
}

/// What a database says of where it stands.
#[derive(Default)]
pub struct Records {
    pub applied: Applied,
    pub ledger: Option<Ledger>,
    /// What each revision's last upgrade ran.
    pub last_texts: Vec<LastText>,
}

impl Db {
    /// The version table, the ledger and what last ran, in one round trip where the table is where it should be.
    ///
    /// # Errors
    /// As [`Db::applied`].
    pub fn records(&mut self, table: &VersionTable) -> Result<Records> {
        self.read_records(table, self.keeps("run"))
    }

    /// The same without what last ran.
    ///
    /// # Errors
    /// As [`Db::applied`].
    pub fn applied_and_ledger(&mut self, table: &VersionTable) -> Result<(Applied, Option<Ledger>)> {
        self.read_records(table, false).map(|records| (records.applied, records.ledger))
    }

    fn read_records(&mut self, table: &VersionTable, has_runs: bool) -> Result<Records> {
        let mut sql = session::versions_sql(table);
        let has_ledger = self.keeps(TABLE);
        // One that was not there when the session began may have been made since.
        sql.push_str(&if has_ledger { ledger_sql(table) } else { format!("{IS_THERE};") });
        if has_ledger && has_runs {
            sql.push_str(&runs::last_texts_sql(table));
        }
        // What does not go in one round trip is asked step by step, each of which knows what it means.
        let Ok(answers) = batch(self.client(), &sql) else { return self.records_one_by_one(table) };
        let mut answers = answers.into_iter();
        let mut answer = || answers.next().context("reading the version table: no answer");
        let revisions = self.revisions_in(&answer()?, table)?;
        let applied = Applied { revisions, elsewhere: None, table: true };
        let second = answer()?;
        let ledger = if has_ledger { ledger_of(&second) } else { second.text(0).and_then(|_| self.ledger(table)) };
        let last_texts = if has_ledger && has_runs { runs::last_texts_of(&answer()?) } else { Vec::new() };
        Ok(Records { applied, ledger, last_texts })
    }

    fn records_one_by_one(&mut self, table: &VersionTable) -> Result<Records> {
        let applied = self.applied(table)?;
        let ledger = self.ledger(&table.found(&applied));
        let last_texts = ledger.as_ref().and_then(|_| self.last_texts(&table.found(&applied)).ok());
        Ok(Records { applied, ledger, last_texts: last_texts.unwrap_or_default() })
    }

    /// The ledger of a version table, with the version table's rows as they are at the same moment; `None` where there is
    /// none, or none that we may read.
    pub fn ledger(&mut self, table: &VersionTable) -> Option<Ledger> {
        // Asked for first: a table that is not there would be an error in the server's log, each time.
        if !self.keeps(TABLE) && self.text(IS_THERE, "looking for the ledger").ok()?.is_empty() {
            return None;
        }
        batch(self.client(), &ledger_sql(table)).ok()?.first().and_then(ledger_of)
    }

    /// The version table's rows with the transaction that wrote each, sorted; none where there is no such table. Whoever
    /// writes a row again, even with the same id, leaves another mark.
    ///
    /// # Errors
    /// What asking the server may meet.
    pub fn marks(&mut self, table: &VersionTable) -> Result<Vec<Mark>> {
        let version = table.quoted();
        let there = format!("select to_regclass({})::text", literal(&version));
        if self.text(&there, "looking for the version table")?.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("select version_num::text, xmin::text from {version}");
        let rows = self.client().ask(&sql, &[]).context("reading the version table")?;
        let mut marks: Vec<Mark> = rows.iter().map(|row| Mark { revision: row.get(0), writer: row.get(1) }).collect();
        marks.sort();
        Ok(marks)
    }

    /// How many tables there are that somebody made: not the server's, the ledger's or an extension's.
    ///
    /// # Errors
    /// What asking the server may meet.
    pub fn tables(&mut self) -> Result<i64> {
        let sql = "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
            where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'xtask') \
            and n.nspname !~ '^pg_' and c.relname <> 'alembic_version' and not exists (select from pg_depend d \
            where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')";
        Ok(self.client().ask_one(sql, &[]).context("counting the tables")?.get(0))
    }

    /// What ran, in a transaction of its own: a ledger that an older version made may be another role's, in which we may
    /// write and make nothing.
    fn write_runs(&mut self, key: &str, writing: &Writing<'_>) -> Result<()> {
        if writing.runs.is_empty() {
            return Ok(());
        }
        let mut transaction = self.client().transaction().context("beginning to write what ran")?;
        transaction.batch_execute("set local lock_timeout = '2s'").context("preparing to write what ran")?;
        runs::write(&mut transaction, key, (writing.runs, writing.scripts), writing.by, writing.may_make)?;
        transaction.commit().context("writing what ran")
    }

    /// Whether tables and columns are there, in whatever schema; in the order asked.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn has(&mut self, made: &[Made]) -> Result<Vec<bool>> {
        let sql = "select exists (select from pg_class c where c.relname = m.t and c.relkind in ('r', 'p', 'f') and \
            (m.c is null or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = m.c \
             and not a.attisdropped))) from unnest($1::text[], $2::text[]) with ordinality m (t, c, n) order by m.n";
        let tables: Vec<&str> = made.iter().map(|made| made.table.as_str()).collect();
        let columns: Vec<Option<&str>> = made.iter().map(|made| made.column.as_deref()).collect();
        let rows = self.client().ask(sql, &[&tables, &columns]).context("looking for tables and columns")?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Writes the ledger, in one transaction; false where there is none and none may be made.
    ///
    /// # Errors
    /// What PostgreSQL says, above all that this role may not.
    pub fn write_ledger(&mut self, table: &VersionTable, writing: &Writing<'_>) -> Result<bool> {
        let version = table.quoted();
        let key = key(&version);
        let mut transaction = self.client().transaction().context("beginning to write the ledger")?;
        // Nobody waits for a ledger.
        transaction.batch_execute("set local lock_timeout = '2s'").context("preparing to write the ledger")?;
        let there = transaction.ask_one("select to_regclass('xtask.ledger') is not null", &[]);
        if !there.context("looking for the ledger")?.get::<_, bool>(0) {
            if !writing.may_make {
                return Ok(false);
            }
            transaction.batch_execute(MAKE).context("making the ledger")?;
        }
        let forget = format!("delete from xtask.ledger where version_table = {key} and revision = any ($1)");
        transaction.tell(&forget, &[&writing.forget]).context("writing the ledger")?;
        let write = format!(
            "insert into xtask.ledger (version_table, revision, parents, how, digest, written_by) \
             select {key}, e->>'revision', array(select jsonb_array_elements_text(e->'parents')), e->>'how', \
             e->>'digest', $2 from jsonb_array_elements($1::text::jsonb) e \
             on conflict (version_table, revision) do update set parents = excluded.parents, how = excluded.how, \
             digest = excluded.digest, written_at = excluded.written_at, written_by = excluded.written_by"
        );
        let entries = json_of(writing.entries);
        transaction.tell(&write, &[&entries, &writing.by]).context("writing the ledger")?;
        // Vouched for is only what we know: not a version table that somebody else has written meanwhile.
        let mark = format!(
            "update xtask.ledger l set mark = (select v.xmin::text from {version} v where v.version_num = l.revision \
             and (select array_agg(version_num::text order by version_num::text collate \"C\") from {version}) = $1) \
             where l.version_table = {key} and (l.mark is not null or l.revision = any ($1))"
        );
        let mut heads = writing.heads.to_vec();
        heads.sort();
        transaction.tell(&mark, &[&heads]).context("writing the ledger")?;
        transaction.commit().context("writing the ledger")?;
        self.write_runs(&key, writing)?;
        Ok(true)
    }
}

fn ledger_sql(table: &VersionTable) -> String {
    let version = table.quoted();
    format!(
        "select 'entry', l.revision, l.how, array_to_json(l.parents)::text, l.mark from xtask.ledger l \
         where l.version_table = {} union all select 'now', version_num::text, null, null, xmin::text from {version};",
        key(&version)
    )
}

fn ledger_of(answer: &Answer) -> Option<Ledger> {
    let mut ledger = Ledger::default();
    for row in &answer.rows {
        let text = |at: usize| row.get(at).unwrap_or_default().to_owned();
        let mark = || Mark { revision: text(1), writer: text(4) };
        if row.get(0) == Some("now") {
            ledger.now.push(mark());
            continue;
        }
        if row.get(4).is_some() {
            ledger.left.push(mark());
        }
        let how = How::of_word(&text(2))?;
        ledger.entries.insert(text(1), Entry { parents: list(&text(3))?, how });
    }
    ledger.left.sort();
    ledger.now.sort();
    Some(ledger)
}

fn list(json: &str) -> Option<Vec<String>> {
    let value: Value = serde_json::from_str(json).ok()?;
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn json_of(entries: &[(&str, &Entry, String)]) -> String {
    let one = |(revision, entry, digest): &(&str, &Entry, String)| json!({"revision": revision, "parents": entry.parents, "how": entry.how.word(), "digest": digest});
    entries.iter().map(one).collect::<Value>().to_string()
}
