//! Keeps what a run has found out, so that the next one need not find it out again: a line each, under a digest of
//! everything that it depends on. What cannot be read or written counts as unknown.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::clock;

/// More lines than this are not kept.
const KEPT: usize = 100;

/// One kind of such things; its file in the state folder.
pub struct Remembered(&'static str);

/// Ways to a database to compare with that lead nowhere, and why.
pub const DEAD_ENDS: Remembered = Remembered("dead-ends.jsonl");
/// What came of twins when they were tried.
pub const TWINS: Remembered = Remembered("twins.jsonl");

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub words: String,
    /// The day on which it was found out.
    pub when: String,
}

impl Remembered {
    pub fn find(&self, state_dir: &Path, digest: &str) -> Option<Known> {
        let text = fs::read_to_string(self.place(state_dir)).ok()?;
        let line = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = line.into_iter().find(|line| line["of"] == digest)?;
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        Some(Known { words: text("words")?, when: text("when")? })
    }

    pub fn add(&self, state_dir: &Path, digest: &str, words: &str) -> Result<()> {
        let path = self.place(state_dir);
        let known = fs::read_to_string(&path).unwrap_or_default();
        if known.lines().count() >= KEPT {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
        let line = json!({"of": digest, "words": words, "when": clock::utc_date(SystemTime::now())});
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        // At once, so that a line is whole or not there.
        file.write_all(format!("{line}\n").as_bytes()).with_context(|| format!("writing {}", path.display()))
    }

    /// Forgets all of them.
    pub fn forget(&self, state_dir: &Path) {
        let _ = fs::remove_file(self.place(state_dir));
    }

    fn place(&self, state_dir: &Path) -> PathBuf {
        state_dir.join(self.0)
    }
}
