//! Killed at every write and at every border of a database step: `--resume` finishes, and in a twin `--abort` puts files
//! and database back.

use std::collections::BTreeSet;
use std::fs;

use super::bench::{Bench, NOWHERE, moves};
use super::database::Case;
use crate::support::pg::cluster;
use crate::support::python::python;
use crate::support::random::Random;

fn files_only() -> Bench {
    let bench = Bench::new(NOWHERE, "p");
    bench.branch("feature", "a < p; b < p");
    bench.switch("main").commit("r < p").switch("feature").repo.merge("main");
    bench
}

#[test]
fn files_at_every_write() {
    for at in 1.. {
        for then in ["--resume", "--abort"] {
            let bench = files_only();
            let before = bench.files();
            let killed = bench.xtask("db-rebase --no-db").env("XTASK_CRASH_AT", at.to_string()).run();
            if killed.code == 0 {
                assert!(at > 10, "only {at} writes");
                return;
            }
            assert_eq!(killed.code, -1, "{at}: {killed}");
            let pending = bench.root().join(".xtask/journals/db-rebase/journal.json").exists();
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
    }
}

/// What is left beside the scripts.
fn hidden(bench: &Bench) -> BTreeSet<String> {
    bench.files().into_keys().filter(|name| !name.ends_with(".py")).collect()
}

/// What is done at a point: one of the two by turns, both with `XTASK_TEST_CRASHES=all` (some minutes).
fn twins(at: usize) -> &'static [&'static str] {
    match (std::env::var("XTASK_TEST_CRASHES").is_ok(), at % 2) {
        (true, _) => &["--resume", "--abort"],
        (false, 1) => &["--abort"],
        (false, _) => &["--resume"],
    }
}

/// Every how many points a run is killed: each of them with `XTASK_TEST_CRASHES=all`.
fn stride(usual: usize) -> usize {
    if std::env::var("XTASK_TEST_CRASHES").is_ok() { 1 } else { usual }
}

#[test]
fn with_the_database_at_every_point() {
    let case = Case::at("b");
    let done = case.bench.xtask("db-rebase").env("XTASK_PYTHON", python()).env("XTASK_CRASH_AT", "0").run().code(0);
    let after = (case.bench.files(), case.whole());
    drop(done);
    let mut seen = 0;
    for at in (1..).step_by(stride(3)) {
        let mut ended = false;
        for then in twins(at) {
            let case = Case::at("b");
            let before = (case.bench.files(), case.whole());
            let killed =
                case.bench.xtask("db-rebase").env("XTASK_PYTHON", python()).env("XTASK_CRASH_AT", at.to_string()).run();
            ended = killed.code == 0;
            if ended {
                break;
            }
            if !case.bench.root().join(".xtask/journals/db-rebase/journal.json").exists() {
                continue;
            }
            let _ = case.run(&format!("db-rebase {then}")).code(0);
            let expected = if *then == "--abort" { &before } else { &after };
            assert_eq!((&case.bench.files(), &case.whole()), (&expected.0, &expected.1), "{then} after {at}\n{killed}");
            seen += 1;
        }
        if ended {
            break;
        }
    }
    assert!(seen > 5, "only {seen} kills");
}

#[test]
fn killed_while_taking_back() {
    for at in (1..).step_by(stride(3)) {
        let case = Case::at("b");
        let before = (case.bench.files(), case.whole());
        let xtask = |words: &str| case.bench.xtask(words).env("XTASK_PYTHON", python());
        // After the files are written, in the way up.
        let killed = xtask("db-rebase").env("XTASK_CRASH_AT", LATE).run();
        assert_eq!(killed.code, -1, "{killed}");
        let journal = fs::read_to_string(case.bench.root().join(".xtask/journals/db-rebase/journal.json")).unwrap();
        assert_eq!(journal.matches("\"progress\": \"done\"").count(), 3, "the files are written\n{journal}");
        let aborted = xtask("db-rebase --abort").env("XTASK_CRASH_AT", at.to_string()).run();
        if aborted.code != 0 && case.bench.root().join(".xtask/journals/db-rebase/journal.json").exists() {
            let _ = case.run("db-rebase --abort").code(0);
        }
        assert_eq!((case.bench.files(), case.whole()), before, "abort killed at {at}\n{aborted}");
        if aborted.code == 0 {
            assert!(at > 10, "only {at} writes");
            break;
        }
    }
}

/// A point behind the edit.
const LATE: &str = "24";

/// Rows that people write while a rebase lies there half-way, whenever that is: after `--abort` each is in its table, or where
/// the report says. So many schedules with `XTASK_TEST_SCHEDULES=200`, else a few.
#[test]
fn rows_written_at_random_moments_are_never_lost() {
    let schedules = std::env::var("XTASK_TEST_SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for seed in 1..=schedules {
        let mut random = Random::new(seed);
        let case = Case::at("b");
        case.sql("alter table t_p add primary key (v); alter table t_b add c int");
        // Stays as it is, or has to go down and up.
        if random.one_in(2) {
            let mended = super::bench::script("b", "a").replace("(v int)", "(v int, c int)");
            case.bench.repo.commit("mended", &[(&super::bench::path("b"), &mended)]);
        }
        let mut written: Vec<(String, usize)> = Vec::new();
        let killed = |words: &str, at: usize| {
            let xtask = case.bench.xtask(words).env("XTASK_PYTHON", python());
            xtask.env("XTASK_CRASH_AT", at.to_string()).run().code
        };
        let pending = || case.bench.root().join(".xtask/journals/db-rebase/journal.json").exists();
        let mut words = "db-rebase --yes";
        for _ in 0..1 + random.below(3) {
            let _ = killed(words, 1 + random.below(45));
            for _ in 0..random.below(4) {
                let table = *random.pick(&["t_p", "t_a", "t_b", "t_r", "t_s"]);
                let value = 1000 + written.len();
                let sql = format!("insert into {table} (v) values ({value})");
                if cluster().client(&case.database).batch_execute(&sql).is_ok() {
                    written.push((table.to_owned(), value));
                }
            }
            words = *random.pick(&["db-rebase --resume", "db-rebase --abort"]);
        }
        let way = if pending() { "db-rebase --abort" } else { "db-undo --yes" };
        let said = case.run(way);
        let mut client = cluster().client(&case.database);
        let mut holds = |table: &str, value: usize| {
            let sql = format!("select exists (select from {table} where v::text = '{value}')");
            client.query_one(&sql, &[]).is_ok_and(|row| row.get(0))
        };
        for (table, value) in &written {
            let is_kept = (0..40).any(|number| holds(&format!("xtask_since.rows_{number}"), *value));
            assert!(holds(table, *value) || is_kept, "seed {seed}: {value} of {table}\n{written:?}\n{said}");
        }
        assert!(holds("t_p", 7) && holds("t_a", 7) && holds("t_b", 7), "seed {seed}\n{said}");
    }
}
