//! `--resume`: what an interrupted or killed run has found is taken over, each verdict as long as nothing that it
//! depends on has changed; and only the rest is walked.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::ways::told;
use crate::interrupts::signal;
use crate::support::pasted::own_commands;
use crate::support::pg::cluster;
use crate::support::scene::{Scene, Streams, sql, wait_until};

const SLEEP: &str = "select pg_sleep(600)";

/// `a -> b -> c -> d -> e`. Every downgrade leaves a line in `ran`; that of `d` sleeps. `b` loses its column's rows.
fn scene() -> Scene {
    let scene = Scene::new();
    let scene = table(scene, "a", "");
    let scene = scene.revision("b", "a", &sql("create table b (n int)"), &ran("b"));
    let scene = table(table(scene, "c", "b"), "d", "c");
    table(scene, "e", "d").revision("d", "c", &sql("create table d (n int)"), &sql(SLEEP))
}

fn table(scene: Scene, id: &str, down: &str) -> Scene {
    let body = format!("{}\n{}", ran(id), sql(&format!("drop table {id}")));
    scene.revision(id, down, &sql(&format!("create table {id} (n int)")), &body)
}

fn ran(id: &str) -> String {
    format!("with open('ran', 'a') as ran:\n    print('{id}', file=ran)")
}

/// The downgrades that have run since the last question.
fn ran_since(scene: &Scene) -> String {
    let path = scene.project.path("ran");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs it until `d` sleeps, then ends it.
fn broken_off(scene: &Scene, words: &str, with: Signal) -> crate::support::xtask::Output {
    let mut child = scene.xtask(words).spawn();
    let streams = Streams::of(&mut child);
    asleep(child.id());
    signal(&child, with);
    streams.end(child)
}

/// Waits until a step of this process sleeps.
fn asleep(pid: u32) {
    let mut client = cluster().client("postgres");
    let sql = "select exists (select from pg_stat_activity where query = $1 and state = 'active' and datname like $2)";
    let ours = format!("xtask\\_scratch\\_{pid}\\_%");
    wait_until("d sleeps", || client.query_one(sql, &[&SLEEP, &ours]).unwrap().get(0));
}

fn wake(scene: &Scene) {
    scene.project.write_revision("d", "c", &sql("create table d (n int)"), &sql("drop table d"));
}

fn ledgers(scene: &Scene) -> usize {
    let folder = std::fs::read_dir(scene.project.path(".xtask/roundtrip")).unwrap();
    folder.filter(|file| file.as_ref().unwrap().path().extension().is_some()).count()
}

fn taken_over(report: &Value) -> Vec<&str> {
    let results = report["results"].as_array().unwrap().iter();
    let taken = results.filter(|result| result["taken_over"] == true);
    let ids: Vec<&str> = taken.map(|result| result["revision"].as_str().unwrap()).collect();
    assert_eq!(report["taken_over"], ids.len());
    ids
}

const WHOLE: [&str; 5] = ["e reversible", "d reversible", "c reversible", "b failed re-upgrade", "a reversible"];

#[test]
fn an_interrupted_run_is_gone_on_with() {
    let scene = scene();
    let whole = {
        wake(&scene);
        let report = scene.run("db-roundtrip --server=configured --all --json").code(4).json();
        ran_since(&scene);
        report
    };
    assert_eq!((told(&whole), ledgers(&scene)), (WHOLE.map(str::to_owned).to_vec(), 0));
    scene.project.write_revision("d", "c", &sql("create table d (n int)"), &sql(SLEEP));
    let output = broken_off(&scene, "db-roundtrip --server=configured --all --step-timeout=5m", Signal::INT).code(130);
    let output = output.complains("3 verdicts were found and are kept");
    let again = "db-roundtrip --server=configured --all --step-timeout=5m --resume";
    assert_eq!(own_commands(&output.stderr), [format!("cargo xtask {again}")]);
    assert_eq!((ran_since(&scene).as_str(), ledgers(&scene)), ("a b c", 1));
    wake(&scene);
    let report = scene.run(&format!("{again} --json")).code(4).json();
    assert_eq!(told(&report), WHOLE);
    assert_eq!((taken_over(&report), ran_since(&scene).as_str()), (vec!["c", "b", "a"], "e"));
    // What was taken over is told as it was found.
    for (at, key) in [(3, "error"), (3, "cause"), (2, "notes"), (4, "message")] {
        assert_eq!(report["results"][at][key], whole["results"][at][key], "{key}");
    }
    assert_eq!(ledgers(&scene), 0, "a run that is over leaves nothing to resume");
}

#[test]
fn a_killed_run_is_gone_on_with_and_what_has_changed_is_tested_again() {
    let scene = scene();
    let output = broken_off(&scene, "db-roundtrip --all", Signal::KILL);
    assert_eq!(output.code, -1);
    // The last line may have been cut off.
    let folder = std::fs::read_dir(scene.project.path(".xtask/roundtrip")).unwrap();
    let file = folder.map(|file| file.unwrap().path()).find(|path| path.extension().is_some()).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{{\"key\": \"12")).unwrap();
    wake(&scene);
    // `c` changes, and with it what stands on it.
    let scene = scene.revision("c", "b", &sql("create table c (n int)"), "pass");
    ran_since(&scene);
    let output = scene.run("db-roundtrip --all --resume").code(4);
    let output = output.complains("2 verdicts are taken over, 3 revisions are left to test");
    let output = output.says("b (revision b): failed in the re-upgrade  (found before the interruption)");
    let _ = output.says("2 of these verdicts were found before the interruption.").says("c (revision c): failed in");
    assert_eq!(ran_since(&scene), "e");
}

#[test]
fn what_the_scripts_import_counts_and_a_text_beside_them_does_not() {
    let scene = scene();
    scene.project.write("app/names.py", "");
    let _ = broken_off(&scene, "db-roundtrip --all", Signal::INT).code(130);
    scene.project.write("README.md", "changed");
    let again = broken_off(&scene, "db-roundtrip --all --resume", Signal::INT).code(130);
    let _ = again.complains("3 verdicts are taken over");
    scene.project.write("app/names.py", "TABLE = 'b'\n");
    let output = scene.run("db-roundtrip --all --resume --step-timeout=1s").code(4);
    let _ = output.complains("0 verdicts are taken over, 5 revisions are left to test");
}

#[test]
fn on_a_clone_every_script_counts() {
    // On its way down, a clone's state below `d` is the work of the downgrades of `e` and `d`.
    let scene = Scene::new();
    let scene = table(table(table(scene, "a", ""), "d", "a"), "e", "d").at("head");
    let scene = scene.sql("insert into a values (1)");
    // On the clone alone: the database that it is compared with has no rows.
    let sleeps = format!(
        "if op.get_bind().exec_driver_sql('select count(*) from a').scalar():\n    {}\nop.execute('drop table a')",
        sql(SLEEP)
    );
    let scene = scene.revision("a", "", &sql("create table a (n int)"), &sleeps);
    let _ = broken_off(&scene, "db-roundtrip --all", Signal::TERM).code(130);
    let again = broken_off(&scene, "db-roundtrip --all --resume", Signal::TERM).code(130);
    let _ = again.complains("2 verdicts are taken over");
    assert_eq!(ran_since(&scene), "e e d d e d", "tested by the first run, only taken down by the second");
    let scene = table(scene, "a", "").sql("delete from a");
    let report = scene.run("db-roundtrip --all --resume --json").code(0).json();
    assert_eq!((taken_over(&report), told(&report).len()), (vec![], 3));
}

#[test]
fn there_must_be_something_to_go_on_with() {
    let scene = scene();
    let refused = scene.run("db-roundtrip --all --resume --json").code(3);
    let refused = refused.complains("There is no interrupted round trip to go on with");
    let actions = &refused.json()["error"]["actions"];
    assert_eq!(*actions, json!(["Begin it: cargo xtask db-roundtrip --all"]));
    let _ = broken_off(&scene, "db-roundtrip --steps=4", Signal::INT).code(130);
    let refused = scene.run("db-roundtrip --all --resume --json").code(3);
    let actions = &refused.json()["error"]["actions"][0];
    assert_eq!(*actions, json!("Go on with another one: cargo xtask db-roundtrip --steps=4 --resume"));
    for other in ["--keep", "--json"] {
        wake(&scene);
        let words = format!("db-roundtrip --steps=4 --resume {other}");
        let code = if other == "--keep" { 4 } else { 3 };
        let _ = scene.run(&words).code(code);
    }
    assert_eq!(scene.run("db-roundtrip --all --resume --in-place").code, 2);
}

#[test]
fn one_run_at_a_time_writes() {
    let scene = scene();
    let mut child = scene.xtask("db-roundtrip --all").spawn();
    let streams = Streams::of(&mut child);
    asleep(child.id());
    let _ = scene.run("db-roundtrip --all --resume").code(3).complains("under way in another process");
    // Another one of the same kind runs all the same, and does not spoil what the first has written.
    let _ = scene.run("db-roundtrip --all --step-timeout=1s").code(4);
    signal(&child, Signal::INT);
    let _ = streams.end(child).code(130).complains("3 verdicts were found and are kept");
}
