//! The Alembic driver on real Alembic projects and a real PostgreSQL: here what it stands on and what goes well, in the
//! sub-modules what goes wrong.

mod env;
mod errors;
mod fresh;
mod guard;
mod scripts;
mod walk;
mod wall;

use std::path::PathBuf;
use std::time::Duration;

use xtask::model::target::Step;
use xtask::sys::alembic::{
    Database, Driver, Event, Expect, IDENTITY_SQL, Launch, Outcome, Plan, Stop, Trouble, TroubleKind,
};
use xtask::sys::warm::Warmth;
use xtask::ui::{Options, Ui};

use crate::support::pg::cluster;
use crate::support::project::SYNC;
use crate::support::python::python;
use crate::support::scene::Scene;
use crate::support::xtask::warm_by_default;

/// Long enough for a loaded machine; no test waits for it to pass.
pub const LIMIT: Option<Duration> = Some(Duration::from_secs(120));
pub const TABLE: &str = "op.execute('create table t (id int)')";
pub const DROP: &str = "op.execute('drop table t')";

pub fn ui() -> Ui {
    Ui::new(Options { quiet: true, ..Options::default() })
}

/// The driver on a scene, as a command would start it.
pub trait Driven {
    fn launch(&self) -> Launch;

    fn driver(&self) -> Driver {
        Driver::start(&ui(), &self.launch()).unwrap()
    }

    /// Runs `migrate` in a driver of its own.
    fn migrate(&self, steps: &[Step]) -> Outcome<Vec<String>> {
        Ok(self.driver().migrate(&plan(steps), LIMIT, &mut |_| {})?.heads)
    }

    /// The trouble of running `upgrade()` of the one revision `a`.
    fn trouble(&self) -> Trouble {
        trouble(self.migrate(&[Step::up("a")]))
    }
}

impl Driven for Scene {
    fn launch(&self) -> Launch {
        Launch {
            python: python().to_owned(),
            project: self.root().to_owned(),
            config: PathBuf::from("alembic.ini"),
            options: Vec::new(),
            script_location: None,
            told_by: Vec::new(),
            section: None,
            versions: Vec::new(),
            database: Database { url: None, expect: expect(&self.database) },
            throwaway: None,
            effects: false,
            network: true,
            warmth: warmth(),
            lock_timeout: Some(Duration::from_secs(20)),
            state_dir: self.path("state"),
            application_name: "xtask test".to_owned(),
            env: Vec::new(),
        }
    }
}

/// As the other tests have it (`support/xtask.rs`).
fn warmth() -> Warmth {
    if warm_by_default() == "packages" { Warmth::Packages } else { Warmth::Cold }
}

pub fn expect(database: &str) -> Expect {
    let row = cluster().client(database).query_one(IDENTITY_SQL, &[]).unwrap();
    Expect {
        database: database.to_owned(),
        servers: vec![(cluster().socket_dir.display().to_string(), 5432)],
        identity: Some(row.get(0)),
    }
}

pub fn plan(steps: &[Step]) -> Plan {
    Plan { steps: steps.to_vec(), before: None, target: "head".to_owned(), skipped: Vec::new() }
}

pub fn trouble<T>(outcome: Outcome<T>) -> Trouble {
    match outcome {
        Err(Stop::Trouble(trouble)) => *trouble,
        Err(Stop::Error(error)) => panic!("an error instead of a trouble: {error:?}"),
        Ok(_) => panic!("it went through"),
    }
}

#[test]
fn up_and_down_on_all_four_drivers() {
    for name in ["asyncpg", "psycopg", "psycopg2", "pg8000"] {
        let bench = Scene::on(name).revision("a", "", TABLE, DROP).revision("b", "a", "pass", "pass");
        // The cold way, whatever the other tests do.
        let launch = Launch { warmth: Warmth::Cold, ..bench.launch() };
        let mut driver = Driver::start(&ui(), &launch).unwrap();
        let mut events = Vec::new();
        let up = plan(&[Step::up("a"), Step::up("b")]);
        let migrated = driver.migrate(&up, LIMIT, &mut |event| events.push(event.clone())).unwrap();
        assert_eq!(migrated.heads, ["b"], "{name}");
        assert_eq!(bench.versions(), ["b"], "{name}");
        assert!(bench.has_table("t"), "{name}");
        assert!(
            matches!(
                events.as_slice(),
                [
                    Event::Connected(_),
                    Event::Started(..),
                    Event::Done(_),
                    Event::Started(..),
                    Event::Done(_),
                    Event::Migrated { .. },
                ]
            ),
            "{name}: {events:?}"
        );
        let down = Plan { before: Some(vec!["b".into()]), ..plan(&[Step::down("b"), Step::down("a")]) };
        assert_eq!(driver.migrate(&down, LIMIT, &mut |_| {}).unwrap().heads, [""; 0], "{name}");
        assert!(!bench.has_table("t"), "{name}");
        driver.stop();
    }
}

#[test]
fn the_projects_own_transaction_mode_decides_what_a_failure_leaves() {
    let run = |env: &str| {
        let bench = Scene::on("psycopg").env(env).revision("a", "", TABLE, DROP).revision("b", "a", "1 / 0", "pass");
        trouble(bench.migrate(&[Step::up("a"), Step::up("b")]));
        (bench.has_table("t"), if bench.has_table("alembic_version") { bench.versions() } else { Vec::new() })
    };
    assert_eq!(run(SYNC), (false, vec![]));
    let each = SYNC.replace("target_metadata=target_metadata", "transaction_per_migration=True");
    assert_eq!(run(&each), (true, vec!["a".to_owned()]));
    assert_eq!(run(&SYNC.replace("engine.connect()", "engine.begin()")), (false, vec![]));
}

#[test]
fn a_database_that_has_moved_is_left_alone() {
    let bench = Scene::on("asyncpg").revision("a", "", TABLE, DROP).revision("b", "a", DROP, "pass");
    bench.migrate(&[Step::up("a")]).unwrap();
    let plan = Plan { before: Some(Vec::new()), ..plan(&[Step::up("b")]) };
    let found = trouble(bench.driver().migrate(&plan, LIMIT, &mut |_| {}));
    assert_eq!(found.kind, TroubleKind::Moved);
    assert_eq!(found.heads, ["a"]);
    assert!(bench.has_table("t"));
}

#[test]
fn env_py_sees_what_it_sees_under_the_command_line() {
    let probe = "
        assert context.get_x_argument() == []
        assert config.cmd_opts.config and config.cmd_opts.cmd[0].__name__ == 'upgrade'
        assert context.get_revision_argument() == 'b', context.get_revision_argument()
        assert config.config_file_name == 'alembic.ini'
        import helper
";
    let env = SYNC.replace("    with engine.connect()", &format!("    if True:{probe}    with engine.connect()"));
    let bench = Scene::on("psycopg")
        .env(&env)
        .revision("a", "", TABLE, DROP)
        .revision("b", "a", "pass", "pass")
        .file("helper.py", "");
    let plan = Plan { target: "b".to_owned(), ..plan(&[Step::up("a"), Step::up("b")]) };
    bench.driver().migrate(&plan, LIMIT, &mut |_| {}).unwrap();
}

#[test]
fn offline_sql_runs_nothing() {
    let bench = Scene::on("asyncpg").revision("a", "", TABLE, DROP).revision("b", "a", "op.drop_table('t')", TABLE);
    let mut driver = bench.driver();
    let up = driver.offline_sql(&plan(&[Step::up("a"), Step::up("b")])).unwrap();
    for part in ["BEGIN;", "CREATE TABLE alembic_version", "create table t (id int);", "DROP TABLE t;", "COMMIT;"] {
        assert!(up.contains(part), "{part} is not in {up}");
    }
    let down = Plan { before: Some(vec!["b".to_owned()]), ..plan(&[Step::down("b")]) };
    let down = driver.offline_sql(&down).unwrap();
    assert!(down.contains("UPDATE alembic_version SET version_num='a' WHERE alembic_version.version_num = 'b'"));
    assert!(!down.contains("CREATE TABLE alembic_version"), "{down}");
    assert!(!bench.has_table("alembic_version"));
    // And the driver is none the worse for it.
    assert_eq!(driver.migrate(&plan(&[Step::up("a")]), LIMIT, &mut |_| {}).unwrap().heads, ["a"]);
}

#[test]
fn every_connection_is_named_and_does_not_wait_for_ever() {
    let script = "
op.get_bind().execute(sa.text('rollback'))
op.execute(\"create table seen as select current_setting('lock_timeout') l, current_setting('application_name') a\")
";
    for name in ["asyncpg", "psycopg", "psycopg2", "pg8000"] {
        let bench = Scene::on(name).revision("a", "", "pass", "pass").revision("b", "a", script, "pass");
        let mut driver = bench.driver();
        driver.step(&Step::up("a"), LIMIT).unwrap();
        driver.step(&Step::up("b"), LIMIT).unwrap();
        let row = cluster().client(&bench.database).query_one("select l, a from seen", &[]).unwrap();
        assert_eq!((row.get(0), row.get(1)), ("20s", "xtask test"), "{name}");
    }
}

#[test]
fn alembic_and_the_driver_agree_on_the_heads() {
    let bench = Scene::on("asyncpg").revision("a", "", TABLE, DROP).revision("b", "a", "pass", "pass");
    let bench = bench.revision("c", "a", "pass", "pass");
    let mut driver = bench.driver();
    assert_eq!(driver.heads().unwrap(), ["b", "c"]);
    assert_eq!(driver.ready().unwrap().alembic, "1.13.3");
}
