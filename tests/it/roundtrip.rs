//! `db-roundtrip` in depth. The catalogue: small migrations, each broken in one known way or deliberately whole, all in one
//! history and one run; none may be missed, none accused wrongly.

mod baselines;
mod cases;
mod doubts;
mod hangs;
mod jobs;
mod kills;
mod resume;
mod watch;
mod ways;

use std::collections::HashMap;

use serde_json::Value;

use crate::support::pg::cluster;
use crate::support::python::python;
use crate::support::xtask::Xtask;

use cases::Case;

#[test]
fn catalogue() {
    let cases = cases::all(cluster().major());
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let project = cases::project(&cluster().url("psycopg2", &cluster().database()), &cases);
    let output = Xtask::new(project.root(), "db-roundtrip --all --json --step-timeout 4s -q")
        .env("XTASK_PYTHON", python())
        .run();
    if let Ok(path) = std::env::var("XTASK_TEST_KEEP_REPORT") {
        std::fs::write(path, format!("{output}")).unwrap();
    }
    let report = output.code(4).json();
    let results: Vec<&Value> = report["results"].as_array().unwrap().iter().collect();
    let by_id: HashMap<&str, &Value> =
        results.iter().map(|result| (result["revision"].as_str().unwrap(), *result)).collect();
    let files = std::fs::read_dir(project.path("migrations/versions")).unwrap();
    let scripts = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "py")).count();
    assert_eq!((results.len(), by_id.len()), (scripts, scripts), "every revision exactly once");
    let mut wrong: Vec<String> = cases.iter().filter_map(|case| compare(case, by_id[case.id.as_str()])).collect();
    let given = results.iter().filter(|result| result["revision"].as_str().unwrap().ends_with("_given"));
    wrong.extend(given.filter(|result| result["verdict"] != "reversible").map(|result| format!("accused: {result:#}")));
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
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
