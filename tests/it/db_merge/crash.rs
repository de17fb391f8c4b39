//! Killed at every write, at every border of a git act and of a database step: `--continue` finishes, and in a twin
//! `--abort` puts git, files and databases back.

use super::stops::second_fails;
use crate::support::branches::{Branches, Everything};
use crate::support::crashes::{at_least, points, ways};
use crate::support::repo::Outcome;

/// Kills a run at each `stride`-th of its points; it has at least so many.
fn killed_at_points(words: &str, stride: usize, least: usize, scene: &Branches) {
    let (begin, before) = (scene.moment(), scene.everything());
    let _ = scene.run(words).code(0);
    let after = comparable(scene);
    let mut seen = 0;
    'points: for (kill, at) in points(stride).enumerate() {
        for then in ways(kill, &["--continue", "--abort"]) {
            begin.again();
            let killed = scene.xtask(words).env("XTASK_CRASH_AT", at.to_string()).run();
            if killed.code == 0 {
                break 'points;
            }
            assert_eq!(killed.code, -1, "{at}: {killed}");
            if !scene.is_pending() {
                // Before the journal was opened, or after it was closed: nothing is done, or everything.
                assert!(scene.everything() == before || comparable(scene) == after, "{at}: {killed}");
                continue;
            }
            let done = scene.run(&format!("db-merge {then}")).code(0);
            match *then {
                "--abort" => same(&scene.everything(), &before, &format!("--abort after {at}\n{killed}\n{done}")),
                _ => assert_eq!(comparable(scene), after, "--continue after {at}\n{killed}\n{done}"),
            }
            scene.nothing_left();
            seen += 1;
        }
    }
    assert!(seen >= at_least(least, stride), "only {seen} kills");
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

#[test]
fn files_and_git_at_every_point() {
    killed_at_points("db-merge main --no-db", 4, 25, &Branches::diverged("p", "r < p", "a < p; b < p"));
}

#[test]
fn a_fast_forward_at_every_point() {
    killed_at_points("db-merge main --no-db", 4, 10, &Branches::diverged("p", "r < p", ""));
}

#[test]
fn in_the_middle_of_a_merge_of_the_users_own() {
    let scene = Branches::diverged("p", "r < p", "a < p");
    scene.repo.git(&["merge", "--quiet", "--no-commit", "main"]);
    killed_at_points("db-merge --no-db", 5, 15, &scene);
}

#[test]
fn behind_a_rebase() {
    let scene = Branches::diverged("p", "r < p", "a < p");
    assert_eq!(scene.repo.rebase("main"), Outcome::Clean);
    killed_at_points("db-merge --no-db", 5, 15, &scene);
}

#[test]
fn with_two_databases() {
    let scene = Branches::diverged("p @ p2", "r < p @ r2 < p2", "a < p @").at("a @ p2");
    killed_at_points("db-merge main", 17, 60, &scene);
}

#[test]
fn killed_while_taking_back() {
    let scene = second_fails("a");
    let before = scene.everything();
    let _ = scene.run("db-merge main").code(1);
    assert_eq!(scene.heads(), "b @ p2", "the first database is migrated");
    let stopped = scene.moment();
    for at in points(11) {
        stopped.again();
        let aborted = scene.xtask("db-merge --abort").env("XTASK_CRASH_AT", at.to_string()).run();
        if aborted.code != 0 && scene.is_pending() {
            let _ = scene.run("db-merge --abort").code(0);
        }
        same(&scene.everything(), &before, &format!("abort killed at {at}\n{aborted}"));
        if aborted.code == 0 {
            assert!(at > 15, "only {at} points");
            break;
        }
    }
}
