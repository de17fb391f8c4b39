//! Puts rows back into tables that an operation has touched, in one transaction: the backup's rows are loaded into
//! temporary tables and compared by key with what is there, and only what differs is written. Foreign keys and triggers
//! of those tables are switched off meanwhile and restored afterwards.

use std::io::Read;

use anyhow::{Context, Result};
use postgres::Transaction;

use super::ask::Ask;
use super::large::Missing;
use super::since::{KEPT_IN, Kept, unheard};
use super::{Db, ident, literal, sql_fail};
use crate::model::rows::{are, counted};
use crate::model::values::{LEFT_OUT, detail_without, message_without};

/// A table to be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name, quoted.
    pub table: String,
    /// It was made anew: whatever is in it came with the way back.
    pub is_new: bool,
    /// The columns that were made anew.
    pub new_columns: Vec<String>,
    /// A script deletes from it: what is missing was deleted by the operation, and not by somebody since.
    pub deletes: bool,
    /// The backup has not all rows of it: none is taken away. (An extension puts some in itself.)
    pub only_adds: bool,
}

/// What became of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Its name, quoted.
    pub table: String,
    /// Rows that are there again.
    pub rows: u64,
    /// Rows in which values are there again.
    pub values: u64,
    /// Rows that were written since, and are in it.
    pub since: u64,
    /// What could not be put back, a line each.
    pub left: Vec<String>,
    /// Some of it lies in the schema beside.
    pub is_beside: bool,
}

/// The transaction.
pub struct Mending<'a> {
    transaction: Transaction<'a>,
    since: Option<Vec<Kept>>,
    tables: Vec<Table>,
    keys: Vec<ForeignKey>,
    large: Missing,
}

/// What came of mending.
pub struct Done {
    /// The tables.
    pub tables: Vec<Mended>,
    /// How many large objects are there again.
    pub large_objects: u64,
    /// What was refused about them, a line each.
    pub refused: Vec<String>,
}

/// A table under repair.
struct Table {
    job: Job,
    columns: Vec<Column>,
    /// The columns that tell its rows apart; none where nothing does.
    key: Vec<String>,
    /// The temporary table with the backup's rows, and its columns.
    stage: Option<(String, Vec<String>)>,
    mended: Mended,
}

struct Column {
    name: String,
    kind: String,
}

struct ForeignKey {
    table: String,
    name: String,
    definition: String,
    comment: Option<String>,
}

const COLUMNS: &str = "select a.attname::text, format_type(a.atttypid, a.atttypmod) from pg_attribute a \
    where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped \
      and to_jsonb(a) ->> 'attgenerated' = '' order by a.attnum";

/// The primary key, else the unique key of the fewest columns, none of which may be empty.
const KEY: &str = "select array(select a.attname::text from unnest(i.indkey::int2[]) k join pg_attribute a \
      on a.attrelid = i.indrelid and a.attnum = k) \
    from pg_index i where i.indrelid = $1::text::regclass and i.indisunique and i.indisvalid and i.indimmediate \
      and i.indpred is null and i.indexprs is null and i.indnkeyatts = i.indnatts \
      and not exists (select from unnest(i.indkey::int2[]) k join pg_attribute a on a.attrelid = i.indrelid \
        and a.attnum = k where not a.attnotnull) order by not i.indisprimary, i.indnatts, i.indexrelid limit 1";

/// The foreign keys that lead from these tables or to them; of a partition's, the one of the whole table.
const FOREIGN_KEYS: &str = "with recursive up(oid, parent) as ( \
      select oid, conparentid from pg_constraint where contype = 'f' and (conrelid = any($1::text[]::regclass[]) \
        or confrelid = any($1::text[]::regclass[])) \
      union select c.oid, c.conparentid from pg_constraint c join up on c.oid = up.parent) \
    select c.conrelid::regclass::text, c.conname::text, pg_get_constraintdef(c.oid), obj_description(c.oid, 'pg_constraint') \
    from pg_constraint c where c.oid in (select oid from up where parent = 0) order by 1, 2";

impl Db {
    /// Begins to mend tables with the rows of a backup, which has this name.
    ///
    /// # Errors
    /// When the connection is lost, or a table is not there.
    pub fn mend(&mut self, jobs: Vec<Job>, backup: &str) -> Result<Mending<'_>> {
        let since = self.rows_since(backup)?;
        let mut transaction = self.client().transaction().map_err(|error| sql_fail(&error, DOING))?;
        let tables = prepare(&mut transaction, jobs).map_err(|error| sql_fail(&error, DOING))?;
        let keys = stand_aside(&mut transaction, &tables).map_err(|error| sql_fail(&error, DOING))?;
        let large = Missing::look(&mut transaction).map_err(|error| sql_fail(&error, DOING))?;
        Ok(Mending { transaction, since, tables, keys, large })
    }

    /// Runs statements that put something right, each by itself; those that the server refuses are given back with its words.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn put_right(&mut self, statements: &[String]) -> Result<Vec<String>> {
        let mut refused = Vec::new();
        for statement in statements {
            match self.client().batch_execute(statement) {
                Ok(()) => {}
                Err(error) => match error.as_db_error() {
                    Some(said) => refused.push(format!("`{statement}`: {}", said.message())),
                    None => return Err(sql_fail(&error, "putting grants right").into()),
                },
            }
        }
        Ok(refused)
    }
}

const DOING: &str = "putting the rows back";

fn prepare(transaction: &mut Transaction<'_>, jobs: Vec<Job>) -> Result<Vec<Table>, postgres::Error> {
    unheard(transaction)?;
    transaction.batch_execute(
        "set local lock_timeout = '30s'; set local statement_timeout = 0; set local search_path = pg_catalog, pg_temp",
    )?;
    let mut tables = Vec::new();
    for job in jobs {
        let columns = transaction.ask(COLUMNS, &[&job.table])?;
        let columns = columns.iter().map(|row| Column { name: row.get(0), kind: row.get(1) }).collect();
        let key = transaction.ask_opt(KEY, &[&job.table])?.map(|row| row.get(0)).unwrap_or_default();
        let mended = Mended { table: job.table.clone(), ..Mended::default() };
        tables.push(Table { job, columns, key, stage: None, mended });
    }
    Ok(tables)
}

/// Takes foreign keys out and switches triggers off; gives the keys.
fn stand_aside(transaction: &mut Transaction<'_>, tables: &[Table]) -> Result<Vec<ForeignKey>, postgres::Error> {
    let names: Vec<&str> = tables.iter().map(|table| table.job.table.as_str()).collect();
    let rows = transaction.ask(FOREIGN_KEYS, &[&names])?;
    let keys: Vec<ForeignKey> = rows
        .iter()
        .map(|row| ForeignKey { table: row.get(0), name: row.get(1), definition: row.get(2), comment: row.get(3) })
        .collect();
    for key in &keys {
        transaction.batch_execute(&format!("alter table {} drop constraint {}", key.table, ident(&key.name)))?;
    }
    Ok(keys)
}

impl Mending<'_> {
    /// Takes the backup's rows of a table in, in COPY's text format and this encoding. Tables that are not mended are passed over.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn take_in(&mut self, table: &str, columns: Vec<String>, encoding: &str, rows: &mut dyn Read) -> Result<()> {
        let number = self.tables.iter().position(|it| it.job.table == table);
        let Some((number, at)) = number.and_then(|at| Some((at, self.tables.get_mut(at)?))) else { return Ok(()) };
        let stage = format!("pg_temp.xtask_rows_{number}");
        let listed: Vec<String> = columns.iter().map(|column| ident(column)).collect();
        let made = listed.iter().map(|column| format!("{column} text")).collect::<Vec<_>>().join(", ");
        let sql = format!("create temporary table xtask_rows_{number} ({made}) on commit drop");
        self.transaction.batch_execute(&sql).map_err(|error| sql_fail(&error, DOING))?;
        // A table may have no column at all.
        let listed = if listed.is_empty() { String::new() } else { format!("({})", listed.join(", ")) };
        let copy = format!("copy {stage} {listed} from stdin (encoding {})", literal(encoding));
        let mut writer = self.transaction.copy_in(&copy).map_err(|error| sql_fail(&error, DOING))?;
        std::io::copy(rows, &mut writer).context("taking the backup's rows in")?;
        writer.finish().map_err(|error| sql_fail(&error, DOING))?;
        at.stage = Some((stage, columns));
        Ok(())
    }

    /// Takes in any other line of the backup: large objects that are not there are made again.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn take_in_line(&mut self, line: &str) -> Result<()> {
        Ok(self.large.line(&mut self.transaction, line).map_err(|error| sql_fail(&error, DOING))?)
    }

    /// Writes what differs, brings foreign keys and triggers back and commits.
    ///
    /// # Errors
    /// When the server refuses; nothing was changed then.
    pub fn finish(mut self) -> Result<Done> {
        self.write().map_err(|error| sql_fail(&error, DOING))?;
        let broken = self.bring_back().map_err(|error| sql_fail(&error, DOING))?;
        if self.since.is_some() {
            self.forget_what_is_in_place().map_err(|error| sql_fail(&error, DOING))?;
            // From here on, what is in the tables is not to be put right again.
            let mark = format!("drop table if exists {KEPT_IN}.put_back; create table {KEPT_IN}.put_back ()");
            self.transaction.batch_execute(&mark).map_err(|error| sql_fail(&error, DOING))?;
        }
        self.transaction.commit().map_err(|error| sql_fail(&error, DOING))?;
        let mut all: Vec<Mended> = self.tables.into_iter().map(|table| table.mended).collect();
        if let Some(first) = all.first_mut() {
            first.left.extend(broken);
        }
        let (large_objects, refused) = self.large.told();
        Ok(Done { tables: all, large_objects, refused })
    }

    /// Rows of tables that nobody has touched are in them.
    fn forget_what_is_in_place(&mut self) -> Result<(), postgres::Error> {
        for Kept { number, table, kept_in, .. } in self.since.iter().flatten() {
            if self.tables.iter().any(|it| it.job.table == *table) {
                continue;
            }
            let there = "select to_regclass($1)::oid is not distinct from $2";
            if self.transaction.ask_one(there, &[table, number])?.get(0) {
                let sql = format!("drop table {kept_in}; delete from {KEPT_IN}.tables where kept_in = '{kept_in}'");
                self.transaction.batch_execute(&sql)?;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), postgres::Error> {
        for table in &mut self.tables {
            let off = switched(&mut self.transaction, &table.job.table)?;
            for Switched { name, kind, .. } in &off {
                let sql = format!("alter table {} disable {kind} {}", table.job.table, ident(name));
                self.transaction.batch_execute(&sql)?;
            }
            let sql = "select $1::text::regclass::oid";
            let number: u32 = self.transaction.ask_one(sql, &[&table.job.table])?.get(0);
            // The way back may have given it another name.
            let is_its = |kept: &&Kept| kept.table == table.job.table || kept.number == number;
            let kept: Option<Vec<&Kept>> = self.since.as_ref().map(|all| all.iter().filter(is_its).collect());
            table.write(&mut self.transaction, number, kept.as_deref())?;
            for Switched { name, kind, how } in &off {
                let sql = format!("alter table {} enable {how}{kind} {}", table.job.table, ident(name));
                self.transaction.batch_execute(&sql)?;
            }
        }
        Ok(())
    }

    /// One that does not hold any more comes back unproven, and is told.
    fn bring_back(&mut self) -> Result<Vec<String>, postgres::Error> {
        let mut broken = Vec::new();
        for ForeignKey { table, name, definition, comment } in &self.keys {
            let add = format!("alter table {table} add constraint {} {definition}", ident(name));
            let mut inner = self.transaction.transaction()?;
            match inner.batch_execute(&add) {
                Ok(()) => inner.commit()?,
                Err(error) => {
                    inner.rollback()?;
                    let Some(said) = error.as_db_error() else { return Err(error) };
                    let why = said.detail().map_or_else(
                        || message_without(said.code().code(), said.message(), LEFT_OUT),
                        |detail| detail_without(said.code().code(), detail, LEFT_OUT),
                    );
                    broken.push(format!(
                        "the foreign key {name} of {table} does not hold for all rows ({why}): it is NOT VALID"
                    ));
                    self.transaction.batch_execute(&format!("{add} not valid"))?;
                }
            }
            if let Some(comment) = comment {
                let sql = format!("comment on constraint {} on {table} is {}", ident(name), literal(comment));
                self.transaction.batch_execute(&sql)?;
            }
        }
        Ok(broken)
    }
}

/// A trigger or a rule that is switched off for a while.
struct Switched {
    name: String,
    kind: String,
    /// The word that switches it on as it was.
    how: &'static str,
}

/// The table's own triggers that fire, and its rules: both could do something else than is written.
fn switched(transaction: &mut Transaction<'_>, table: &str) -> Result<Vec<Switched>, postgres::Error> {
    let sql = "select tgname::text, 'trigger', tgenabled::text from pg_trigger where tgrelid = $1::text::regclass \
          and not tgisinternal and tgenabled <> 'D' \
        union all select rulename::text, 'rule', ev_enabled::text from pg_rewrite where ev_class = $1::text::regclass \
          and rulename <> '_RETURN' and ev_enabled <> 'D'";
    let rows = transaction.ask(sql, &[&table])?;
    let how = |letter: String| match letter.as_str() {
        "R" => "replica ",
        "A" => "always ",
        _ => "",
    };
    Ok(rows.iter().map(|row| Switched { name: row.get(0), kind: row.get(1), how: how(row.get(2)) }).collect())
}

impl Table {
    /// `number` is the table's own; `kept`: the rows written since, in the order in which they were kept; `None` where nobody
    /// knows which those are.
    fn write(
        &mut self,
        transaction: &mut Transaction<'_>,
        number: u32,
        kept: Option<&[&Kept]>,
    ) -> Result<(), postgres::Error> {
        if let Some((stage, columns)) = self.stage.clone() {
            let (common, lost): (Vec<String>, Vec<String>) =
                columns.into_iter().partition(|name| self.columns.iter().any(|column| column.name == *name));
            for name in lost {
                let sql = format!("select count({}) from {stage}", ident(&name));
                let values: i64 = transaction.ask_one(&sql, &[])?.get(0);
                if values > 0 {
                    self.mended.left.push(format!(
                        "{}: the column {name} is not there, its {} stay in the backup",
                        self.job.table,
                        counted(values.unsigned_abs(), "value")
                    ));
                }
            }
            if self.key.is_empty() || !self.key.iter().all(|name| common.contains(name)) {
                return self.write_keyless(transaction, &stage, &common, number, kept);
            }
            self.compare(transaction, &stage, &common, kept)?;
        }
        kept.unwrap_or_default().iter().try_for_each(|kept| self.write_since(transaction, kept))
    }

    /// A table without a key: a row that was changed since cannot be told from a new one. It is written where rows were
    /// only added since; else no row is written twice, and one of the two versions is kept beside the table.
    fn write_keyless(
        &mut self,
        transaction: &mut Transaction<'_>,
        stage: &str,
        common: &[String],
        number: u32,
        kept: Option<&[&Kept]>,
    ) -> Result<(), postgres::Error> {
        let table = self.job.table.clone();
        let count = |transaction: &mut Transaction<'_>, from: &str| -> Result<u64, postgres::Error> {
            let rows: i64 = transaction.ask_one(&format!("select count(*) from only {from}"), &[])?.get(0);
            Ok(u64::try_from(rows).unwrap_or_default())
        };
        let (was, now) = (count(transaction, stage)?, count(transaction, &table)?);
        if self.job.only_adds && now > 0 {
            return self.put_beside(transaction, stage, was);
        }
        let is_new = self.job.is_new;
        // What was written into the table that the way back has made anew can only have been added.
        let is_of_this = |kept: &&Kept| kept.number == number;
        let only_adds = |kept: &&Kept| kept.older == was || is_new && is_of_this(kept);
        match kept {
            // Two copies may hold the same row.
            Some(kept) if kept.iter().all(only_adds) && (kept.len() < 2 || is_new && kept.iter().all(is_of_this)) => {
                self.replace(transaction, stage, common)?;
                kept.iter().try_for_each(|kept| self.write_since(transaction, kept))
            }
            Some(kept) if is_new => {
                self.replace(transaction, stage, common)?;
                for Kept { rows, kept_in, .. } in kept {
                    let (rows, are) = (counted(*rows, "row"), are(*rows));
                    self.mended.left.push(format!(
                        "{table} has no key, so that a changed row cannot be told from a new one: the {rows} written since {are} in \
                         {kept_in}, and it has those of the backup"
                    ));
                }
                self.mended.is_beside = true;
                Ok(())
            }
            None if is_new && now == 0 => self.replace(transaction, stage, common),
            _ => self.put_beside(transaction, stage, was),
        }
    }

    /// The backup's rows into a table of their own.
    fn put_beside(&mut self, transaction: &mut Transaction<'_>, stage: &str, rows: u64) -> Result<(), postgres::Error> {
        let place = format!("{KEPT_IN}.{}", stage.replace("pg_temp.xtask_rows_", "backup_"));
        transaction.batch_execute(&format!(
            "create schema if not exists {KEPT_IN}; drop table if exists {place}; create table {place} as table {stage}"
        ))?;
        self.mended.left.push(format!(
            "{} has no key and was written since: it stays as it is, and the {} of the backup {} in {place}",
            self.job.table,
            counted(rows, "row"),
            are(rows)
        ));
        self.mended.is_beside = true;
        Ok(())
    }

    /// The rows of the backup instead of what is there; for a table whose rows nothing tells apart.
    fn replace(
        &mut self,
        transaction: &mut Transaction<'_>,
        stage: &str,
        common: &[String],
    ) -> Result<(), postgres::Error> {
        self.remove(transaction, "true")?;
        self.mended.rows = transaction.tell(&self.insert(stage, common, "true"), &[])?;
        Ok(())
    }

    /// Removes rows, where there are any: a table that is published and has no replica identity refuses to be told so, even
    /// when it is empty.
    fn remove(&self, transaction: &mut Transaction<'_>, which: &str) -> Result<(), postgres::Error> {
        let rows = format!("only {} n where {which}", self.job.table);
        if is_any(transaction, &rows)? {
            transaction.batch_execute(&format!("delete from {rows}"))?;
        }
        Ok(())
    }

    /// Row by row, by the key.
    fn compare(
        &mut self,
        transaction: &mut Transaction<'_>,
        stage: &str,
        common: &[String],
        kept: Option<&[&Kept]>,
    ) -> Result<(), postgres::Error> {
        let table = &self.job.table;
        let mut written_since = "(false".to_owned();
        for kept in kept.unwrap_or_default() {
            if self.key.iter().all(|name| kept.columns.contains(name)) {
                let same = self.same_key("o", "n");
                written_since += &format!(" or exists (select from {} o where {same})", kept.kept_in);
            }
        }
        written_since.push(')');
        let there = format!("exists (select from {stage} o where {})", self.same_key("o", "n"));
        if self.job.is_new && kept.is_some() && !self.job.only_adds {
            // Whatever came with the way back and was in no backup: rows that the scripts put in.
            self.remove(transaction, &format!("not {there} and not {written_since}"))?;
        }
        // What is written over: where it is known what was written since, everything else; else what was made anew.
        let over = |name: &&String| {
            !self.key.contains(name) && (self.job.is_new || kept.is_some() || self.job.new_columns.contains(name))
        };
        let over: Vec<&String> = common.iter().filter(over).collect();
        if !over.is_empty() {
            let set: Vec<String> =
                over.iter().map(|name| format!("{} = {}", ident(name), self.cast("o", name))).collect();
            let differ: Vec<String> = over
                .iter()
                .map(|name| format!("n.{}::text is distinct from ({})::text", ident(name), self.cast("o", name)))
                .collect();
            let which = format!("{} and ({}) and not {written_since}", self.same_key("o", "n"), differ.join(" or "));
            // The server refuses the update of some published tables even where it finds no row.
            if is_any(transaction, &format!("only {table} n, {stage} o where {which}"))? {
                let sql = format!("update only {table} n set {} from {stage} o where {which}", set.join(", "));
                self.mended.values = transaction.tell(&sql, &[])?;
            }
        }
        for kept in kept.unwrap_or_default() {
            self.mended.values += self.fill(transaction, stage, common, kept)?;
        }
        let table = &self.job.table;
        let missing = format!("not exists (select from only {table} n where {})", self.same_key("o", "n"));
        if self.job.is_new || self.job.deletes {
            self.mended.rows = transaction.tell(&self.insert(stage, common, &missing), &[])?;
        } else {
            let sql = format!("select count(*) from {stage} o where {missing}");
            let gone: i64 = transaction.ask_one(&sql, &[])?.get(0);
            if gone > 0 {
                let (rows, were) = (counted(gone.unsigned_abs(), "row"), if gone == 1 { "was" } else { "were" });
                self.mended.left.push(format!("{table}: {rows} of the backup {were} deleted since, which stays so"));
            }
        }
        Ok(())
    }

    /// A row that was changed while a column was not there gets the backup's value of it; nobody can have written another one.
    fn fill(
        &self,
        transaction: &mut Transaction<'_>,
        stage: &str,
        common: &[String],
        kept: &Kept,
    ) -> Result<u64, postgres::Error> {
        let not_there: Vec<&String> = common.iter().filter(|name| !kept.columns.contains(name)).collect();
        let is_told_apart = self.key.iter().all(|name| kept.columns.contains(name));
        if self.job.is_new || !is_told_apart || not_there.is_empty() {
            return Ok(0);
        }
        let set = not_there.iter().map(|name| format!("{} = {}", ident(name), self.cast("o", name)));
        let sql = format!(
            "update only {} n set {} from {stage} o where {} and exists (select from {} o where {})",
            self.job.table,
            set.collect::<Vec<_>>().join(", "),
            self.same_key("o", "n"),
            kept.kept_in,
            self.same_key("o", "n")
        );
        transaction.tell(&sql, &[])
    }

    /// Rows that were written since go over everything. What does not fit any more stays where it was kept.
    fn write_since(&mut self, transaction: &mut Transaction<'_>, kept: &Kept) -> Result<(), postgres::Error> {
        let known = |name: &&String| self.columns.iter().any(|column| column.name == **name);
        let (common, lost): (Vec<&String>, Vec<&String>) = kept.columns.iter().partition(known);
        let common: Vec<String> = common.into_iter().cloned().collect();
        let lost = self.values_without_place(transaction, kept, &lost)?;
        let mut inner = transaction.transaction()?;
        match self.merge(&mut inner, kept, &common) {
            Ok(()) => {
                inner.commit()?;
                self.mended.since += kept.rows;
                if lost {
                    return Ok(());
                }
                transaction.batch_execute(&format!(
                    "drop table {0}; delete from {KEPT_IN}.tables where kept_in = '{0}'",
                    kept.kept_in
                ))
            }
            Err(error) => {
                inner.rollback()?;
                let Some(said) = error.as_db_error() else { return Err(error) };
                let (table, rows, place) = (&self.job.table, counted(kept.rows, "row"), &kept.kept_in);
                let (fit, are) = (if kept.rows == 1 { "does not fit" } else { "do not fit" }, are(kept.rows));
                self.mended.left.push(format!(
                    "{table}: {rows} written since {fit} any more and {are} in {place}: {}",
                    message_without(said.code().code(), said.message(), LEFT_OUT)
                ));
                self.mended.is_beside = true;
                Ok(())
            }
        }
    }

    /// Whether rows written since have values in columns that are not there; they stay where they were kept.
    fn values_without_place(
        &mut self,
        transaction: &mut Transaction<'_>,
        kept: &Kept,
        lost: &[&String],
    ) -> Result<bool, postgres::Error> {
        let place = &kept.kept_in;
        for name in lost {
            let sql = format!("select count({}) from {place}", ident(name));
            let values: i64 = transaction.ask_one(&sql, &[])?.get(0);
            if values > 0 {
                let table = &self.job.table;
                let (values, are) = (counted(values.unsigned_abs(), "value"), are(values.unsigned_abs()));
                self.mended
                    .left
                    .push(format!("{table}: the column {name} is not there, {values} written since {are} in {place}"));
                self.mended.is_beside = true;
            }
        }
        Ok(self.mended.is_beside)
    }

    fn merge(&self, transaction: &mut Transaction<'_>, kept: &Kept, common: &[String]) -> Result<(), postgres::Error> {
        let (table, place) = (&self.job.table, &kept.kept_in);
        if self.key.is_empty() || !self.key.iter().all(|name| common.contains(name)) {
            // Rows were only added since, and the same row may be there twice.
            return transaction.tell(&self.insert(place, common, "true"), &[]).map(drop);
        }
        let others: Vec<&String> = common.iter().filter(|name| !self.key.contains(name)).collect();
        if !others.is_empty() {
            let set: Vec<String> =
                others.iter().map(|name| format!("{} = {}", ident(name), self.cast("o", name))).collect();
            let sql = format!(
                "update only {table} n set {} from {place} o where {}",
                set.join(", "),
                self.same_key("o", "n")
            );
            transaction.tell(&sql, &[])?;
        }
        let missing = format!("not exists (select from only {table} n where {})", self.same_key("o", "n"));
        transaction.tell(&self.insert(place, common, &missing), &[]).map(drop)
    }

    fn insert(&self, from: &str, common: &[String], condition: &str) -> String {
        if common.is_empty() {
            return format!("insert into {} select from {from} o where {condition}", self.job.table);
        }
        let listed: Vec<String> = common.iter().map(|name| ident(name)).collect();
        let values: Vec<String> = common.iter().map(|name| self.cast("o", name)).collect();
        format!(
            "insert into {} ({}) overriding system value select {} from {from} o where {condition}",
            self.job.table,
            listed.join(", "),
            values.join(", ")
        )
    }

    /// A value that is kept as text, as the column has it.
    fn cast(&self, alias: &str, name: &str) -> String {
        let kind = self.columns.iter().find(|column| column.name == name).map_or("text", |column| column.kind.as_str());
        format!("{alias}.{}::{kind}", ident(name))
    }

    fn same_key(&self, text: &str, typed: &str) -> String {
        let same = |name: &String| format!("{typed}.{} = {}", ident(name), self.cast(text, name));
        self.key.iter().map(same).collect::<Vec<_>>().join(" and ")
    }
}

fn is_any(transaction: &mut Transaction<'_>, rows: &str) -> Result<bool, postgres::Error> {
    Ok(transaction.ask_one(&format!("select exists (select from {rows})"), &[])?.get(0))
}
