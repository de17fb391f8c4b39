//! Counts the rows of a table, or the values of a column, up to a number beyond which it no longer matters.

use anyhow::{Context, Result};
use postgres::error::SqlState;

use super::ask::Ask;
use super::batch::batch;
use super::{Db, ident, sql_fail};

/// Counting ends one above this.
pub const MOST_COUNTED: u64 = 1_000_000;

/// What is counted, named as a script names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// With or without a schema, with or without quotes.
    pub table: String,
    /// Its values that are not null; without it, the table's rows.
    pub column: Option<String>,
}

/// What counting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Rows(u64),
    /// A policy hides rows from this role.
    Hidden,
}

impl Count {
    /// How many, where that is known.
    pub fn rows(self) -> Option<u64> {
        match self {
            Count::Rows(rows) => Some(rows),
            Count::Hidden => None,
        }
    }
}

impl Db {
    /// The count; `None` where there is no such table or column, or none that we may read.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn count(&mut self, counted: &Counted) -> Result<Option<Count>> {
        let Some(table) = self.table_named(&counted.table)? else { return Ok(None) };
        let most = MOST_COUNTED + 1;
        let names = counted.column.as_ref().map_or_else(|| vec![None], |name| spellings(name).map(Some).to_vec());
        for column in names {
            let filter = column.map(|column| format!(" where {column} is not null")).unwrap_or_default();
            // Rows that a policy hides are refused then, and not left out; the setting goes with the statements' transaction.
            let sql = format!(
                "set local row_security = off; select count(*) from (select from {table}{filter} limit {most}) as counted"
            );
            match batch(self.client(), &sql) {
                Ok(answers) => {
                    let count = answers.first().and_then(|answer| answer.text(0)?.parse().ok());
                    return Ok(Some(Count::Rows(count.context("counting rows: no answer")?)));
                }
                Err(error) if is_hidden(&error) => return Ok(Some(Count::Hidden)),
                Err(error) if error.as_db_error().is_some() => {}
                Err(error) => return Err(sql_fail(&error, "counting rows").into()),
            }
        }
        Ok(None)
    }

    /// About how many rows a table has: as the server knows it, else as far as counting goes.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn about_rows(&mut self, table: &str) -> Result<Option<u64>> {
        let Some(name) = self.table_named(table)? else { return Ok(None) };
        let row =
            self.client().ask_one("select reltuples::float8 from pg_class where oid = $1::text::regclass", &[&name]);
        let known: f64 = row.map_err(|error| sql_fail(&error, "asking how large a table is"))?.get(0);
        if known > 0.0 {
            return Ok(Some(known as u64));
        }
        Ok(self.count(&Counted { table: table.to_owned(), column: None })?.and_then(Count::rows))
    }

    /// The tables of users: number, name, number of the file.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn table_files(&mut self) -> Result<Vec<(u32, String, u32)>> {
        let sql = "select c.oid, c.oid::regclass::text, c.relfilenode from pg_class c \
            where c.relkind in ('r', 'm') and c.oid >= 16384 and c.relfilenode <> 0 order by 2";
        let rows = self.client().ask(sql, &[]).map_err(|error| sql_fail(&error, "asking for the tables' files"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    /// The tables and columns that depend on what is dropped with CASCADE, as [`Counted`] takes their names: a schema's
    /// tables; the columns of a type, a domain, an extension's types.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn rows_that_go_with(&mut self, what: &str) -> Result<Vec<String>> {
        let Some((kind, name)) = what.split_once(' ') else { return Ok(Vec::new()) };
        let sql = match kind {
            "schema" => SCHEMA,
            "type" | "domain" => TYPE,
            "extension" => EXTENSION,
            _ => return Ok(Vec::new()),
        };
        let mut found = self.tables_of_extension(what)?;
        found.extend(self.named_by(sql, name)?);
        Ok(found)
    }

    /// The tables that go with an extension, with CASCADE or without; none of anything else.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn tables_of_extension(&mut self, what: &str) -> Result<Vec<String>> {
        what.strip_prefix("extension ").map_or(Ok(Vec::new()), |name| self.named_by(OWNED, name))
    }

    /// The answer for the first spelling that has one.
    fn named_by(&mut self, sql: &str, name: &str) -> Result<Vec<String>> {
        for spelling in spellings(name) {
            let rows = self.client().ask(sql, &[&spelling]);
            let rows = rows.map_err(|error| sql_fail(&error, "asking what depends on it"))?;
            if !rows.is_empty() {
                return Ok(rows.iter().map(|row| row.get(0)).collect());
            }
        }
        Ok(Vec::new())
    }

    /// A table by its name; one that the search path does not lead to is looked for in all schemas, since a script or
    /// env.py may set another path.
    fn table_named(&mut self, name: &str) -> Result<Option<String>> {
        let whole = [ident(name)];
        for spelling in spellings(name).iter().chain(&whole) {
            let sql = "select c.oid::regclass::text from pg_class c where c.oid = to_regclass($1) and c.relkind in ('r', 'p')";
            let row = self.client().ask_opt(sql, &[spelling]);
            if let Some(row) = row.map_err(|error| sql_fail(&error, "looking for a table"))? {
                return Ok(Some(row.get(0)));
            }
        }
        let sql = "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
            where quote_ident(c.relname) = any (array[quote_ident($1::text), quote_ident(lower($1::text))]) \
            and c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' \
            order by c.reltuples desc limit 1";
        let row = self.client().ask_opt(sql, &[&name]);
        Ok(row.map_err(|error| sql_fail(&error, "looking for a table"))?.map(|row| row.get(0)))
    }
}

/// Whether a policy hides rows from this role, where every row is wanted (`row_security = off`). The message may be in any
/// language.
pub(super) fn is_hidden(error: &postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        said.code() == &SqlState::INSUFFICIENT_PRIVILEGE && said.routine() == Some("check_enable_rls")
    })
}

const SCHEMA: &str = r#"select 'table ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where '"' || replace(n.nspname, '"', '""') || '"' = $1 and c.relkind in ('r', 'p') and not c.relispartition
 order by 1"#;
const TYPE: &str = r#"select 'column ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname)
  from pg_type t join pg_attribute a on a.atttypid in (t.oid, t.typarray)
  join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
 where t.oid = to_regtype($1) and c.relkind in ('r', 'p') and not c.relispartition and not a.attisdropped
 order by 1"#;
const EXTENSION: &str = r#"select 'column ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname)
  from pg_extension e join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e'
  join pg_type t on d.classid = 'pg_type'::regclass and d.objid = t.oid
  join pg_attribute a on a.atttypid in (t.oid, t.typarray)
  join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
 where '"' || replace(e.extname, '"', '""') || '"' = $1 and c.relkind in ('r', 'p')
   and not c.relispartition and not a.attisdropped
 order by 1"#;

const OWNED: &str = r#"select 'table ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  from pg_extension e join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e'
  join pg_class c on d.classid = 'pg_class'::regclass and d.objid = c.oid and c.relkind in ('r', 'p')
  join pg_namespace n on n.oid = c.relnamespace
 where '"' || replace(e.extname, '"', '""') || '"' = $1 order by 1"#;

/// A name as an operation means it (each part just so) and as SQL means it (folded unless quoted).
fn spellings(name: &str) -> [String; 2] {
    let parts = |each: &dyn Fn(&str) -> String| parts(name).into_iter().map(each).collect::<Vec<_>>().join(".");
    let is_quoted = |part: &str| part.len() > 1 && part.starts_with('"') && part.ends_with('"');
    let exact = parts(&|part| if is_quoted(part) { part.to_owned() } else { ident(part) });
    let folded = parts(&|part| if is_quoted(part) { part.to_owned() } else { ident(&part.to_lowercase()) });
    [exact, folded]
}

/// At the dots that are in no quotes.
fn parts(name: &str) -> Vec<&str> {
    let mut is_quoted = false;
    name.split(|letter| {
        is_quoted ^= letter == '"';
        letter == '.' && !is_quoted
    })
    .collect()
}
