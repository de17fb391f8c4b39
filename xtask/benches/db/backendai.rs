//! The real Backend.AI manager 26.9.6: 556 revisions, 105 tables, against the real alembic on the same database.

use std::path::{Path, PathBuf};
use std::time::Instant;

use xtask::sys::pg::catalog;
use xtask::sys::run::Cmd;

use crate::hooks;
use crate::measure::{Reach, Row, in_turns, median};
use crate::support::backendai::{Checkout, manager_database};
use crate::support::pg::cluster;
use crate::support::python::{quiet, workspace};
use crate::support::xtask::Xtask;

/// Commands that take milliseconds are run this often.
pub const QUICK: usize = 15;
/// Commands that start Python, and with it the application.
const SLOW: usize = 3;
/// The revision below the newest.
pub const BELOW: &str = "d17b4e9c25a8";

/// The rows; `None` without Python 3.13.
pub fn rows() -> Option<Vec<Row>> {
    let database = manager_database()?;
    let subject = Subject { checkout: Checkout::new([&database, "none", "none"])?, database };
    let mut rows = status(&subject);
    rows.extend(migrate(&subject));
    rows.extend(roundtrip(&subject));
    rows.push(snapshot(&subject));
    rows.extend(hooks::rows(&subject));
    Some(rows)
}

/// The checkout and its manager's database.
pub struct Subject {
    checkout: Checkout,
    pub database: String,
}

impl Subject {
    fn xtask(&self, words: &str) {
        drop(Xtask::new(self.checkout.root(), words).run().code(0));
    }

    /// A round trip, whether it finds something or not.
    fn walk(&self, words: &str) {
        let done = Xtask::new(self.checkout.root(), words).run();
        assert!([0, 4].contains(&done.code), "{done}");
    }

    fn alembic(&self, words: &str) {
        let python = Cmd::new(self.checkout.root().join(".venv/bin/python"), self.checkout.root());
        python.args(["-m", "alembic"]).args(words.split(' ')).read(&quiet()).unwrap();
    }

    /// The folder of the manager's scripts.
    pub fn scripts(&self) -> PathBuf {
        let program =
            "import json, ai.backend.manager.models as m; print(json.dumps(m.__path__[0] + '/alembic/versions'))";
        PathBuf::from(self.checkout.ask(program, &serde_json::Value::Null).as_str().unwrap())
    }

    /// What `alembic stamp` does. The newest revision changes rows only, and there are none that it would change.
    pub fn stamp(&self, revision: &str) {
        let sql = format!("update alembic_version set version_num = '{revision}'");
        cluster().client(&self.database).batch_execute(&sql).unwrap();
    }
}

fn status(subject: &Subject) -> Vec<Row> {
    let dev = workspace().join("target/debug/xtask");
    let scripts = subject.scripts();
    let [ours, in_dev, floor] = in_turns(
        QUICK,
        [
            &mut || subject.xtask("db-status"),
            &mut || drop(Cmd::new(&dev, subject.checkout.root()).arg("db-status").read(&quiet()).unwrap()),
            &mut || read_and_ask(&scripts, &subject.database),
        ],
    );
    let [current, heads] = in_turns(SLOW, [&mut || subject.alembic("current"), &mut || subject.alembic("heads")]);
    vec![
        Row::new("db-status", ours, "`alembic current`", current, Reach::Faster(150.0)),
        Row::new("db-status", ours, "`alembic heads`", heads, Reach::Faster(150.0)),
        Row::new("db-status", ours, "reading the files, one connection, one query", floor, Reach::AtMost(3.0)),
        Row::new("db-status, dev profile", in_dev, "`alembic current`", current, Reach::Known),
    ]
}

/// The least that anybody has to do who does not trust a cache.
fn read_and_ask(folder: &Path, database: &str) {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            bytes += std::fs::read(path).unwrap().len();
        }
    }
    assert!(bytes > 1_000_000);
    let rows = cluster().client(database).query("select version_num from alembic_version", &[]).unwrap();
    assert_eq!(rows.len(), 1);
}

fn migrate(subject: &Subject) -> Vec<Row> {
    let [nothing] = in_turns(QUICK, [&mut || subject.xtask("db-migrate")]);
    let [nothing_alembic, one, one_alembic] = in_turns(
        SLOW,
        [
            &mut || subject.alembic("upgrade head"),
            &mut || {
                subject.stamp(BELOW);
                subject.xtask("db-migrate");
            },
            &mut || {
                subject.stamp(BELOW);
                subject.alembic("upgrade head");
            },
        ],
    );
    let upgrade = "`alembic upgrade head`";
    vec![
        Row::new("db-migrate, nothing to do", nothing, upgrade, nothing_alembic, Reach::Faster(100.0)),
        Row::new("db-migrate, one revision", one, upgrade, one_alembic, Reach::AtMost(1.05)),
    ]
}

fn roundtrip(subject: &Subject) -> Vec<Row> {
    let mut steps = Vec::new();
    let [one, three, twenty] = in_turns(
        SLOW,
        [
            &mut || subject.walk("db-roundtrip"),
            &mut || {
                for words in ["upgrade head", "downgrade -1", "upgrade head"] {
                    let start = Instant::now();
                    subject.alembic(words);
                    steps.push(start.elapsed().as_secs_f64() * 1000.0);
                }
            },
            &mut || subject.walk("db-roundtrip --steps=20"),
        ],
    );
    // Down and up again, a process each; more would take minutes and say nothing new.
    let each = median(steps) * 40.0;
    vec![
        Row::new("db-roundtrip of one revision", one, "three `alembic` runs", three, Reach::Faster(4.0)),
        Row::new("db-roundtrip of 20", twenty, "40 × the median of those runs", each, Reach::Faster(35.0)),
    ]
}

fn snapshot(subject: &Subject) -> Row {
    let mut client = cluster().client(&subject.database);
    let dump = Cmd::new(cluster().bin.join("pg_dump"), subject.checkout.root()).arg("-s").arg(format!(
        "host={} user=postgres dbname={}",
        cluster().socket_dir.display(),
        subject.database
    ));
    let [ours, theirs] = in_turns(
        QUICK,
        [&mut || drop(catalog::take(&mut client, &catalog::Options::default()).unwrap()), &mut || {
            drop(dump.read(&quiet()).unwrap())
        }],
    );
    Row::new("a snapshot of the schema", ours, "`pg_dump -s`", theirs, Reach::Faster(5.0))
}
