//! Reads what the driver prints, one JSON object per line, into an [`Event`].

use std::path::PathBuf;

use serde_json::Value;

use super::draft::{self, Compared, Written};
use super::fields::{paths, pids, statements, step, text, texts};
use super::trouble::Trouble;
use crate::model::statement::Statement;
use crate::model::target::Step;

/// A step that went through.
#[derive(Clone, Debug)]
pub struct Done {
    pub step: Step,
    /// The heads in the version table after it.
    pub heads: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// The server processes of sessions that the script has opened and not closed.
    pub left: Vec<i32>,
    /// What it has sent through SQLAlchemy, in its order and without the values of parameters.
    pub statements: Vec<Statement>,
}

/// What runs in the project's Python.
#[derive(Clone, Debug)]
pub struct Versions {
    /// Alembic's version.
    pub alembic: String,
    /// SQLAlchemy's version.
    pub sqlalchemy: String,
    /// Python's version.
    pub python: String,
    /// From the start of the process until every script was loaded.
    pub seconds: f64,
}

/// One line from the driver.
#[derive(Clone, Debug)]
pub enum Event {
    /// The project is imported.
    Ready(Versions),
    /// A connection to the right database was opened; its server process.
    Connected(i32),
    /// A step begins; how many had run in the same process before.
    Started(Step, u64),
    /// A step is done; in a walk it is committed, in [`super::Driver::migrate`] the project's transaction mode decides.
    Done(Done),
    /// All steps of a `migrate` are done and committed.
    Migrated {
        /// The heads after them.
        heads: Vec<String>,
        /// See [`super::Migrated`].
        sees_ledger: bool,
    },
    /// Done, nothing to say.
    Ok,
    /// Offline SQL.
    Sql(String),
    /// The heads of the scripts.
    Heads(Vec<String>),
    /// A new revision was compared; nothing is written yet.
    Compared(Box<Compared>),
    /// It was written.
    Written(Vec<Written>),
    /// The files that the process was made from.
    Files(Vec<PathBuf>),
    /// What some queries gave inside of the transaction of a `migrate`; nothing where they could not be asked.
    Seen(Option<Vec<Vec<String>>>),
    /// It went wrong.
    Failed(Box<Trouble>),
}

impl Event {
    /// Reads a line; `None` where this tool has not written it.
    pub fn parse(value: &Value) -> Option<Event> {
        let event = match value["event"].as_str()? {
            "ready" => Event::Ready(Versions {
                alembic: text(value, "alembic")?,
                sqlalchemy: text(value, "sqlalchemy")?,
                python: text(value, "python")?,
                seconds: value["seconds"].as_f64()?,
            }),
            "connected" => Event::Connected(i32::try_from(value["pid"].as_i64()?).ok()?),
            "start" => Event::Started(step(value)?, value["ran_before"].as_u64().unwrap_or_default()),
            "done" => Event::Done(Done {
                step: step(value)?,
                heads: texts(value, "heads"),
                seconds: value["seconds"].as_f64()?,
                left: pids(value, "left"),
                statements: statements(value),
            }),
            "migrated" => {
                let sees_ledger = value["sees_ledger"].as_bool().unwrap_or(true);
                Event::Migrated { heads: texts(value, "heads"), sees_ledger }
            }
            "ok" => Event::Ok,
            "sql" => Event::Sql(text(value, "text")?),
            "heads" => Event::Heads(texts(value, "heads")),
            "compared" => Event::Compared(Box::new(draft::compared(value))),
            "written" => Event::Written(draft::written(value)),
            "files" => Event::Files(paths(value, "files")),
            "seen" => Event::Seen(value["answers"].as_array().map(|answers| answers.iter().map(lines).collect())),
            "error" => Event::Failed(Box::new(Trouble::parse(value))),
            _ => return None,
        };
        Some(event)
    }
}

fn lines(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect()
}
