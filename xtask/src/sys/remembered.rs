//! Ways that led nowhere, so that the next run need not go them again: a line each, by a digest of all that the way
//! depends on. Whatever cannot be read or written is as if it were not known.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::clock;

const FILE: &str = "dead-ends.jsonl";
/// More lines than this are not kept.
const KEPT: usize = 100;

/// A way that led nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadEnd {
    pub why: String,
    /// When it was gone.
    pub when: String,
}

/// The way of this digest, if it is one.
pub fn find(state_dir: &Path, digest: &str) -> Option<DeadEnd> {
    let text = fs::read_to_string(place(state_dir)).ok()?;
    let line = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = line.into_iter().find(|line| line["way"] == digest)?;
    let text = |name: &str| line[name].as_str().map(str::to_owned);
    Some(DeadEnd { why: text("why")?, when: text("when")? })
}

/// Writes one down.
pub fn add(state_dir: &Path, digest: &str, why: &str) -> Result<()> {
    let path = place(state_dir);
    let known = fs::read_to_string(&path).unwrap_or_default();
    if known.lines().count() >= KEPT {
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    let line = json!({"way": digest, "why": why, "when": clock::utc_date(SystemTime::now())});
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    // At once, so that a line is whole or not there.
    file.write_all(format!("{line}\n").as_bytes()).with_context(|| format!("writing {}", path.display()))
}

/// Forgets all of them.
pub fn forget(state_dir: &Path) {
    let _ = fs::remove_file(place(state_dir));
}

fn place(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}
