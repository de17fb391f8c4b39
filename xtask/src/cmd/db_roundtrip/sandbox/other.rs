//! Takes the sandbox to another database for a while, the one to compare with. The driver works on that one, then on
//! the first one again.

use anyhow::{Context, Result};

use super::{Deed, OWN, Sandbox};
use crate::cmd::db_roundtrip::baseline::Baseline;
use crate::cmd::db_roundtrip::baseline::cache::Cache;
use crate::sys::pg::{SavePoint, Scratch};

/// The database under test, while the sandbox is at another one.
pub struct Parked {
    scratch: Scratch,
    from_empty: bool,
    cache: Cache,
    saved: Option<SavePoint>,
    since: Vec<Deed>,
}

impl Sandbox<'_> {
    /// Goes to another database.
    pub fn turn_to(&mut self, other: Baseline) -> Result<Parked> {
        self.leave();
        let parked = Parked {
            scratch: self.scratch.replace(other.scratch).context(OWN)?,
            from_empty: std::mem::replace(&mut self.from_empty, other.from_empty),
            cache: std::mem::replace(&mut self.cache, other.cache),
            saved: self.saved.take(),
            since: std::mem::take(&mut self.since),
        };
        self.turn_driver()?;
        if !self.from_empty {
            // A database from a dump is made again from a copy.
            self.save()?;
        }
        Ok(parked)
    }

    /// Comes back to the database under test, as it was left, and drops the other one.
    pub fn come_back(&mut self, parked: Parked) -> Result<()> {
        self.leave();
        let other = self.scratch.replace(parked.scratch);
        (self.from_empty, self.cache) = (parked.from_empty, parked.cache);
        (self.saved, self.since) = (parked.saved, parked.since);
        other.map_or(Ok(()), Scratch::remove)?;
        self.turn_driver()
    }

    fn leave(&mut self) {
        // A driver that cannot close its connection is disconnected by the server.
        let _ = self.driver.release();
        self.db = None;
    }
}
