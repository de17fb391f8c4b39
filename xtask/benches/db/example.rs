//! Projects whose history goes all the way up and down: the bundled example, copied, and Backend.AI's application proxy.

use std::path::{Path, PathBuf};

use postgres::Client;
use serde_json::Value;
use xtask::sys::run::Cmd;

use crate::support::backendai::{Checkout, python313};
use crate::support::pg::cluster;
use crate::support::python::{environment, quiet, workspace};
use crate::support::xtask::{Folder, Xtask, as_backend_ai};

/// What `cargo bench` needs beside what the tests have.
const REQUIREMENTS: &str = "xtask/benches/requirements.txt";

/// One component of a project, with a database that only it has.
pub struct Example {
    /// Its name in a row.
    pub name: &'static str,
    /// For `--component`.
    pub component: &'static str,
    /// The Alembic config, in the root.
    pub config: &'static str,
    /// The interpreter of both sides.
    pub python: PathBuf,
    /// The component's database.
    pub database: String,
    place: Place,
}

enum Place {
    Copy(Folder),
    Checkout(Checkout),
}

impl Example {
    /// The bundled example's manager, on an empty database.
    pub fn manager() -> Example {
        Example::copy("the example's manager", "manager", "alembic.ini")
    }

    /// The bundled example's application proxy, on an empty database.
    pub fn appproxy() -> Example {
        Example::copy("the example's appproxy", "appproxy", "alembic-appproxy.ini")
    }

    /// Backend.AI's application proxy, on an empty database; its manager's history does not run from empty.
    pub fn coordinator() -> Result<Example, String> {
        let database = cluster().database();
        python313().ok_or("needs CPython 3.13 for Backend.AI")?;
        let checkout = Checkout::new(["none", "none", &database]);
        let python = checkout.root().join(".venv/bin/python");
        let (name, config) = ("Backend.AI's appproxy", "alembic-appproxy.ini");
        Ok(Example { name, component: "appproxy", config, python, database, place: Place::Checkout(checkout) })
    }

    fn copy(name: &'static str, component: &'static str, config: &'static str) -> Example {
        let (folder, database) = (Folder::new(), cluster().database());
        let original = workspace().join("tests/halfstack");
        let copy = Cmd::new("cp", &original).args(["-R", "src", config]).arg(folder.path());
        copy.read(&quiet()).unwrap();
        as_backend_ai(folder.path());
        set(&folder.path().join(config), "sqlalchemy.url", &cluster().url("asyncpg", &database));
        Example { name, component, config, python: lender(), database, place: Place::Copy(folder) }
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        match &self.place {
            Place::Copy(folder) => folder.path(),
            Place::Checkout(checkout) => checkout.root(),
        }
    }

    /// A command line of the tool in it, for this component.
    pub fn xtask(&self, words: &str) -> Xtask {
        Xtask::new(self.root(), words).arg("--component").arg(self.component).env("XTASK_PYTHON", &self.python)
    }

    /// The revisions that its database lacks, oldest first.
    pub fn pending(&self) -> Vec<String> {
        let json = self.xtask("db-status --json").run().code(0).json();
        let pending = json["components"][0]["pending"].as_array().unwrap().clone();
        pending.iter().map(|revision: &Value| revision["revision"].as_str().unwrap().to_owned()).collect()
    }

    /// Leaves out what is newer than a revision: from here on the component has a copy of its scripts without those.
    pub fn end_at(&self, revision: &str) {
        let json = self.xtask("db-status --json").run().code(0).json();
        let pending = json["components"][0]["pending"].as_array().unwrap();
        let scripts: Vec<&Path> =
            pending.iter().map(|revision| Path::new(revision["path"].as_str().unwrap())).collect();
        let original = scripts[0].parent().and_then(Path::parent).unwrap();
        let copy = Cmd::new("cp", self.root()).args(["-R", "-L"]).arg(original).arg("scripts");
        copy.read(&quiet()).unwrap();
        let last = pending.iter().position(|pending| pending["revision"] == revision).unwrap();
        for newer in &scripts[last + 1..] {
            std::fs::remove_file(self.root().join("scripts/versions").join(newer.file_name().unwrap())).unwrap();
        }
        set(&self.root().join(self.config), "script_location", "scripts");
    }

    /// A connection to its database.
    pub fn client(&self) -> Client {
        cluster().client(&self.database)
    }
}

/// Gives a key of an Alembic config another value.
fn set(config: &Path, key: &str, value: &str) {
    let text = std::fs::read_to_string(config).unwrap();
    let new = format!("{key} = {value}");
    let lines: Vec<&str> = text.lines().map(|line| if line.starts_with(key) { new.as_str() } else { line }).collect();
    std::fs::write(config, lines.join("\n")).unwrap();
}

/// The interpreter of the environment that has pytest-alembic.
pub fn lender() -> PathBuf {
    environment(REQUIREMENTS)
}
