//! `db-roundtrip` in depth. The catalogue: small migrations, each broken in one known way or deliberately whole, in three
//! histories, each one run; none may be missed, none accused wrongly.

mod baselines;
mod cases;
mod doubts;
mod faults;
mod hangs;
mod jobs;
mod kills;
mod merge;
mod modes;
mod references;
mod resume;
mod wall;
mod watch;
mod ways;

use std::collections::HashMap;

use serde_json::{Value, json};

use cases::{Case, GIVEN};

#[test]
fn catalogue_first_third() {
    catalogue(0);
}

#[test]
fn catalogue_second_third() {
    catalogue(1);
}

#[test]
fn catalogue_last_third() {
    catalogue(2);
}

/// Every third case from this one on: what a look costs grows with what all cases before have made.
fn catalogue(from: usize) {
    let cases = cases::all();
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let cases: Vec<Case> = cases.into_iter().skip(from).step_by(3).collect();
    let scene = cases::scene(&cases);
    let output = scene.run("db-roundtrip --all --json --step-timeout 4s -q");
    if let Ok(path) = std::env::var("XTASK_TEST_KEEP_REPORT") {
        std::fs::write(format!("{path}.{from}"), format!("{output}")).unwrap();
    }
    let report = output.code(4).json();
    let results: Vec<&Value> = report["results"].as_array().unwrap().iter().collect();
    let by_id: HashMap<&str, &Value> =
        results.iter().map(|result| (result["revision"].as_str().unwrap(), *result)).collect();
    let files = std::fs::read_dir(scene.path("migrations/versions")).unwrap();
    let scripts = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "py")).count();
    assert_eq!((results.len(), by_id.len()), (scripts, scripts), "every revision exactly once");
    let mut wrong: Vec<String> = cases.iter().filter_map(|case| compare(case, by_id[case.id.as_str()])).collect();
    let given = by_id[GIVEN];
    wrong.extend((given["verdict"] != "reversible").then(|| format!("accused: {given:#}")));
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// One process for a whole walk and one for each step come to the same: what, where and why, revision by revision.
#[test]
fn a_walk_finds_what_a_process_per_step_finds() {
    // All that do something to their process, and a twelfth of what else is wrong with types, constraints and Python.
    let (of_process, others): (Vec<Case>, Vec<Case>) = cases::all().into_iter().partition(|case| case.process);
    let some = |case: &Case| ["types.py", "constraints.py", "python.py"].contains(&case.file);
    let others = others.into_iter().filter(some).skip(seed() % 12).step_by(12);
    let cases: Vec<Case> = others.chain(of_process).collect();
    assert!(cases.len() >= 16, "{} cases", cases.len());
    let scene = cases::scene(&cases);
    let facts = |alone: &str| -> Vec<Value> {
        let output = scene
            .xtask("db-roundtrip --all --json --no-cache --step-timeout 4s -q")
            .env("XTASK_PROCESS_PER_STEP", alone)
            .run();
        let fact = |result: &Value| {
            let notes: Vec<&Value> = result["notes"].as_array().unwrap().iter().collect();
            // What a walk adds where it had to ask a fresh process is no other verdict.
            let notes: Vec<&&Value> =
                notes.iter().filter(|note| !note.to_string().contains("a process of its own")).collect();
            let error = &result["error"];
            let (schema, data) = (&result["schema_changes"], &result["data_changes"]);
            json!([
                result["revision"],
                result["verdict"],
                result["step"],
                error["kind"],
                error["sqlstate"],
                schema,
                data,
                notes
            ])
        };
        output.code(4).json()["results"].as_array().unwrap().iter().map(fact).collect()
    };
    let (walk, alone) = (facts(""), facts("1"));
    assert!(walk.len() > cases.len(), "{} results", walk.len());
    let differ: Vec<String> = walk
        .iter()
        .zip(&alone)
        .filter(|(walk, alone)| walk != alone)
        .map(|(walk, alone)| format!("{walk}\n{alone}"))
        .collect();
    assert!(differ.is_empty() && walk.len() == alone.len(), "{}", differ.join("\n\n"));
}

/// Which share, as `XTASK_TEST_SEED` says.
fn seed() -> usize {
    std::env::var("XTASK_TEST_SEED").map_or(0, |seed| seed.parse::<usize>().unwrap())
}

/// What is wrong with a result, if anything.
fn compare(case: &Case, result: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = |name: &str| result[name].as_array().unwrap().iter();
    let mut complaints = Vec::new();
    let outcome = (text(&result["verdict"]), result["step"].as_str().map(str::to_owned));
    if outcome != (case.verdict.clone(), case.step.clone()) {
        complaints.push(format!("verdict {outcome:?}"));
    }
    let error = format!("{} {}", text(&result["error"]["summary"]), text(&result["error"]["details"]));
    let reason = text(&result["reason"]);
    let objects: Vec<String> =
        listed("schema_changes").map(|change| text(&change["object"])).chain(data(result)).collect();
    if case.verdict == "failed" || case.verdict == "irreversible" {
        let missing = case.seen.iter().filter(|word| !error.contains(*word) && !reason.contains(*word));
        complaints.extend(missing.map(|word| format!("no word of `{word}`")));
    } else {
        let (mut seen, mut expected) = (objects, case.seen.clone());
        seen.sort();
        expected.sort();
        if seen != expected {
            complaints.push(format!("objects {seen:?}"));
        }
    }
    let causes: Vec<String> =
        listed("schema_changes").map(|change| text(&change["cause"])).chain([text(&result["cause"])]).collect();
    if let Some(cause) = case.cause.as_ref().filter(|cause| !causes.iter().any(|seen| seen.contains(*cause))) {
        complaints.push(format!("cause {causes:?}, not `{cause}`"));
    }
    let notes: Vec<String> = listed("notes").map(text).collect();
    if let Some(note) = case.note.as_ref().filter(|note| !notes.iter().any(|seen| seen.contains(*note))) {
        complaints.push(format!("notes {notes:?}, not `{note}`"));
    }
    (!complaints.is_empty()).then(|| {
        format!(
            "- {} {} ({}): {}\n    {error} {reason} {notes:?}",
            case.id,
            case.name,
            case.file,
            complaints.join("; ")
        )
    })
}

/// `public.t` where rows came or went, `public.t.c` for each column that lost values.
fn data(result: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for change in result["data_changes"].as_array().unwrap() {
        let table = change["table"].as_str().unwrap();
        if change["before_rows"] != change["after_rows"] {
            names.push(table.to_owned());
        }
        let columns = change["columns_lost"].as_array().unwrap();
        names.extend(columns.iter().map(|column| format!("{table}.{}", column["column"].as_str().unwrap())));
    }
    names
}
