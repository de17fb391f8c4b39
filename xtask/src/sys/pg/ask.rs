//! One question, one text as the answer, or a column of them.

use anyhow::Result;

use super::connect::Db;
use super::errors::sql_fail;

impl Db {
    /// The first column of the one row that `sql` gives, as text; empty for NULL. `what` names the question in errors.
    pub fn text(&mut self, sql: &str, what: &str) -> Result<String> {
        let row = self.client().query_one(sql, &[]).map_err(|error| sql_fail(&error, what))?;
        Ok(row.try_get::<_, Option<String>>(0)?.unwrap_or_default())
    }

    /// Whether there is any table.
    pub fn has_tables(&mut self) -> Result<bool> {
        let sql = "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace \
            where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')::text";
        Ok(self.text(sql, "asking whether there is any table")? == "true")
    }

    /// What somebody's own query gives in its first column, in a transaction that cannot write.
    ///
    /// # Errors
    /// Why the server refuses it, or why it gives no texts, as a sentence.
    pub fn texts(&mut self, sql: &str) -> Result<Vec<String>, String> {
        let words = |error: postgres::Error| match error.as_db_error() {
            Some(said) => format!("the database says: {}", said.message()),
            None => error.to_string(),
        };
        let mut transaction = self.client().build_transaction().read_only(true).start().map_err(words)?;
        // Whatever type the column has.
        let asked = format!("select given.v::text from ({}) as given(v)", sql.trim_end().trim_end_matches(';'));
        let rows = transaction.query(&asked, &[]).map_err(words)?;
        Ok(rows.iter().filter_map(|row| row.get::<_, Option<String>>(0)).collect())
    }
}
