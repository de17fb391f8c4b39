//! What this tool says of real projects: Backend.AI's three packages and others from PyPI, each installed as its authors ship it,
//! on the tests' own PostgreSQL; what it does on each of PostgreSQL's releases (`servers.rs`); and whether db-history reads public
//! histories as Alembic does (`histories.rs`). `cargo xtask compat` runs it (it installs some 2 GB once, under `target/compat`), and
//! `cargo xtask compat NAME…` those with such a name; no other test does. What is expected is in `expected.json`, rewritten by
//! `UPDATE_EXPECT=1`, and `docs/compatibility.md` is made of it.
#![allow(clippy::unwrap_used, reason = "as in tests: what cannot go on has nothing to say")]
#![allow(clippy::print_stdout, reason = "its answer is the report")]

mod histories;
mod look;
mod page;
mod projects;
mod servers;
#[allow(dead_code, reason = "what tests stand on; some of it is needed here")]
#[path = "../it/support/mod.rs"]
mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Map, Value};
use xtask::sys::python::managed;

use look::Subject;
use projects::{PROJECTS, Project, URL};
use servers::SERVERS;
use support::backendai::{Checkout, is_possible};
use support::pg::{cluster, whole};
use support::python::{quiet, workspace};
use support::xtask::Folder;

/// Backend.AI's components, with how much of each goes round: the manager's 556 revisions would take hours.
const BACKEND_AI: [(&str, &str); 3] = [("manager", "--steps=10"), ("accountmgr", "--all"), ("appproxy", "--all")];
/// What `histories.rs` finds is written down under this name.
const HISTORIES: &str = "histories";
/// A name that stands for no database.
const NONE: &str = "no_such_database";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let names =
        PROJECTS.iter().map(|it| it.name.to_owned()).chain(BACKEND_AI.map(|(it, _)| format!("backend.ai {it}")));
    let names = names.chain(SERVERS.map(|(major, _)| release(major)));
    let names = names.chain([HISTORIES.to_owned()]);
    if std::env::var_os("UPDATE_EXPECT").is_none() && !names.clone().any(|name| is_wanted(&name)) {
        println!("no project is called so; there are: {}", names.collect::<Vec<_>>().join(", "));
        return ExitCode::FAILURE;
    }
    let mut expected = Expected::read();
    for project in PROJECTS.iter().filter(|project| is_wanted(project.name)) {
        expected.judge(project.name, timed(project.name, || of_pypi(project)));
    }
    let backend_ai = BACKEND_AI.iter().filter(|(component, _)| is_wanted(&format!("backend.ai {component}")));
    for (component, range) in backend_ai {
        let name = format!("backend.ai {component}");
        if is_possible() {
            expected.judge(&name, timed(&name, || of_backend_ai(component, range)));
        } else {
            expected.is_good = false;
        }
    }
    for (major, package) in SERVERS.iter().filter(|(major, _)| is_wanted(&release(*major))) {
        if servers::is_possible() {
            expected.judge(&release(*major), timed(&release(*major), || servers::look(*major, package)));
        } else {
            expected.is_good = false;
        }
    }
    if is_wanted(HISTORIES) {
        expected.judge(HISTORIES, timed(HISTORIES, histories::look));
    }
    expected.end()
}

/// The name of one of PostgreSQL's releases.
fn release(major: u32) -> String {
    format!("postgresql {major}")
}

fn timed(name: &str, look: impl FnOnce() -> Value) -> Value {
    let began = Instant::now();
    println!("── {name}");
    let found = look();
    println!("   {:.0} s", began.elapsed().as_secs_f64());
    found
}

/// A project folder as somebody has one who runs the package: a config, the environment, a line or none of settings.
fn of_pypi(project: &Project) -> Value {
    let folder = Folder::new();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    symlink(environment(project), folder.path().join(".venv")).unwrap();
    let config = |database: &str| {
        let url = cluster().url(project.driver, database).replace('%', "%%");
        write("alembic.ini", &page::config(project, &url));
    };
    let mut settings = project.settings.to_owned();
    if let Some(program) = project.make {
        write("make.py", &format!("{URL}{program}"));
        settings.push_str("baseline = [\".venv/bin/python\", \"make.py\", \"{config}\"]\n");
    }
    let table = format!("[workspace]\n[workspace.metadata.db.components.{}]\nconfig = \"alembic.ini\"\n", project.name);
    write("Cargo.toml", &(table + &settings));
    config(&cluster().database());
    let before_roundtrip = || {
        if project.make.is_some() {
            config(NONE);
        }
    };
    let root = folder.path();
    Subject { root, component: project.name, range: "--all", before_roundtrip: &before_roundtrip }.look()
}

fn of_backend_ai(component: &str, range: &str) -> Value {
    let database = cluster().database();
    let own = |name: &str| if name == component { database.clone() } else { NONE.to_owned() };
    let names = BACKEND_AI.map(|(name, _)| own(name));
    let [one, two, three] = &names;
    let checkout = Checkout::new([one, two, three]);
    let root = checkout.root();
    Subject { root, component, range, before_roundtrip: &|| {} }.look()
}

/// The folder of an environment with the package, made by the same code that makes the user's.
fn environment(project: &Project) -> PathBuf {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let requirements = workspace().join(format!("tests/compat/{}.txt", project.name));
    let python = managed(&quiet(), &workspace().join("target/compat"), &requirements, &search);
    let python = python.unwrap_or_else(|error| panic!("{} could not be installed: {}", project.name, whole(&error)));
    python.parent().unwrap().parent().unwrap().to_owned()
}

/// What is written down, and whether all that was found is so.
struct Expected {
    all: Map<String, Value>,
    is_update: bool,
    is_good: bool,
}

impl Expected {
    fn file() -> PathBuf {
        workspace().join("tests/compat/expected.json")
    }

    fn read() -> Expected {
        let text = std::fs::read_to_string(Expected::file()).unwrap_or_else(|_| "{}".to_owned());
        let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
        Expected { all: serde_json::from_str(&text).unwrap(), is_update, is_good: true }
    }

    /// Says what is not as it is written down; or writes it down, at once: the next project may take an hour.
    fn judge(&mut self, name: &str, found: Value) {
        let was = self.all.get(name).cloned().unwrap_or_default();
        if was.is_null() {
            self.is_good = false;
            println!("{name}: nothing is written down yet, which UPDATE_EXPECT=1 does");
        }
        for (key, value) in found.as_object().filter(|_| !was.is_null()).into_iter().flatten() {
            if was[key] != *value {
                self.is_good = false;
                println!("{name}, {key}:\n  expected {}\n  found    {value}", was[key]);
            }
        }
        if self.is_update {
            self.all.insert(name.to_owned(), found);
            self.all.sort_keys();
            write_if_another(&Expected::file(), &format!("{}\n", serde_json::to_string_pretty(&self.all).unwrap()));
        }
    }

    fn end(self) -> ExitCode {
        let (page, text) = (workspace().join("docs/compatibility.md"), page::page(&self.all));
        if self.is_update {
            write_if_another(&page, &text);
            return ExitCode::SUCCESS;
        }
        let is_made_of_it = std::fs::read_to_string(&page).is_ok_and(|there| there == text);
        if !is_made_of_it {
            println!(
                "docs/compatibility.md is not what is made of expected.json: UPDATE_EXPECT=1 cargo xtask compat none"
            );
        }
        if self.is_good && is_made_of_it { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn write_if_another(path: &Path, text: &str) {
    if std::fs::read_to_string(path).ok().as_deref() != Some(text) {
        std::fs::write(path, text).unwrap();
    }
}
