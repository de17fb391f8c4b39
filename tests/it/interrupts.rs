//! Signals in the middle of things: Ctrl-C, SIGTERM, two at once, `kill -9`. What was changed is said and true, and
//! nothing is left running: no session, no scratch database, no server.

use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use xtask::fail::Kind;

use crate::support::pg::cluster;
use crate::support::scene::{Failure, Scene, Streams, no_password_in, sql, wait_until};

const SLEEP: &str = "select pg_sleep(600)";

/// Sends a signal to a running xtask, and to it alone.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// `a1`, then a `b2` that sleeps on the way up, each in a transaction of its own.
fn sleeping_up() -> Scene {
    let scene = Scene::new().table("a1", "").revision("b2", "a1", &sql(SLEEP), "pass");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let one_by_one =
        env.replace("target_metadata=target_metadata", "target_metadata=None, transaction_per_migration=True");
    assert_ne!(env, one_by_one);
    scene.env(&one_by_one)
}

/// Two tables, the second of which sleeps when it is taken back.
fn sleeping_down() -> Scene {
    Scene::new().table("a1", "").revision("b2", "a1", &sql("create table b2 (n int)"), &sql(SLEEP))
}

/// Starts it, waits until the database sleeps, sends the signals, and gives how it ended.
fn stopped(scene: &Scene, words: &str, signals: &[Signal]) -> Failure {
    let mut child = scene.xtask(&format!("{words} --json")).spawn();
    let streams = Streams::of(&mut child);
    let pid = child.id();
    sleeps(scene, pid, words);
    for each in signals {
        signal(&child, *each);
    }
    Failure::from(streams.end(child).code(130), pid, Kind::Interrupted)
}

/// Waits until a step of the run sleeps, in the component's database or in the scratch database of that process.
fn sleeps(scene: &Scene, pid: u32, words: &str) {
    // Not from the component's own database: a downgrade refuses to begin when others are connected to it.
    let mut client = cluster().client("postgres");
    let sql = "select count(*) from pg_stat_activity where query = $1 and state = 'active' \
               and (datname = $2 or datname like 'xtask\\_scratch\\_' || $3 || '\\_%')";
    let values: [&(dyn postgres::types::ToSql + Sync); 3] = [&SLEEP, &scene.database, &pid.to_string()];
    wait_until(words, || client.query_one(sql, &values).unwrap().get::<_, i64>(0) > 0);
}

#[test]
fn ctrl_c_keeps_what_is_committed_and_says_so() {
    for (signal, target) in [(Signal::INT, "head"), (Signal::TERM, "b2")] {
        let scene = sleeping_up();
        let failure = stopped(&scene, &format!("db-migrate --target={target}"), &[signal]);
        let failure = failure.says("1 of 2 revisions were applied and stay: the database is at a1 (revision a1)");
        let failure = failure.has("before", json!([])).has("after", json!(["a1"]));
        assert_eq!(failure.json["applied"][0]["revision"], "a1");
        assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["a1".to_owned()], "a1"));
        let go_on = if target == "head" {
            "Go on: cargo xtask db-migrate\n"
        } else {
            "Go on: cargo xtask db-migrate --target=b2\n"
        };
        let _ = failure.output.complains(go_on);
        assert_eq!(scene.sessions(), 0, "nothing of it runs on");
        // The lock is free again.
        let _ = scene.run("db-migrate --target=a1").code(0).says("Nothing to do");
    }
}

#[test]
fn ctrl_c_in_a_downgrade_names_the_backup() {
    let scene = sleeping_down().at("head");
    let failure = stopped(&scene, "db-migrate --direction=downgrade --target=-1", &[Signal::INT]);
    let path = failure.json["backup"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&path).is_file());
    let _ = failure.says(&path).has("after", json!(["b2"])).has("reverted", json!([]));
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2"));
}

/// In the middle of what takes long: a git that does not answer.
#[test]
fn db_check_ends_at_once() {
    let scene = Scene::new().table("a1", "");
    let (folder, started) = (scene.project.path("slow"), scene.project.path("started"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("git"), format!("#!/bin/sh\n: >'{}'\nexec sleep 600\n", started.display())).unwrap();
    std::fs::set_permissions(folder.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    for each in [Signal::INT, Signal::TERM] {
        let mut child = scene.xtask("db-check --json").env("PATH", &path).spawn();
        let (streams, pid) = (Streams::of(&mut child), child.id());
        wait_until("git is asked", || started.is_file());
        signal(&child, each);
        let _ = Failure::from(streams.end(child).code(130), pid, Kind::Interrupted);
        std::fs::remove_file(&started).unwrap();
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let scene = sleeping_up();
    let mut child = scene.xtask("db-migrate").spawn();
    let streams = Streams::of(&mut child);
    sleeps(&scene, child.id(), "db-migrate");
    signal(&child, Signal::INT);
    signal(&child, Signal::INT);
    let _ = streams.end(child).code(130);
    // What it may have left behind does not keep the next run from going on.
    wait_until("the lock is free", || scene.run("db-migrate --target=a1").code == 0);
    assert_eq!(scene.versions(), ["a1"]);
}

#[test]
fn ctrl_c_in_a_round_trip_takes_the_scratch_database_away() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let scene = sleeping_down();
        let failure = stopped(&scene, "db-roundtrip", &[signal]);
        assert_eq!(scene.scratch_of(failure.pid), Vec::<String>::new(), "{}", failure.output);
        assert_eq!((scene.versions(), scene.tables().as_str()), (vec![], ""));
        no_password_in(scene.root());
    }
}

#[test]
fn after_kill_9_the_next_round_trip_sweeps() {
    let scene = sleeping_down();
    let mut child = scene.xtask("db-roundtrip --cold").spawn();
    let streams = Streams::of(&mut child);
    let pid = child.id();
    sleeps(&scene, pid, "db-roundtrip");
    child.kill().unwrap();
    let _ = streams.end(child).code(-1);
    let left = scene.scratch_of(pid);
    assert_eq!(left.len(), 1);
    scene.project.write_revision("b2", "a1", &sql("create table b2 (n int)"), &sql("drop table b2"));
    // Any run on the server sweeps, another test's too; so it is looked for where it must be gone.
    let _ = scene.run("db-roundtrip").code(0);
    assert_eq!(scene.scratch_of(pid), Vec::<String>::new());
    wait_until("the Python of the killed run is gone", || !runs_in(scene.root()));
}

/// Whether a process has this folder in its command line: a fresh driver is started from the project's state folder, and one
/// that was forked from a warm one has the command line of that.
pub fn runs_in(folder: &std::path::Path) -> bool {
    let folder = folder.display().to_string();
    let lines = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut lines = lines.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
    lines.any(|line| String::from_utf8_lossy(&line).contains(&folder))
}

#[test]
fn ctrl_c_takes_the_embedded_server_away() {
    let scene = Scene::new().table("a1", "");
    let mark = scene.project.path("sleeping");
    let body = format!("open('{}', 'w').close()\n{}", mark.display(), sql(SLEEP));
    let scene = scene.revision("b2", "a1", &sql("create table b2 (n int)"), &body);
    let mut child = scene.xtask("db-roundtrip --server=embedded --json --cold").spawn();
    let streams = Streams::of(&mut child);
    wait_until("the downgrade sleeps", || mark.exists());
    signal(&child, Signal::INT);
    let pid = child.id();
    Failure::from(streams.end(child).code(130), pid, Kind::Interrupted);
    wait_until("the server is gone", || {
        let status = scene.json("db-server status");
        status["servers"].as_array().unwrap().iter().all(|server| server["state"] == "stopped")
    });
    wait_until("no process of it is left", || !runs_in(scene.root()));
}
