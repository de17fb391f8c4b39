//! What env.py makes of the migrations: the outcome of a step is known all the same, and never put on the script when it
//! is env.py's.

use xtask::fail::Kind;
use xtask::model::target::Step;
use xtask::sys::alembic::{Fault, Phase, Trouble, TroubleKind};

use super::errors::fail;
use super::{DROP, Driven, LIMIT, TABLE, plan, trouble};
use crate::support::pg::cluster;
use crate::support::project::{ASYNC, SYNC};
use crate::support::scene::Scene;

const LAST: &str = "offline() if context.is_offline_mode() else online()";

/// env.py that calls `online()` in these lines.
fn env(lines: &str) -> String {
    assert!(SYNC.contains(LAST));
    SYNC.replace(LAST, lines)
}

/// A revision that goes through and one that does not.
fn bench(env: &str) -> Scene {
    Scene::on("psycopg").env(env).revision("a", "", TABLE, DROP).revision("b", "a", "op.execute('bad sql')", "pass")
}

#[test]
fn what_env_py_swallows_is_told() {
    let ways = [
        "try:\n    online()\nexcept Exception as e:\n    print('migrated already', e)\n",
        "import threading\nt = threading.Thread(target=online)\nt.start()\nt.join()\n",
        "import sys\ntry:\n    online()\nexcept Exception:\n    sys.exit('no')\n",
        "import sys\ntry:\n    online()\nexcept Exception:\n    sys.exit(0)\n",
        "try:\n    online()\nexcept Exception:\n    online()\n",
        "try:\n    online()\nexcept Exception:\n    raise RuntimeError('another')\n",
    ];
    let told = |found: &Trouble, way: &str| {
        assert_eq!(found.sqlstate.as_deref(), Some("42601"), "{way}: {found:?}");
        assert_eq!((found.phase, found.step.clone()), (Phase::Step, Some(Step::up("b"))), "{way}");
        assert_eq!((found.line, found.fault()), (Some(7), Fault::Revision), "{way}");
    };
    let bench = bench(SYNC);
    let mut driver = bench.driver();
    for way in ways {
        bench.write("migrations/env.py", &env(way));
        driver.step(&Step::up("a"), LIMIT).unwrap_or_else(|stop| panic!("{way}: {stop:?}"));
        told(&trouble(driver.step(&Step::up("b"), LIMIT)), way);
        driver.release().unwrap();
        told(&trouble(driver.migrate(&plan(&[Step::up("b")]), LIMIT, &mut |_| {})), way);
        assert_eq!(driver.step(&Step::down("a"), LIMIT).unwrap().heads, [""; 0], "{way}");
        driver.release().unwrap();
    }
    assert!(driver.stop());
}

#[test]
fn an_end_in_good_order_is_no_trouble() {
    let bench = bench(SYNC);
    let mut driver = bench.driver();
    for way in ["online()\nimport sys; sys.exit()\n", "online()\nraise SystemExit(0)\n"] {
        bench.write("migrations/env.py", &env(way));
        assert_eq!(driver.migrate(&plan(&[Step::up("a")]), LIMIT, &mut |_| {}).unwrap().heads, ["a"]);
        assert_eq!(driver.step(&Step::down("a"), LIMIT).unwrap().heads, [""; 0]);
        driver.release().unwrap();
    }
}

#[test]
fn a_process_that_loses_its_pipes_or_its_life_is_replaced() {
    let ways = [
        "import os\nos.closerange(3, 64)\nonline()\n",
        "import sys\nsys.stdout.close(); sys.stderr.close()\nimport os; os.kill(os.getpid(), 9)\n",
        "import os\nos._exit(0)\n",
    ];
    let bench = bench(SYNC);
    let mut driver = bench.driver();
    for way in ways {
        bench.write("migrations/env.py", &env(way));
        let found = trouble(driver.migrate(&plan(&[Step::up("a")]), LIMIT, &mut |_| {}));
        assert_eq!(
            (found.kind, fail(&bench, &found).related.is_some()),
            (TroubleKind::Ended, true),
            "{way}: {found:?}"
        );
        assert!(driver.is_free(), "{way}");
        assert_eq!(driver.heads().unwrap(), ["b"], "{way}");
    }
}

#[test]
fn a_child_that_a_script_has_forked_ends_as_it_would_by_hand() {
    let uses = "op.execute('select 1')\n    os._exit(0)";
    let ways = ["raise ValueError('in the child')", "return", "sys.exit(3)", uses];
    for way in ways {
        let body = format!(
            "import os, sys\nop.execute('commit')\nif not (child := os.fork()):\n    {way}\nos.waitpid(child, 0)\nopen('waited', 'w').close()"
        );
        let bench = Scene::on("psycopg").revision("a", "", &body, "pass");
        let mut driver = bench.driver();
        // The two share a connection, on which one would take the other's answers; but an answer comes, and the child has
        // ended.
        let found = trouble(driver.step(&Step::up("a"), LIMIT));
        assert_eq!(found.kind, TroubleKind::Child, "{way}: {found:?}");
        assert_eq!(found.message.contains("it used the session of its parent: select 1"), way == uses, "{found:?}");
        assert!(bench.path("waited").exists(), "{way}");
        assert_eq!(driver.heads().unwrap(), ["a"], "{way}");
    }
}

#[test]
fn a_transaction_that_was_open_before_and_is_never_committed() {
    let early = |env: &str| {
        let (before, after) = env.split_once("context.configure(connection").unwrap();
        let indent = before.rsplit('\n').next().unwrap();
        format!("{before}connection.exec_driver_sql('select 1')\n{indent}context.configure(connection{after}")
    };
    for (name, text, line) in [("psycopg", early(SYNC), 16), ("asyncpg", early(ASYNC), 10)] {
        let bench = Scene::on(name).env(&text).revision("a", "", TABLE, DROP);
        let mut driver = bench.driver();
        let walked = trouble(driver.step(&Step::up("a"), LIMIT));
        let migrated = trouble(driver.migrate(&plan(&[Step::up("a")]), LIMIT, &mut |_| {}));
        for found in [walked, migrated] {
            assert_eq!(
                (found.kind, found.fault(), found.step.as_ref()),
                (TroubleKind::NotKept, Fault::Env, None),
                "{found:?}"
            );
            let fail = fail(&bench, &found);
            assert_eq!((fail.kind, fail.line), (Kind::EnvFailed, Some(line)), "{name}: {fail:?}");
            assert!(fail.details.contains("before context.configure()"), "{fail:?}");
        }
        assert!(!bench.has_table("t"));
    }
    // Who commits past SQLAlchemy has committed.
    let raw = early(SYNC).replace(
        "            context.run_migrations()\n\noffline",
        "            context.run_migrations()\n        connection.connection.dbapi_connection.commit()\n\noffline",
    );
    let bench = Scene::on("psycopg").env(&raw).revision("a", "", TABLE, DROP);
    assert_eq!(bench.migrate(&[Step::up("a")]).unwrap(), ["a"]);
    assert_eq!(bench.driver().step(&Step::down("a"), LIMIT).unwrap().heads, [""; 0]);
    assert!(!bench.has_table("t"));
}

#[test]
fn the_version_tables_own_statements_are_no_scripts_fault() {
    // Another migration makes the version table in the moment between our look and ours.
    let text = SYNC.replace(
        "            context.run_migrations()",
        "            import alembic.runtime.migration as m
            m.MigrationContext._has_version_table = lambda self: False
            context.run_migrations()",
    );
    let bench = Scene::on("psycopg").env(&text).revision("a", "", TABLE, DROP);
    cluster().client(&bench.database).batch_execute("create table alembic_version (version_num text)").unwrap();
    let own = text.replace(
        "_has_version_table = lambda self: False",
        "_ensure_version_table = lambda self, **kw: self._version.create(self.connection)",
    );
    bench.write("migrations/env.py", &own);
    let found = bench.trouble();
    assert_eq!((found.fault(), found.phase), (Fault::Table, Phase::Table), "{found:?}");
    assert_eq!(fail(&bench, &found).kind, Kind::AlreadyRunning);

    // And one that has taken the row away while the script ran.
    let body = "import sqlalchemy\nop.execute('delete from alembic_version')";
    let bench = Scene::on("psycopg").revision("a", "", TABLE, DROP).revision("b", "a", body, "pass");
    let found = trouble(bench.migrate(&[Step::up("a"), Step::up("b")]));
    let fail = fail(&bench, &found);
    assert_eq!((found.fault(), fail.kind, fail.revision), (Fault::Table, Kind::AlreadyRunning, None), "{found:?}");
}
