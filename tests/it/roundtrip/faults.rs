//! Whose fault it is: what env.py does, or another script left in the process, is no verdict on a revision.

use super::ways::{notes, roundtrip, told};
use crate::support::scene::Scene;

const TABLE: (&str, &str) = ("op.execute('create table t (id int)')", "op.execute('drop table t')");

#[test]
fn what_env_py_does_is_no_verdict_on_a_revision() {
    let scene = Scene::new().revision("a", "", TABLE.0, TABLE.1).revision("b", "a", "pass", "pass");
    let env = std::fs::read_to_string(scene.path("migrations/env.py")).unwrap();
    let early = env.replacen(
        "        context.configure(connection",
        "        connection.exec_driver_sql('select 1')\n        context.configure(connection",
        1,
    );
    let ways = [
        (format!("import no_such_package\n{env}"), "env.py cannot import no_such_package"),
        ("pass\n".to_owned(), "env.py does not run the migrations"),
        (early, "env.py does not commit the migrations"),
        (format!("{env}\nraise RuntimeError('after the migrations')\n"), "env.py raised RuntimeError"),
        ("import os\nos._exit(1)\n".to_owned(), "The Python process is gone"),
    ];
    for (text, summary) in ways {
        scene.write("migrations/env.py", &text);
        // Where the walk begins makes a difference to what fails before the first of its steps and after it.
        let is_early_or_late = text.starts_with("import no_such") || text.contains("after the migrations");
        for flags in if is_early_or_late { &["", "--all"][..] } else { &["--all"] } {
            let output = scene.run(&format!("db-roundtrip --json -q {flags}"));
            let report = output.code(1).json();
            assert_eq!(
                (&report["error"]["kind"], &report["error"]["summary"]),
                (&"env-failed".into(), &summary.into())
            );
            assert!(report["error"]["revision"].is_null() && report["results"].is_null(), "{report:#}");
        }
    }
}

#[test]
fn what_env_py_swallows_is_found() {
    let scene = Scene::new().revision("a", "", TABLE.0, TABLE.1).revision("b", "a", TABLE.0, "pass");
    let env = std::fs::read_to_string(scene.path("migrations/env.py")).unwrap();
    let call = "offline() if context.is_offline_mode() else online()";
    assert!(env.contains(call));
    scene.write("migrations/env.py", &env.replace(call, "try:\n    online()\nexcept Exception:\n    pass"));
    let report = roundtrip(&scene, "--all", 4);
    assert_eq!(told(&report), ["b failed upgrade", "a reversible"], "{report:#}");
}

/// `b` leaves a session open that holds a lock, `c` would wait for it, `d` leaves a table behind.
#[test]
fn a_session_that_is_left_open_accuses_nobody() {
    let left = "from settings import Session\nSession().execute(sa.text('select * from t'))";
    let scene = Scene::new()
            .revision("a", "", TABLE.0, TABLE.1)
            .revision("b", "a", left, "pass")
            .revision("c", "b", "op.execute('alter table t add n int')", "op.execute('alter table t drop n')")
            .revision("d", "c", "op.execute('create table u ()')", "pass")
            .file(
                "settings.py",
                "from alembic import context\nfrom sqlalchemy import create_engine\n\
                 from sqlalchemy.orm import scoped_session, sessionmaker\n\
                 Session = scoped_session(sessionmaker(bind=create_engine(context.config.get_main_option('sqlalchemy.url'))))\n",
            );
    let report = roundtrip(&scene, "--all", 4);
    let verdicts = told(&report);
    assert!(verdicts.contains(&"c reversible".to_owned()), "{report:#}");
    assert!(verdicts.iter().any(|verdict| verdict.starts_with("d failed")), "{report:#}");
}

/// Somebody made the column by hand, so here the upgrade fails; on a database made by upgrades the revision shows what it is.
#[test]
fn what_the_own_database_has_beside_its_revisions_accuses_nobody() {
    let up = "op.execute('alter table t add n int')";
    let scene = Scene::new().revision("a", "", TABLE.0, TABLE.1);
    let _ = scene.run("db-migrate -q").code(0);
    scene.client().batch_execute("alter table t add n int").unwrap();
    let scene = scene.revision("b", "a", up, "op.execute('alter table t drop n')");
    let report = roundtrip(&scene, "", 0);
    assert_eq!(told(&report), ["b reversible"], "{report:#}");
    assert!(notes(&report, "b").contains("own database has already what it makes"), "{report:#}");
    // What is pending with it, below and above, is judged for itself.
    let below = scene.revision("b", "a2", up, "op.execute('alter table t drop n')").revision("a2", "a", "pass", "pass");
    let above = below.revision("c", "b", "op.execute('create table c ()')", "pass");
    let report = roundtrip(&above, "--steps 3", 4);
    assert_eq!(told(&report), ["c failed re-upgrade", "b reversible", "a2 reversible"], "{report:#}");
    let report = roundtrip(&above.revision("b", "a2", up, "pass"), "--steps 3", 4);
    assert!(told(&report).contains(&"b failed re-upgrade".to_owned()), "{report:#}");
}

/// What the database holds was made by the text of before, so the one of today is tested elsewhere.
#[test]
fn a_script_that_was_edited_since_it_ran_is_judged_as_it_is_now() {
    let add = |name: &str| format!("op.execute('alter table t add {name} int')\n");
    let drop = |name: &str| format!("op.execute('alter table t drop {name}')\n");
    let scene = Scene::new().revision("a", "", TABLE.0, TABLE.1).revision("b", "a", &add("n"), &drop("n"));
    let _ = scene.run("db-migrate -q").code(0);
    let scene = scene.revision("b", "a", &(add("n") + &add("m")), &(drop("n") + &drop("m")));
    // In place, the way down of today does not fit what another text made, and the way up makes something else.
    for flags in ["", "--in-place --yes"] {
        let report = roundtrip(&scene, flags, 0);
        assert_eq!(told(&report), ["b reversible"], "{report:#}");
        assert!(notes(&report, "b").contains("b was edited (upgrade()) since this database ran it"), "{report:#}");
    }
    let report = roundtrip(&scene.revision("b", "a", &(add("n") + &add("m")), &drop("n")), "", 4);
    assert_eq!(told(&report), ["b failed re-upgrade"], "{report:#}");
}

/// A role or an extension that the server lacks, and a history that makes all tables of today's models at once.
#[test]
fn what_lies_round_a_revision_is_no_verdict_on_it() {
    let scene = Scene::new()
        .revision("a", "", "op.execute('grant all on schema public to no_such_role')", "pass")
        .revision("b", "a", "pass", "pass");
    let report = roundtrip(&scene, "--all", 4);
    // db-migrate fails there just so, and it is told what is lacking.
    assert_eq!(told(&report), ["b skipped", "a failed upgrade"], "{report:#}");
    assert!(report.to_string().contains("The server lacks what the migration needs"), "{report:#}");
    // What no migration makes, or only an extension that somebody has put on the real server.
    for (lacking, statement) in [
        ("tablespace", "create table t (n int) tablespace fast"),
        ("access method", "create table t (n int) using columnar"),
        ("type", "create table t (v vector(3))"),
        ("function", "select uuid_generate_v4()"),
    ] {
        let lacks = Scene::new().revision("a", "", &format!("op.execute('{statement}')"), "pass");
        let report = roundtrip(&lacks, "", 4).to_string();
        assert!(report.contains("The server lacks what the migration needs"), "{lacking}: {report}");
    }
    // Tables of the models as they are today; those that a script spells out stay the same, and excuse nobody.
    let spelled_out = "m = sa.MetaData()\nsa.Table('t', m, sa.Column('id', sa.Integer))\nm.create_all(op.get_bind())";
    let adds = |first: &str| {
        let add = ("op.execute('alter table t add id int')", "op.execute('alter table t drop id')");
        Scene::new().revision("a", "", first, TABLE.1).revision("b", "a", add.0, add.1)
    };
    let report = roundtrip(&adds(spelled_out), "--all", 4);
    assert_eq!(told(&report), ["b failed upgrade", "a reversible"], "{report:#}");
    let scene = adds("from everything import m\nm.create_all(op.get_bind())");
    let models = "import sqlalchemy as sa\nm = sa.MetaData()\nsa.Table('t', m, sa.Column('id', sa.Integer))\n";
    scene.project.write("everything.py", models);
    let report = roundtrip(&scene, "--all", 0);
    assert_eq!(told(&report), ["b skipped", "a reversible"], "{report:#}");
    let script = scene.run("db-migrate --json -q").code(1).json();
    assert_eq!(script["error"]["kind"], "duplicate-object");
}
