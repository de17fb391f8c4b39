//! Killed at every write and at every border of a database step: `--resume` finishes, and in a twin `--abort` puts files
//! and database back. By default round each kind of act (a file's, the backup's, a walk's of the database), in one way by
//! turns; with a database not at the journal's, which stand between the others. What each took of how many is printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::database::feature_at;
use crate::support::branches::{Branches, moves, script};
use crate::support::crashes::{Moment, Points};
use crate::support::pg::cluster;
use crate::support::project::path;
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::xtask::Output;

const WAYS: [&str; 2] = ["--resume", "--abort"];

fn files_only() -> Branches {
    Branches::of(Scene::nowhere(), "p").diverge("r < p", "a < p; b < p").merged()
}

#[test]
fn files_at_every_write() {
    let bench = files_only();
    let (begin, before) = (Moment::of(bench.root(), &[]), bench.files());
    let points = Points::of(&bench, "db-rebase --no-db");
    let mut waited = 0;
    for (at, then) in points.kills(points.round_each(&[]), WAYS) {
        begin.again();
        let killed = kill(&bench, "db-rebase --no-db", at);
        assert_eq!(killed.code, -1, "{at}: {killed}");
        let pending = journal(&bench).exists();
        waited += usize::from(pending);
        if !pending {
            assert_eq!(bench.run(&format!("db-rebase {then}")).code, 2, "{at}");
        } else {
            let _ = bench.run("db-rebase --no-db").code(3).complains("did not end");
            let _ = bench.run(&format!("db-rebase {then}")).code(0);
        }
        if then == "--abort" && pending {
            assert_eq!(bench.files(), before, "{at}");
        }
        let rest = bench.run("db-rebase --no-db --json").code(0);
        assert!(then == "--abort" || !pending || moves(&rest.json()).is_empty(), "{at}: {rest}");
        assert_eq!(bench.history(), "a<r b<a p< r<p", "{at}");
        assert_eq!(hidden(&bench), BTreeSet::new(), "{at}");
    }
    assert!(waited > 2, "only {waited} kills left something to go on with");
}

/// What is left beside the scripts.
fn hidden(bench: &Branches) -> BTreeSet<String> {
    bench.files().into_keys().filter(|name| !name.ends_with(".py")).collect()
}

/// Runs it so that it is killed at a point, if it gets there.
fn kill(case: &Branches, words: &str, at: usize) -> Output {
    case.xtask(words).env("XTASK_CRASH_AT", at.to_string()).run()
}

fn journal(case: &Branches) -> PathBuf {
    case.path(".xtask/journals/db-rebase/journal.json")
}

#[test]
fn with_the_database_at_every_point() {
    let case = feature_at("b");
    let (begin, before) = (case.moment(), case.everything());
    let points = Points::of(&case, "db-rebase");
    let (after, mut waited) = (case.everything(), 0);
    for (at, then) in points.kills(points.round_each(&["journal.json"]), WAYS) {
        begin.again();
        let killed = kill(&case, "db-rebase", at);
        assert_eq!(killed.code, -1, "{at}: {killed}");
        if !journal(&case).exists() {
            continue;
        }
        let _ = case.run(&format!("db-rebase {then}")).code(0);
        let expected = if then == "--abort" { &before } else { &after };
        assert_eq!(&case.everything(), expected, "{then} after {at}\n{killed}");
        waited += 1;
    }
    assert!(waited > 4, "only {waited} kills left something to go on with");
}

#[test]
fn killed_while_taking_back() {
    let case = feature_at("b");
    let (begin, before) = (case.moment(), case.everything());
    // After the files are written, before the way up.
    let late = Points::of(&case, "db-rebase").acts("work/migrate")[1].0;
    begin.again();
    let killed = kill(&case, "db-rebase", late);
    assert_eq!(killed.code, -1, "{killed}");
    let kept = fs::read_to_string(journal(&case)).unwrap();
    assert_eq!(kept.matches("\"progress\": \"done\"").count(), 3, "the files are written\n{kept}");
    let late = case.moment();
    let points = Points::of(&case, "db-rebase --abort");
    assert_eq!(case.everything(), before, "not killed");
    for (at, _) in points.kills(points.behind_each(&["journal.json"]), ["--abort"; 2]) {
        late.again();
        let aborted = kill(&case, "db-rebase --abort", at);
        assert_eq!(aborted.code, -1, "{at}: {aborted}");
        if journal(&case).exists() {
            let _ = case.run("db-rebase --abort").code(0);
        }
        assert_eq!(case.everything(), before, "abort killed at {at}\n{aborted}");
    }
}

/// Rows that people write while a rebase lies there half-way, whenever that is: after `--abort` each is in its table, or where
/// the report says. So many schedules with `XTASK_TEST_SCHEDULES=200`, else a few; others with `XTASK_TEST_SEED`.
#[test]
fn rows_written_at_random_moments_are_never_lost() {
    let number = |key: &str, default| std::env::var(key).map_or(default, |text| text.parse().unwrap());
    let first = number("XTASK_TEST_SEED", 1);
    for seed in first..first + number("XTASK_TEST_SCHEDULES", 2) {
        let mut random = Random::new(seed);
        let case = feature_at("b");
        case.sql(0, "alter table t_p add primary key (v); alter table t_b add c int");
        // Stays as it is, or has to go down and up.
        if seed % 2 == 0 {
            let mended = script("b", "a").replace("(v int)", "(v int, c int)");
            case.repo.commit("mended", &[(&path("b"), &mended)]);
        }
        let mut written: Vec<(String, usize)> = Vec::new();
        let killed = |words: &str, at: usize| {
            let xtask = case.xtask(words);
            xtask.env("XTASK_CRASH_AT", at.to_string()).run().code
        };
        let pending = || case.root().join(".xtask/journals/db-rebase/journal.json").exists();
        let mut words = "db-rebase --yes";
        for _ in 0..1 + random.below(3) {
            let _ = killed(words, 1 + random.below(60));
            for _ in 0..random.below(4) {
                let table = *random.pick(&["t_p", "t_a", "t_b", "t_r", "t_s"]);
                let value = 1000 + written.len();
                let sql = format!("insert into {table} (v) values ({value})");
                if case.client().batch_execute(&sql).is_ok() {
                    written.push((table.to_owned(), value));
                }
            }
            words = *random.pick(&["db-rebase --resume", "db-rebase --abort"]);
        }
        let way = if pending() { "db-rebase --abort" } else { "db-undo --yes" };
        let said = case.run(way);
        let mut client = case.client();
        let mut holds = |table: &str, value: usize| {
            let sql = format!("select exists (select from {table} where v::text = '{value}')");
            client.query_one(&sql, &[]).is_ok_and(|row| row.get(0))
        };
        for (table, value) in &written {
            // What an earlier try could not put anywhere has been set aside by the next.
            let schemas = ["xtask_since", "xtask_since_1", "xtask_since_2", "xtask_since_3"];
            let is_kept = (0..160).any(|at| holds(&format!("{}.rows_{}", schemas[at / 40], at % 40), *value));
            // An undo that was agreed to takes what the rebase has made along; its backup has that.
            let is_saved = || way == "db-undo --yes" && backed_up(&said.stderr, table, *value);
            assert!(
                holds(table, *value) || is_kept || is_saved(),
                "seed {seed}: {value} of {table}\n{written:?}\n{said}"
            );
        }
        assert!(holds("t_p", 7) && holds("t_a", 7) && holds("t_b", 7), "seed {seed}\n{said}");
    }
}

/// Whether the backup that a run has taken holds a value of a table.
#[expect(clippy::disallowed_methods)]
fn backed_up(said: &str, table: &str, value: usize) -> bool {
    let Some(path) = said.lines().find_map(|line| line.strip_prefix("Backup: ")?.split(" (").next()) else {
        return false;
    };
    let mut read = std::process::Command::new(cluster().bin.join("pg_restore"));
    let done = read.args(["-a", "-f", "-", "-t", table, path]).output().unwrap();
    String::from_utf8(done.stdout).unwrap().lines().any(|line| line.split('\t').any(|it| it == value.to_string()))
}
