//! The Alembic driver on real Alembic projects and a real PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use xtask::fail::Kind;
use xtask::sys::alembic::{
    Database, Driver, Event, Expect, Launch, Names, Outcome, Plan, Secret, Step, Stop, Trouble, TroubleKind,
};
use xtask::ui::{Options, Ui};

use crate::support::pg::cluster;
use crate::support::project::{Project, SYNC, script};
use crate::support::python::python;

/// Long enough for a loaded machine; no test waits for it to pass.
const LIMIT: Option<Duration> = Some(Duration::from_secs(120));
const TABLE: &str = "op.execute('create table t (id int)')";
const DROP: &str = "op.execute('drop table t')";

fn ui() -> Ui {
    Ui::new(Options { quiet: true, ..Options::default() })
}

/// A project and the database that it works on.
struct Bench {
    project: Project,
    database: String,
}

impl Bench {
    fn new(driver: &str) -> Bench {
        let database = cluster().database();
        Bench { project: Project::new(&url(driver, &database)), database }
    }

    fn revision(mut self, id: &str, down: &str, upgrade: &str, downgrade: &str) -> Bench {
        self.project = self.project.revision(id, down, upgrade, downgrade);
        self
    }

    fn env(mut self, text: &str) -> Bench {
        self.project = self.project.env(text);
        self
    }

    fn launch(&self) -> Launch {
        Launch {
            python: python().to_owned(),
            project: self.project.root().to_owned(),
            config: PathBuf::from("alembic.ini"),
            database: Database { url: None, expect: expect(&self.database) },
            lock_timeout: Some(Duration::from_secs(20)),
            state_dir: self.project.path("state"),
            application_name: "xtask test".to_owned(),
            env: Vec::new(),
        }
    }

    fn driver(&self) -> Driver {
        Driver::start(&ui(), &self.launch()).unwrap()
    }

    /// Runs `migrate` in a driver of its own.
    fn migrate(&self, steps: &[Step]) -> Outcome<Vec<String>> {
        let mut driver = self.driver();
        Ok(driver.migrate(&plan(steps), LIMIT, &mut |_| {})?.heads)
    }

    /// The trouble of running `upgrade()` of the one revision `a`.
    fn trouble(&self) -> Trouble {
        trouble(self.migrate(&[Step::up("a")]))
    }

    fn versions(&self) -> Vec<String> {
        let rows = cluster().client(&self.database).query("select version_num from alembic_version order by 1", &[]);
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    fn has_table(&self, table: &str) -> bool {
        let row = cluster().client(&self.database).query_one("select to_regclass($1)::text", &[&table]).unwrap();
        row.get::<_, Option<String>>(0).is_some()
    }
}

fn url(driver: &str, database: &str) -> String {
    if driver == "pg8000" {
        let socket = cluster().socket_dir.join(".s.PGSQL.5432");
        return format!("postgresql+pg8000://postgres@/{database}?unix_sock={}", socket.display());
    }
    cluster().url(driver, database)
}

fn expect(database: &str) -> Expect {
    let row = cluster().client(database).query_one(xtask::sys::alembic::IDENTITY_SQL, &[]).unwrap();
    Expect {
        database: database.to_owned(),
        servers: vec![(cluster().socket_dir.display().to_string(), 5432)],
        identity: Some(row.get(0)),
    }
}

fn plan(steps: &[Step]) -> Plan {
    Plan { steps: steps.to_vec(), before: None, target: "head".to_owned() }
}

fn trouble<T>(outcome: Outcome<T>) -> Trouble {
    match outcome {
        Err(Stop::Trouble(trouble)) => *trouble,
        Err(Stop::Error(error)) => panic!("an error instead of a trouble: {error:?}"),
        Ok(_) => panic!("it went through"),
    }
}

#[test]
fn up_and_down_on_all_four_drivers() {
    for name in ["asyncpg", "psycopg", "psycopg2", "pg8000"] {
        let bench = Bench::new(name).revision("a", "", TABLE, DROP).revision("b", "a", "pass", "pass");
        let mut driver = bench.driver();
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
                    Event::Started(_),
                    Event::Done(_),
                    Event::Started(_),
                    Event::Done(_),
                    Event::Migrated(_),
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
