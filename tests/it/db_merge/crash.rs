//! Killed at every write, at every border of a git act and of a database step: `--continue` finishes, and in a twin
//! `--abort` puts git, files and databases back.

use super::scene::{Everything, Scene};
use super::stops::second_fails;
use crate::support::repo::Outcome;

/// What is done at a point: one of the two by turns, both with `XTASK_TEST_CRASHES=all` (some minutes).
fn twins(at: usize) -> &'static [&'static str] {
    match (std::env::var("XTASK_TEST_CRASHES").is_ok(), at % 2) {
        (true, _) => &["--continue", "--abort"],
        (false, 1) => &["--abort"],
        (false, _) => &["--continue"],
    }
}

/// Kills a run at each `stride`-th of its points, at every one with `XTASK_TEST_CRASHES=all`; it has at least so many.
fn killed_at_points(words: &str, stride: usize, least: usize, made: impl Fn() -> Scene) {
    let stride = if std::env::var("XTASK_TEST_CRASHES").is_ok() { 1 } else { stride };
    let whole = made();
    let _ = whole.run(words).code(0);
    let after = comparable(&whole);
    let mut seen = 0;
    for at in (1..).step_by(stride) {
        let mut ended = false;
        for then in twins(at / stride) {
            let scene = made();
            let before = scene.everything();
            let killed = scene.xtask(words).env("XTASK_CRASH_AT", at.to_string()).run();
            ended = killed.code == 0;
            if ended {
                break;
            }
            assert_eq!(killed.code, -1, "{at}: {killed}");
            if !scene.is_pending() {
                // Before the journal was opened, or after it was closed: nothing is done, or everything.
                assert!(scene.everything() == before || comparable(&scene) == after, "{at}: {killed}");
                continue;
            }
            let done = scene.run(&format!("db-merge {then}")).code(0);
            match *then {
                "--abort" => same(&scene.everything(), &before, &format!("--abort after {at}\n{killed}\n{done}")),
                _ => assert_eq!(comparable(&scene), after, "--continue after {at}\n{killed}\n{done}"),
            }
            scene.nothing_left();
            seen += 1;
        }
        if ended {
            break;
        }
    }
    assert!(seen >= least / stride, "only {seen} kills");
}

/// The ids of commits and of databases are each scene's own.
fn comparable(scene: &Scene) -> (String, String, String, Vec<String>) {
    let git = [&["ls-files", "--stage"][..], &["status", "--porcelain"]].map(|words| scene.repo.git(words)).join("\n");
    let databases = 0..scene.databases.len();
    // Configs name databases, so their contents differ.
    let git: Vec<&str> = git.lines().filter(|line| !line.ends_with(".ini")).collect();
    (git.join("\n"), scene.history(), scene.heads(), databases.map(|number| scene.rows(number)).collect())
}

#[track_caller]
fn same(now: &Everything, before: &Everything, what: &str) {
    assert_eq!(now.git, before.git, "{what}");
    assert_eq!(now.files, before.files, "{what}");
    assert!(now.databases == before.databases, "{what}\n{:?}\n{:?}", now.databases, before.databases);
}

#[test]
fn files_and_git_at_every_point() {
    killed_at_points("db-merge main --no-db", 4, 25, || Scene::diverged("p", "r < p", "a < p; b < p"));
}

#[test]
fn a_fast_forward_at_every_point() {
    killed_at_points("db-merge main --no-db", 4, 10, || Scene::diverged("p", "r < p", ""));
}

#[test]
fn in_the_middle_of_a_merge_of_the_users_own() {
    killed_at_points("db-merge --no-db", 5, 15, || {
        let scene = Scene::diverged("p", "r < p", "a < p");
        scene.repo.git(&["merge", "--quiet", "--no-commit", "main"]);
        scene
    });
}

#[test]
fn behind_a_rebase() {
    killed_at_points("db-merge --no-db", 5, 15, || {
        let scene = Scene::diverged("p", "r < p", "a < p");
        assert_eq!(scene.repo.rebase("main"), Outcome::Clean);
        scene
    });
}

#[test]
fn with_two_databases() {
    let made = || Scene::diverged("p @ p2", "r < p @ r2 < p2", "a < p @").at("a @ p2");
    killed_at_points("db-merge main", 13, 60, made);
}

#[test]
fn killed_while_taking_back() {
    let stride = if std::env::var("XTASK_TEST_CRASHES").is_ok() { 1 } else { 11 };
    for at in (1..).step_by(stride) {
        let scene = second_fails("a");
        let before = scene.everything();
        let _ = scene.run("db-merge main").code(1);
        assert_eq!(scene.heads(), "b @ p2", "the first database is migrated");
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
