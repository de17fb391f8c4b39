//! The bundled example from empty, with and without the cache: the same verdicts and the same findings.

use std::path::Path;

use serde_json::{Value, json};

use super::{KEEP_ALL, used};
use crate::support::private::private_cluster;
use crate::support::python::{python, workspace};
use crate::support::xtask::{Folder, Xtask, as_backend_ai};

#[test]
fn the_example_is_judged_alike_with_and_without() {
    let server = private_cluster("", "", &[]);
    let folder = Folder::new();
    copy(&workspace().join("tests/halfstack"), folder.path());
    as_backend_ai(folder.path());
    std::fs::write(folder.path().join("Cargo.toml"), KEEP_ALL).unwrap();
    let config = folder.path().join("alembic.ini");
    let text = std::fs::read_to_string(&config).unwrap();
    let line = text.lines().find(|line| line.starts_with("sqlalchemy.url")).unwrap();
    let url = format!(
        "sqlalchemy.url = postgresql+asyncpg://postgres@/none?host={}&port={}",
        server.dir.display(),
        server.port
    );
    std::fs::write(&config, text.replace(line, &url)).unwrap();
    let run = |words: &str| {
        let xtask = Xtask::new(folder.path(), &format!("db-roundtrip --steps=4 -q --json {words}"))
            .env("XTASK_PYTHON", python());
        xtask.env("PYTHONPATH", folder.path().join("src")).run().code(0).json()
    };
    let (fresh, stored, hit) = (run("--no-cache"), run(""), run(""));
    let uses = [&fresh, &stored, &hit].map(|json| used(json).0);
    assert_eq!(uses, ["none", "stored", "hit"], "{hit}");
    assert_eq!(without_times(&fresh), without_times(&stored));
    assert_eq!(without_times(&fresh), without_times(&hit));
    assert_eq!(hit["tested"], json!(4));
}

fn without_times(json: &Value) -> Vec<Value> {
    let mut results = json["results"].as_array().unwrap().clone();
    results.iter_mut().for_each(|result| result["seconds"] = Value::Null);
    results
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
