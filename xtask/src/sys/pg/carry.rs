//! Rows into tables and columns that were dropped and made again. Such a table has another number in the server's catalog,
//! such a column another place, whatever their names: that tells them from what was never touched, whose rows stay.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use postgres::Transaction;
use serde_json::{Value, json};

use super::{Db, catalog::Options, rows, sql_fail};

/// Tables and columns as the server numbers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// Per table, with its schema and quoted: its number, and that of each column.
    tables: BTreeMap<String, (u32, BTreeMap<String, i16>)>,
}

/// A table that was made again, or columns of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeAgain {
    /// With its schema, quoted.
    pub table: String,
    /// The columns; none where it is the whole table.
    pub columns: Vec<String>,
}

/// What came of carrying rows over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Where to.
    pub to: MadeAgain,
    /// How many rows, or values that are not null, there were.
    pub rows: u64,
    /// Why they are not there again; none where each of them is.
    pub why_not: Option<String>,
}

const IDENTITIES: &str = "select format('%I.%I', n.nspname, c.relname), c.oid, quote_ident(a.attname), a.attnum \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid \
    where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' \
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'xtask') \
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid \
    and d.deptype = 'e')";

impl Identities {
    /// What was made again since.
    pub fn made_again(&self, now: &Identities) -> Vec<MadeAgain> {
        let mut found = Vec::new();
        for (table, (number, columns)) in &self.tables {
            let Some((now, places)) = now.tables.get(table) else { continue };
            let moved =
                |(name, place): (&String, &i16)| places.get(name).filter(|now| *now != place).map(|_| name.clone());
            let columns: Vec<String> = columns.iter().filter_map(moved).collect();
            if now != number {
                found.push(MadeAgain { table: table.clone(), columns: Vec::new() });
            } else if !columns.is_empty() {
                found.push(MadeAgain { table: table.clone(), columns });
            }
        }
        found
    }

    /// What is not there any more.
    pub fn gone(&self, now: &Identities) -> Vec<String> {
        let mut gone = Vec::new();
        for (table, (_, columns)) in &self.tables {
            match now.tables.get(table) {
                None => gone.push(table.clone()),
                Some((_, now)) => {
                    let lost = columns.keys().filter(|name| !now.contains_key(*name));
                    gone.extend(lost.map(|name| format!("{table}.{name}")));
                }
            }
        }
        gone
    }

    /// For a journal.
    pub fn to_json(&self) -> Value {
        json!(self.tables)
    }

    /// From a journal.
    pub fn from_json(value: &Value) -> Identities {
        let mut tables = BTreeMap::new();
        for (table, entry) in value.as_object().into_iter().flatten() {
            let number = entry[0].as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
            let place = |(name, place): (&String, &Value)| Some((name.clone(), i16::try_from(place.as_i64()?).ok()?));
            let columns = entry[1].as_object().into_iter().flatten().filter_map(place).collect();
            tables.insert(table.clone(), (number, columns));
        }
        Identities { tables }
    }
}

impl Db {
    /// The tables and their columns as they are numbered now.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn identities(&mut self) -> Result<Identities> {
        let rows = self.client().query(IDENTITIES, &[]).map_err(|error| sql_fail(&error, "listing the tables"))?;
        let mut tables: BTreeMap<String, (u32, BTreeMap<String, i16>)> = BTreeMap::new();
        for row in rows {
            let (number, columns) = tables.entry(row.get(0)).or_default();
            *number = row.get(1);
            columns.insert(row.get(2), row.get(3));
        }
        Ok(Identities { tables })
    }

    /// Takes the rows of what was made again over from another database, in one transaction, and compares. What does not
    /// fit is told and left out.
    ///
    /// # Errors
    /// When a connection is lost.
    pub fn carry_from(&mut self, from: &mut Db, what: &[MadeAgain]) -> Result<Vec<Carried>> {
        let (theirs, ours) = (from.identities()?, self.identities()?);
        let mut carried = Vec::new();
        let mut transaction = self.client().transaction().context("beginning to carry rows over")?;
        as_replica(&mut transaction)?;
        let mut left: Vec<&MadeAgain> = what.iter().filter(|it| theirs.tables.contains_key(&it.table)).collect();
        // A table that refers to another one comes after it: what fails is tried again while others succeed.
        loop {
            let mut failed = Vec::new();
            let before = left.len();
            for it in left {
                match carry(from, &mut transaction, it, &theirs, &ours)? {
                    Ok(rows) => carried.push(Carried { to: it.clone(), rows, why_not: None }),
                    Err(why) => failed.push((it, why)),
                }
            }
            if failed.is_empty() || failed.len() == before {
                for (it, why) in failed {
                    let rows = count(from, it)?;
                    carried.push(Carried { to: it.clone(), rows, why_not: (rows > 0).then_some(why) });
                }
                break;
            }
            left = failed.into_iter().map(|(it, _)| it).collect();
        }
        transaction.commit().context("carrying rows over")?;
        for it in carried.iter_mut().filter(|it| it.why_not.is_none() && it.to.columns.is_empty()) {
            it.why_not = self.differs(from, &it.to.table)?;
        }
        Ok(carried)
    }

    /// Whether a table holds something else than in another database.
    fn differs(&mut self, from: &mut Db, table: &str) -> Result<Option<String>> {
        let only = BTreeSet::from([table.replace('"', ""), table.to_owned()]);
        let theirs = rows::take(from.client(), &Options::default(), Some(&only))?;
        let ours = rows::take(self.client(), &Options::default(), Some(&only))?;
        let gone = crate::model::rows::diff(&theirs, &ours).iter().any(crate::model::rows::DataChange::is_loss);
        Ok(gone.then(|| "not every row is as it was".to_owned()))
    }
}

/// Without triggers and foreign keys in between, where this role may ask for that.
fn as_replica(transaction: &mut Transaction<'_>) -> Result<()> {
    let mut inner = transaction.transaction().context("beginning to carry rows over")?;
    match inner.batch_execute("set local session_replication_role = replica") {
        Ok(()) => inner.commit().context("carrying rows over"),
        Err(_) => inner.rollback().context("carrying rows over"),
    }
}

/// One table or some columns of one; how many rows or values, or why not.
fn carry(
    from: &mut Db,
    transaction: &mut Transaction<'_>,
    it: &MadeAgain,
    theirs: &Identities,
    ours: &Identities,
) -> Result<Result<u64, String>> {
    let columns = |all: &Identities| -> BTreeSet<String> {
        all.tables.get(&it.table).map(|(_, columns)| columns.keys().cloned().collect()).unwrap_or_default()
    };
    let both: Vec<String> = columns(theirs).intersection(&columns(ours)).cloned().collect();
    let mut inner = transaction.transaction().context("beginning to carry rows over")?;
    let done = if it.columns.is_empty() {
        whole(from, &mut inner, &it.table, &both)?
    } else {
        some(from, &mut inner, &it.table, &it.columns)?
    };
    match done {
        Ok(()) => inner.commit().context("carrying rows over")?,
        Err(error) => {
            inner.rollback().context("carrying rows over")?;
            return Ok(Err(error));
        }
    }
    count(from, it).map(Ok)
}

fn count(from: &mut Db, it: &MadeAgain) -> Result<u64> {
    let filter: Vec<String> = it.columns.iter().map(|column| format!("{column} is not null")).collect();
    let filter = if filter.is_empty() { "true".to_owned() } else { filter.join(" or ") };
    let row = from.client().query_one(&format!("select count(*) from only {} where {filter}", it.table), &[]);
    let count: i64 = row.map_err(|error| sql_fail(&error, "counting rows"))?.get(0);
    Ok(u64::try_from(count).unwrap_or_default())
}

/// All rows of a table that holds at most what a script has put into it just now.
fn whole(from: &mut Db, inner: &mut Transaction<'_>, table: &str, columns: &[String]) -> Result<Result<(), String>> {
    if let Err(error) = inner.batch_execute(&format!("delete from only {table}")) {
        return Ok(Err(said(&error)));
    }
    if let Err(why) = copy(from, inner, &format!("select {} from only {table}", columns.join(", ")), table, columns)? {
        return Ok(Err(why));
    }
    let owned = "select quote_ident(a.attname), pg_get_serial_sequence($1, a.attname) from pg_attribute a \
        where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped \
        and pg_get_serial_sequence($1, a.attname) is not null";
    let theirs = from.client().query(owned, &[&table]).map_err(|error| sql_fail(&error, "listing sequences"))?;
    for row in inner.query(owned, &[&table]).map_err(|error| sql_fail(&error, "listing sequences"))? {
        let (column, sequence): (String, String) = (row.get(0), row.get(1));
        let Some(their) = theirs.iter().find(|row| row.get::<_, String>(0) == column) else { continue };
        let sql = format!("select last_value, is_called from {}", their.get::<_, String>(1));
        let at = from.client().query_one(&sql, &[]).map_err(|error| sql_fail(&error, "reading a sequence"))?;
        let set = inner.execute(
            "select setval($1::text::regclass, $2, $3)",
            &[&sequence, &at.get::<_, i64>(0), &at.get::<_, bool>(1)],
        );
        if let Err(error) = set {
            return Ok(Err(said(&error)));
        }
    }
    Ok(Ok(()))
}

/// Some columns of the rows that are still there, by their primary key.
fn some(from: &mut Db, inner: &mut Transaction<'_>, table: &str, columns: &[String]) -> Result<Result<(), String>> {
    let sql = "select coalesce(array_agg(quote_ident(a.attname)), '{}') from pg_index i join pg_attribute a \
        on a.attrelid = i.indrelid and a.attnum = any (i.indkey) where i.indrelid = $1::text::regclass and i.indisprimary";
    let row = inner.query_one(sql, &[&table]).map_err(|error| sql_fail(&error, "asking for a primary key"))?;
    let key: Vec<String> = row.get(0);
    if key.is_empty() || key.iter().any(|column| columns.contains(column)) {
        return Ok(Err("the table has no primary key to tell its rows by".to_owned()));
    }
    let all: Vec<String> = key.iter().chain(columns).cloned().collect();
    let list = all.join(", ");
    let make = format!("create temp table xtask_carry on commit drop as select {list} from only {table} with no data");
    if let Err(error) = inner.batch_execute(&make) {
        return Ok(Err(said(&error)));
    }
    if let Err(why) = copy(from, inner, &format!("select {list} from only {table}"), "xtask_carry", &all)? {
        return Ok(Err(why));
    }
    let sets: Vec<String> = columns.iter().map(|column| format!("{column} = k.{column}")).collect();
    let same: Vec<String> = key.iter().map(|column| format!("t.{column} = k.{column}")).collect();
    let (sets, same) = (sets.join(", "), same.join(" and "));
    let update = format!("update only {table} t set {sets} from xtask_carry k where {same}; drop table xtask_carry");
    Ok(inner.batch_execute(&update).map_err(|error| said(&error)))
}

fn copy(
    from: &mut Db,
    inner: &mut Transaction<'_>,
    select: &str,
    into: &str,
    columns: &[String],
) -> Result<Result<(), String>> {
    let read = from.client().copy_out(&format!("copy ({select}) to stdout"));
    let mut read = match read {
        Ok(read) => read,
        Err(error) => return Ok(Err(said(&error))),
    };
    let mut write = match inner.copy_in(&format!("copy {into} ({}) from stdin", columns.join(", "))) {
        Ok(write) => write,
        Err(error) => return Ok(Err(said(&error))),
    };
    if let Err(error) = std::io::copy(&mut read, &mut write) {
        return Ok(Err(error.to_string()));
    }
    Ok(write.finish().map(|_| ()).map_err(|error| said(&error)))
}

/// PostgreSQL's reason in a line.
fn said(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identities(text: &str) -> Identities {
        Identities::from_json(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_was_made_again_is_told_from_what_stayed() {
        let before = identities(r#"{"p.a": [1, {"x": 1, "y": 2}], "p.b": [2, {"x": 1}], "p.c": [3, {"x": 1}]}"#);
        let now = identities(r#"{"p.a": [1, {"x": 1, "y": 3}], "p.b": [9, {"x": 1}], "p.d": [4, {"x": 1}]}"#);
        assert_eq!(identities(&before.to_json().to_string()), before);
        let again = |table: &str, columns: &[&str]| MadeAgain {
            table: table.to_owned(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(before.made_again(&now), [again("p.a", &["y"]), again("p.b", &[])]);
        assert_eq!(before.gone(&now), ["p.c"]);
        assert_eq!(before.made_again(&before), []);
    }
}
