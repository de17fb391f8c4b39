//! What a clone cannot show, since it held the revision already: found on a database made from empty, and nobody accused
//! wrongly.

use super::ways::{notes, result, roundtrip, told};
use crate::support::scene::Scene;

const A: (&str, &str) = ("op.execute('create table t (id int)')", "op.execute('drop table t')");

/// `a`, then a `b` with these bodies; the database is at `b`, and nobody has written down how it came there.
fn at_b(upgrade: &str, downgrade: &str) -> Scene {
    at_head(Scene::new().revision("a", "", A.0, A.1).revision("b", "a", upgrade, downgrade))
}

/// `a`, then a `b0`, `b1` and so on with these upgrades, which are all undone by nothing.
fn undone_by_nothing(upgrades: &[&str]) -> Scene {
    let mut scene = Scene::new().revision("a", "", A.0, A.1);
    let mut below = "a".to_owned();
    for (number, upgrade) in upgrades.iter().enumerate() {
        let id = format!("b{number}");
        scene = scene.revision(&id, &below, upgrade, "pass");
        below = id;
    }
    at_head(scene)
}

fn at_head(scene: Scene) -> Scene {
    let _ = scene.run("db-migrate -q").code(0);
    forget(&scene);
    scene
}

/// As if `alembic upgrade` had been used.
pub fn forget(scene: &Scene) {
    scene.client().batch_execute("drop schema xtask cascade").unwrap();
}

#[test]
fn a_downgrade_that_leaves_what_the_upgrade_tolerates() {
    let scene = undone_by_nothing(&[
        "op.execute('create table if not exists u0 (n int)')",
        "sa.Table('u1', sa.MetaData(), sa.Column('n', sa.Integer)).create(op.get_bind(), checkfirst=True)",
        "if not sa.inspect(op.get_bind()).has_table('u2'):\n    op.create_table('u2', sa.Column('n', sa.Integer))",
        "op.create_table('u3', sa.Column('n', sa.Integer), if_not_exists=True)",
    ]);
    let report = roundtrip(&scene, "--all", 4);
    assert!(report["baseline"].as_str().unwrap().starts_with("clone of"), "{report}");
    assert_eq!((told(&report).len(), told(&report)[4].as_str()), (5, "a reversible"), "{report:#}");
    for number in 0..4 {
        let b = result(&report, &format!("b{number}"));
        assert_eq!((&b["verdict"], &b["step"]), (&"schema-differs".into(), &"downgrade".into()), "{b:#}");
        assert_eq!(b["schema_changes"].as_array().unwrap().len(), 1, "{b:#}");
        assert_eq!(b["schema_changes"][0]["object"], format!("table public.u{number}"), "{b:#}");
        assert!(b["notes"].to_string().contains("made from empty"), "{b:#}");
    }
}

#[test]
fn a_downgrade_that_leaves_a_part() {
    let upgrade = "op.execute('alter table t add n int')\nop.execute('create index if not exists i on t (id)')";
    let scene = at_b(upgrade, "op.execute('alter table t drop n')");
    scene.client().batch_execute("insert into t values (1, null)").unwrap();
    let report = roundtrip(&scene, "", 4);
    assert_eq!(told(&report), ["b schema-differs downgrade"], "{report:#}");
    assert_eq!(result(&report, "b")["schema_changes"].as_array().unwrap().len(), 1, "{report:#}");
}

#[test]
fn who_leaves_nothing_is_not_accused() {
    // There before; changes rows that are not there; does nothing at all.
    let upgrades = ["op.execute('create table if not exists t (id int)')", "op.execute('update t set id = 0')", "pass"];
    let report = roundtrip(&undone_by_nothing(&upgrades), "--all", 0);
    assert_eq!(told(&report), ["b2 reversible", "b1 reversible", "b0 reversible", "a reversible"], "{report:#}");
    for (id, upgrade) in ["b0", "b1", "b2"].into_iter().zip(upgrades) {
        assert_eq!(result(&report, id)["proof"], "from-empty", "{upgrade}");
        assert_eq!(notes(&report, id).contains("changed nothing"), upgrade != "pass", "{upgrade}");
    }
}

#[test]
fn what_the_clone_has_seen_stays_where_nothing_more_can_be_seen() {
    let scene = at_b("op.execute('create table if not exists u (n int)')", "pass");
    // It went up once.
    let scene = scene.revision("a", "", "raise ValueError('only once upon a time')", A.1);
    let report = roundtrip(&scene, "", 0);
    assert_eq!((told(&report), &report["unproven"]), (vec!["b unproven".to_owned()], &1.into()), "{report:#}");
    let b = result(&report, "b");
    assert!(b["reason"].as_str().unwrap().contains("a, below it, does not go up"), "{b:#}");
    assert!(
        b["proof"].is_null() && b["to_prove"].as_str().unwrap().contains("--from=b --baseline=below-b.dump"),
        "{b:#}"
    );
    let text = scene.run("db-roundtrip").code(0).says("Tested 1 revision: 1 unproven.");
    let _ = text.says("goes down and up again alike; what stood below it before is not known here");
}

/// What reviewers found by eye: a column comes back with another type, nullable, without default, index and comment.
#[test]
fn a_downgrade_that_restores_something_else_on_a_database_at_the_head() {
    let table = "op.execute(\"create table t (id int primary key, n int generated always as identity, x varchar(50) not null default 'a')\")\n\
                 op.execute('create index ix on t (x)')\nop.execute(\"comment on column t.x is 'c'\")";
    let others = [
        ("alter table t drop x", "alter table t add x text"),
        ("alter table t alter x drop not null", "select 1"),
        ("alter table t alter n drop identity", "alter table t alter n add generated by default as identity"),
        ("drop index ix", "create index ix on t (id)"),
        ("comment on column t.x is null", "comment on column t.x is 'd'"),
    ];
    const WAYS: [(&str, &str); 4] =
        [("", "recorded"), ("--all", "recorded"), ("", "from-empty"), ("--all", "from-empty")];
    for (number, (up, down)) in others.into_iter().enumerate() {
        let scene = Scene::new().revision("a", "", table, "op.execute('drop table t')");
        let scene = scene.revision("b", "a", &format!("op.execute('{up}')"), &format!("op.execute(\"{down}\")"));
        let _ = scene.run("db-migrate -q").code(0);
        // Each way for the first, then by turns.
        let ways = WAYS.into_iter().enumerate().filter(|(way, _)| number == 0 || number % 4 == *way);
        for (flags, proof) in ways.map(|(_, way)| way) {
            if proof == "from-empty" {
                scene.client().batch_execute("drop schema if exists xtask cascade").unwrap();
            }
            let report = roundtrip(&scene, flags, 4);
            assert_eq!(told(&report)[0], "b schema-differs downgrade", "{up}: {report:#}");
            assert_eq!(result(&report, "b")["proof"], proof, "{up}");
            assert!(!report["results"].to_string().contains("\"revision\":\"a\",\"verdict\":\"schema"), "{report:#}");
            let a = report["results"].as_array().unwrap().iter().find(|it| it["revision"] == "a");
            // It is walked through what `b` has left, so there may be nothing to hold it against.
            let is_fine = |a: &serde_json::Value| a["verdict"] == "reversible" || a["verdict"] == "unproven";
            assert!(a.is_none_or(is_fine), "the parent is accused: {up}: {report:#}");
        }
        assert_eq!(scene.client().query("select from t", &[]).unwrap().len(), 0);
    }
}

/// What each upgrade makes up anew is nobody's loss, also where the database held it before; what it writes over is.
#[test]
fn values_that_each_upgrade_makes_anew() {
    let differs = "b data-differs re-upgrade";
    let now = "insert into t values (2, clock_timestamp()::text)";
    let uuid = "alter table u add k uuid default gen_random_uuid()";
    // The row that the developer has added at the head; up, down, the verdict, and whether values count as made anew.
    let made_anew = [
        ("1, 'mine'", uuid.to_owned(), "alter table u drop k", "b reversible", true),
        ("1, null", now.to_owned(), "delete from t where id = 2", "b reversible", true),
        ("1, 'mine'", "update t set x = gen_random_uuid()::text".to_owned(), "select 1", differs, false),
        // The downgrade writes over what the developer has, and the upgrade brings values of its own.
        (
            "1, 'mine'",
            now.to_owned(),
            "update t set x = 'gone' where id <> 2; delete from t where id = 2",
            differs,
            false,
        ),
        (
            "1, 'mine'",
            format!("{uuid}; update t set x = gen_random_uuid()::text"),
            "alter table u drop k; update t set x = ''",
            differs,
            true,
        ),
    ];
    for (row, up, down, verdict, is_anew) in made_anew {
        let scene = Scene::new()
            .revision(
                "a",
                "",
                "op.execute('create table t (id int, x text); create table u (id int)')",
                "op.execute('drop table t, u')",
            )
            .revision("b", "a", &format!("op.execute(\"{up}\")"), &format!("op.execute(\"{down}\")"));
        let scene = at_head(scene);
        scene.client().batch_execute(&format!("insert into u values (1); insert into t values ({row})")).unwrap();
        let report = roundtrip(&scene, "", if verdict == differs { 4 } else { 0 });
        assert_eq!(told(&report), [verdict], "{up}; {down}: {report:#}");
        let note = notes(&report, "b");
        assert_eq!(note.contains("are new in each upgrade"), is_anew, "{up}; {down}: {report:#}");
        assert_eq!(note.contains("those that it held are gone"), up.contains(uuid), "{up}; {down}: {report:#}");
    }
}

/// Of several revisions above that leave something else, each is named for what it may have done.
#[test]
fn who_above_may_have_made_a_difference() {
    let scene = Scene::new()
        .revision("a", "", "op.execute('create table t (x int, y int)')", "op.execute('drop table t')")
        .revision(
            "b",
            "a",
            "op.execute('alter table t alter x type text')",
            "op.execute('alter table t alter x type bigint using 1')",
        )
        .revision(
            "c",
            "b",
            "op.execute('alter table t alter y type text')",
            "op.execute('alter table t alter y type bigint using 1')",
        );
    let report = roundtrip(&at_head(scene), "--all", 4);
    assert_eq!(
        told(&report),
        ["c schema-differs downgrade", "b schema-differs downgrade", "a reversible"],
        "{report:#}"
    );
    let note = notes(&report, "a");
    assert!(note.contains("c, above it") && note.contains("b, above it"), "{note}");
}

/// What db-migrate has seen is the reference where no other can be made.
#[test]
fn what_was_written_down_when_it_was_applied() {
    let scene = Scene::new();
    let sql = "create table t (id int); create table alembic_version (version_num varchar(32) primary key); \
               insert into alembic_version values ('a')";
    scene.client().batch_execute(sql).unwrap();
    let scene = scene.revision("a", "", "raise ValueError('once upon a time')", "pass");
    let index = "op.execute('create index i on t (id)')";
    let scene = scene.revision("b", "a", "op.execute('alter table t add n int')", "op.execute('alter table t drop n')");
    let scene = scene.revision("c", "b", index, "op.execute('drop index i')");
    let _ = scene.run("db-migrate -q").code(0);
    let report = roundtrip(&scene, "--steps 2", 0);
    assert_eq!(told(&report), ["c reversible", "b reversible"], "{report:#}");
    assert_eq!(
        (&result(&report, "b")["proof"], &result(&report, "c")["proof"]),
        (&"recorded".into(), &"recorded".into())
    );
    // The downgrade of `c` leaves something else: found, and `b` below it is not accused.
    let scene = scene.revision("c", "b", index, "op.execute('drop index i; create index j on t (id)')");
    let report = roundtrip(&scene, "--steps 2", 4);
    assert_eq!(told(&report), ["c schema-differs downgrade", "b reversible"], "{report:#}");
    assert_eq!(result(&report, "c")["schema_changes"][0]["object"], "index public.j", "{report:#}");
}

/// The first tables come from create_all() and `alembic stamp`: nothing can be made from empty, and nobody is accused.
#[test]
fn a_history_that_does_not_begin_with_an_empty_database() {
    let add = |name: &str| {
        (format!("op.execute('alter table t add {name} int')"), format!("op.execute('alter table t drop {name}')"))
    };
    let mut scene = Scene::new();
    for (id, parent) in [("a", ""), ("b", "a"), ("c", "b"), ("d", "c")] {
        let (up, down) = add(id);
        scene = scene.revision(id, parent, &up, &down);
    }
    let scene = scene.revision("c", "b", &add("c").0, "op.execute('alter table t drop none')");
    let fresh = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&fresh), ["d skipped", "c skipped", "b skipped", "a skipped"], "{fresh:#}");
    let reason = result(&fresh, "a")["reason"].as_str().unwrap();
    assert!(reason.contains("does not begin with an empty database"), "{reason}");
    let sql = "create table t (id int, a int, b int, c int, d int); \
               create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values ('d')";
    scene.client().batch_execute(sql).unwrap();
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["d unproven", "c failed downgrade", "b unproven", "a unproven"], "{report:#}");
    assert!(notes(&report, "a").contains("c cannot be taken down"), "{report:#}");
}

/// One by one is not how db-migrate applies several: what one leaves in the session makes another schema of the next.
#[test]
fn what_is_applied_together_comes_to_another_schema() {
    let scene = Scene::new()
        .revision("a", "", A.0, A.1)
        .revision("b", "a", "op.execute('create schema s; set search_path = s, public')", "op.execute('drop schema s')")
        .revision("c", "b", "op.execute('create table u (n int)')", "op.execute('drop table u')")
        .revision("d", "c", "op.execute('create table v (n int)')", "op.execute('drop table v')");
    let report = roundtrip(&scene, "--all", 4);
    let expected = ["d reversible", "c schema-differs upgrade", "b reversible", "a reversible"];
    assert_eq!(told(&report), expected, "{report:#}");
    let objects = result(&report, "c")["schema_changes"].to_string();
    assert!(objects.contains("table public.u") && objects.contains("table s.u"), "{objects}");
    assert!(notes(&report, "c").contains("another schema together with what is pending before it"), "{report:#}");
    // Where one of them only passes in the project's own transaction mode, it is found all the same.
    let scene = Scene::new()
        .revision("a", "", A.0, A.1)
        .revision("b", "a", "op.execute('create temp table stage as select 1')", "pass")
        .revision("c", "b", "op.execute('insert into t select * from stage')", "op.execute('delete from t')")
        .revision("d", "c", "op.execute('set search_path = pg_temp, public')", "pass")
        .revision("e", "d", "op.execute('create table u (n int)')", "op.execute('drop table if exists u')");
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report)[0], "e schema-differs upgrade", "{report:#}");
}
