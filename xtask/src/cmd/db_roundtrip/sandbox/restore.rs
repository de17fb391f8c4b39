//! Goes back to the last good state of the sandbox: restores a copy of the database, or makes the database anew, and
//! repeats what was done since.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Failure, OWN, Sandbox};
use crate::cmd::db_roundtrip::baseline;
use crate::fail::{Fail, Kind, from_anyhow};
use crate::model::action::own;
use crate::sys::alembic::{Driver, Fault, Stop};
use crate::sys::pg::Scratch;
use crate::work::driver;

/// With as many deeds since the last copy, another copy is saved, so that they need not be repeated the next time.
const LONG_WAY: usize = 12;

impl Sandbox<'_> {
    /// Puts the database back to the last save point (or makes it anew) and repeats what was done since. After many
    /// deeds it saves the result, so that the next way back is short.
    pub fn rebuild(&mut self) -> Result<()> {
        if self.put_back()?.is_some() {
            // What a script leaves behind in the process may keep it from running again, so it is tried in a process of
            // its own.
            self.renew()?;
            if let Some(failure) = self.put_back()? {
                return Err(failure.fail.details("It went through before, on the same database").into());
            }
        }
        if self.since.len() >= LONG_WAY || (self.saved.is_none() && !self.cache.has()) {
            self.save()?;
        }
        Ok(())
    }

    fn put_back(&mut self) -> Result<Option<Box<Failure>>> {
        // A driver that cannot close its connection is disconnected by the server.
        let _ = self.driver.release();
        self.db = None;
        match &self.saved {
            Some(point) => self.scratch.as_mut().context(OWN)?.restore(point)?,
            None => self.make_again()?,
        }
        self.turn_driver()?;
        for deed in self.since.clone() {
            if let Err(failure) = self.attempt(&deed)? {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }

    /// Lets env.py run to its end: what it raises after the migrations fails every `alembic upgrade`, and the walk has
    /// not seen it.
    ///
    /// # Errors
    /// `env-failed`, where env.py raises something.
    pub fn end_env(&mut self) -> Result<()> {
        match self.driver.release() {
            // `sys.exit(0)` fails nothing.
            Err(Stop::Trouble(trouble)) if trouble.fault() == Fault::Env && trouble.status != Some(0) => {
                Err(self.explain(Stop::Trouble(trouble))?.fail.into())
            }
            // A connection that cannot be closed is closed by the server.
            _ => Ok(()),
        }
    }

    /// Starts a process in which no script has run yet, as a second `alembic` command would be one.
    pub fn renew(&mut self) -> Result<()> {
        if self.driver.fresh().is_ok() { Ok(()) } else { self.restart() }
    }

    /// A new Python, which imports the project as it is now.
    pub fn restart(&mut self) -> Result<()> {
        self.driver = Driver::start(&self.ctx.ui, &self.launch)?;
        Ok(())
    }

    /// Makes a copy of the database as it is now.
    pub fn save(&mut self) -> Result<()> {
        let _ = self.driver.release();
        self.db = None;
        let scratch = self.scratch.as_mut().context(OWN)?;
        let point = match scratch.save() {
            Err(error) if from_anyhow(&error).kind == Kind::ActiveConnections => {
                // An env.py or a thread of a script keeps a connection open; only the end of the process closes it.
                self.driver = Driver::start(&self.ctx.ui, &self.launch)?;
                scratch.save()?
            }
            point => point?,
        };
        if let Some(old) = self.saved.replace(point) {
            scratch.forget(old)?;
        }
        self.since.clear();
        Ok(())
    }

    /// Keeps the database in the cache for the next run, if it is the baseline that was to be made: these revisions
    /// were applied in so many seconds, and the seed's rows were put in.
    pub fn keep_baseline(&mut self, ids: &[String], seconds: f64) -> Result<()> {
        if !self.cache.is_baseline(ids) {
            return Ok(());
        }
        let _ = self.driver.release();
        self.db = None;
        let words = format!("empty, upgraded to {}", ids.last().map_or("base", String::as_str));
        let scratch = self.scratch.as_mut().context(OWN)?;
        if self.cache.store(self.ctx, scratch, &words, Duration::from_secs_f64(seconds.max(0.0)))? {
            // From now on the way back begins at the cached baseline.
            self.since.clear();
        }
        Ok(())
    }

    /// Starts over from the baseline. Returns whether the baseline has the seed's rows, as one that was cached on the
    /// way has.
    pub fn begin_again(&mut self) -> Result<bool> {
        self.saved = None;
        self.since.clear();
        self.rebuild()?;
        Ok(self.from_empty && self.cache.has())
    }

    fn make_again(&mut self) -> Result<()> {
        let had = self.cache.has();
        let copy = self.cache.copy(self.facts, &baseline::making(self.ctx, self.facts))?;
        let fresh = match copy {
            Some(copy) => copy,
            None if had => return Err(baseline_gone().into()),
            None if self.from_empty => baseline::empty(self.ctx, self.facts)?,
            None => baseline::make_again(self.ctx, self.facts)?.scratch,
        };
        self.scratch.replace(fresh).map_or(Ok(()), Scratch::remove)
    }

    /// Tells the driver of the database that has the name now.
    pub(super) fn turn_driver(&mut self) -> Result<()> {
        let database = driver::database(self.db()?)?;
        self.launch.database = database;
        if self.driver.use_database(&self.launch.database).is_err() {
            self.driver = Driver::start(&self.ctx.ui, &self.launch)?;
        }
        Ok(())
    }
}

/// A template is held while it is in use, so somebody must have dropped it by hand.
fn baseline_gone() -> Fail {
    Fail::new(Kind::DatabaseMissing, "The cached baseline was dropped while the round trip was using it")
        .action("Repeat the command: the baseline is then made anew")
        .related(own("db-roundtrip").word("--no-cache"))
}
