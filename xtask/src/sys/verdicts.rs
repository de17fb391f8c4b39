//! Keeps what a long run has found so far, a JSON line each, so that a run that was interrupted or killed can be
//! resumed. There is one file per kind of run in `.xtask/roundtrip/` of the project, locked while its run lives.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::sys::files;

/// The folder, relative to the project's root.
const FOLDER: &str = ".xtask/roundtrip";

/// The file of this run.
pub struct Verdicts {
    file: File,
    path: PathBuf,
    lines: usize,
}

/// What an earlier run has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The command that goes on with it.
    pub command: String,
    pub lines: Vec<Value>,
}

impl Verdicts {
    /// The file of the runs of this component and name; `None` while another such run is under way.
    pub fn open(project_root: &Path, component: &str, name: &str) -> Result<Option<Verdicts>> {
        let folder = files::own_folder(project_root, FOLDER)?;
        let digest = Sha256::digest(name.as_bytes());
        let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("{}-{digest}.jsonl", files::plain(component)));
        let options = OpenOptions::new().read(true).append(true).create(true).mode(0o600).clone();
        let file = options.open(&path).with_context(|| format!("opening {}", path.display()))?;
        Ok(file.try_lock().is_ok().then_some(Verdicts { file, path, lines: 0 }))
    }

    /// What an earlier run has left here. A line that it did not get to end is passed over.
    pub fn left(&self) -> Result<Left> {
        Ok(read(&std::fs::read_to_string(&self.path).with_context(|| format!("reading {}", self.path.display()))?))
    }

    /// Begins anew, for a run that this command goes on with.
    pub fn begin(&mut self, command: &str) -> Result<()> {
        self.lines = 0;
        self.file.set_len(0).with_context(|| self.writing())?;
        self.write(&json!({"command": command}))
    }

    /// Goes on with what [`Verdicts::left`] gave.
    pub fn go_on(&mut self, lines: usize) -> Result<()> {
        self.lines = lines;
        // The end of a line that was cut off, or an empty one.
        self.file.write_all(b"\n").with_context(|| self.writing())
    }

    /// Adds a line; it is whole or it is not there, since it is written at once.
    pub fn add(&mut self, line: &Value) -> Result<()> {
        self.lines += 1;
        self.write(line)
    }

    /// How many lines are there to go on with.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// The run has come to its end, or has nothing worth going on with.
    pub fn remove(self) {
        // What stays is overwritten by the next such run.
        let _ = std::fs::remove_file(&self.path);
    }

    fn write(&mut self, line: &Value) -> Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes()).with_context(|| self.writing())
    }

    fn writing(&self) -> String {
        format!("writing {}", self.path.display())
    }
}

/// The commands that go on with the runs of a component that did not come to their end.
pub fn interrupted(project_root: &Path, component: &str) -> Vec<String> {
    let prefix = format!("{}-", files::plain(component));
    let entries = std::fs::read_dir(project_root.join(FOLDER)).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let texts = ours.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let mut commands: Vec<String> =
        texts.map(|text| read(&text)).filter(|left| !left.lines.is_empty()).map(|left| left.command).collect();
    commands.sort();
    commands
}

fn read(text: &str) -> Left {
    let mut values = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let command = values.next().and_then(|first| Some(first["command"].as_str()?.to_owned()));
    command.map_or_else(Left::default, |command| Left { command, lines: values.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_not_there() {
        let left = read("{\"command\": \"go\"}\n{\"a\": 1}\n{\"a\": 2}\n{\"a\": ");
        assert_eq!(left, Left { command: "go".to_owned(), lines: vec![json!({"a": 1}), json!({"a": 2})] });
        for nothing in ["", "{\"a\": 1}\n", "{\"comm"] {
            assert_eq!(read(nothing), Left::default(), "{nothing}");
        }
    }
}
