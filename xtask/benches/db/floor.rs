//! The walk without the imports, against the floor: the same SQL, recorded once, replayed by one psql on a database of
//! its own. What is measured of ours is the driver's steps, process and imports being there already; with the look at
//! schema and rows after each step it is all that a round trip does.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use postgres::Client;
use xtask::model::target::Step;
use xtask::sys::alembic::{Database, Driver, Expect, IDENTITY_SQL, Launch};
use xtask::sys::pg::{catalog, rows};
use xtask::sys::run::Cmd;
use xtask::sys::warm::Warmth;

use crate::example::Example;
use crate::measure::{Goal, Row, Rows, in_turns};
use crate::support::pg::cluster;
use crate::support::python::{quiet, workspace};

const ROUNDS: usize = 9;

pub fn rows() -> Rows {
    let manager = Example::manager();
    let newest = newest_first(&manager);
    let mut found = pair(&manager, &[&newest[..20]]);
    // Its oldest revision cannot be taken down.
    let coordinator = Example::coordinator()?;
    let newest = newest_first(&coordinator);
    found.extend(pair(&coordinator, &[&newest[..8], &newest[..2]]));
    Ok(found)
}

/// The component's revisions; its database is at the head then.
fn newest_first(example: &Example) -> Vec<String> {
    let mut revisions = example.pending();
    revisions.reverse();
    drop(example.xtask("db-migrate --quiet").run().code(0));
    revisions
}

/// Two rows: the steps down and up through these, newest first, without and with a look after each.
fn pair(example: &Example, ways: &[&[String]]) -> Vec<Row> {
    let steps: Vec<Step> = ways.iter().flat_map(|ids| down_and_up(ids)).collect();
    let copy = cluster().clone_of(&example.database);
    let recorded = record(example, &steps);
    let mut driver = Driver::start(&quiet(), &launch(example, Vec::new())).unwrap();
    assert!(driver.ready().is_ok());
    let walk = RefCell::new((driver, example.client()));
    let [alone, looking, floor] = in_turns(
        ROUNDS,
        [
            &mut || steps.iter().for_each(|each| step(&mut walk.borrow_mut().0, each)),
            &mut || {
                let (driver, client) = &mut *walk.borrow_mut();
                for each in &steps {
                    step(driver, each);
                    look(client);
                }
            },
            &mut || replay(example.root(), &recorded, &copy),
        ],
    );
    let what = format!("{} steps of {}, imports left out", steps.len(), example.name);
    let sql = "their SQL in one psql";
    vec![
        Row::new(&what, alone, sql, floor, Goal::AtMost(4.0)),
        Row::new(&format!("{what}, schema and rows read after each"), looking, sql, floor, Goal::Known),
    ]
}

fn down_and_up(newest_first: &[String]) -> Vec<Step> {
    let down = newest_first.iter().map(Step::down);
    down.chain(newest_first.iter().rev().map(Step::up)).collect()
}

fn step(driver: &mut Driver, step: &Step) {
    assert!(driver.step(step, None).is_ok(), "{step:?}\n{}", driver.last_lines());
}

fn look(client: &mut Client) {
    catalog::take(client, &catalog::Options::default()).unwrap();
    rows::take(client, &catalog::Options::default(), None).unwrap();
}

/// Walks once in a driver that writes down its SQL.
fn record(example: &Example, steps: &[Step]) -> PathBuf {
    let file = example.root().join("recorded.sql");
    let folder = workspace().join("xtask/benches/db");
    let env = [
        ("PYTHONPATH", folder.display().to_string()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ("BENCH_SQL", file.display().to_string()),
    ];
    let env = env.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let mut driver = Driver::start(&quiet(), &launch(example, env)).unwrap();
    steps.iter().for_each(|each| step(&mut driver, each));
    driver.stop();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.matches("COMMIT;").count() >= steps.len(), "{text}");
    file
}

fn replay(root: &Path, file: &Path, database: &str) {
    let place = format!("host={} user=postgres dbname={database}", cluster().socket_dir.display());
    let psql = Cmd::new(cluster().bin.join("psql"), root).args(["-X", "-q", "-o", "/dev/null"]);
    psql.args(["-v", "ON_ERROR_STOP=1", "-f"]).arg(file).arg(place).read(&quiet()).unwrap();
}

fn launch(example: &Example, env: Vec<(String, String)>) -> Launch {
    let identity = example.client().query_one(IDENTITY_SQL, &[]).unwrap().get(0);
    let expect = Expect { database: example.database.clone(), servers: Vec::new(), identity: Some(identity) };
    Launch {
        python: example.python.clone(),
        project: example.root().to_owned(),
        config: example.config.into(),
        options: Vec::new(),
        script_location: None,
        section: None,
        told_by: Vec::new(),
        versions: Vec::new(),
        database: Database { url: None, expect },
        throwaway: None,
        effects: false,
        network: true,
        warmth: Warmth::Cold,
        lock_timeout: None,
        state_dir: example.root().join("state"),
        application_name: "xtask bench".to_owned(),
        env,
    }
}
