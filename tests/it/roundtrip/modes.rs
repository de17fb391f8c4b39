//! The catalogue's wrong downgrades where they are met in a developer's day: on a database that holds them already, in
//! place, in db-merge's round trip, in the pre-push hook. None may pass, and nobody else is accused. By default one or two
//! of each file of cases, other ones in each test (in place, where each needs a run of its own, of every second file);
//! other ones with `XTASK_TEST_SEED`, all with `XTASK_TEST_CASES=all`. What each test took of how many is printed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::cases::{self, Case};
use super::doubts::forget;
use super::seed;
use super::ways::{result, roundtrip};
use crate::support::branches::{Branches, steps};
use crate::support::project::{self, SYNC};
use crate::support::python::python;
use crate::support::xtask::Xtask;

fn is_all() -> bool {
    std::env::var("XTASK_TEST_CASES").is_ok_and(|which| which == "all")
}

/// Those that can be applied, each by itself: of each file the one with this number, from 0, and each `share`-th behind it;
/// or all.
#[expect(clippy::print_stdout, reason = "shown where a test fails, and with --nocapture")]
fn applicable(first: usize, share: usize) -> Vec<Case> {
    // What a setting of the session does to those after it is no matter here.
    let is_alone = |case: &Case| case.name != "a session setting that stays";
    let can = |case: &Case| {
        is_alone(case) && !case.branch && case.file != "hangs.py" && case.step.as_deref() != Some("upgrade")
    };
    let all: Vec<Case> = cases::all().into_iter().filter(can).collect();
    let (count, mut numbers, mut sizes) = (all.len(), BTreeMap::<&str, usize>::new(), BTreeMap::<&str, usize>::new());
    all.iter().for_each(|case| *sizes.entry(case.file).or_default() += 1);
    let mut is_chosen = |case: &Case| {
        let number = numbers.entry(case.file).or_default();
        *number += 1;
        is_all() || (*number - 1) % share == (first + seed()) % share.min(sizes[case.file])
    };
    let chosen: Vec<Case> = all.into_iter().filter(|case| is_chosen(case)).collect();
    println!("{} of {count} cases", chosen.len());
    assert!(numbers.keys().all(|file| chosen.iter().any(|case| case.file == *file)), "{numbers:?}");
    chosen
}

fn is_wrong(case: &Case) -> bool {
    !["reversible", "irreversible"].contains(&case.verdict.as_str())
}

/// Each migration is committed by itself: what two of them do together is no matter here.
fn one_by_one() -> String {
    SYNC.replace("target_metadata=target_metadata", "target_metadata=target_metadata, transaction_per_migration=True")
}

/// What is wrong with a report: a wrong one that passed, another one that is accused.
fn wrong(cases: &[Case], report: &Value) -> Vec<String> {
    let is_case = |id: &str| cases.iter().find(|case| case.id == id);
    let results = report["results"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let one = |result: &Value| {
        let (id, verdict) = (result["revision"].as_str().unwrap(), result["verdict"].as_str().unwrap());
        let passed = verdict == "reversible" && is_case(id).is_some_and(is_wrong);
        // A table that goes with the rows in it is told, whoever has written them.
        let is_gone = verdict == "data-lost" && result["step"] == "re-upgrade";
        let accused = !["reversible", "irreversible", "unproven", "skipped"].contains(&verdict)
            && !is_gone
            && !is_case(id).is_some_and(is_wrong);
        let name = is_case(id).map_or("", |case| case.name.as_str());
        (passed || accused).then(|| format!("{id} ({name}): {verdict} {} {}", result["step"], result["proof"]))
    };
    results.iter().filter_map(one).collect()
}

/// Where `pg_dump` does not say the same as we.
fn one_sided(report: &Value) -> Vec<String> {
    let says = |result: &Value| {
        let says = result["second_opinion"].as_array().cloned().unwrap_or_default();
        says.into_iter().map(|says| format!("{}: {says}", result["revision"])).collect::<Vec<_>>()
    };
    report["results"].as_array().unwrap().iter().flat_map(says).collect()
}

/// A look costs what all cases before have made, so that many in one history are slow.
const IN_ONE: usize = 30;

fn histories(mut cases: Vec<Case>) -> Vec<Vec<Case>> {
    let mut parts = Vec::new();
    while cases.len() > IN_ONE {
        let rest = cases.split_off(IN_ONE);
        parts.push(std::mem::replace(&mut cases, rest));
    }
    parts.push(cases);
    parts
}

#[test]
fn on_a_database_that_holds_them() {
    let mut all = Vec::new();
    for cases in histories(applicable(0, 20)) {
        let scene = cases::scene(&cases).env(&one_by_one());
        let _ = scene.run("db-migrate -q").code(0);
        for way in ["recorded", "from-empty"] {
            // What `pg_dump -s` sees is asked, too: what only one of both sees is a defect of ours.
            let report = roundtrip(&scene, if way == "recorded" { "--all --second-opinion" } else { "--all" }, 4);
            all.extend(wrong(&cases, &report).into_iter().chain(one_sided(&report)).map(|it| format!("{way}: {it}")));
            if way == "recorded" {
                forget(&scene);
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn in_place() {
    let mut all = Vec::new();
    let every = if is_all() { 1 } else { 2 };
    for (number, case) in applicable(5, 50).into_iter().skip(seed() % every).step_by(every).enumerate() {
        let cases = [case];
        let scene = cases::scene(&cases).env(&one_by_one());
        let _ = scene.run("db-migrate -q").code(0);
        if number % 2 == 1 {
            forget(&scene);
        }
        let report = scene.run("db-roundtrip --in-place --yes --json -q").json();
        if report["error"]["revision"] == cases[0].id.as_str() && is_wrong(&cases[0]) {
            // It does not come up again, so that there is no more to report.
            continue;
        }
        all.extend(wrong(&cases, &report));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn through_a_merge_and_a_push() {
    histories(applicable(10, 20)).iter().for_each(|cases| merge_and_push(cases));
}

fn merge_and_push(cases: &[Case]) {
    let scene = cases::scene(cases);
    let main = project::text("root", "root", "", "def upgrade():\n    pass\ndef downgrade():\n    pass\n");
    let scripts: Vec<(String, String)> = std::fs::read_dir(scene.path("migrations/versions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("root.py"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            (format!("migrations/versions/{}", path.file_name().unwrap().to_str().unwrap()), text)
        })
        .collect();
    let scripts: Vec<(&str, &str)> = scripts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let branches = Branches::of(scene.env(&one_by_one()), "");
    branches.repo.commit("root", &[("migrations/versions/root.py", &main)]);
    branches.branch("feature", "").repo.commit("cases", &scripts);
    branches.switch("main").commit("r < root").switch("feature");
    branches.sql(
        0,
        "create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values ('root')",
    );
    let git = |words: &str| Xtask::program(Path::new("git"), branches.root(), words).env("XTASK_PYTHON", python());
    for words in
        ["init --quiet --bare state/origin.git", "remote add origin state/origin.git", "push --quiet origin main"]
    {
        drop(git(words).run().code(0));
    }
    drop(branches.run("hooks install --pre-push -q").code(0));
    let pushed = git("push --quiet origin feature").env("XTASK_HOOK_LIMIT", "500s").run().code(1);
    let pushed = format!("{}{}", pushed.stdout, pushed.stderr);
    let passed = |case: &&Case| is_wrong(case) && pushed.contains(&format!("✅ {} ", case.id));
    let passed: Vec<&str> = cases.iter().filter(passed).map(|case| case.name.as_str()).collect();
    assert!(passed.is_empty() && pushed.contains("Tested "), "{passed:?}\n{pushed}");
    let stopped = branches.run("db-merge main --json -q").code(4).json();
    assert!(steps(&stopped).contains("db-roundtrip:failed"), "{stopped:#}");
    let report = &stopped["steps"][3]["components"][0];
    assert!(result(report, &cases[0].id).is_object());
    let all = wrong(cases, report);
    assert!(all.is_empty(), "of {}:\n{}", cases.len(), all.join("\n"));
}
