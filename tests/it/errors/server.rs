//! A server that is not there, that refuses, or that goes away in the middle.

use serde_json::json;
use xtask::fail::Kind;

use crate::support::pg::cluster;
use crate::support::private::private_cluster;
use crate::support::scene::{Failure, PASSWORD, PASSWORD_IN_URL, Scene, Streams, sql};

const COMMANDS: [(&str, i32); 3] = [("db-status", 1), ("db-migrate", 3), ("db-roundtrip", 3)];

#[test]
fn connection_refused() {
    let scene = Scene::three().url(&format!("postgresql+psycopg://postgres:{PASSWORD_IN_URL}@localhost:1/backend"));
    let names = ["Cannot connect to database", "Connection refused to localhost:1"];
    for (words, exit) in [("db-status", 1), ("db-migrate", 3)] {
        let failure = scene.fails(words, Kind::ConnectionRefused, exit, &names);
        assert!(failure.output.stderr.contains("docker ps | grep postgres"), "{}", failure.output);
    }
}

#[test]
fn connection_refused_by_a_host_that_does_not_exist() {
    let scene = Scene::three().url("postgresql+psycopg://postgres@no-such-host.invalid/backend");
    scene.fails("db-migrate", Kind::ConnectionRefused, 3, &["no-such-host.invalid"]);
}

#[test]
fn authentication_failed() {
    let server = private_cluster("", "host all all all scram-sha-256", &[]);
    server.client("postgres").batch_execute("create role ann login password 'other'").unwrap();
    let url = format!("postgresql+psycopg://ann:{PASSWORD_IN_URL}@localhost:{}/postgres", server.port);
    let scene = Scene::three().url(&url);
    let names = ["password authentication failed for user \"ann\"", &format!("localhost:{}", server.port)];
    for (words, exit) in [("db-status", 1), ("db-migrate", 3)] {
        scene.fails(words, Kind::AuthenticationFailed, exit, &names);
    }
    let nobody = Scene::three().url(&url.replace(&format!(":{PASSWORD_IN_URL}"), ""));
    nobody.fails("db-migrate", Kind::AuthenticationFailed, 3, &["user ann", "there is none"]);
    // The right one opens the door, and is in no output, argument or file either.
    let set = format!("alter role ann password '{PASSWORD}'; create database app owner ann");
    for statement in set.split("; ") {
        server.client("postgres").batch_execute(statement).unwrap();
    }
    let scene =
        Scene::three().revision("d4", "c3", "raise ValueError('no')", "pass").url(&url.replace("/postgres", "/app"));
    // With a fresh Python, which is started in sight.
    let failure =
        scene.fails("db-migrate --verbose --cold", Kind::MigrationRaised, 1, &["The migration raised ValueError"]);
    assert!(failure.output.stderr.contains("$ "), "{}", failure.output);
    for (words, shown) in [("--target=c3", "python"), ("--direction=downgrade --target=base", "pg_dump")] {
        let output = scene.run(&format!("db-migrate {words} -v --cold")).code(0).complains(shown);
        let _ = output.never_says(PASSWORD).never_says(PASSWORD_IN_URL);
    }
    crate::support::scene::no_password_in(scene.root());
}

#[test]
fn database_missing() {
    let url = cluster().url("psycopg", "no_such_database");
    let scene = Scene::three().url(&url);
    for (words, exit) in [("db-status", 1), ("db-migrate", 3)] {
        let failure = scene.fails(words, Kind::DatabaseMissing, exit, &["\"no_such_database\" does not exist"]);
        assert!(failure.output.stderr.contains("createdb"), "{}", failure.output);
    }
}

/// A role of the test's own, and the project's URL with it.
fn as_role(scene: Scene, rights: &str) -> Scene {
    let role = format!("r_{}", scene.database);
    scene.client().batch_execute(&format!("create role {role} login; {}", rights.replace("ROLE", &role))).unwrap();
    let url = cluster().url("psycopg", &scene.database).replace("postgres@", &format!("{role}:{PASSWORD_IN_URL}@"));
    scene.url(&url)
}

#[test]
fn permission_denied() {
    let scene = as_role(Scene::three().at("a1"), "");
    for (words, exit) in COMMANDS {
        scene.fails(words, Kind::PermissionDenied, exit, &["permission denied for table alembic_version"]);
    }
}

#[test]
fn permission_denied_to_connect() {
    let scene = Scene::three();
    let closed = format!("revoke connect on database {} from public", scene.database);
    let scene = as_role(scene, &closed);
    let failure = scene.fails("db-migrate", Kind::PermissionDenied, 3, &[&scene.database, "permission denied"]);
    assert!(failure.output.stderr.contains("GRANT CONNECT"), "{}", failure.output);
}

#[test]
fn permission_denied_in_a_migration() {
    let scene = Scene::three().at("a1").revision("b2", "a1", &sql("alter table a1 add m int"), "pass");
    let scene = as_role(scene, "grant all on alembic_version to ROLE");
    let names = ["must be owner of table a1", "Revision b2, upgrade()"];
    let failure = scene.fails("db-migrate", Kind::PermissionDenied, 1, &names);
    failure.says("Nothing of this run was kept").has("after", json!(["a1"]));
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn connection_lost() {
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &sql("select pg_sleep(600)"), "pass").at("a1");
    let mut child = scene.xtask("db-migrate --json").spawn();
    let streams = Streams::of(&mut child);
    scene.wait_for_statement("pg_sleep(600)");
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()";
    scene.client().batch_execute(end).unwrap();
    let pid = child.id();
    let failure = Failure::from(streams.end(child).code(1), pid, Kind::ConnectionLost);
    failure.says("Revision b2, upgrade()").says("Nothing of this run was kept").has("after", json!(["a1"]));
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn connection_lost_with_the_whole_server() {
    let server = private_cluster("", "host all all all trust", &[]);
    let url = format!("postgresql+psycopg://postgres:{PASSWORD_IN_URL}@localhost:{}/postgres", server.port);
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &sql("select pg_sleep(600)"), "pass").url(&url);
    let mut child = scene.xtask("db-migrate --json").spawn();
    let streams = Streams::of(&mut child);
    let sleeping =
        "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()";
    crate::support::scene::wait_until("the migration sleeps", || {
        server.client("postgres").query_one(sleeping, &[]).unwrap().get::<_, i64>(0) > 0
    });
    drop(server);
    let output = streams.end(child).code(1);
    assert_eq!(output.kind(), "connection-lost", "{output}");
    // Whether anything stayed nobody can say now, so nobody claims it.
    let output = output.complains("Where the database stands now could not be asked");
    assert_eq!(output.json()["after"], serde_json::Value::Null, "{output}");
}
