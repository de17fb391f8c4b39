//! Asks questions in one round trip each: they name the types of their parameters, so that the server need not be asked
//! for them first (a prepared statement costs two round trips, and a third to forget it).

use std::time::SystemTime;

use anyhow::Result;
use postgres::types::{ToSql, Type};
use postgres::{Error, GenericClient, Row};

use super::connect::Db;
use super::errors::sql_fail;

/// A parameter and its type.
pub(super) trait Parameter: ToSql + Sync {
    fn kind(&self) -> Type;
    fn as_sql(&self) -> &(dyn ToSql + Sync);
}

macro_rules! parameters {
    ($($rust:ty => $sql:ident,)+) => {$(
        impl Parameter for $rust {
            fn kind(&self) -> Type {
                Type::$sql
            }

            fn as_sql(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }
    )+};
}

parameters! {
    bool => BOOL,
    i32 => INT4,
    i64 => INT8,
    f64 => FLOAT8,
    u32 => OID,
    &str => TEXT,
    String => TEXT,
    &String => TEXT,
    Option<String> => TEXT,
    Option<&str> => TEXT,
    Option<&String> => TEXT,
    Vec<String> => TEXT_ARRAY,
    Vec<&str> => TEXT_ARRAY,
    Vec<Option<&str>> => TEXT_ARRAY,
    &[String] => TEXT_ARRAY,
    &[&str] => TEXT_ARRAY,
    &[i32] => INT4_ARRAY,
    Option<&[i32]> => INT4_ARRAY,
    SystemTime => TIMESTAMPTZ,
    Option<SystemTime> => TIMESTAMPTZ,
}

/// The questions, to a client or within a transaction.
pub(super) trait Ask {
    fn ask(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<Vec<Row>, Error>;
    fn ask_one(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<Row, Error>;
    fn ask_opt(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<Option<Row>, Error>;
    /// How many rows it has changed.
    fn tell(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<u64, Error>;
}

impl<C: GenericClient> Ask for C {
    fn ask(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<Vec<Row>, Error> {
        self.query_typed(sql, &typed(parameters))
    }

    fn ask_one(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<Row, Error> {
        self.query_typed_one(sql, &typed(parameters))
    }

    fn ask_opt(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<Option<Row>, Error> {
        self.query_typed_opt(sql, &typed(parameters))
    }

    fn tell(&mut self, sql: &str, parameters: &[&dyn Parameter]) -> Result<u64, Error> {
        self.execute_typed(sql, &typed(parameters))
    }
}

fn typed<'p>(parameters: &[&'p dyn Parameter]) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    parameters.iter().map(|it| (it.as_sql(), it.kind())).collect()
}

impl Db {
    /// The first column of the one row that `sql` gives, as text; empty for NULL. `what` names the question in errors.
    pub fn text(&mut self, sql: &str, what: &str) -> Result<String> {
        let row = self.client().ask_one(sql, &[]).map_err(|error| sql_fail(&error, what))?;
        Ok(row.try_get::<_, Option<String>>(0)?.unwrap_or_default())
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
        let asked = format!("select given.v::text from ({}\n) as given(v)", sql.trim_end().trim_end_matches(';'));
        let rows = transaction.ask(&asked, &[]).map_err(words)?;
        Ok(rows.iter().filter_map(|row| row.get::<_, Option<String>>(0)).collect())
    }
}
