//! `--jobs`: several walkers, each revision once, the same verdicts as one walker finds.

use std::collections::HashSet;

use rustix::process::Signal;
use serde_json::Value;

use super::ways::{result, roundtrip, told};
use crate::interrupts::signal;
use crate::support::pg::cluster;
use crate::support::scene::{Scene, Streams, sql, wait_until};

/// Twelve revisions: a merge, two bases, one that loses rows, one that cannot be undone, one that fails, one that lies
/// about a table.
fn mixed() -> Scene {
    let mut scene = Scene::new();
    let graph = [
        ("r", ""),
        ("s", ""),
        ("a", "r"),
        ("b", "r"),
        ("m", "a,b"),
        ("n", "m,s"),
        ("o", "n"),
        ("p", "o"),
        ("q", "p"),
        ("t", "q"),
        ("u", "t"),
        ("v", "u"),
    ];
    for (id, parents) in graph {
        let (up, down) = match id {
            "o" => ("alter table t_r add n int default 1".to_owned(), "alter table t_r drop n".to_owned()),
            "q" => ("create table t_q ()".to_owned(), "drop table nowhere".to_owned()),
            "u" => ("create type mood as enum ('glad')".to_owned(), "select 1".to_owned()),
            id => (format!("create table t_{id} ()"), format!("drop table t_{id}")),
        };
        let down = if id == "t" { "raise NotImplementedError('no')".to_owned() } else { sql(&down) };
        scene = scene.revision(id, parents, &sql(&up), &down);
    }
    scene
}

#[track_caller]
fn same(scene: &Scene, jobs: usize) {
    let without = |jobs: usize| -> Vec<Value> {
        let report = roundtrip(scene, &format!("--all --jobs={jobs}"), 4);
        let results = report["results"].as_array().unwrap().clone();
        let once: HashSet<&str> = results.iter().map(|result| result["revision"].as_str().unwrap()).collect();
        assert_eq!((results.len(), once.len()), (12, 12), "every revision once");
        results
            .into_iter()
            .map(|mut result| {
                result.as_object_mut().unwrap().remove("seconds");
                // What stands above is told as each walker has met it.
                result.as_object_mut().unwrap().remove("notes");
                result
            })
            .collect()
    };
    for (one, other) in without(1).iter().zip(without(jobs)) {
        assert_eq!(*one, other, "{jobs} walkers");
    }
}

/// More than there are revisions; a few are asked for by the other tests.
#[test]
fn several_walkers_find_what_one_finds() {
    let scene = mixed();
    same(&scene, 13);
}

#[test]
fn on_a_clone_too() {
    let scene = mixed();
    let _ = scene.run("db-migrate -q").code(0);
    scene.client().batch_execute("alter table t_r add k int; insert into t_r values (1, 2)").unwrap();
    same(&scene, 3);
}

#[test]
fn a_walker_that_does_not_get_there_leaves_the_others_alone() {
    let mut scene = Scene::new();
    for at in 0..6 {
        let parent = if at == 0 { String::new() } else { format!("p{}", at - 1) };
        let up =
            if at == 2 { "raise ValueError('not here')".to_owned() } else { sql(&format!("create table t{at} ()")) };
        scene = scene.revision(&format!("p{at}"), &parent, &up, &sql(&format!("drop table t{at}")));
    }
    let report = roundtrip(&scene, "--all --jobs 3", 4);
    let expected = ["p5 skipped", "p4 skipped", "p3 skipped", "p2 failed upgrade", "p1 reversible", "p0 reversible"];
    assert_eq!(told(&report), expected);
    assert!(result(&report, "p5")["reason"].as_str().unwrap().contains("p2, below it, does not go up"), "{report:#}");
    // Where none gets anywhere it is an error, as with one walker.
    let scene = scene.revision("p0", "", "raise ValueError('nowhere')", "pass");
    for jobs in [1, 2] {
        let failed = scene.run(&format!("db-roundtrip --steps 3 --jobs {jobs} --json")).code(1);
        assert_eq!(failed.kind(), "migration-raised", "{failed}");
    }
}

#[test]
fn ctrl_c_ends_all_and_what_they_found_is_kept() {
    let scene = Scene::new().table("a", "").table("b", "a");
    let scene = scene.revision("c", "b", &sql("create table c ()"), &sql("select pg_sleep(600)"));
    let scene = scene.table("d", "c").table("e", "d");
    let mut child = scene.xtask("db-roundtrip --all --jobs 2").spawn();
    let (streams, pid) = (Streams::of(&mut child), child.id());
    let mut client = cluster().client("postgres");
    let asleep = "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)' and datname like $1";
    let ours = format!("xtask\\_scratch\\_{pid}\\_%");
    let file = || std::fs::read_dir(scene.project.path(".xtask/roundtrip")).into_iter().flatten().flatten();
    let lines = || file().map(|file| std::fs::read_to_string(file.path()).unwrap().lines().count()).max();
    wait_until("one sleeps and the other is done", || {
        client.query_one(asleep, &[&ours]).unwrap().get::<_, i64>(0) > 0 && lines() >= Some(5)
    });
    signal(&child, Signal::INT);
    let output = streams.end(child).code(130);
    let _ = output.complains("4 verdicts").complains("cargo xtask db-roundtrip --all --jobs=2 --resume");
    assert_eq!(scene.scratch_of(pid), Vec::<String>::new());
    assert_eq!(scene.sessions(), 0);
    let scene = scene.revision("c", "b", &sql("create table c ()"), &sql("drop table c"));
    let report = scene.run("db-roundtrip --all --jobs=2 --resume --json").code(0).json();
    // `d` and `e` stand on what has changed.
    assert_eq!((&report["taken_over"], told(&report).len()), (&2.into(), 5), "{report:#}");
}

#[test]
fn what_does_not_go_together() {
    let scene = Scene::three();
    for other in ["--keep", "--in-place"] {
        let _ = scene.run(&format!("db-roundtrip --jobs 2 {other}")).code(2).complains("exclude each other");
    }
    let _ = scene.run("db-roundtrip --jobs 0").code(2).complains("1 or more");
    let _ = scene.run("db-roundtrip --jobs 1 --keep").code(0);
}
