//! Makes a query that finds the rows which break a constraint, from PostgreSQL's error and its catalog. It is shown
//! only if it runs.

use postgres::Client;

use super::ask::Ask;
use super::{Db, ident, literal};

/// How long the query may take, or wait, when it is tried.
const PATIENCE: &str = "set local statement_timeout = '2s'; set local lock_timeout = '500ms'";

/// What PostgreSQL said about a violation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Violation<'a> {
    /// Its five characters.
    pub sqlstate: &'a str,
    /// The table's schema.
    pub schema: Option<&'a str>,
    pub table: Option<&'a str>,
    pub column: Option<&'a str>,
    pub constraint: Option<&'a str>,
    /// `Key (a, b)=(1, 2) is …`.
    pub detail: Option<&'a str>,
    /// What was refused.
    pub statement: Option<&'a str>,
}

/// The rows in the way, as the database is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    Listed(String),
    /// None is there: the migration itself writes them.
    None,
}

impl Db {
    /// What is in the way, where that can be asked.
    pub fn rows_in_the_way(&mut self, violation: &Violation) -> Option<Rows> {
        let table = format!("{}.{}", ident(violation.schema?), ident(violation.table?));
        let query = match violation.sqlstate {
            "23502" => Some(format!("select * from {table} where {} is null", ident(violation.column?))),
            "23505" => key(violation.detail?).map(|key| {
                let only = which_rows(self.client(), violation, key);
                format!("select {key}, count(*) from {table}{only} group by {key} having count(*) > 1")
            }),
            "23514" => {
                check(self.client(), violation, &table).map(|it| format!("select * from {table} where not ({it})"))
            }
            "23503" => foreign_key(self.client(), violation, &table),
            _ => None,
        }?;
        let is_there = tried(self.client(), &query)?;
        Some(if is_there { Rows::Listed(query) } else { Rows::None })
    }
}

/// Whether a query finds anything; `None` where it does not run, or not soon.
fn tried(client: &mut Client, query: &str) -> Option<bool> {
    let mut transaction = client.build_transaction().read_only(true).start().ok()?;
    transaction.batch_execute(PATIENCE).ok()?;
    let row = transaction.ask_one(&format!("select exists ({query})"), &[]).ok()?;
    Some(row.get(0))
}

/// The columns of a unique index, as PostgreSQL writes them.
fn key(detail: &str) -> Option<&str> {
    Some(detail.strip_prefix("Key (")?.split_once(")=(")?.0)
}

/// The rows that a unique index is about: those of its condition, and without empty values where these are no duplicates.
fn which_rows(client: &mut Client, violation: &Violation, key: &str) -> String {
    let known = "select pg_get_expr(i.indpred, i.indrelid), coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) \
        from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace \
        where c.relname = $1 and n.nspname = $2";
    let (name, schema) = (violation.constraint.unwrap_or_default(), violation.schema.unwrap_or_default());
    let (condition, are_empty_ones_alike) = match client.ask_opt(known, &[&name, &schema]) {
        Ok(Some(row)) => (row.get(0), row.get(1)),
        _ => {
            let statement = violation.statement.unwrap_or_default();
            let lower = statement.to_ascii_lowercase();
            let makes = lower.trim_start().starts_with("create unique index");
            let at = lower.rfind(" where ").filter(|_| makes).map(|at| at + " where ".len());
            (at.map(|at| statement[at..].trim().to_owned()), lower.contains("nulls not distinct"))
        }
    };
    let condition = condition.map(|it: String| format!("({it})"));
    let filled = (!are_empty_ones_alike).then(|| format!("({key}) is not null"));
    let all: Vec<String> = condition.into_iter().chain(filled).collect();
    if all.is_empty() { String::new() } else { format!(" where {}", all.join(" and ")) }
}

/// The condition of a check constraint: the catalog's, or the statement's that wants to add it.
fn check(client: &mut Client, violation: &Violation, table: &str) -> Option<String> {
    let sql = format!(
        "select pg_get_expr(conbin, conrelid) from pg_constraint where contype = 'c' and conname = $1 \
         and conrelid = to_regclass({})",
        literal(table)
    );
    if let Ok(Some(row)) = client.ask_opt(&sql, &[&violation.constraint?]) {
        return row.get(0);
    }
    let statement = violation.statement?;
    let at = statement.to_ascii_lowercase().find("check")? + "check".len();
    in_brackets(statement[at..].trim_start()).map(str::to_owned)
}

/// The rows that refer to nothing, or, where a row is to go, those that refer to any.
fn foreign_key(client: &mut Client, violation: &Violation, table: &str) -> Option<String> {
    let (parent, pairs) = match known_key(client, violation.constraint?, table) {
        Some(known) => known,
        None => wanted_key(violation.statement?)?,
    };
    let all = |of: fn(&(String, String)) -> String| pairs.iter().map(of).collect::<Vec<_>>().join(" and ");
    let same = all(|(child, column)| format!("p.{column} = c.{child}"));
    if violation.detail.is_some_and(|detail| detail.contains("is still referenced")) {
        return Some(format!("select c.* from {table} c join {parent} p on {same}"));
    }
    let filled = all(|(child, _)| format!("c.{child} is not null"));
    Some(format!("select c.* from {table} c where {filled} and not exists (select from {parent} p where {same})"))
}

/// The table that a foreign key leads to, and the columns in pairs.
type ForeignKey = (String, Vec<(String, String)>);

fn known_key(client: &mut Client, name: &str, table: &str) -> Option<ForeignKey> {
    let sql = format!(
        "select format('%I.%I', n.nspname, t.relname), array(select quote_ident(a.attname) from unnest(c.conkey) \
         with ordinality k (n, i) join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n order by k.i), \
         array(select quote_ident(a.attname) from unnest(c.confkey) with ordinality k (n, i) join pg_attribute a \
         on a.attrelid = c.confrelid and a.attnum = k.n order by k.i) from pg_constraint c join pg_class t \
         on t.oid = c.confrelid join pg_namespace n on n.oid = t.relnamespace \
         where c.contype = 'f' and c.conname = $1 and c.conrelid = to_regclass({})",
        literal(table)
    );
    let row = client.ask_opt(&sql, &[&name]).ok()??;
    let (own, others): (Vec<String>, Vec<String>) = (row.get(1), row.get(2));
    Some((row.get(0), own.into_iter().zip(others).collect()))
}

/// `FOREIGN KEY (a) REFERENCES t (b)` of the statement that wants to add it.
fn wanted_key(statement: &str) -> Option<ForeignKey> {
    let lower = statement.to_ascii_lowercase();
    let at = lower.find("foreign key")? + "foreign key".len();
    let own = in_brackets(statement[at..].trim_start())?;
    let at = lower.find("references")? + "references".len();
    let (parent, rest) = statement[at..].split_once('(')?;
    let others = rest.split(')').next()?;
    let names = |list: &str| list.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    Some((parent.trim().to_owned(), names(own).into_iter().zip(names(others)).collect()))
}

/// What stands between the bracket that a text begins with and the one that closes it.
fn in_brackets(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth == 0 {
            return text.get(1..at).filter(|_| text.starts_with('('));
        }
    }
    None
}
