//! What `db-migrate` refuses because of who else is there or where env.py leads, and Ctrl-C.

use serde_json::json;
use xtask::fail::Kind;

use crate::support::pg::cluster;
use crate::support::scene::{Failure, Scene, Streams, sql, wait_for_line, wait_until};

const SLEEP: &str = "select pg_sleep(600)";

#[test]
fn already_running() {
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &sql(SLEEP), "pass").at("a1");
    let mut first = scene.xtask("db-migrate").spawn();
    let streams = Streams::of(&mut first);
    scene.wait_for_statement(SLEEP);
    let names = [&format!("{} is being migrated by pid", scene.database), "xtask db-migrate", "since ", " UTC"];
    scene.fails("db-migrate", Kind::AlreadyRunning, 3, &names);
    scene.fails("db-migrate --direction=downgrade --target=-1 --no-backup", Kind::AlreadyRunning, 3, &names);
    // Looking is free.
    let _ = scene.run("db-status").code(0);
    first.kill().unwrap();
    let _ = streams.end(first);
    // The lock dies with its holder, also a holder that could not put anything away.
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and datname = current_database() and pid <> pg_backend_pid()";
    scene.client().batch_execute(end).unwrap();
    wait_until("the lock is free", || scene.run("db-migrate --direction=downgrade --target=-1 --no-backup").code == 0);
}

#[test]
fn already_running_outside_the_lock() {
    // Somebody runs alembic by hand after we have planned: the driver sees that the database has moved.
    let scene = Scene::three().at("a1");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let moves = format!(
        "import sqlalchemy as _sa\n_e = _sa.create_engine(\"{}\")\nwith _e.begin() as _c:\n    _c.exec_driver_sql(\"update alembic_version set version_num = 'b2'\")\n{env}",
        cluster().url("psycopg", &scene.database)
    );
    let scene = scene.env(&moves);
    let failure = scene.fails("db-migrate", Kind::AlreadyRunning, 3, &["The database has moved in the meantime"]);
    let failure = failure.has("before", json!(["a1"])).has("after", json!(["b2"])).has("applied", json!([]));
    failure.says("This run has changed nothing, but the database has moved: it is at b2");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1"));
}

#[test]
fn active_connections() {
    let scene = Scene::three().at("head");
    let mut other = scene.client();
    other.batch_execute("set application_name = 'backend.ai mgr'").unwrap();
    let pid: i32 = other.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    let words = "db-migrate --direction=downgrade --target=-1";
    let names = [&format!("process {pid}"), "backend.ai mgr", "user postgres"];
    let failure = scene.fails(words, Kind::ActiveConnections, 3, &names);
    assert!(failure.output.stderr.contains("--allow-connections"), "{}", failure.output);
    assert_eq!(scene.tables(), "a1 b2 c3");
    assert!(!scene.path(".xtask/backups").exists(), "no backup before a refusal");
    let _ = scene.run(&format!("{words} --allow-connections")).code(0);
    assert_eq!(scene.tables(), "a1 b2");
    // An upgrade does not mind, but says who holds locks.
    other.batch_execute("begin; lock table a1 in access share mode").unwrap();
    let _ = scene.run("db-migrate").code(0).complains("Locks are held on a1, and a revision may have to wait");
    drop(other);
}

#[test]
fn the_second_of_two_waits_when_it_is_told_to() {
    // A time limit for the application does not end what we do.
    let scene = Scene::new().revision("a1", "", &sql("select pg_sleep(1.1)"), "pass");
    scene.client().batch_execute(&format!("alter database {} set statement_timeout = '1s'", scene.database)).unwrap();
    let mut first = scene.client();
    first.batch_execute("select pg_advisory_lock(x'0078746b'::int, 1)").unwrap();
    scene.fails("db-migrate --wait=300ms", Kind::AlreadyRunning, 3, &["is being migrated by pid"]);
    let mut second = scene.xtask("db-migrate --wait=1m").spawn();
    wait_for_line(&mut second, &format!("Waiting: {} is being migrated by pid", scene.database));
    drop(first);
    assert!(second.wait().unwrap().success());
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn wrong_database() {
    let scene = Scene::three().sql("create table alembic_version (id int)");
    for (words, exit) in [("db-status", 1), ("db-migrate", 3), ("db-roundtrip", 3)] {
        scene.fails(words, Kind::WrongDatabase, exit, &["alembic_version", "without the column version_num"]);
    }

    let scene = Scene::three();
    let other = cluster().database();
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let elsewhere = env.replace(
        "config = context.config\n",
        &format!(
            "config = context.config\nconfig.set_main_option('sqlalchemy.url', '{}')\n",
            cluster().url("psycopg", &other)
        ),
    );
    assert_ne!(env, elsewhere);
    let scene = scene.env(&elsewhere);
    // Unasked, env.py's own word would count; the command line's is stronger.
    let command = format!("db-migrate --url={}", cluster().url("psycopg", &scene.database));
    let failure = scene.fails(&command, Kind::WrongDatabase, 1, &[&other, "nothing was done there"]);
    failure.has("after", json!([])).says("Nothing of this run was kept");
    let other = Scene { database: other, ..Scene::new() };
    assert_eq!((scene.tables().as_str(), other.tables().as_str(), other.versions()), ("", "", vec![]));
}

#[test]
fn wrong_database_for_another_version_table() {
    // Everything ran, but Alembic wrote its revision where we (and db-status) do not look.
    let scene = Scene::three();
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let scene =
        scene.env(&env.replace("connection=connection,", "connection=connection, version_table='other_versions',"));
    let failure = scene.fails(
        "db-migrate",
        Kind::WrongDatabase,
        1,
        &["Alembic ran every step", "holds (none)", "It should hold c3"],
    );
    failure.has("before", json!([])).has("after", json!([])).has("applied", json!([]));
}

#[test]
fn interrupted() {
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &sql(SLEEP), "pass").at("a1");
    let mut child = scene.xtask("db-migrate --json").spawn();
    let streams = Streams::of(&mut child);
    scene.wait_for_statement(SLEEP);
    crate::interrupts::signal(&child, rustix::process::Signal::INT);
    let pid = child.id();
    let output = streams.end(child).code(130);
    let failure = Failure::from(
        output.complains("Go on: cargo xtask db-migrate").complains("cargo xtask db-status"),
        pid,
        Kind::Interrupted,
    );
    failure
        .has("after", json!(["a1"]))
        .has("outcome", json!("failed"))
        .says("Nothing of this run was kept: the database is still at a1");
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn rows_at_stake() {
    // What b2 makes depends on the order: the database cannot stay as it is.
    let add = (sql("alter table a1 add w int"), sql("alter table a1 drop w"));
    let like = (sql("create table b2 (like a1)"), sql("drop table b2"));
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &like.0, &like.1).at("b2");
    let scene = scene.sql("insert into b2 values (1), (2)").revision("c3", "a1", &add.0, &add.1);
    let names = ["2 rows of b2 go (b2, migrations/versions/b2.py:9)", "column public.b2.w"];
    let failure = scene.fails("db-rebase --onto=c3", Kind::RowsAtStake, 3, &names);
    assert!(failure.json["error"]["actions"][0].as_str().unwrap().ends_with("cargo xtask db-rebase --onto=c3 --yes"));
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2"));
}
