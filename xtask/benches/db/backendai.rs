//! The real Backend.AI manager 26.9.6: 556 revisions, 105 tables, against the real alembic on the same database.

use std::path::{Path, PathBuf};
use std::time::Instant;

use xtask::model::url::DbUrl;
use xtask::sys::pg::catalog::{self, Options};
use xtask::sys::pg::{Db, Look};
use xtask::sys::run::Cmd;

use crate::measure::{Goal, Median, Row, Rows, in_turns, median};
use crate::start::{cargo_xtask, users_binary};
use crate::support::backendai::{Checkout, manager_database, python313};
use crate::support::door::Counted;
use crate::support::pg::cluster;
use crate::support::python::quiet;
use crate::support::xtask::Xtask;

/// Commands that take milliseconds are run this often.
pub const QUICK: usize = 15;
/// Commands that start Python, and with it the application.
const SLOW: usize = 3;
/// The revision below the newest.
pub const BELOW: &str = "d17b4e9c25a8";

/// A checkout, and a database of its manager at the head.
pub struct Manager {
    checkout: Checkout,
    /// The name of the database.
    pub database: String,
}

impl Manager {
    /// Each part of the table has its own.
    pub fn new() -> Result<Manager, String> {
        python313().ok_or("needs CPython 3.13 for Backend.AI")?;
        let database = manager_database();
        let checkout = Checkout::new([&database, "none", "none"]);
        Ok(Manager { checkout, database })
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        self.checkout.root()
    }

    /// The folder of the scripts.
    pub fn scripts(&self) -> PathBuf {
        let program =
            "import json, ai.backend.manager.models as m; print(json.dumps(m.__path__[0] + '/alembic/versions'))";
        PathBuf::from(self.checkout.ask(program, &serde_json::Value::Null).as_str().unwrap())
    }

    /// A command line of the tool, which must go well.
    pub fn xtask(&self, words: &str) {
        drop(Xtask::new(self.root(), words).run().code(0));
    }

    /// A round trip, whether it finds something or not.
    fn walk(&self, words: &str) {
        let done = Xtask::new(self.root(), words).run();
        assert!([0, 4].contains(&done.code), "{done}");
    }

    fn alembic(&self, words: &str) {
        let python = Cmd::new(self.root().join(".venv/bin/python"), self.root());
        python.args(["-m", "alembic"]).args(words.split(' ')).read(&quiet()).unwrap();
    }

    /// What `alembic stamp` does. The newest revision changes rows only, and there are none that it would change.
    pub fn stamp(&self, revision: &str) {
        let sql = format!("update alembic_version set version_num = '{revision}'");
        cluster().client(&self.database).batch_execute(&sql).unwrap();
    }
}

pub fn status() -> Rows {
    let manager = Manager::new()?;
    let tool = users_binary();
    let root = manager.root().to_str().unwrap();
    let scripts = manager.scripts();
    let [ours, as_users, typed, floor] = in_turns(
        QUICK,
        [
            &mut || manager.xtask("db-status"),
            &mut || drop(Cmd::new(&tool, manager.root()).arg("db-status").read(&quiet()).unwrap()),
            &mut || cargo_xtask(&["db-status", "--project", root]),
            &mut || read_and_ask(&scripts, &manager.database),
        ],
    );
    let [current, heads] = in_turns(SLOW, [&mut || manager.alembic("current"), &mut || manager.alembic("heads")]);
    Ok(vec![
        Row::new("db-status", ours, "`alembic current`", current, Goal::Faster(150.0)),
        Row::new("db-status", ours, "`alembic heads`", heads, Goal::Faster(150.0)),
        Row::new("db-status", ours, "reading the files, one connection, one query", floor, Goal::AtMost(3.0)),
        Row::new("db-status, as users get it", as_users, "`alembic heads`", heads, Goal::Faster(150.0)),
        Row::alone("`cargo xtask db-status`, from Enter to the answer", typed, "ms", Goal::Under(130.0)),
    ])
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

pub fn migrate() -> Rows {
    let manager = Manager::new()?;
    let [nothing] = in_turns(QUICK, [&mut || manager.xtask("db-migrate")]);
    let [nothing_alembic, one, one_alembic] = in_turns(
        SLOW,
        [
            &mut || manager.alembic("upgrade head"),
            &mut || {
                manager.stamp(BELOW);
                manager.xtask("db-migrate");
            },
            &mut || {
                manager.stamp(BELOW);
                manager.alembic("upgrade head");
            },
        ],
    );
    let upgrade = "`alembic upgrade head`";
    Ok(vec![
        Row::new("db-migrate, nothing to do", nothing, upgrade, nothing_alembic, Goal::Faster(100.0)),
        Row::new("db-migrate, one revision", one, upgrade, one_alembic, Goal::AtMost(1.05)),
    ])
}

pub fn roundtrip() -> Rows {
    let manager = Manager::new()?;
    let mut steps = Vec::new();
    let [one, three, twenty] = in_turns(
        SLOW,
        [
            &mut || manager.walk("db-roundtrip"),
            &mut || {
                for words in ["upgrade head", "downgrade -1", "upgrade head"] {
                    let start = Instant::now();
                    manager.alembic(words);
                    steps.push(start.elapsed().as_secs_f64() * 1000.0);
                }
            },
            &mut || manager.walk("db-roundtrip --steps=20"),
        ],
    );
    // Down and up again, a process each; more would take minutes and say nothing new.
    let single = median(steps);
    let each = Median { value: single.value * 40.0, ..single };
    Ok(vec![
        Row::new("db-roundtrip of one revision", one, "three `alembic` runs", three, Goal::Faster(4.0)),
        Row::new("db-roundtrip of 20", twenty, "40 × the median of those runs", each, Goal::Faster(35.0)),
    ])
}

pub fn snapshot() -> Rows {
    let manager = Manager::new()?;
    let mut client = cluster().client(&manager.database);
    let dump = Cmd::new(cluster().bin.join("pg_dump"), manager.root()).arg("-s").arg(format!(
        "host={} user=postgres dbname={}",
        cluster().socket_dir.display(),
        manager.database
    ));
    let [ours, theirs] = in_turns(
        QUICK,
        [&mut || drop(catalog::take(&mut client, &catalog::Options::default()).unwrap()), &mut || {
            drop(dump.read(&quiet()).unwrap())
        }],
    );
    let mut db =
        Db::connect(&DbUrl::parse(&cluster().url("asyncpg", &manager.database)).unwrap(), "xtask bench").unwrap();
    let (mut same, mut after) = (Look::new(Options::default()), Look::new(Options::default()));
    same.schema(&mut db).unwrap();
    let [unchanged] = in_turns(QUICK, [&mut || drop(same.schema(&mut db).unwrap())]);
    let [changed] = in_turns(
        QUICK,
        [&mut || {
            client.batch_execute("create table if not exists bench (a int); drop table bench").unwrap();
            drop(after.schema(&mut db).unwrap());
        }],
    );
    let against = |what, ours, goal| Row::new(what, ours, "`pg_dump -s`", theirs, goal);
    Ok(vec![
        against("a snapshot of the schema", ours, Goal::Faster(5.0)),
        against("a look where nothing was changed", unchanged, Goal::Faster(30.0)),
        against("a look after one table was made and dropped", changed, Goal::Faster(12.0)),
    ])
}

/// How often a command waits for the server: a count, which no load changes.
pub fn trips() -> Rows {
    let counted = Counted::new();
    let goals = [
        ("db-status, and its server", 3.0),
        ("db-roundtrip of one, and its server", 60.0),
        ("db-migrate of one, and its server", 60.0),
        ("db-migrate with nothing to do, and its server", 3.0),
    ];
    let count = |(words, (what, most)): (String, (&str, f64))| {
        let median = Median { value: counted.run(&words).0 as f64, runs: 1 };
        Row::alone(what, median, "round trips", Goal::Under(most))
    };
    Ok(counted.commands().into_iter().zip(goals).map(count).collect())
}
