//! What `--watch` alone needs of the sandbox: several copies of the database to go back to, and a driver that lives
//! through many runs and is told what has changed on disk.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Failure, OWN, Sandbox};
use crate::sys::alembic::{Driver, Outcome};
use crate::sys::pg::SavePoint;

impl Sandbox<'_> {
    /// Waits until the project is imported.
    ///
    /// # Errors
    /// As for [`Sandbox::attempt`]; the same holds for the two functions below.
    pub fn ready(&mut self) -> Result<Result<(), Box<Failure>>> {
        self.ask(|driver| driver.ready().map(|_| ()))
    }

    /// Lets the driver read the scripts anew: one came, went, or has another parent.
    pub fn reload(&mut self) -> Result<Result<(), Box<Failure>>> {
        self.ask(Driver::reload)
    }

    /// The files that make the driver out of date when they change.
    pub fn files(&mut self) -> Result<Result<Vec<PathBuf>, Box<Failure>>> {
        self.ask(Driver::files)
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut Driver) -> Outcome<T>) -> Result<Result<T, Box<Failure>>> {
        match question(&mut self.driver) {
            Ok(answer) => Ok(Ok(answer)),
            Err(stop) => self.explain(stop).map(Err),
        }
    }

    /// Makes another copy of the database as it is now, beside the save point.
    pub fn copy(&mut self) -> Result<SavePoint> {
        let saved = self.saved.take();
        let done = self.save();
        let copy = std::mem::replace(&mut self.saved, saved);
        done?;
        copy.context("a copy that was made just now")
    }

    /// Puts the database back to a copy, whatever was done since.
    pub fn go_to(&mut self, copy: &SavePoint) -> Result<()> {
        // A driver that cannot close its connection is disconnected by the server.
        let _ = self.driver.release();
        self.db = None;
        self.scratch.as_mut().context(OWN)?.restore(copy)?;
        self.turn_driver()
    }

    pub fn forget(&mut self, copy: SavePoint) -> Result<()> {
        self.scratch.as_mut().context(OWN)?.forget(copy)
    }
}
