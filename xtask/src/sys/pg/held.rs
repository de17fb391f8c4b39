//! How much a table or a column holds, for people who are asked whether it may go.

use anyhow::Result;

use super::{Db, ident, sql_fail};

/// Counting ends here: what is more is "more than".
pub const COUNTED: u64 = 100_000;

/// How many rows, or values that are not NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// At most [`COUNTED`].
    pub count: u64,
    /// There are more.
    pub is_more: bool,
}

impl Db {
    /// The rows of a table, or the values of one of its columns; `None` where there is no such table or column, or it may not
    /// be read. Without a schema the search path decides.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn held(&mut self, schema: Option<&str>, table: &str, column: Option<&str>) -> Result<Option<Held>> {
        let name = match schema {
            Some(schema) => format!("{}.{}", ident(schema), ident(table)),
            None => ident(table),
        };
        let values = column.map(|column| format!(" where {} is not null", ident(column))).unwrap_or_default();
        let limit = COUNTED + 1;
        let sql = format!("select count(*) from (select from {name}{values} limit {limit}) held");
        match self.client().query_one(&sql, &[]) {
            Ok(row) => {
                let count = u64::try_from(row.get::<_, i64>(0)).unwrap_or_default();
                Ok(Some(Held { count: count.min(COUNTED), is_more: count > COUNTED }))
            }
            Err(error) if error.as_db_error().is_some() => Ok(None),
            Err(error) => Err(sql_fail(&error, "counting rows").into()),
        }
    }
}

impl Held {
    /// `500 rows`, `1 value`, `more than 100000 rows`.
    pub fn words(&self, unit: &str) -> String {
        match (self.count, self.is_more) {
            (count, true) => format!("more than {count} {unit}s"),
            (1, _) => format!("1 {unit}"),
            (count, _) => format!("{count} {unit}s"),
        }
    }
}
