//! `db-roundtrip` through the binary: what it finds, what it leaves alone, on which database it works, and its JSON.

use serde_json::{Value, json};

use crate::support::pg::cluster;
use crate::support::scene::{Scene, no_password_in, sql};
use crate::support::xtask::Output;

/// Runs it with `--json`; the object.
#[track_caller]
fn trip(scene: &Scene, words: &str, exit: i32) -> Value {
    let json = scene.run(&format!("db-roundtrip {words} --json")).code(exit).json();
    let outcome = if exit == 0 { "ok" } else { "findings" };
    assert_eq!((&json["outcome"], &json["version"]), (&outcome.into(), &1.into()), "{json}");
    json
}

/// `revision verdict step` of each result, newest first.
fn verdicts(json: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().map(|word| format!(" {word}")).unwrap_or_default();
    let line = |result: &Value| {
        format!("{}{}{}", result["revision"].as_str().unwrap(), word(&result["verdict"]), word(&result["step"]))
    };
    json["results"].as_array().unwrap().iter().map(line).collect()
}

/// `a1`, then a `b2` with these bodies.
fn pair(upgrade: &str, downgrade: &str) -> Scene {
    Scene::new().table("a1", "").revision("b2", "a1", upgrade, downgrade)
}

/// What `b2` does on its round trip from an empty database.
#[track_caller]
fn found(upgrade: &str, downgrade: &str, verdict: &str) -> Value {
    let json = trip(&pair(upgrade, downgrade), "", 4);
    assert_eq!(verdicts(&json), [format!("b2 {verdict}")], "{json}");
    assert_eq!((&json["tested"], &json["failed"]), (&json!(1), &json!(1)), "{json}");
    json["results"][0].clone()
}

#[test]
fn a_revision_that_goes_down_and_up_again() {
    let json = trip(&Scene::three(), "", 0);
    assert_eq!(verdicts(&json), ["c3 reversible"]);
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "version",
            "command",
            "outcome",
            "component",
            "revisions",
            "baseline",
            "cache",
            "server",
            "notes",
            "results",
            "tested",
            "failed",
            "unproven",
            "taken_over",
            "kept",
            "run"
        ]
    );
    assert_eq!((&json["tested"], &json["failed"], &json["kept"]), (&json!(1), &json!(0), &Value::Null));
    let mut result = json["results"][0].clone();
    let seconds = result.as_object_mut().unwrap().remove("seconds").unwrap();
    assert!(seconds["down"].is_f64() && seconds["up"].is_f64(), "{seconds}");
    let expected = json!({
        "revision": "c3", "message": "revision c3", "path": "migrations/versions/c3.py", "verdict": "reversible",
        "proof": "climbed", "step": null, "schema_changes": [], "data_changes": [], "error": null, "reason": null,
        "to_prove": null, "cause": null, "notes": [], "without_rows": true, "taken_over": false,
    });
    assert_eq!(result, expected);
}

#[test]
fn the_report() {
    let scene = pair(&sql("create type mood as enum ('glad'); create table b2 (m mood)"), &sql("drop table b2"));
    let output = scene.run("db-roundtrip").code(4);
    let seconds = |line: &&str| !line.starts_with("Server: ");
    let text: Vec<&str> = output.stdout.lines().filter(seconds).collect();
    expect_test::expect![[r#"
        Round trip: down, up again, compared with what was there before

        Component: manager
        Revisions: the newest revision
        Baseline: empty, upgraded

        ❌ b2 (revision b2): failed in the re-upgrade
             migrations/versions/b2.py
             The migration creates an object that is there already (duplicate-object)
               Revision b2, upgrade()
               migrations/versions/b2.py:7
               PostgreSQL: type "mood" already exists
               Statement: create type mood as enum ('glad'); create table b2 (m mood)
             cause: type mood is left behind: dropping its table or column does not drop it; add sa.Enum(name='mood').drop(op.get_bind()) or op.execute('DROP TYPE mood')

        Tested 1 revision: 1 failed.
    "#]]
    .assert_eq(&(text.join("\n") + "\n"));
}

#[test]
fn an_enum_that_outlives_its_table() {
    let down = sql("drop table b2");
    let result = found(&sql("create type mood as enum ('glad'); create table b2 (m mood)"), &down, "failed re-upgrade");
    assert_eq!(result["error"]["kind"], "duplicate-object", "{result}");
    // The same with an upgrade that tolerates it: then only the comparison sees it.
    let up = "if not op.get_bind().exec_driver_sql(\"select to_regtype('mood')\").scalar():\n    op.execute(\"create type mood as enum ('glad')\")\n";
    let result = found(&format!("{up}{}", sql("create table b2 (m mood)")), &down, "schema-differs downgrade");
    assert_eq!(result["schema_changes"].as_array().unwrap().len(), 1, "{result}");
    let change = &result["schema_changes"][0];
    assert!(change["object"].as_str().unwrap().contains("mood"), "{change}");
    assert_eq!((&change["change"], &change["before"]), (&json!("added"), &Value::Null), "{change}");
}

#[test]
fn a_drop_that_is_missing() {
    let up = sql("create table if not exists b2 (n int)");
    let result = found(&up, "pass", "schema-differs downgrade");
    assert!(result["schema_changes"][0]["object"].as_str().unwrap().contains("b2"), "{result}");
}

#[test]
fn a_default_that_comes_back_different() {
    let scene = Scene::new().revision("a1", "", &sql("create table a1 (n int default 1)"), &sql("drop table a1"));
    let scene = scene.revision(
        "b2",
        "a1",
        &sql("alter table a1 alter n set default 2"),
        &sql("alter table a1 alter n set default 7"),
    );
    let json = trip(&scene, "", 4);
    assert_eq!(verdicts(&json), ["b2 schema-differs downgrade"]);
    let change = &json["results"][0]["schema_changes"][0];
    assert_eq!(change["change"], "changed", "{change}");
    assert!(change["before"].to_string().contains('1') && change["after"].to_string().contains('7'), "{change}");
}

#[test]
fn rows_that_are_lost() {
    let scene = pair(&sql("alter table a1 add note text"), &sql("alter table a1 drop note"));
    let scene = scene.at("head").sql("insert into a1 values (1, 'kept?'), (2, null)");
    let json = trip(&scene, "", 4);
    assert_eq!(verdicts(&json), ["b2 data-lost re-upgrade"]);
    let lost = json!([{"column": "note", "before_values": 1, "after_values": 0}]);
    let change = &json["results"][0]["data_changes"][0];
    assert_eq!((&change["columns_lost"], &change["before_rows"], &change["after_rows"]), (&lost, &json!(2), &json!(2)));
    assert_eq!(scene.client().query_one("select note from a1 where n = 1", &[]).unwrap().get::<_, String>(0), "kept?");
}

#[test]
fn a_downgrade_that_fails() {
    let result = found(&sql("create table b2 (n int)"), &sql("drop table b3"), "failed downgrade");
    let error = &result["error"];
    assert_eq!((&error["kind"], &error["sqlstate"]), (&json!("undefined-object"), &json!("42P01")), "{result}");
    assert_eq!((&error["file"], &error["line"]), (&json!("migrations/versions/b2.py"), &json!(9)), "{result}");
}

#[test]
fn an_upgrade_that_fails() {
    let scene = pair(&sql("create table a1 (n int)"), "pass").table("c3", "b2");
    let json = trip(&scene, "--all", 4);
    assert_eq!(verdicts(&json), ["c3 skipped", "b2 failed upgrade", "a1 reversible"]);
    assert!(json["results"][0]["reason"].as_str().unwrap().contains("b2"), "{json}");
    assert_eq!((&json["tested"], &json["failed"]), (&json!(2), &json!(1)));
}

#[test]
fn what_follows_a_broken_revision_is_tested_all_the_same() {
    let scene =
        Scene::new().table("a1", "").revision("b2", "a1", &sql("create table b2 (n int)"), &sql("drop table b3"));
    let json = trip(&scene.table("c3", "b2"), "--all", 4);
    assert_eq!(verdicts(&json), ["c3 reversible", "b2 failed downgrade", "a1 reversible"]);
}

#[test]
fn a_revision_that_says_it_cannot_go_back() {
    let scene = pair(&sql("create table b2 (n int)"), "raise NotImplementedError('one way')");
    let json = trip(&scene, "--all", 0);
    assert_eq!(verdicts(&json), ["b2 irreversible", "a1 reversible"]);
}

#[test]
fn merges_and_several_heads() {
    let scene = Scene::new().table("a1", "").table("b2", "a1").table("c3", "a1");
    let mut both = verdicts(&trip(&scene, "", 0));
    both.sort();
    assert_eq!(both, ["b2 reversible", "c3 reversible"], "both heads");
    let scene = scene.table("d4", "b2,c3").table("e5", "d4");
    let all = verdicts(&trip(&scene, "--all", 0));
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(all.iter().all(|line| line.ends_with(" reversible")), "{all:?}");
    // The same on a clone, where what is above has to be taken down first.
    assert_eq!(verdicts(&trip(&scene.at("head"), "--all", 0)), all);
}

#[test]
fn which_revisions() {
    let scene = Scene::three().table("d4", "c3");
    let ids = |words: &str| {
        let lines = verdicts(&trip(&scene, words, 0));
        lines.iter().map(|line| line[..2].to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(""), "d4");
    assert_eq!(ids("--steps 2"), "d4 c3");
    assert_eq!(ids("--steps=99"), "d4 c3 b2 a1");
    assert_eq!(ids("--from b2"), "d4 c3 b2");
    assert_eq!(ids("--all"), "d4 c3 b2 a1");
}

#[test]
fn nothing_to_test() {
    let output = Scene::new().run("db-roundtrip --json").code(4).complains("There is nothing to test");
    let json = output.json();
    assert_eq!((&json["outcome"], &json["results"]), (&json!("findings"), &json!([])), "{json}");
    assert_eq!((&json["tested"], &json["failed"]), (&json!(0), &json!(0)), "{json}");
}

#[test]
fn the_baseline_is_named() {
    let scene = Scene::three();
    assert_eq!(trip(&scene, "", 0)["baseline"], "empty, upgraded");
    let manifest =
        "[workspace]\n[workspace.metadata.db.components.manager]\nbaseline = [\"sh\", \"make.sh\", \"{config}\"]\n";
    scene.project.write("Cargo.toml", manifest);
    scene.project.write("make.sh", "exec \"$XTASK_PYTHON\" -m alembic -c \"$1\" upgrade b2\n");
    let json = trip(&scene, "--all", 0);
    assert_eq!(json["baseline"], "made by `sh make.sh {config}`");
    assert_eq!(json["tested"], 3);
    no_password_in(scene.root());
    // A database of one's own is better than any that is made.
    let scene = scene.at("b2");
    let json = trip(&scene, "", 0);
    let words = json["baseline"].as_str().unwrap();
    assert!(words.starts_with(&format!("clone of {} on ", scene.database)) && words.ends_with(" at b2"), "{words}");
}

#[test]
fn a_baseline_command_that_fails() {
    let scene = Scene::three();
    let manifest = "[workspace]\n[workspace.metadata.db.components.manager]\nbaseline = [\"sh\", \"-c\", \"echo no such schema >&2; exit 3\"]\n";
    scene.project.write("Cargo.toml", manifest);
    let failure =
        scene.fails("db-roundtrip", xtask::fail::Kind::ConfigInvalid, 1, &["no such schema", "exit status: 3"]);
    assert!(scene.scratch_of(failure.pid).is_empty());
}

/// Everything that is in a database, as pg_dump writes it.
fn dump(database: &str) -> String {
    #[expect(clippy::disallowed_methods)]
    let mut pg_dump = std::process::Command::new(Scene::tool("pg_dump"));
    let done = pg_dump.arg("-h").arg(&cluster().socket_dir).args(["-U", "postgres", database]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // A dump of a fixed version of pg_dump may have a key that is another one each time.
    let text = String::from_utf8(done.stdout).unwrap();
    text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn ones_own_database_is_never_touched() {
    let lossy = sql("delete from a1; create table b2 (n serial)");
    let scene = pair(&lossy, &sql("drop table b2; drop table a1")).at("a1").sql("insert into a1 values (1), (2), (3)");
    let before = dump(&scene.database);
    assert!(before.contains("COPY public.a1"), "{before}");
    let _ = scene.run("db-roundtrip --all").code(4);
    assert_eq!(dump(&scene.database), before);
    assert_eq!(scene.sessions(), 0);
}

#[test]
fn a_scratch_database_that_is_kept() {
    let scene = Scene::three();
    let json = trip(&scene, "--keep", 0);
    let kept = &json["kept"];
    let database = kept["database"].as_str().unwrap().to_owned();
    let copy = Scene { database: database.clone(), ..Scene::new() };
    assert_eq!((copy.tables().as_str(), copy.versions()), ("a1 b2 c3", vec!["c3".to_owned()]), "at the head");
    let shell = |line: &str, input: &str| -> Output {
        #[expect(clippy::disallowed_methods)]
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("echo '{input}' | {line}")]).env("PATH", cluster().path());
        let done = shell.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Output { code: done.status.code().unwrap(), stdout: text(done.stdout), stderr: text(done.stderr) }
    };
    let _ = shell(kept["psql"].as_str().unwrap(), "select count(*) from c3").code(0);
    // The next run leaves it alone.
    let _ = scene.run("db-roundtrip").code(0);
    assert_eq!(copy.tables(), "a1 b2 c3");
    let _ = shell(kept["drop"].as_str().unwrap(), "").code(0);
    let left = "select count(*) from pg_database where datname = $1";
    assert_eq!(scene.client().query_one(left, &[&database]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn what_is_kept_is_said_in_the_text_too() {
    let output = Scene::three().run("db-roundtrip --keep").code(0).says(" was kept: PGHOST=");
    let drop = output.stdout.lines().find_map(|line| line.strip_prefix("Drop it when you are done: ")).unwrap();
    #[expect(clippy::disallowed_methods)]
    let done = std::process::Command::new("sh").args(["-c", drop]).env("PATH", cluster().path()).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_step_that_hangs_is_a_finding_and_the_rest_is_tested() {
    let scene = pair(&sql("create table b2 (n int)"), &sql("select pg_sleep(600)"));
    let json = trip(&scene, "--all --step-timeout=1s", 4);
    assert_eq!(verdicts(&json), ["b2 failed downgrade", "a1 reversible"]);
    assert_eq!(json["results"][0]["error"]["kind"], "step-timeout");
}

#[test]
fn an_env_py_that_goes_elsewhere_is_stopped() {
    let scene = Scene::three().at("head");
    let env = std::fs::read_to_string(scene.project.path("migrations/env.py")).unwrap();
    let other = cluster().database();
    // The component's own would be led to the throwaway one.
    let line = format!(
        "config = context.config\nif context.get_x_argument():\n    config.set_main_option('sqlalchemy.url', '{}')\n",
        cluster().url("psycopg", &other)
    );
    let scene = scene.env(&env.replace("config = context.config\n", &line));
    let command = format!("db-roundtrip -x elsewhere=1 --url={}", cluster().url("psycopg", &scene.database));
    let failure = scene.fails(&command, xtask::fail::Kind::WrongDatabase, 1, &[&other, "nothing was done there"]);
    assert!(scene.scratch_of(failure.pid).is_empty());
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["c3".to_owned()], "a1 b2 c3"));
}
