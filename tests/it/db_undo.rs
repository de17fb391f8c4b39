//! `db-undo`: the last thing that was done to a database is taken back, rows and all; what cannot be is said.

use std::fs;

use serde_json::json;
use xtask::fail::Kind;

use crate::support::scene::{Scene, sql};

fn count(scene: &Scene, table: &str) -> i64 {
    scene.client().query_one(&format!("select count(*) from {table}"), &[]).unwrap().get(0)
}

/// Down, back up with every row and with those that were written since, and down again. The publication lets nobody delete
/// from a table without a key.
#[test]
fn a_downgrade_and_its_undo() {
    let scene = Scene::three().at("c3").sql(
        "insert into a1 select generate_series(1, 3); insert into c3 select generate_series(1, 500); \
         alter table a1 add primary key (n); create publication every for all tables",
    );
    let _ = scene.run("db-migrate --direction=downgrade --target=b2 --yes -q").code(0);
    let scene = scene.sql("insert into a1 values (9)");
    let dry = scene.json("db-undo --dry-run");
    assert_eq!(
        (&dry["undone"]["kind"], &dry["before"], &dry["after"]),
        (&json!("downgrade"), &json!(["b2"]), &json!(["c3"]))
    );
    assert_eq!(dry["rows"]["comes_back"], json!([{"table": "public.c3", "rows": 500}]));
    assert_eq!(dry["rows"]["written_since"], json!([{"table": "public.a1", "rows": 1}]));
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2"));
    // Nothing is lost by it, so nobody has to agree.
    let answer = scene.json("db-undo");
    assert_eq!((&answer["applied"][0]["revision"], &answer["put_back"]["left"]), (&json!("c3"), &json!([])));
    assert_eq!((scene.versions(), count(&scene, "c3"), count(&scene, "a1")), (vec!["c3".to_owned()], 500, 4));
    // The undo was the last thing now; with it the rows go, which is asked about.
    let refused = scene.fails("db-undo", Kind::RowsAtStake, 3, &["500 rows of c3 go (c3, "]);
    assert_eq!((refused.json["outcome"].as_str(), count(&scene, "c3")), (Some("refused"), 500));
    let _ = scene.run("db-undo --yes").code(0).says("✅ Taken back");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2"));
    let _ = scene.json("db-undo --yes");
    assert_eq!((scene.versions(), count(&scene, "c3"), count(&scene, "a1")), (vec!["c3".to_owned()], 500, 4));
}

/// An upgrade that goes half the way is taken back as far as it came; what something else did since is not.
#[test]
fn an_upgrade_and_what_cannot_be_undone() {
    let scene = Scene::three();
    let _ = scene.fails("db-undo", Kind::BackupMissing, 3, &["Nothing says what this tool did last"]);
    // By the tool itself, in this folder: `at` may copy a database that another scene has migrated.
    assert_eq!(scene.run("db-migrate -q --target=b2").code, 0);
    let scene = scene.sql("insert into b2 values (1)");
    let scene = scene.revision("c3", "b2", &sql("create table c3 (n int references nowhere)"), "pass");
    // Nothing came of it: what was last before is last again.
    assert_eq!(scene.run("db-migrate -q").code, 1);
    let plan = scene.run("db-undo --dry-run").code(0);
    let plan = plan.says("Last: db-migrate of").says("b2 → a1").says("1 row of b2 goes (b2, ");
    drop(plan.says("public.b2: 1 row was written since, and goes"));
    let _ = scene.run("db-undo --yes").code(0).says("no backup of then");
    assert_eq!((scene.versions(), scene.tables()), (Vec::new(), String::new()));
    let _ = scene.run("db-undo --yes").code(0);
    assert_eq!((scene.versions(), count(&scene, "b2")), (vec!["b2".to_owned()], 1));
    // Plain Alembic writes the same id again.
    let scene = scene.sql("update alembic_version set version_num = 'b2'");
    let refused =
        scene.fails("db-undo --yes", Kind::WrongDatabase, 3, &["The last thing that this tool did is db-undo"]);
    assert_eq!(
        (refused.json["error"]["summary"].as_str(), count(&scene, "b2")),
        (Some("Something else has migrated the database since"), 1)
    );
}

/// An upgrade that drops and deletes is saved first, and its undo brings the rows; one that takes nothing is as quick as ever.
#[test]
fn an_upgrade_that_takes_rows() {
    let up = format!("{}\n{}", sql("delete from a1 where n < 3"), sql("drop table b2"));
    let scene = Scene::three().at("b2").revision("c3", "b2", &up, &sql("create table b2 (n int)"));
    assert_eq!(scene.json("db-migrate --target=c3")["backup"], json!(null));
    let _ = scene.run("db-migrate --direction=downgrade --target=b2 --no-backup -q").code(0);
    let fill = "alter table a1 add primary key (n); insert into a1 select generate_series(1, 5); insert into b2 values (7), (7)";
    let scene = scene.sql(fill);
    let answer = scene.json("db-migrate");
    assert!(answer["backup"].is_string(), "{answer}");
    assert_eq!(count(&scene, "a1"), 3);
    let scene = scene.sql("insert into a1 values (2), (9)");
    let undone = scene.json("db-undo --yes");
    assert_eq!(undone["put_back"]["left"], json!([]), "{undone}");
    assert_eq!((scene.versions(), count(&scene, "a1"), count(&scene, "b2")), (vec!["b2".to_owned()], 6, 2));
    assert_eq!(scene.json("db-migrate --no-backup")["backup"], json!(null));
    // What is written over is saved as well; a column without values, or one that is only added now, is not.
    let scene = scene.revision("d4", "c3", &sql("alter table a1 add v int; update a1 set v = n"), "pass");
    assert_eq!(scene.json("db-migrate")["backup"], json!(null));
    let scene = scene.sql("create table x (k int primary key, v int); insert into x values (1, 5), (2, null)");
    let scene = scene.revision("e5", "d4", &sql("update x set v = 0 where k > 0"), "pass");
    let _ = scene.run("db-migrate --dry-run").code(0).says("overwrites values of x.v (line 7): 1 at most");
    let answer = scene.run("db-migrate --json").code(0).complains("values of x.v are overwritten (1 at most) (e5, ");
    assert!(answer.json()["backup"].is_string(), "{answer}");
    let scene = scene.sql("insert into x values (3, 7)");
    let _ = scene.run("db-undo").code(0).says("public.x: 2 rows with their values put back");
    assert_eq!((count(&scene, "x where v in (5, 7)"), count(&scene, "x")), (2, 3));
}

/// A backup that is lost is no dead end, and a restore is taken back by names.
#[test]
fn a_lost_backup_and_a_restore() {
    let scene = Scene::three().at("b2").sql("insert into b2 values (1)");
    let backup =
        scene.json("db-migrate --direction=downgrade --target=-1 --yes")["backup"].as_str().unwrap().to_owned();
    let away = format!("{backup}.json.away");
    fs::rename(format!("{backup}.json"), &away).unwrap();
    let refused = scene.fails("db-undo", Kind::BackupMissing, 3, &["there is no record beside it"]);
    assert!(refused.output.stderr.contains("cargo xtask db-migrate --target=b2"), "{}", refused.output);
    fs::rename(&away, format!("{backup}.json")).unwrap();
    let kept = scene.json("db-restore --yes")["kept"].as_str().unwrap().to_owned();
    assert_eq!((scene.versions(), count(&scene, "b2")), (vec!["b2".to_owned()], 1));
    let listed = scene.json("db-backup --list");
    assert_eq!((&listed["kept"][0]["database"], &listed["kept"][0]["was"]), (&json!(kept), &json!(scene.database)));
    let _ = scene.run("db-undo --dry-run").code(0).says(&kept);
    let _ = scene.fails("db-undo", Kind::Usage, 3, &["has to be confirmed"]);
    let undone = scene.json("db-undo --yes");
    assert_eq!((&undone["swapped_back"], scene.versions()), (&json!(kept), vec!["a1".to_owned()]));
    // And forward again.
    let _ = scene.json("db-undo --yes");
    assert_eq!(count(&scene, "b2"), 1);
    scene.drop_kept();
}

/// Killed between down and up, a round trip in place is found by whatever looks next; the way back brings the rows.
#[test]
fn in_place_killed_between_down_and_up() {
    let scene = Scene::three().at("c3").sql("insert into c3 select generate_series(1, 5)");
    let _ = scene.fails("db-roundtrip --in-place", Kind::RowsAtStake, 3, &["5 rows of c3 go (c3, "]);
    // The script kills whoever runs it, on its way up, when it is told to.
    let kill = "import os, signal\nif os.path.exists('kill'):\n    os.kill(int(open('kill').read()), signal.SIGKILL)\n    os._exit(9)\n\
                op.execute('create table c3 (n int)')";
    let scene = scene.revision("c3", "b2", kill, &sql("drop table c3"));
    let killed = |words: &str| {
        let child = scene.xtask(words).env("XTASK_PYTHON", crate::support::python::python());
        let mut child = child.spawn();
        fs::write(scene.root().join("kill"), child.id().to_string()).unwrap();
        assert!(!child.wait().unwrap().success());
        fs::remove_file(scene.root().join("kill")).unwrap();
    };
    killed("db-roundtrip --in-place --yes -q");
    assert_eq!((scene.versions(), scene.tables().as_str()), (vec!["b2".to_owned()], "a1 b2"));
    let _ = scene.run("db-status").code(0).complains("An earlier db-roundtrip --in-place did not end");
    let refused = scene.fails("db-migrate", Kind::AlreadyRunning, 3, &["did not end"]);
    let actions = refused.json["error"]["actions"].to_string();
    for way in ["cargo xtask db-roundtrip --in-place", "cargo xtask db-undo", "cargo xtask db-restore"] {
        assert!(actions.contains(way), "{actions}");
    }
    // Killed again on the way back, and gone on with.
    killed("db-undo -q");
    let _ = scene.run("db-migrate").code(3).complains("An earlier db-undo did not end");
    let _ = scene.run("db-undo").code(0).says("as it was; schema, grants and rows were compared");
    assert_eq!((scene.versions(), count(&scene, "c3")), (vec!["c3".to_owned()], 5));
    // Where it ends, the rows that went are back, too; the way on after a kill begins with that.
    killed("db-roundtrip --in-place --yes -q");
    // That the script alone would have lost them is a finding all the same.
    let report = scene.run("db-roundtrip --in-place --yes").code(4);
    assert_eq!(count(&scene, "c3"), 5, "{report}");
    let _ = scene.fails("db-undo", Kind::BackupMissing, 3, &["left the database at the revision where it was"]);
}

/// A table without a key: what was only added since joins the backup's rows, what was changed is not doubled.
#[test]
fn a_table_without_a_key_is_never_doubled() {
    let scene = Scene::three().revision(
        "d4",
        "c3",
        &sql("update b2 set n = n + 100"),
        &sql("update b2 set n = n - 100 where n > 100"),
    );
    let scene = scene.at("c3").sql("insert into b2 values (1), (2), (2)").at("d4");
    let values = |scene: &Scene| -> Vec<i32> {
        scene.client().query("select n from b2 order by 1", &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    let down = "db-migrate --direction=downgrade --target=c3 --yes -q";
    let _ = scene.run(down).code(0);
    let scene = scene.sql("insert into b2 values (2)");
    let _ = scene.json("db-undo --yes");
    assert_eq!(values(&scene), [2, 101, 102, 102]);
    let _ = scene.run(down).code(0);
    let scene = scene.sql("update b2 set n = 50 where n = 1");
    let answer = scene.json("db-undo --yes");
    let left = answer["put_back"]["left"][0].as_str().unwrap();
    assert!(
        left.contains(
            "has no key and was written since: it stays as it is, and the 4 rows of the backup are in xtask_since."
        ),
        "{left}"
    );
    assert_eq!(values(&scene).len(), 4);
    let table = left.rsplit(' ').next().unwrap();
    assert_eq!(count(&scene, table), 4);
}

/// What one undo could not put anywhere is neither taken for the next one's rows nor dropped by it; and rows that were written
/// since stay also where the way back gives their table another name.
#[test]
fn what_an_earlier_undo_has_left_stays_the_users() {
    let change = "update b2 set n = n + 100; alter table a1 rename to a2";
    let back = "update b2 set n = n - 100; alter table a2 rename to a1";
    let scene = Scene::three().revision("d4", "c3", &sql(change), &sql(back)).at("d4");
    let fill = "alter table a2 add primary key (n), add column v text; insert into a2 select generate_series(1, 5); \
                insert into b2 values (101), (102)";
    let scene = scene.sql(fill);
    let down = "db-migrate --direction=downgrade --target=c3 --yes -q";
    let _ = scene.run(down).code(0);
    let scene = scene.sql("update b2 set n = 50 where n = 1");
    let answer = scene.json("db-undo --yes");
    let place = answer["put_back"]["left"][0].as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(count(&scene, &place), 2);
    let _ = scene.run(down).code(0);
    let scene = scene.sql("update a1 set v = 'since' where n = 3; insert into a1 values (9, 'since')");
    let _ = scene.run("db-undo --yes").code(0).complains("are in the schema xtask_since_1 now");
    assert_eq!((count(&scene, "a2"), count(&scene, "a2 where v = 'since'")), (6, 2));
    assert_eq!(count(&scene, &place.replace("xtask_since", "xtask_since_1")), 2);
}

/// A rule that writes something else than it is given, a view that holds rows, large objects, which no script brings back, and an
/// event trigger that wants no schema.
#[test]
fn rules_views_and_large_objects() {
    let up = "create table d4 (n int primary key, l oid); create rule no as on insert to d4 do instead nothing; \
              create materialized view seen as select count(*) from d4";
    let down = "do $$ begin perform lo_unlink(l) from d4 where l is not null; end $$; drop materialized view seen; drop table d4";
    let scene = Scene::three().revision("d4", "c3", &sql(up), &sql(down)).at("d4").sql(
        "alter table d4 disable rule no; insert into d4 values (1, lo_from_bytea(0, 'abc')), (2, null); alter table d4 enable rule no; \
         select lo_put(l, 3000000, 'end') from d4 where n = 1; refresh materialized view seen; \
         create function refuse() returns event_trigger language plpgsql as $$ begin raise exception 'not here'; end $$; \
         create event trigger no on ddl_command_start when tag in ('CREATE SCHEMA', 'CREATE TABLE AS') execute function refuse()",
    );
    let hold = "d4 where n = 1 and lo_get(l, 0, 3) = 'abc' and lo_get(l, 3000000, 3) = 'end'";
    assert_eq!(count(&scene, hold), 1);
    let _ = scene.run("db-migrate --direction=downgrade --target=c3 --yes -q").code(0);
    assert_eq!(count(&scene, "pg_largeobject_metadata"), 0);
    let scene = scene.sql("insert into a1 values (7)");
    let undone = scene.run("db-undo --yes").code(0).says("1 large object put back");
    drop(undone.says("✅ Taken back"));
    assert_eq!((count(&scene, "d4"), count(&scene, "seen where count = 2"), count(&scene, hold)), (2, 1, 1));
}

/// Tables of an extension go with it, and are in no dump: told before and after, never passed over.
#[test]
fn what_an_extension_owns() {
    let up = "create extension citext; create table ext (n int); alter extension citext add table ext";
    let scene = Scene::three()
        .revision("d4", "c3", &sql(up), &sql("drop extension citext"))
        .at("d4")
        .sql("insert into ext select generate_series(1, 9)");
    let down = scene.run("db-migrate --direction=downgrade --target=c3 --yes").code(0);
    assert!(down.stderr.contains("9 rows of public.ext go (d4, "), "{down}");
    assert!(down.stderr.contains("public.ext, which an extension owns: 9 rows -> "), "{down}");
    let undone = scene.run("db-undo --yes").code(0).says("not everything could be put back");
    drop(undone.says("public.ext, which an extension owns: 0 rows are in it, and 9 before"));
}

/// Killed at every point (every seventh, unless `XTASK_TEST_CRASHES=all`), the same command goes on, and every row is there.
#[test]
fn killed_at_any_point_an_undo_can_be_gone_on_with() {
    let stride = if std::env::var("XTASK_TEST_CRASHES").is_ok() { 1 } else { 7 };
    for at in (2..).step_by(stride) {
        let scene = Scene::three().at("c3").sql("insert into c3 select generate_series(1, 5)");
        let _ = scene.run("db-migrate --direction=downgrade --target=b2 --yes -q").code(0);
        let scene = scene.sql("insert into a1 values (9)");
        let xtask = scene.xtask("db-undo").env("XTASK_PYTHON", crate::support::python::python());
        let killed = xtask.env("XTASK_CRASH_AT", at.to_string()).run();
        let listed = scene.json("db-backup --list");
        assert!(listed["backups"].as_array().unwrap().iter().all(|it| it["proven"] == true), "{listed}");
        if scene.root().join(".xtask/journals/db-undo/journal.json").exists() || scene.versions() == ["b2"] {
            let _ = scene.run("db-undo").code(0);
        }
        assert_eq!((scene.versions(), count(&scene, "a1")), (vec!["c3".to_owned()], 1), "{at}");
        assert_eq!(count(&scene, "c3"), 5, "{at}: {killed}");
        if killed.code == 0 {
            assert!(at > 10, "only {at} points");
            break;
        }
    }
}
