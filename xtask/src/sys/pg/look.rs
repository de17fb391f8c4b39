//! Reads one database again and again: schema, rows, sequences and what it shares with others, all of one moment and in
//! two round trips. What is proven to be unchanged since the last look is not read again (`catalog/gate.rs`,
//! `rows/memory.rs`).

use anyhow::{Context, Result, ensure};

use super::Db;
use super::batch::Reading;
use super::catalog::{Gate, Options};
use super::rows::{self, SEQUENCES, Stages, counting, sequences};
use super::shared::{self, OWN, SHARED};
use crate::model::catalog::Snapshot;
use crate::model::rows::{Rows, Sequences, Table};

/// How many large objects there are. They are in no table of anybody's; what they hold only a superuser may read.
const LARGE_OBJECTS: &str = "select count(*) from pg_catalog.pg_largeobject_metadata;";
const OBJECTS: &str = "pg_catalog.pg_largeobject";

/// What is remembered of the database. Another one, also one that was put back, begins anew.
pub struct Look {
    options: Options,
    gate: Gate,
    memory: rows::Memory,
}

/// What it holds.
pub struct Seen {
    /// With what is set for the database as such.
    pub schema: Snapshot,
    pub rows: Rows,
    pub sequences: Sequences,
    /// What the whole server shares, where that was asked for.
    pub shared: Snapshot,
}

impl Look {
    pub fn new(options: Options) -> Look {
        Look { options, gate: Gate::default(), memory: rows::Memory::default() }
    }

    /// The schema alone.
    ///
    /// # Errors
    /// When the connection is lost, or a catalog is not readable for this user.
    pub fn schema(&mut self, db: &mut Db) -> Result<Snapshot> {
        let question = self.gate.question(db.backend_pid());
        let mut reading = Reading::new(db.client());
        let mut answers = reading.ask(&format!("{OWN}{question}")).context("looking at the schema")?.into_iter();
        let own = answers.next().context("reading the settings of the database: no answer")?;
        let script = self.gate.script(&mut answers)?;
        let answers = reading.end(&script).context("reading the schema")?;
        let mut schema = self.gate.finish(answers, &self.options)?;
        shared::add(&mut schema, &own);
        Ok(schema)
    }

    /// All that it holds.
    ///
    /// # Errors
    /// As [`Look::schema`], and where rows are not readable, or hidden by row security.
    pub fn all(&mut self, db: &mut Db, is_shared: bool) -> Result<Seen> {
        self.look_at_all(db, is_shared).map_err(|error| rows::with_role(error, db.url()))
    }

    fn look_at_all(&mut self, db: &mut Db, is_shared: bool) -> Result<Seen> {
        let Look { options, gate, memory } = self;
        let question = gate.question(db.backend_pid());
        let mut reading = Reading::new(db.client());
        let mut stages = Stages::new(options, Some(memory));
        let shared = if is_shared { SHARED } else { "" };
        let first = format!("{OWN}{SEQUENCES}{LARGE_OBJECTS}{shared}{}{question}", stages.question());
        let mut answers = reading.ask(&first).context("looking at the catalogs")?.into_iter();
        let mut answer = || answers.next().context("looking at the catalogs: no answer");
        let (own, positions, objects) = (answer()?, answer()?, answer()?);
        let shared = if is_shared { shared::snapshot(&answer()?) } else { Snapshot::default() };
        let digests = stages.listed(&mut answers)?;
        // In this order: what is set for digests would change how the schema's expressions look.
        let script = gate.script(&mut answers)?;
        let script = format!("{script}{digests}");
        let (asked, is_last) = stages.asked();
        let (mut schema, reading) = match is_last {
            true => (reading.end(&script).map_err(counting)?, None),
            false => (reading.ask(&script).map_err(counting)?, Some(reading)),
        };
        let mut digests = schema.split_off(schema.len().saturating_sub(asked));
        if let Some(reading) = reading {
            let more = stages.counted(&mut digests.into_iter())?;
            digests = reading.end(&more).map_err(counting)?;
        }
        let mut rows = stages.finish(&mut digests.into_iter())?;
        let objects = objects.text(0).and_then(|count| count.parse().ok()).unwrap_or_default();
        rows.tables.insert(OBJECTS.to_owned(), Table { rows: objects, ..Table::default() });
        let mut schema = gate.finish(schema, options)?;
        shared::add(&mut schema, &own);
        Ok(Seen { schema, rows, sequences: sequences(&positions), shared })
    }

    /// Reads every catalog and every row once more, whatever was remembered of them.
    ///
    /// # Errors
    /// A defect of this tool, if what was remembered is not what is there.
    pub fn prove(&mut self, db: &mut Db) -> Result<()> {
        let remembered = self.all(db, false)?;
        let whole = Look::new(self.options.clone()).all(db, false)?;
        ensure!(remembered.rows == whole.rows, "rows have changed and were not seen to");
        ensure!(remembered.schema == whole.schema, "the schema has changed and was not seen to");
        Ok(())
    }
}
