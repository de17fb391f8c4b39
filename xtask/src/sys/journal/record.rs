//! The journal as JSON. Text stands in it as text, for a person who has to put things right by hand; bytes that are no
//! text stand as hexadecimal digits.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::Operation;
use super::disk::Image;
use crate::model::action::Own;

/// Changes when older versions of this tool could no longer read it rightly.
const VERSION: u64 = 1;

/// A step of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does, in the words of the plan.
    pub text: String,
    /// How far it is.
    pub progress: Progress,
}

/// How far a step is. One that was started and is not done may be half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not begun.
    Planned,
    /// Begun.
    Started,
    Done,
}

/// A file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    pub(super) before: Option<Image>,
    pub(super) after: Option<Vec<u8>>,
}

/// All that is in the journal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) operation: Operation,
    pub(super) started: u64,
    pub(super) steps: Vec<Step>,
    pub(super) files: Vec<Change>,
    pub(super) notes: Map<String, Value>,
}

impl Progress {
    const ALL: [(Progress, &str); 3] =
        [(Progress::Planned, "planned"), (Progress::Started, "started"), (Progress::Done, "done")];
}

impl Record {
    pub(super) fn to_json(&self) -> String {
        let step = |step: &Step| {
            let progress = Progress::ALL.iter().find(|(progress, _)| *progress == step.progress);
            json!({"text": step.text, "progress": progress.map(|(_, name)| name)})
        };
        let file = |change: &Change| {
            let before = change.before.as_ref();
            json!({
                "path": bytes_to_json(change.path.as_os_str().as_bytes()),
                "before": before.map(|image| bytes_to_json(&image.bytes)),
                "mode": before.map(|image| image.mode),
                "after": change.after.as_deref().map(bytes_to_json),
            })
        };
        let record = json!({
            "version": VERSION,
            "operation": self.operation.name,
            "arguments": self.operation.arguments,
            "resume": self.operation.resume.written(),
            "abort": self.operation.abort.written(),
            "started": self.started,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "notes": self.notes,
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
        });
        format!("{record:#}\n")
    }

    pub(super) fn from_json(bytes: &[u8]) -> Result<Record> {
        let value: Value = serde_json::from_slice(bytes)?;
        let version = number(&value, "version")?;
        ensure!(version == VERSION, "it has version {version}, known is {VERSION}");
        let arguments =
            list(&value, "arguments")?.iter().map(|word| as_text(word, "arguments")).collect::<Result<_>>()?;
        let (resume, abort) = (command(&value, "resume")?, command(&value, "abort")?);
        Ok(Record {
            operation: Operation { name: text(&value, "operation")?, arguments, resume, abort },
            started: number(&value, "started")?,
            steps: list(&value, "steps")?.iter().map(step_from_json).collect::<Result<_>>()?,
            files: list(&value, "files")?.iter().map(change_from_json).collect::<Result<_>>()?,
            notes: value["notes"].as_object().context("`notes` is no object")?.clone(),
        })
    }
}

fn step_from_json(value: &Value) -> Result<Step> {
    let name = text(value, "progress")?;
    let progress = Progress::ALL.iter().find(|(_, known)| *known == name);
    let (progress, _) = progress.with_context(|| format!("`progress` is `{name}`"))?;
    Ok(Step { text: text(value, "text")?, progress: *progress })
}

fn change_from_json(value: &Value) -> Result<Change> {
    let optional = |key: &str| match &value[key] {
        Value::Null => Ok(None),
        some => bytes_from_json(some).map(Some),
    };
    let path = PathBuf::from(OsString::from_vec(bytes_from_json(&value["path"])?));
    let before = match optional("before")? {
        Some(bytes) => Some(Image { bytes, mode: u32::try_from(number(value, "mode")?)? }),
        None => None,
    };
    Ok(Change { path, before, after: optional("after")? })
}

/// `"text"`, or `{"hex": "ff00"}`.
fn bytes_to_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
    }
}

fn bytes_from_json(value: &Value) -> Result<Vec<u8>> {
    if let Some(text) = value.as_str() {
        return Ok(text.as_bytes().to_owned());
    }
    let digits = value["hex"].as_str().context("a content is neither text nor `hex`")?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(high)? << 4) | digit(low)?),
        _ => None,
    };
    digits
        .as_bytes()
        .chunks(2)
        .map(pair)
        .collect::<Option<_>>()
        .context("`hex` has something else than pairs of digits")
}

fn text(value: &Value, key: &str) -> Result<String> {
    as_text(&value[key], key)
}

fn as_text(value: &Value, key: &str) -> Result<String> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("`{key}` has something else than text"),
    }
}

/// A list of words; version 0.1 wrote the whole line.
fn command(value: &Value, key: &str) -> Result<Own> {
    let words: Vec<String> = match value[key].as_str() {
        Some(line) => line.split(' ').skip_while(|word| ["cargo", "xtask"].contains(word)).map(str::to_owned).collect(),
        None => list(value, key)?.iter().map(|word| as_text(word, key)).collect::<Result<_>>()?,
    };
    Own::read(words).with_context(|| format!("`{key}` has no word"))
}

fn number(value: &Value, key: &str) -> Result<u64> {
    value[key].as_u64().with_context(|| format!("`{key}` is no number"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("`{key}` is no list"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::own;

    fn sample() -> Record {
        let image = |bytes: &[u8]| Some(Image { bytes: bytes.to_owned(), mode: 0o755 });
        let odd = PathBuf::from(OsString::from_vec(b"/a b/\xff\n\"c\".py".to_vec()));
        Record {
            operation: Operation {
                name: "db-rebase".into(),
                arguments: vec!["--onto".into(), "ab12".into()],
                resume: own("db-rebase").word("--resume").of_no_component(),
                abort: own("db-rebase").word("--abort").of_no_component(),
            },
            started: 1_700_000_000,
            steps: Progress::ALL
                .iter()
                .map(|(progress, text)| Step { text: (*text).into(), progress: *progress })
                .collect(),
            files: vec![
                Change { path: odd, before: image(b"\xef\xbb\xbfx = '\xe4'\r\n"), after: Some(b"\xff\x00".to_vec()) },
                Change { path: "/made".into(), before: None, after: Some(b"{\"hex\": \"00\"}".to_vec()) },
                Change { path: "/gone".into(), before: image(b""), after: None },
            ],
            notes: json!({"before": ["ab12"]}).as_object().unwrap().clone(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let record = sample();
        assert_eq!(Record::from_json(record.to_json().as_bytes()).unwrap(), record);
    }

    #[test]
    fn a_command_of_version_0_1_is_read() {
        let older = json!({"resume": "cargo xtask db-rebase --resume"});
        assert_eq!(command(&older, "resume").unwrap(), sample().operation.resume);
    }

    #[test]
    fn text_stands_as_text() {
        assert!(sample().to_json().contains(r#""before": "﻿x"#) || sample().to_json().contains(r#""hex": "efbbbf"#));
        assert_eq!(bytes_to_json("naïve\n".as_bytes()), Value::from("naïve\n"));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let wrong = |from: &str, to: &str| {
            let text = sample().to_json();
            assert!(text.contains(from), "{text}");
            format!("{:#}", Record::from_json(text.replace(from, to).as_bytes()).unwrap_err())
        };
        assert_eq!(wrong("\"version\": 1", "\"version\": 2"), "it has version 2, known is 1");
        assert_eq!(wrong("\"progress\": \"done\"", "\"progress\": \"well\""), "`progress` is `well`");
        assert_eq!(wrong("\"hex\": \"ff00\"", "\"hex\": \"ff0\""), "`hex` has something else than pairs of digits");
        assert!(Record::from_json(b"{").is_err());
        assert!(Record::from_json(b"[]").is_err());
    }

    #[test]
    fn half_a_journal_is_never_a_panic() {
        let text = sample().to_json();
        for end in 0..text.len() - 2 {
            assert!(Record::from_json(&text.as_bytes()[..end]).is_err(), "{end}");
        }
    }
}
