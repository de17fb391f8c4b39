//! `--merge-reports`: the reports of a run's parts are one report, the same as that of one run; what are not all parts of
//! one run, each once, is refused, and nothing is written.

use std::fs::read_to_string;

use serde_json::{Value, json};

use super::ways::{roundtrip, told};
use crate::support::repo::Repo;
use crate::support::scene::{Scene, sql};

/// `a -> b -> c -> d`; `b` loses an index, `c` rows, `d` is declared to be for good.
fn four() -> Scene {
    Scene::new()
        .revision("a", "", &sql("create table t (n int)"), &sql("drop table t"))
        .revision(
            "b",
            "a",
            &sql("create index i on t (n); insert into t values (1)"),
            &sql("drop index i; create view v as select 1"),
        )
        .revision("c", "b", &sql("alter table t rename n to m"), &sql("alter table t drop m; alter table t add n int"))
        .revision("d", "c", &sql("create table u ()"), "raise NotImplementedError('no way back')")
}

/// Without what differs from run to run.
fn lasting(report: &Value) -> Value {
    let mut report = report.clone();
    for name in ["cache", "baseline"] {
        report.as_object_mut().unwrap().remove(name);
    }
    for result in report["results"].as_array_mut().unwrap() {
        result["seconds"] = json!(null);
    }
    report
}

fn without_times(xml: &str) -> String {
    let mut parts = xml.split(" time=\"");
    let first = parts.next().unwrap().to_owned();
    parts.map(|part| part.split_once('"').unwrap().1).fold(first, |text, part| text + part)
}

/// A part's report in a file of its own.
fn part(scene: &Scene, flags: &str, code: i32, name: &str) -> Value {
    let report = roundtrip(scene, flags, code);
    scene.write(name, &report.to_string());
    report
}

#[test]
fn parts_are_the_whole() {
    let scene = four();
    let whole = part(&scene, "--all --junit whole.xml", 4, "whole.json");
    let (first, second) =
        (part(&scene, "--all --partition 1/2", 4, "1.json"), part(&scene, "--all --partition 2/2", 4, "2.json"));
    assert_eq!((told(&first).len(), told(&second).len()), (2, 2), "{whole:#}");
    let merged = roundtrip(&scene, "--merge-reports --junit all.xml --html all.html 2.json 1.json", 4);
    assert_eq!(lasting(&merged), lasting(&whole));
    let xml = |name: &str| read_to_string(scene.path(name)).unwrap();
    assert_eq!(without_times(&xml("all.xml")), without_times(&xml("whole.xml")));
    assert!(xml("all.xml").contains("tests=\"4\" failures=\"2\""), "{}", xml("all.xml"));
    let html = xml("all.html");
    assert!(html.contains("all 4") && html.contains("the whole history<") && html.contains("<svg"), "{html}");
    let text = scene.run("db-roundtrip --merge-reports 1.json 2.json").code(4).says("Revisions: the whole history\n");
    let _ = text.says("Tested 4 revisions: ").never_says("part 1");
    // What has been merged is a whole run itself.
    scene.write("merged.json", &merged.to_string());
    assert_eq!(roundtrip(&scene, "--merge-reports merged.json", 4), merged);
    every_refusal(&scene, &first, &second);
}

/// Refused with these words, and nothing is written.
#[track_caller]
fn refused(scene: &Scene, files: &str, words: &[&str]) {
    let output =
        scene.run(&format!("db-roundtrip --merge-reports --json --junit no.xml --html no.html {files}")).code(3);
    assert_eq!(output.kind(), "usage", "{output}");
    let error = output.json()["error"].to_string();
    words.iter().for_each(|word| assert!(error.contains(word), "`{word}` is not in {error}"));
    assert!(!scene.path("no.xml").exists() && !scene.path("no.html").exists(), "{output}");
}

fn every_refusal(scene: &Scene, first: &Value, second: &Value) {
    refused(
        scene,
        "1.json",
        &["A part of the run is missing", "2/2", "cargo xtask db-roundtrip --all --partition=2/2 --json"],
    );
    scene.write("again.json", &first.to_string());
    refused(scene, "1.json again.json 2.json", &["Two reports are of one part: 1/2", "--merge-reports 1.json 2.json"]);
    refused(scene, "1.json whole.json", &["another number of parts", "1.json: 2", "whole.json: 1"]);
    let other = |change: &dyn Fn(&mut Value), words: &[&str]| {
        let mut changed = second.clone();
        change(&mut changed);
        scene.write("other.json", &changed.to_string());
        refused(scene, "1.json other.json", words);
    };
    other(
        &|it| it["run"]["commit"] = json!("abc"),
        &["another commit", "1.json: none, without git", "other.json: abc"],
    );
    other(&|it| it["component"] = json!("appproxy"), &["another component", "other.json: appproxy"]);
    other(&|it| it["run"]["scripts"] = json!("0"), &["another text of the scripts"]);
    other(&|it| it["run"]["origin"] = json!("the dump x of 3 bytes"), &["another baseline", "the dump x of 3 bytes"]);
    other(&|it| it["server"] = json!("PostgreSQL 9"), &["another server", "PostgreSQL 9"]);
    other(&|it| it["run"]["chosen"] = json!(["d", "c", "b"]), &["another choice of revisions", "3 revisions: d, c, b"]);
    other(&|it| it["run"]["tool"] = json!("0.0.0"), &["other.json is no report", "0.0.0"]);
    other(&|it| it["run"] = json!(null), &["other.json is no report"]);
    other(&|it| it["command"] = json!("db-check"), &["other.json is no report"]);
    other(&|it| it["results"][0]["verdict"] = json!("fine"), &["other.json is no report"]);
    other(&|it| drop(it["results"].as_array_mut().unwrap().pop()), &["leave out revisions", "1 of 4: c"]);
    let twice = |it: &mut Value| it["results"].as_array_mut().unwrap().push(first["results"][0].clone());
    other(&twice, &["The reports overlap", "b: 1.json, other.json"]);
    let failed = json!({"command": "db-roundtrip", "error": {"summary": "Cannot connect to database"}});
    other(&|it| *it = failed.clone(), &["did not come to its end: Cannot connect to database"]);
    scene.write("other.json", "{");
    refused(scene, "1.json other.json", &["It is no JSON"]);
    refused(scene, "nowhere.json", &["nowhere.json is no report", "No such file"]);
    // Of another state than the checkout.
    let script = scene.project.path("migrations/versions/a.py");
    let text = read_to_string(&script).unwrap();
    std::fs::write(&script, format!("{text}\n# edited\n")).unwrap();
    refused(scene, "1.json 2.json", &["another state than this checkout", "git status --short"]);
    std::fs::write(&script, text).unwrap();
    let repo = Repo::at(scene.root());
    let _ = repo.commit("first", &[]);
    refused(scene, "1.json 2.json", &["another commit than this checkout", "Theirs: none, without git"]);
    let _ = scene.run("db-roundtrip 1.json").code(2).complains("one word too many");
    let _ = scene.run("db-roundtrip --merge-reports").code(2).complains("needs the files");
    let _ = scene.run("db-roundtrip --merge-reports --all 1.json").code(2).complains("exclude each other");
}

/// More parts than revisions: a part that had nothing to test is no missing one.
#[test]
fn an_empty_part_is_a_part() {
    let scene = Scene::new().table("a", "").table("b", "a");
    let nothing = part(&scene, "--partition 1/2", 4, "1.json");
    assert_eq!(nothing["error"]["summary"], "There is nothing to test");
    let _ = part(&scene, "--partition 2/2", 0, "2.json");
    let merged = roundtrip(&scene, "--merge-reports 1.json 2.json", 0);
    assert_eq!(told(&merged), ["b reversible"]);
    assert_eq!(merged["run"]["partition"], json!(null));
    // Of nothing, all parts are empty, and so is the whole.
    for id in ["a", "b"] {
        std::fs::remove_file(scene.path(&format!("migrations/versions/{id}.py"))).unwrap();
    }
    let _ = part(&scene, "--partition 1/1", 4, "1.json");
    let _ = scene.run("db-roundtrip --merge-reports 1.json").code(4).complains("There is nothing to test");
}
