//! Finds indexes that a failed or unfinished build has left INVALID: PostgreSQL does not use them, a unique one is not
//! enforced, and `IF NOT EXISTS` takes them for made.

use anyhow::Result;

use super::ask::Ask;
use super::{Db, sql_fail};

/// An INVALID index, each name as SQL takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidIndex {
    /// The index with its schema.
    pub index: String,
    /// Its table with the schema.
    pub table: String,
    /// Whether it is to be unique.
    pub is_unique: bool,
}

impl Db {
    /// Every INVALID index that nobody is building just now. That of a partitioned table is left out: it is so until
    /// every partition has one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn invalid_indexes(&mut self) -> Result<Vec<InvalidIndex>> {
        let sql = "select format('%I.%I', n.nspname, c.relname), format('%I.%I', tn.nspname, t.relname), i.indisunique \
            from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace \
            join pg_class t on t.oid = i.indrelid join pg_namespace tn on tn.oid = t.relnamespace \
            where not i.indisvalid and c.relkind = 'i' and n.nspname !~ '^pg_' \
            and not exists (select from pg_locks l where l.relation = i.indexrelid and l.mode <> 'AccessShareLock' \
            and l.database = (select oid from pg_database where datname = current_database())) order by 1";
        let rows = self.client().ask(sql, &[]).map_err(|error| sql_fail(&error, "looking for INVALID indexes"))?;
        let index = |row: &postgres::Row| InvalidIndex { index: row.get(0), table: row.get(1), is_unique: row.get(2) };
        Ok(rows.iter().map(index).collect())
    }
}
