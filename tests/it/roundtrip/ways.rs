//! The ways a walk can go: on a clone, past a revision that bars the way, through merges, over parts of the history, with
//! the project's own rows; and the files it writes.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::pg::{SUPERUSER, cluster};
use crate::support::python::read_as_junit;
use crate::support::scene::Scene;

const TABLE: &str = "op.execute('create table t (id int)')";
const DROP: &str = "op.execute('drop table t')";

pub fn roundtrip(scene: &Scene, flags: &str, code: i32) -> Value {
    scene.run(&format!("db-roundtrip --json -q {flags}")).code(code).json()
}

/// The results as `id verdict step`, in the order of the report.
pub fn told(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |result: &Value| {
        let words = [text(&result["revision"]), text(&result["verdict"]), text(&result["step"])];
        words.join(" ").trim_end().to_owned()
    };
    report["results"].as_array().unwrap().iter().map(line).collect()
}

pub fn result<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["results"].as_array().unwrap().iter().find(|result| result["revision"] == id).unwrap()
}

pub fn notes(report: &Value, id: &str) -> String {
    result(report, id)["notes"].to_string()
}

#[test]
fn a_clone_brings_its_rows() {
    let scene = Scene::new()
        .revision("a", "", TABLE, DROP)
        .revision("b", "a", "op.execute('alter table t add n text')", "op.execute('alter table t drop n')")
        .revision("c", "b", "op.execute('create index i on t (id)')", "op.execute('drop index i')");
    let _ = scene.run("db-migrate -q").code(0);
    scene.client().batch_execute("insert into t values (1, 'x'), (2, null)").unwrap();
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["c reversible", "b data-lost re-upgrade", "a data-lost re-upgrade"]);
    let lost = &result(&report, "b")["data_changes"][0];
    assert_eq!((&lost["table"], &lost["columns_lost"][0]["column"]), (&"public.t".into(), &"n".into()), "{lost}");
    assert_eq!(lost["columns_lost"][0]["before_values"], 1);
    let rows = scene.client().query("select * from t", &[]).unwrap();
    assert_eq!(rows.len(), 2, "the own database is not touched");
}

#[test]
fn below_a_revision_that_bars_the_way_the_walk_goes_on_from_empty() {
    let scene = Scene::new()
        .revision("a", "", TABLE, DROP)
        .revision("b", "a", "op.execute('alter table t add n text')", "op.execute('alter table t drop m')")
        .revision("c", "b", "op.execute('create index i on t (id)')", "op.execute('drop index i')");
    let _ = scene.run("db-migrate -q").code(0);
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["c reversible", "b failed downgrade", "a reversible"]);
    assert_eq!(result(&report, "a")["proof"], "from-empty");
    assert!(report["notes"].to_string().contains("b cannot be taken down"), "{report:#}");
}

#[test]
fn what_cannot_be_shown_in_any_way_is_told_with_the_reason() {
    let scene = Scene::new()
        .revision("a", "", "raise ValueError('only once upon a time')", "pass")
        .revision("b", "a", "op.execute('create table u ()')", "op.execute('drop table u')")
        .revision("c", "b", "pass", "raise NotImplementedError('no way back')");
    let sql = "create table alembic_version (version_num varchar(32) primary key); \
               insert into alembic_version values ('c'); create table u ()";
    scene.client().batch_execute(sql).unwrap();
    let report = roundtrip(&scene, "--steps 2", 0);
    // `c` is stamped away, and what is below it is tried on the clone.
    assert_eq!(told(&report), ["c irreversible", "b unproven"]);
    assert_eq!(result(&report, "c")["reason"], "NotImplementedError: no way back");
    assert!(report["notes"].to_string().contains("c declares that it cannot be undone"), "{report:#}");
    let reason = result(&report, "b")["reason"].as_str().unwrap();
    assert!(reason.contains("a, below it, does not go up"), "{reason}");
    // Where it does not go down there either, nothing was tested.
    let scene = scene.revision("b", "a", "op.execute('create table u ()')", "op.execute('drop table v')");
    let report = roundtrip(&scene, "--steps 2", 0);
    assert_eq!(told(&report), ["c irreversible", "b skipped"]);
    let reason = result(&report, "b")["reason"].as_str().unwrap();
    assert!(
        reason.contains("c declares that it cannot be undone") && reason.contains("a, below it, does not go up"),
        "{reason}"
    );
}

#[test]
fn what_the_clone_lacks_is_tested_on_the_way_up() {
    let scene = Scene::new().revision("a", "", TABLE, DROP).revision("b", "a", "pass", "pass");
    let _ = scene.run("db-migrate -q").code(0);
    let scene = scene.revision("c", "b", "op.execute('create index if not exists i on t (id)')", "pass").revision(
        "d",
        "c",
        "op.execute('alter table t add n int')",
        "op.execute('alter table t drop n')",
    );
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["d reversible", "c schema-differs downgrade", "b reversible", "a reversible"]);
}

#[test]
fn merges_and_several_bases() {
    let scene = Scene::new();
    let table =
        |name: &str| (format!("op.execute('create table {name} ()')"), format!("op.execute('drop table {name}')"));
    let mut scene = scene;
    let graph = [("r", ""), ("s", ""), ("a", "r"), ("b", "r"), ("m", "a,b"), ("n", "m,s"), ("z", "r")];
    for (id, parents) in graph {
        let (up, down) = table(&format!("t_{id}"));
        scene = scene.revision(id, parents, &up, &down);
    }
    let fresh = roundtrip(&scene, "--all", 0);
    assert_eq!(told(&fresh).len(), 7);
    // The same from above, on a clone at both heads.
    let _ = scene.run("db-migrate -q --target=heads").code(0);
    let clone = roundtrip(&scene, "--all", 0);
    assert!(clone["baseline"].as_str().unwrap().starts_with("clone of"), "{clone}");
    assert_eq!(told(&clone), told(&fresh));
}

#[test]
fn parts_are_disjoint_and_complete() {
    let mut scene = Scene::new();
    for at in 0..5 {
        let parent = if at == 0 { String::new() } else { format!("p{}", at - 1) };
        let (up, down) = (format!("op.execute('create table t{at} ()')"), format!("op.execute('drop table t{at}')"));
        scene = scene.revision(&format!("p{at}"), &parent, &up, &down);
    }
    let parts: Vec<String> =
        (1..=3).flat_map(|k| told(&roundtrip(&scene, &format!("--all --partition {k}/3"), 0))).collect();
    let once: HashSet<&String> = parts.iter().collect();
    assert_eq!((parts.len(), once.len()), (5, 5), "{parts:?}");
    // By the times of an earlier run: one that took as long as all others together is a part of its own.
    let slow = |id: &str| json!({"revision": id, "seconds": {"down": if id == "p0" { 9.0 } else { 0.5 }, "up": 1.0}});
    let times: Vec<_> = ["p0", "p1", "p2", "p3"].map(slow).to_vec();
    scene.write("times.json", &json!({"results": times}).to_string());
    let part = |words: &str| scene.run(&format!("db-roundtrip --all --partition 1/2 {words} --json")).code(0).json();
    let first = part("--timings times.json");
    assert_eq!((told(&first).len(), first["results"][0]["revision"].as_str()), (1, Some("p0")), "{first}");
    // None yet: by number, as without.
    assert_eq!(told(&part("--timings none.json")).len(), 2);
    scene.write("times.json", "[]");
    let _ =
        scene.run("db-roundtrip --partition 1/2 --timings times.json").code(2).complains("no times of a round trip");
    let _ = scene.run("db-roundtrip --partition 4/3").code(2).complains("K/N");
}

#[test]
fn a_revision_that_needs_the_transaction_of_the_one_before() {
    let scene = Scene::new()
        .revision("a", "", TABLE, DROP)
        .revision("b", "a", "op.execute('create temp table x on commit drop as select 1 as id')", "pass")
        .revision("c", "b", "op.execute('insert into t select id from x')", "op.execute('delete from t')");
    let report = roundtrip(&scene, "--all", 0);
    assert_eq!(told(&report), ["c reversible", "b reversible", "a reversible"]);
    assert!(notes(&report, "c").contains("passes in the project's own transaction mode"), "{}", notes(&report, "c"));
}

/// Each passes in a transaction of its own, and db-migrate applies both in one.
#[test]
fn what_is_pending_is_tried_together_too() {
    let scene = Scene::new();
    let up = "op.execute(\"create type st as enum ('a'); create table t (s st)\")";
    let scene = scene
        .revision("a", "", up, "op.execute('drop table t; drop type st')")
        .revision("b", "a", "op.execute(\"alter type st add value if not exists 'b'\")", "pass")
        .revision("c", "b", "op.execute(\"insert into t values ('b')\")", "op.execute('delete from t')");
    let _ = scene.run("db-migrate -q --target=a").code(0);
    let report = roundtrip(&scene, "--steps 2", 4);
    assert_eq!(told(&report), ["c failed upgrade", "b schema-differs downgrade"], "{report:#}");
    let c = result(&report, "c");
    assert_eq!(c["error"]["sqlstate"], "55P04", "{c:#}");
    assert!(c["error"]["details"].as_str().unwrap().contains("all that is pending together"), "{c:#}");
    assert!(c["error"]["actions"].to_string().contains("cargo xtask db-migrate --target=b"), "{c:#}");
    // Where the project commits after each revision, there is nothing to find.
    let env = std::fs::read_to_string(scene.path("migrations/env.py")).unwrap();
    scene.write(
        "migrations/env.py",
        &env.replace("context.configure(", "context.configure(transaction_per_migration=True, "),
    );
    assert_eq!(told(&roundtrip(&scene, "--steps 2", 4))[0], "c reversible");
}

/// A role belongs to every database of the server, whichever one the script runs in.
#[test]
fn what_reaches_beyond_the_throwaway_database_is_a_finding() {
    let scene = Scene::new();
    let role = format!("role_of_{}", scene.database);
    let mut admin = cluster().client("postgres");
    admin.batch_execute(&format!("create role {role}")).unwrap();
    let up = "op.execute('create table u ()')";
    let scene = scene.revision("a", "", TABLE, DROP).revision(
        "b",
        "a",
        up,
        &format!("op.execute('drop table u')\nop.execute('alter role {role} createdb')"),
    );
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["b schema-differs downgrade", "a reversible"], "{report:#}");
    let change = &result(&report, "b")["schema_changes"][0];
    assert_eq!(change["object"], format!("role {role}"), "{change:#}");
    assert!(change["cause"].as_str().unwrap().contains("--server=embedded"), "{change:#}");
    // Somebody else's doing at the same time is no fault of a script that does not name it.
    let role = role.trim_start_matches("role_of_").to_owned();
    let by_another =
        format!("op.execute('drop table u')\nop.execute('alter role role_of_' + '{role}' + ' nocreatedb')");
    let scene = scene.revision("b", "a", up, &by_another);
    let report = roundtrip(&scene, "", 0);
    assert!(notes(&report, "b").contains("has changed meanwhile"), "{report:#}");
    admin.batch_execute(&format!("drop role role_of_{role}")).unwrap();
}

#[test]
fn an_upgrade_that_does_nothing_is_noted() {
    let scene =
        Scene::new().revision("a", "", TABLE, DROP).revision("b", "a", "op.execute('update t set id = 1')", "pass");
    let report = roundtrip(&scene, "--all", 0);
    assert!(notes(&report, "b").contains("the upgrade changed nothing here"), "{report:#}");
    assert_eq!(notes(&report, "a"), "[]");
}

#[test]
fn a_second_opinion() {
    let scene = Scene::new()
        .revision("a", "", TABLE, DROP)
        .revision("b", "a", "op.execute('alter table t add n text')", "op.execute('alter table t drop n')")
        .revision("c", "b", "op.execute('create index i on t (n)')", "pass  # left behind");
    let report = roundtrip(&scene, "--all --second-opinion --step-timeout=60s", 4);
    assert_eq!(told(&report), ["c failed re-upgrade", "b reversible", "a reversible"], "{report:#}");
    for id in ["a", "b"] {
        assert_eq!(result(&report, id)["second_opinion"], serde_json::json!([]), "{report:#}");
    }
}

/// What only the tables' owner may not see cannot be compared: said, and no defect of this tool.
#[test]
fn rows_that_a_policy_hides() {
    let scene = Scene::new();
    let role = format!("owner_of_{}", scene.database);
    let sql = format!("create role {role} login createdb; alter database {} owner to {role}", scene.database);
    cluster().client("postgres").batch_execute(&sql).unwrap();
    let url = cluster().url("psycopg2", &scene.database).replacen(&format!("{SUPERUSER}@"), &format!("{role}@"), 1);
    let scene = scene.url(&url).sql(&format!("grant all on schema public to {role}"));
    let hide = "op.execute('create table t (id int); insert into t values (1); alter table t enable row level security; \
                alter table t force row level security; create policy p on t using (false)')";
    let scene = scene.revision("a", "", hide, DROP).revision(
        "b",
        "a",
        "op.execute('create table u ()')",
        "op.execute('drop table u')",
    );
    let _ = scene.run("db-migrate -q --target=a").code(0);
    let refused = scene.run("db-roundtrip --json").code(3);
    let error = refused.json()["error"].clone();
    assert_eq!((&error["kind"], &error["sqlstate"]), (&"permission-denied".into(), &"42501".into()), "{error:#}");
    assert!(error["actions"].to_string().contains(&format!("ALTER ROLE \\\"{role}\\\" BYPASSRLS")), "{error:#}");
    // What cannot be counted is not counted by what is in sight.
    let dry = scene.run("db-migrate --direction=downgrade --target=base --dry-run").code(0);
    assert!(dry.stdout.contains("drops table t (line 9): a policy hides how many"), "{dry}");
}

/// As in Backend.AI's halfstack: a role that may not create databases and does not own its own. `admin_url` makes them for
/// it, with the rights that it has; without one the embedded server takes a dump.
#[test]
fn a_role_that_may_not_create_databases() {
    let scene = Scene::new();
    let role = format!("worker_of_{}", scene.database);
    let sql = format!("create role {role} login; grant connect on database {} to {role}", scene.database);
    cluster().client("postgres").batch_execute(&sql).unwrap();
    let admin = cluster().url("psycopg2", "postgres");
    let url = cluster().url("psycopg2", &scene.database).replacen(&format!("{SUPERUSER}@"), &format!("{role}@"), 1);
    let scene = scene.url(&url).sql(&format!("grant all on schema public to {role}"));
    let forbidden = format!("create schema of_{role}");
    let scene = scene
        .revision("a", "", "op.execute('create table t (id int); insert into t values (1)')", DROP)
        .revision("b", "a", "op.execute('create table u ()')", "op.execute('drop table u')")
        .revision("c", "b", &format!("op.execute('{forbidden}')"), "pass");
    let _ = scene.run("db-migrate -q --target=b").code(0);

    let by_admin = scene.xtask("db-roundtrip --json").env("XTASK_ADMIN_URL", &admin).run().code(4).json();
    assert_eq!(result(&by_admin, "c")["error"]["kind"], "permission-denied", "as in its own: {by_admin:#}");
    std::fs::remove_file(scene.root().join("migrations/versions/c.py")).unwrap();
    let busy = scene.client();
    let by_admin = scene.xtask("db-roundtrip --json").env("XTASK_ADMIN_URL", &admin).run().code(0).json();
    assert!(by_admin["baseline"].as_str().unwrap().contains("clone of"), "{by_admin:#}");
    drop(busy);
    let left = "select count(*) from pg_database where datname like 'xtask_scratch_%' and datdba = $1::text::regrole";
    let count: i64 = cluster().client("postgres").query_one(left, &[&role]).unwrap().get(0);
    assert_eq!(count, 0, "scratch databases of {role}");

    let elsewhere = scene.run("db-roundtrip --json").code(0);
    assert!(elsewhere.stderr.contains(&format!("{role} may not create databases")), "{}", elsewhere.stderr);
    let report = elsewhere.json();
    assert!(report["baseline"].as_str().unwrap().starts_with("a dump of "), "{report:#}");
    assert_eq!(result(&report, "b")["verdict"], "reversible", "{report:#}");
}

#[test]
fn the_projects_own_rows() {
    let scene = Scene::new();
    let seed = "[workspace]\n[workspace.metadata.db.components.manager]\nconfig = \"alembic.ini\"\n\
                seed = { a = \"seed.sql\" }\n";
    let scene = scene
        .revision("a", "", TABLE, DROP)
        .revision("b", "a", "op.execute('delete from t')", "pass")
        .file("Cargo.toml", seed);
    scene.write("seed.sql", "insert into t values (1), (2);");
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["b data-lost downgrade", "a reversible"]);
    assert_eq!(result(&report, "b")["data_changes"][0]["before_rows"], 2);
    assert_eq!(
        (&result(&report, "a")["without_rows"], &result(&report, "b")["without_rows"]),
        (&true.into(), &false.into())
    );
}

#[test]
fn what_a_branch_adds() {
    let scene = Scene::new().revision("a", "", TABLE, DROP).revision("b", "a", "pass", "pass").on_topic();
    let scene = scene.revision("c", "b", "pass", "pass");
    scene.commit("topic");
    // Not even added to the index, and yet the branch's.
    let scene = scene.revision("d", "c", "pass", "pass");
    for flags in ["", "--since main"] {
        assert_eq!(told(&roundtrip(&scene, flags, 0)), ["d reversible", "c reversible"], "{flags}");
    }
    let nothing = scene.run("db-roundtrip --since HEAD --json -q --all").code(2);
    assert!(nothing.stderr.contains("exclude each other"), "{nothing}");
    std::fs::remove_file(scene.path("migrations/versions/d.py")).unwrap();
    let nothing = scene.run("db-roundtrip --since topic").code(4);
    assert!(nothing.stderr.contains("There is nothing to test"), "{nothing}");
}

#[test]
fn files_for_others() {
    let scene =
        Scene::new().revision("a", "", TABLE, DROP).revision("b", "a", TABLE.replace("t (", "u (").as_str(), "pass");
    let b = scene.path("migrations/versions/b.py");
    let hostile = "]]> <script>&amp; \u{1b}[2J\u{202e}";
    std::fs::write(&b, std::fs::read_to_string(&b).unwrap().replacen("revision b", hostile, 1)).unwrap();
    let _ = scene.run("db-roundtrip --all -q --junit out.xml --html out.html").code(4);
    let told = read_as_junit(&scene.path("out.xml"));
    let name = r"b ]]> <script>&amp; \u{1b}[2J\u{202e}".to_owned();
    assert_eq!(told, [(name, "Failure".to_owned()), ("a revision a".to_owned(), String::new())]);
    let (xml, html) = (scene.path("out.xml"), scene.path("out.html"));
    let (xml, html) = (std::fs::read_to_string(xml).unwrap(), std::fs::read_to_string(html).unwrap());
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    assert!(html.contains("failed in the re-upgrade") && html.contains("u is there already"), "{html}");
}

#[test]
fn in_place_asks_backs_up_and_comes_back_to_the_head() {
    let scene = Scene::new().revision("a", "", TABLE, DROP).revision(
        "b",
        "a",
        "op.execute('create index i on t (id)')",
        "op.execute('drop index i')",
    );
    let _ = scene.run("db-migrate -q").code(0);
    let refused = scene.run("db-roundtrip --in-place").code(3);
    assert!(refused.stderr.contains("has to be confirmed"), "{refused}");
    let scene = scene.revision("c", "b", "op.execute('create table u ()')", "op.execute('drop table v')");
    let report = roundtrip(&scene, "--in-place --yes --steps 2", 4);
    assert_eq!(told(&report), ["c failed downgrade", "b skipped"]);
    let scene = scene.revision("c", "b", "op.execute('create table u ()')", "op.execute('drop table u')");
    scene.client().batch_execute("insert into t values (1)").unwrap();
    let report = roundtrip(&scene, "--in-place --yes --steps 2", 0);
    // The walk goes down first. What stood below each is in the ledger.
    assert_eq!(told(&report), ["c reversible", "b reversible"]);
    assert_eq!(result(&report, "c")["proof"], "recorded", "{report:#}");
    let mut client = scene.client();
    let held: String = client.query_one("select version_num from alembic_version", &[]).unwrap().get(0);
    let rows: i64 = client.query_one("select count(*) from t", &[]).unwrap().get(0);
    assert_eq!((held.as_str(), rows), ("c", 1));
    let baseline = report["baseline"].as_str().unwrap();
    let backup = baseline.split("backup: ").nth(1).unwrap().trim_end_matches(')');
    assert!(std::fs::metadata(backup).unwrap().len() > 0, "{baseline}");
}
