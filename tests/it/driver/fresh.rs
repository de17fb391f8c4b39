//! What a step leaves in the process is not met by the next one, as it would not be by the next `alembic` command.

use xtask::model::target::Step;
use xtask::sys::alembic::{Driver, TroubleKind};

use super::{DROP, Driven, LIMIT, TABLE, trouble};
use crate::support::scene::Scene;

fn up_down_up(driver: &mut Driver, id: &str) {
    for step in [Step::up(id), Step::down(id), Step::up(id)] {
        driver.step(&step, LIMIT).unwrap_or_else(|stop| panic!("{step:?}: {stop:?}"));
    }
}

#[test]
fn an_enum_type_that_was_made_before_is_made_again() {
    let up = "op.create_table('t', sa.Column('c', sa.Enum('x', name='colour')))";
    let keeps = Scene::on("asyncpg").revision("a", "", up, "op.drop_table('t')");
    let mut driver = keeps.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    driver.step(&Step::down("a"), LIMIT).unwrap();
    assert_eq!(trouble(driver.step(&Step::up("a"), LIMIT)).sqlstate.as_deref(), Some("42710"));

    let drops = Scene::on("psycopg").revision("a", "", up, "op.drop_table('t')\nop.execute('drop type colour')");
    up_down_up(&mut drops.driver(), "a");
}

/// What `a` does is not there in `b`: its own session, and where it changes the process, a fresh one.
#[test]
fn settings_of_the_session_and_of_the_process_end_with_the_step() {
    let cases = [
        (
            "op.execute(\"set search_path = pg_catalog\")\nop.execute('reset all')\nop.execute('set work_mem = 77')",
            "assert op.get_bind().scalar(sa.text('show work_mem')) != '77kB'",
        ),
        (
            "op.execute('create temp table left_behind ()')",
            "assert op.get_bind().scalar(sa.text(\"select to_regclass('left_behind')\")) is None",
        ),
        (
            "op.execute(\"select set_config('work_mem', '77', false)\")",
            "assert op.get_bind().scalar(sa.text('show work_mem')) != '77kB'",
        ),
        (
            "op.execute('select pg_advisory_lock(4711)')",
            "assert not op.get_bind().scalar(sa.text(\"select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()\"))",
        ),
        ("op.get_bind().execution_options(left=1)", "assert not op.get_bind().get_execution_options().get('left')"),
        (
            "import os, sys\nos.environ['LEFT'] = '1'\nsys.path.append('/left')\nos.chdir('/')",
            "import os, sys\nassert 'LEFT' not in os.environ and '/left' not in sys.path and os.path.exists('alembic.ini')",
        ),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), name='left').start()",
            "import threading\nassert 'left' not in [thread.name for thread in threading.enumerate()]",
        ),
        (
            "import logging\nlogging.disable(logging.CRITICAL)",
            "import logging\nassert not logging.root.manager.disable",
        ),
        // A module of the project that keeps what it saw first.
        ("import keeps\nassert keeps.first('a') == 'a'", "import keeps\nassert keeps.first('b') == 'b'"),
    ];
    for name in ["psycopg", "asyncpg"] {
        let mut bench = Scene::on(name);
        bench.project.write("keeps.py", "SEEN = []\ndef first(word):\n    SEEN.append(word)\n    return SEEN[0]\n");
        let mut ids = vec![String::new()];
        for body in cases.iter().flat_map(|(leaves, meets)| [leaves, meets]) {
            let id = format!("r{}", ids.len());
            bench = bench.revision(&id, ids.last().unwrap(), body, "pass");
            ids.push(id);
        }
        let mut driver = bench.driver();
        for id in &ids[1..] {
            let done = driver.step(&Step::up(id), LIMIT).unwrap_or_else(|stop| panic!("{name} {id}: {stop:?}"));
            assert_eq!((done.heads, bench.versions()), (vec![id.clone()], vec![id.clone()]));
        }
    }
}

const SETTINGS: &str = "
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.orm import scoped_session, sessionmaker
Session = scoped_session(sessionmaker(bind=create_engine(context.config.get_main_option('sqlalchemy.url'))))
";

#[test]
fn a_session_that_a_step_leaves_open_is_told_and_closed() {
    let leaves = "from settings import Session\nSession().execute(sa.text('select * from t'))";
    let bench = Scene::on("psycopg")
        .revision("a", "", TABLE, DROP)
        .revision("b", "a", leaves, leaves)
        .revision("c", "b", "op.execute('alter table t add x int')", "op.execute('alter table t drop x')")
        .file("settings.py", SETTINGS);
    let mut driver = bench.driver();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    let done = driver.step(&Step::up("b"), LIMIT).unwrap();
    assert_eq!(done.left.len(), 1);
    assert_eq!(driver.opener(done.left[0]), Some(&Step::up("b")));
    // It would wait for the lock of that session, for ever.
    assert!(driver.step(&Step::up("c"), LIMIT).unwrap().left.is_empty());
    driver.step(&Step::down("c"), LIMIT).unwrap();
    driver.step(&Step::down("b"), LIMIT).unwrap();
    driver.release().unwrap();
    assert_eq!(driver.step(&Step::down("a"), LIMIT).unwrap().heads, [""; 0]);
}

/// What a script has put into a module that was there before is gone in a fresh process; the step that fails says how many
/// ran before it.
#[test]
fn a_fresh_process_is_asked_for() {
    let once = "import json\nassert not hasattr(json, 'seen')\njson.seen = 1";
    let bench = Scene::on("psycopg").revision("a", "", once, "pass").revision("b", "a", once, "pass");
    let mut driver = bench.driver();
    driver.ready().unwrap();
    driver.step(&Step::up("a"), LIMIT).unwrap();
    let found = trouble(driver.step(&Step::up("b"), LIMIT));
    assert_eq!((found.kind, found.ran_before), (TroubleKind::Raised, 1));
    for _ in 0..10 {
        driver.fresh().unwrap();
        driver.step(&Step::up("b"), LIMIT).unwrap();
        driver.step(&Step::down("b"), LIMIT).unwrap();
    }
    assert_eq!(bench.versions(), ["a"]);
}

/// Threads after the imports: no fork is safe then, so Python begins anew, unnoticed by who asks.
#[test]
fn where_a_fork_is_not_safe_python_begins_anew() {
    let leaves = "import os, once\nassert 'LEFT' not in os.environ and not once.seen\nonce.seen.append(1)\nos.environ['LEFT'] = '1'";
    let mut bench =
        Scene::on("psycopg").revision("a", "", leaves, leaves).revision("b", "a", "raise ValueError", "pass");
    let threads =
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\nseen = []\n";
    bench = bench.file("once.py", threads);
    let script = bench.path(&crate::support::project::path("a"));
    let text = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, text.replacen("import sqlalchemy", "import once\nimport sqlalchemy", 1)).unwrap();
    let mut driver = bench.driver();
    up_down_up(&mut driver, "a");
    assert_eq!(trouble(driver.step(&Step::up("b"), LIMIT)).exception.as_deref(), Some("ValueError"));
    driver.fresh().unwrap();
    assert_eq!(driver.step(&Step::down("a"), LIMIT).unwrap().heads, [""; 0]);
    assert!(driver.stop());
}
