//! Killed at every write, at every border of a git act and of a database step: `--continue` finishes, and in a twin
//! `--abort` puts git, files and databases back. By default at some points in one of both ways by turns: with files alone
//! round each kind of act (git's, each file's); with databases where those alone can differ (behind a walk down and a walk
//! up of a database, and between the components). What each test took of how many is printed.

use std::collections::BTreeSet;

use super::stops::second_fails;
use crate::support::branches::{Branches, Everything};
use crate::support::crashes::Points;
use crate::support::repo::Outcome;

/// Kills a run at chosen points, and ends it in one way or the other.
fn killed(words: &str, scene: &Branches, chosen: impl Fn(&Points) -> BTreeSet<usize>) {
    let (begin, before) = (scene.moment(), scene.everything());
    let points = Points::of(scene, words);
    let after = comparable(scene);
    let mut waited = 0;
    for (at, then) in points.kills(chosen(&points), ["--continue", "--abort"]) {
        begin.again();
        let killed = scene.xtask(words).env("XTASK_CRASH_AT", at.to_string()).run();
        assert_eq!(killed.code, -1, "{at}: {killed}");
        if !scene.is_pending() {
            // Before the journal was opened, or after it was closed: nothing is done, or everything.
            assert!(scene.everything() == before || comparable(scene) == after, "{at}: {killed}");
            continue;
        }
        let done = scene.run(&format!("db-merge {then}")).code(0);
        match then {
            "--abort" => same(&scene.everything(), &before, &format!("--abort after {at}\n{killed}\n{done}")),
            _ => assert_eq!(comparable(scene), after, "--continue after {at}\n{killed}\n{done}"),
        }
        scene.nothing_left();
        waited += 1;
    }
    assert!(waited > 2, "only {waited} kills left something to go on with");
}

/// The ids of commits tell the time at which they were made.
fn comparable(scene: &Branches) -> (String, String, String, Vec<String>) {
    let git = [&["ls-files", "--stage"][..], &["status", "--porcelain"]].map(|words| scene.repo.git(words)).join("\n");
    let databases = 0..scene.databases.len();
    (git, scene.history(), scene.heads(), databases.map(|number| scene.rows(number)).collect())
}

#[track_caller]
fn same(now: &Everything, before: &Everything, what: &str) {
    assert_eq!(now.git, before.git, "{what}");
    assert_eq!(now.files, before.files, "{what}");
    assert!(now.databases == before.databases, "{what}\n{:?}\n{:?}", now.databases, before.databases);
}

/// Without databases: round each kind of act.
fn files_killed(words: &str, scene: &Branches) {
    killed(words, scene, |points| points.round_each(&[]));
}

#[test]
fn files_and_git_at_every_point() {
    files_killed("db-merge main --no-db", &Branches::diverged("p", "r < p", "a < p; b < p"));
}

#[test]
fn a_fast_forward_at_every_point() {
    files_killed("db-merge main --no-db", &Branches::diverged("p", "r < p", ""));
}

#[test]
fn in_the_middle_of_a_merge_of_the_users_own() {
    let scene = Branches::diverged("p", "r < p", "a < p");
    scene.repo.git(&["merge", "--quiet", "--no-commit", "main"]);
    files_killed("db-merge --no-db", &scene);
}

#[test]
fn behind_a_rebase() {
    let scene = Branches::diverged("p", "r < p", "a < p");
    assert_eq!(scene.repo.rebase("main"), Outcome::Clean);
    files_killed("db-merge --no-db", &scene);
}

/// The first database has gone down and not up, has been rebased and the second is untouched, both are done.
#[test]
fn with_two_databases() {
    let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p @").at("a @ p2");
    // At every point, the round trip's are among them.
    let is_all = std::env::var("XTASK_TEST_CRASHES").is_ok();
    killed(if is_all { "db-merge main" } else { "db-merge main --no-roundtrip" }, &scene, |points| {
        let (walks, backups) = (points.acts("work/migrate"), points.acts("sys/backup"));
        assert_eq!((walks.len(), backups.len()), (3, 2));
        [walks[0].1, backups[1].1, walks[2].1].into()
    });
}

/// Behind each kind of act of the way back but the journals' own: those stand between the others.
#[test]
fn killed_while_taking_back() {
    let scene = second_fails("a");
    let before = scene.everything();
    let _ = scene.run("db-merge main").code(1);
    assert_eq!(scene.heads(), "b @ p2", "the first database is migrated");
    let stopped = scene.moment();
    let points = Points::of(&scene, "db-merge --abort");
    same(&scene.everything(), &before, "not killed");
    for (at, _) in points.kills(points.behind_each(&["journal.json"]), ["--abort"; 2]) {
        stopped.again();
        let aborted = scene.xtask("db-merge --abort").env("XTASK_CRASH_AT", at.to_string()).run();
        assert_eq!(aborted.code, -1, "{at}: {aborted}");
        if scene.is_pending() {
            let _ = scene.run("db-merge --abort").code(0);
        }
        same(&scene.everything(), &before, &format!("abort killed at {at}\n{aborted}"));
    }
}
