//! Reads what shows that rows were written and committed (`model/written.rs`): two questions, whatever the tables hold.

use anyhow::Result;

use super::ask::Ask;
use super::since::KEPT_IN;
use super::{Db, SCHEMA, VersionTable, sql_fail};
use crate::model::written::{Table, Written};

const TABLES: &str = "select format('%I.%I', n.nspname, c.relname), c.oid, c.relfilenode, \
      coalesce(pg_stat_get_mod_since_analyze(c.oid), 0), \
      coalesce(pg_stat_get_analyze_count(c.oid), 0) + coalesce(pg_stat_get_autoanalyze_count(c.oid), 0) \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> all($1) and c.relname <> $2";
const SEQUENCES: &str = "select format('%I.%I', schemaname, sequencename), last_value from pg_sequences \
    where schemaname <> all($1)";

impl Db {
    /// What shows now, without what this tool and Alembic keep for themselves; `None` where the server does not count.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn written(&mut self, versions: &VersionTable) -> Result<Option<Written>> {
        let doing = "looking at what was written";
        if self.text("select current_setting('track_counts')", doing)? != "on" {
            return Ok(None);
        }
        let ours = [SCHEMA, KEPT_IN, "information_schema"].as_slice();
        let mut written = Written::default();
        for row in self.client().ask(TABLES, &[&ours, &versions.name]).map_err(|error| sql_fail(&error, doing))? {
            let table = Table { oid: row.get(1), file: row.get(2), changed: row.get(3), analyzed: row.get(4) };
            written.tables.insert(row.get(0), table);
        }
        for row in self.client().ask(SEQUENCES, &[&ours]).map_err(|error| sql_fail(&error, doing))? {
            written.sequences.insert(row.get(0), row.get(1));
        }
        Ok(Some(written))
    }
}
