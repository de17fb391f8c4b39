//! One question, one text as the answer.

use anyhow::Result;

use super::connect::Db;
use super::errors::sql_fail;

impl Db {
    /// The first column of the one row that `sql` gives, as text; empty for NULL. `what` names the question in errors.
    pub fn text(&mut self, sql: &str, what: &str) -> Result<String> {
        let row = self.client().query_one(sql, &[]).map_err(|error| sql_fail(&error, what))?;
        Ok(row.try_get::<_, Option<String>>(0)?.unwrap_or_default())
    }
}
