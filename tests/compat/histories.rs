//! Public histories: what db-history says of each migration history that packages on PyPI ship (`histories.txt`), held against
//! Alembic's own `ScriptDirectory`. Only the scripts are read, and what they import is stood in for (`stand_ins`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Map, Value};

use xtask::report::table::count;
use xtask::sys::python::managed;

use crate::support::backendai::{only, python313};
use crate::support::pg::whole;
use crate::support::python::{quiet, workspace};
use crate::support::xtask::Xtask;

/// How many differences of a history are told.
const TOLD: usize = 3;

/// What is found of each history: one line, which says of those that both read alike how large they are.
pub fn look() -> Value {
    let all = as_alembic_says();
    let all = all.as_array().unwrap();
    assert!(all.len() > 100, "only {} histories were laid out", all.len());
    let found = all.iter().map(|history| {
        let line = in_a_line(history);
        (history["name"].as_str().unwrap().to_owned(), Value::String(line))
    });
    Value::Object(found.collect::<Map<_, _>>())
}

/// Alembic, in a Python that reads every project's syntax.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let base = python313().expect("Backend.AI's scripts need CPython 3.13: uv python install 3.13");
        let state = workspace().join("target/compat/histories");
        let made = managed(&quiet(), &state, &workspace().join("tests/requirements.txt"), &only(&base, &state));
        made.unwrap_or_else(|error| panic!("Alembic could not be installed from PyPI: {}", whole(&error)))
    })
}

/// Where the modules are that stand in for what is not installed.
fn stand_ins() -> PathBuf {
    workspace().join("tests/compat/stand_ins")
}

fn as_alembic_says() -> Value {
    let compat = workspace().join("tests/compat");
    #[expect(clippy::disallowed_methods)]
    let mut command = Command::new(python());
    command.arg(compat.join("histories.py")).arg(compat.join("histories.txt"));
    command.arg(workspace().join("target/compat/histories")).env("PYTHONPATH", stand_ins());
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(done.status.success(), "the histories could not be laid out");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn in_a_line(history: &Value) -> String {
    let says = &history["says"];
    let Some(revisions) = says["revisions"].as_array() else {
        let (why, file) = (history["refuses"].as_str().unwrap(), history["at"].as_str().unwrap());
        return format!("Alembic does not read it here: {why} ({file})");
    };
    let folder = Path::new(history["folder"].as_str().unwrap());
    let mut differs = compared(folder, says);
    let of = |key: &str| revisions.iter().filter(|it| it[key] == true).count();
    let mut line = format!("{}, {}", count(revisions.len(), "revision"), count(of("is_head"), "head"));
    if of("is_merge_point") > 0 {
        line += &format!(", {}", count(of("is_merge_point"), "merge point"));
    }
    match differs.len() {
        0 => line,
        many => {
            differs.truncate(TOLD);
            format!("{line}; differs in {many}: {}", differs.join("; "))
        }
    }
}

/// Everything in which the two differ.
fn compared(folder: &Path, says: &Value) -> Vec<String> {
    let ours = ask(folder, "");
    if !ours["error"].is_null() {
        return vec![format!("refused: {}", ours["error"]["summary"])];
    }
    let mut differs: Vec<String> =
        ["heads", "bases"].into_iter().filter_map(|key| other(key, &says[key], &ours[key])).collect();
    differs.extend(other("order", &ids(&says["revisions"]), &ids(&ours["revisions"])));
    for theirs in says["revisions"].as_array().into_iter().flatten() {
        let all = ours["revisions"].as_array().into_iter().flatten();
        let Some(it) = all.into_iter().find(|it| it["revision"] == theirs["revision"]) else { continue };
        for (key, value) in theirs.as_object().into_iter().flatten() {
            let mut said = it[key].clone();
            if key == "path" {
                let name = said.as_str().and_then(|path| Path::new(path).file_name()?.to_str()).unwrap_or_default();
                said = Value::String(name.to_owned());
            }
            differs.extend(other(&format!("{key} of {}", theirs["revision"]), value, &said));
        }
    }
    for (range, wanted) in says["ranges"].as_object().into_iter().flatten() {
        let told = ask(folder, range);
        let told = if told["error"].is_null() { ids(&told["revisions"]) } else { Value::Null };
        differs.extend(other(range, wanted, &told));
    }
    differs
}

fn other(name: &str, theirs: &Value, ours: &Value) -> Option<String> {
    let said = |value: &Value| if value.is_null() { "refuses it".to_owned() } else { value.to_string() };
    (theirs != ours).then(|| format!("{name}: Alembic {}, db-history {}", said(theirs), said(ours)))
}

fn ids(revisions: &Value) -> Value {
    revisions.as_array().into_iter().flatten().map(|it| it["revision"].clone()).collect()
}

fn ask(folder: &Path, range: &str) -> Value {
    let ask = Xtask::new(folder, &format!("db-history --json --url=postgresql://u@localhost:1/none {range}"));
    ask.env("XTASK_PYTHON", python()).env("PYTHONPATH", stand_ins()).run().json()
}
