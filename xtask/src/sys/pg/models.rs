//! The models as PostgreSQL itself understands them: their tables are made as copies in schemas of their own, inside a
//! transaction that is rolled back, on the very database they are compared with. So types, functions, sequences and
//! extensions of the migrated database are there, and both sides are read back in the server's own words.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use postgres::Transaction;
use postgres::types::ToSql;

use super::errors::sql_fail;
use super::{Db, ident, literal};
use crate::model::autogenerate::{Fact, FactKind, Models};
use crate::model::sql::{self, Object, Verb};

/// Both sides, and what could not be compared.
#[derive(Debug, Default)]
pub struct Sides {
    /// What the models say.
    pub models: Vec<Fact>,
    /// What the migrated database has, of the same tables and types.
    pub database: Vec<Fact>,
    /// A line for each thing that PostgreSQL did not take.
    pub trouble: Vec<String>,
}

const READING: &str = "comparing the models with the throwaway database";

const FACTS: &str = include_str!("models.sql");

/// Reads both sides; leaves nothing behind.
///
/// # Errors
/// When the connection is lost.
pub fn sides(db: &mut Db, models: &Models) -> Result<Sides> {
    let generated = if db.server_version().major() >= 12 { "a.attgenerated::text" } else { "''" };
    let facts_sql = FACTS.replace("{generated}", generated);
    let transaction = db.client().transaction().map_err(|error| sql_fail(&error, READING))?;
    let mut look = Look {
        transaction,
        facts_sql,
        sides: Sides::default(),
        copies: BTreeMap::new(),
        default_schema: String::new(),
    };
    look.sides.trouble.clone_from(&models.trouble);
    look.make(models)?;
    look.tables()?;
    look.enums(models)?;
    look.sequences(models)?;
    look.functions_and_triggers()?;
    let Look { transaction, sides, .. } = look;
    transaction.rollback().map_err(|error| sql_fail(&error, READING))?;
    Ok(sides)
}

/// Schema and name of a table.
type Place = (String, String);

struct Look<'a> {
    transaction: Transaction<'a>,
    facts_sql: String,
    sides: Sides,
    /// Each copy that was made, with what it is a copy of.
    copies: BTreeMap<Place, Place>,
    /// The schema that need not be said.
    default_schema: String,
}

impl Look<'_> {
    fn run(&mut self, sql: &str) -> Result<()> {
        self.transaction.batch_execute(sql).map_err(|error| sql_fail(&error, READING).into())
    }

    fn rows(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<postgres::Row>> {
        self.transaction.query(sql, params).map_err(|error| sql_fail(&error, READING).into())
    }

    /// Runs what is the project's own and may fail; whether it did not.
    fn attempt(&mut self, what: &str, sql: &str) -> Result<bool> {
        let mut inner = self.transaction.savepoint("models").map_err(|error| sql_fail(&error, READING))?;
        let done = inner.batch_execute(sql);
        match done {
            Ok(()) => inner.commit().map_err(|error| sql_fail(&error, READING))?,
            Err(error) => {
                inner.rollback().map_err(|error| sql_fail(&error, READING))?;
                let Some(said) = error.as_db_error() else { return Err(sql_fail(&error, READING).into()) };
                self.sides.trouble.push(format!("{what}: {}", said.message()));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn make(&mut self, models: &Models) -> Result<()> {
        self.default_schema = self.rows("select coalesce(current_schema()::text, 'public')", &[])?[0].get(0);
        let schemas: BTreeSet<&str> = models.tables.iter().map(|table| table.copy_schema.as_str()).collect();
        for schema in &schemas {
            self.run(&format!("create schema {}", ident(schema)))?;
        }
        let first = schemas.first().map_or_else(String::new, |schema| format!("{},", ident(schema)));
        self.run(&format!(
            "select set_config('search_path', {} || current_setting('search_path'), true)",
            literal(&first)
        ))?;
        for table in &models.tables {
            if !self.attempt(&format!("table {}", table.qualified()), &table.create)? {
                continue;
            }
            let original = (table.schema.clone().unwrap_or_else(|| self.default_schema.clone()), table.name.clone());
            self.copies.insert((table.copy_schema.clone(), table.name.clone()), original);
            for index in &table.indexes {
                self.attempt(&format!("index of {}", table.qualified()), index)?;
            }
        }
        for text in models.ddl.iter().filter(|text| makes_code(text)) {
            self.attempt("DDL of the models", text)?;
        }
        Ok(())
    }

    /// What the catalog says of the copies and of their originals; only of tables that are on both sides.
    fn tables(&mut self) -> Result<()> {
        let ours = self.facts(self.copies.keys().map(|place| place.0.clone()).collect())?;
        let theirs = self.facts(self.copies.values().map(|place| place.0.clone()).collect())?;
        let there: BTreeSet<&Place> = theirs.iter().map(|(place, _)| place).collect();
        let mut wanted = BTreeSet::new();
        for (place, fact) in ours {
            let Some(original) = self.copies.get(&place).filter(|original| there.contains(original)) else { continue };
            wanted.insert(original.clone());
            self.sides.models.push(Fact { table: self.shown(original), ..fact });
        }
        for (place, fact) in theirs.iter().filter(|(place, _)| wanted.contains(place)) {
            self.sides.database.push(Fact { table: self.shown(place), ..fact.clone() });
        }
        Ok(())
    }

    /// Everything that is said of the tables of some schemas.
    fn facts(&mut self, schemas: BTreeSet<String>) -> Result<Vec<(Place, Fact)>> {
        let schemas: Vec<String> = schemas.into_iter().collect();
        let sql = self.facts_sql.clone();
        let fact = |row: &postgres::Row| {
            let fact = Fact { kind: kind(row.get(2))?, table: String::new(), name: row.get(3), text: row.get(4) };
            Some(((row.get(0), row.get(1)), fact))
        };
        Ok(self.rows(&sql, &[&schemas])?.iter().filter_map(fact).collect())
    }

    /// A table as it is called: with its schema, unless that is the default one.
    fn shown(&self, place: &Place) -> String {
        if place.0 == self.default_schema { place.1.clone() } else { format!("{}.{}", place.0, place.1) }
    }

    fn enums(&mut self, models: &Models) -> Result<()> {
        let sql = "select string_agg(enumlabel::text, E'\\n' order by enumsortorder) from pg_enum \
                   where enumtypid = to_regtype($1::text)";
        for (schema, name, labels) in &models.enums {
            let place = qualified(schema.as_deref(), name);
            let found: Option<String> = self.rows(sql, &[&place])?[0].get(0);
            // A type that is not there at all shows in the columns that have it.
            let Some(found) = found else { continue };
            let shown = schema.as_ref().map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"));
            let fact = |text| Fact { kind: FactKind::Enum, table: String::new(), name: shown.clone(), text };
            self.sides.models.push(fact(labels.join("\n")));
            self.sides.database.push(fact(found));
        }
        Ok(())
    }

    fn sequences(&mut self, models: &Models) -> Result<()> {
        for (schema, name) in &models.sequences {
            let place = qualified(schema.as_deref(), name);
            let is_there: bool = self.rows("select to_regclass($1::text) is not null", &[&place])?[0].get(0);
            let shown = schema.as_ref().map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"));
            let fact = Fact { kind: FactKind::Sequence, table: String::new(), name: shown, text: String::new() };
            if is_there {
                self.sides.database.push(fact.clone());
            }
            self.sides.models.push(fact);
        }
        Ok(())
    }

    /// Only those that the models make: what else is in the database is no business of theirs.
    fn functions_and_triggers(&mut self) -> Result<()> {
        let schemas: Vec<String> = self.copies.keys().map(|(schema, _)| schema.clone()).collect();
        let functions = "select p.proname::text, p.prosrc, \
            (select o.prosrc from pg_proc o join pg_namespace m on m.oid = o.pronamespace where o.proname = p.proname \
             and not m.nspname = any($1) order by o.prosrc <> p.prosrc limit 1) \
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any($1)";
        let triggers = "select t.tgname::text, '', \
            (select '' from pg_trigger o join pg_class k on k.oid = o.tgrelid join pg_namespace m on m.oid = k.relnamespace \
             where o.tgname = t.tgname and k.relname = c.relname and not m.nspname = any($1) limit 1), c.relname::text \
            from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace \
            where n.nspname = any($1) and not t.tgisinternal";
        for (kind, sql) in [(FactKind::Function, functions), (FactKind::Trigger, triggers)] {
            for row in self.rows(sql, &[&schemas])? {
                let table = if kind == FactKind::Trigger { row.get(3) } else { String::new() };
                let name: String = row.get(0);
                let fact = |text: String| Fact { kind, table: table.clone(), name: name.clone(), text };
                self.sides.models.push(fact(row.get(1)));
                self.sides.database.extend(row.get::<_, Option<String>>(2).map(fact));
            }
        }
        Ok(())
    }
}

/// Whether a text only makes functions and triggers: what else may hang on an event is not for us to run.
fn makes_code(text: &str) -> bool {
    let statements = sql::statements(text);
    let is_code = |statement: &sql::Statement| {
        statement.verb == Verb::Create && matches!(statement.object, Object::Function | Object::Trigger)
    };
    !statements.is_empty() && statements.iter().all(is_code)
}

fn qualified(schema: Option<&str>, name: &str) -> String {
    schema.map_or_else(|| ident(name), |schema| format!("{}.{}", ident(schema), ident(name)))
}

fn kind(word: &str) -> Option<FactKind> {
    const READ: [FactKind; 7] = [
        FactKind::Type,
        FactKind::Default,
        FactKind::Computed,
        FactKind::Check,
        FactKind::Exclusion,
        FactKind::PrimaryKey,
        FactKind::Index,
    ];
    READ.into_iter().find(|kind| kind.name() == word)
}
